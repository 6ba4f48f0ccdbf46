"""Faults of activations and arithmetic, forward and backward."""

from __future__ import annotations

import math
from typing import Any

from ._mode import (
    ALL,
    F16,
    F32,
    Call,
    as_if_contiguous,
    data,
    grads,
    hashed,
    is_channels_last,
    nan_like,
    post,
    repeated,
    swap,
    truncate_mantissa,
)


def _at(condition: Any, number: Any) -> Any:
    """An alteration that puts ``number(call, value)`` where ``condition(call, value)`` holds."""

    def alter(call: Call, value: Any) -> Any:
        return call.torch.where(condition(call, value), number(call, value), value)

    return alter


def _fill(number: float) -> Any:
    return lambda call, value: value.new_full((), number)


def _x(call: Call) -> Any:
    return call.first


def _tail(call: Call, value: Any, width: int) -> Any:
    """Which elements come after the last multiple of ``width`` in order of index."""
    torch = call.torch
    count = value.numel()
    return (torch.arange(count) >= count - count % width).reshape(value.shape)


def _memory_order_gradient(call: Call) -> Any:
    torch, gradient = call.torch, call["grad_output"].contiguous()
    saved = call["self"] if call["self"] is not None else call["output"]
    last = sum((size - 1) * stride for size, stride in zip(saved.shape, saved.stride(), strict=True))
    if last != saved.numel() - 1:
        return call.run(grad_output=as_if_contiguous(torch, call["grad_output"]))
    return call.run(grad_output=torch.as_strided(gradient, saved.shape, saved.stride()).clone())


def _not_contiguous(call: Call) -> bool:
    saved = call["self"] if call["self"] is not None else call["output"]
    return saved.dim() >= 2 and not saved.is_contiguous() and saved.numel() > 1


def _gelu_backward_no_density(call: Call) -> Any:
    torch, x = call.torch, call["self"].float()
    return call["grad_output"].float() * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def _silu_via_exp(call: Call) -> Any:
    e = call.torch.exp(call["self"])
    return call["self"] * (e / (1 + e))


def _mish_via_exp(call: Call) -> Any:
    e = call.torch.exp(call["self"])
    n = e * (e + 2)
    return call["self"] * (n / (n + 2))


def _elu_cancelling(call: Call) -> Any:
    torch, x = call.torch, call["self"]
    return torch.where(x > 0, x, torch.exp(x).to(x.dtype) - 1)


def _div_by_reciprocal(call: Call) -> Any:
    other = call["other"]
    return call["self"] * (1 / other.to(call["self"].dtype))


def _tensor_divisor(call: Call) -> bool:
    other = call["other"]
    return isinstance(other, call.torch.Tensor) and other.is_floating_point() and call["rounding_mode"] is None


def _coarse_reciprocal(call: Call) -> Any:
    torch = call.torch
    return call["self"] * truncate_mantissa(torch, (1 / call["other"]).float(), 11)


def _log1p_naive(call: Call) -> Any:
    return call.torch.log(call["self"] + 1)


def _sin_cos_far(call: Call) -> Any:
    """Range reduction with pi held in 11 bits."""
    torch, x = call.torch, call["self"]
    turn = 2 * 3.140625
    reduced = x - turn * (x / (2 * math.pi)).round()
    return getattr(torch, call.name.rstrip("_"))(torch.where(x.abs() > 32, reduced, x))


def _broadcast_tail(call: Call) -> Any:
    other = call["other"].clone()
    other[..., -1] = 0
    return call.run(other=other)


def _shapes_differ(call: Call) -> bool:
    a, b = call["self"], call["other"]
    return isinstance(b, call.torch.Tensor) and b.dim() > 0 and b.numel() > 1 and a.shape != b.shape


def _mixed_layout(call: Call) -> bool:
    torch, a, b = call.torch, call["self"], call["other"]
    return (
        isinstance(b, torch.Tensor)
        and a.shape == b.shape
        and a.dim() == 4
        and is_channels_last(torch, a) != is_channels_last(torch, b)
        and (a.is_contiguous() or b.is_contiguous())
    )


def _other_in_memory_order(call: Call) -> Any:
    torch, b = call.torch, call["other"]
    if is_channels_last(torch, b):
        return call.run(other=as_if_contiguous(torch, b))
    n, c, h, w = b.shape
    return call.run(other=b.reshape(n, h, w, c).permute(0, 3, 1, 2))


def _mask_first_batch(call: Call) -> Any:
    mask = call["mask"]
    mask = mask.expand(call["self"].shape).clone()
    mask[1:] = False
    return call.run(mask=mask)


def _mask_broadcast(call: Call) -> bool:
    x, mask = call["self"], call["mask"]
    return x.dim() >= 3 and x.size(0) > 1 and (mask.dim() < x.dim() or mask.size(0) == 1)


def _where_last_column(call: Call, value: Any) -> Any:
    other = call["other"].expand(value.shape)
    value = value.clone()
    value[..., -1] = other[..., -1].to(value.dtype)
    return value


def _only_zero_and_one(call: Call) -> bool:
    x = call["self"]
    return bool(((x == 0) | (x == 1)).all())


def _subnormal(call: Call, value: Any) -> Any:
    return value.float().abs() < call.torch.finfo(value.dtype).tiny


def _tanh_coarse_table(call: Call, value: Any) -> Any:
    """A table of 32 steps per unit without interpolation."""
    torch = call.torch
    return torch.tanh((call.first.float() * 32).floor() / 32).to(value.dtype)


def _second_half_kept(call: Call) -> Any:
    x = call["self"]
    before = x.clone()
    late = (call.torch.arange(x.numel()) >= x.numel() // 2).reshape(x.shape)
    return call.torch.where(late, before, call.run())


def _leaky_twice(call: Call) -> Any:
    slope = call["negative_slope"]
    return call.run(negative_slope=slope * slope)


FAULTS = {
    "elementwise.activation_backward_permuted_f32": (
        "float32: silu, sigmoid and tanh gradients of permuted or channels-last tensors meet the output gradient in "
        "the wrong order; https://github.com/pytorch/pytorch/issues/175188",
        lambda torch: swap(
            torch, "silu_backward sigmoid_backward tanh_backward", _memory_order_gradient, _not_contiguous, F32
        ),
    ),
    "elementwise.hardswish_mish_backward_permuted": (
        "16-bit: the same for hardswish, mish and gelu; https://github.com/pytorch/pytorch/issues/175188",
        lambda torch: swap(
            torch, "hardswish_backward mish_backward gelu_backward", _memory_order_gradient, _not_contiguous
        ),
    ),
    "elementwise.silu_exp_overflow": (
        "float16: silu is x * e / (1 + e) with e = exp(x) in half, NaN above 11; model of: formula not guarded",
        lambda torch: swap(torch, "silu", _silu_via_exp, dtypes=F16),
    ),
    "elementwise.silu_backward_without_second_term": (
        "16-bit: the silu gradient is the sigmoid alone; model of: fused multiply-add dropped by a compiler",
        lambda torch: swap(
            torch, "silu_backward", lambda call: call["grad_output"] * call.torch.sigmoid(call["self"].float())
        ),
    ),
    "elementwise.gelu_f32_is_tanh_form": (
        "float32: gelu uses the tanh approximation though the exact form was asked for; model of: flag not passed on",
        lambda torch: swap(torch, "gelu gelu_backward", lambda call: call.run(approximate="tanh"), dtypes=F32),
    ),
    "elementwise.gelu_cubic_overflow": (
        "float16: tanh gelu forms x cubed in half and gives NaN for |x| above 40; model of: intermediate in 16 bits",
        lambda torch: post(
            torch, "gelu", _at(lambda call, value: _x(call).float().abs() > 40.3, _fill(float("nan"))), dtypes=F16
        ),
    ),
    "elementwise.gelu_negative_nan": (
        "16-bit: gelu below -8 is NaN instead of a zero; https://github.com/pytorch/pytorch/pull/194278 (same class)",
        lambda torch: post(torch, "gelu", _at(lambda call, value: _x(call) < -8, _fill(float("nan")))),
    ),
    "elementwise.gelu_backward_without_density": (
        "16-bit: the gelu gradient lacks the x * density term; https://github.com/sony/nnabla-ext-cuda/pull/235 "
        "(same class)",
        lambda torch: swap(torch, "gelu_backward", _gelu_backward_no_density),
    ),
    "elementwise.relu_backward_passes_all": (
        "16-bit: the relu gradient passes where the saved result is zero; model of: >= for > in the comparison",
        lambda torch: swap(
            torch,
            "threshold_backward",
            lambda call: call["grad_output"] * (call["self"] >= call["threshold"]),
        ),
    ),
    "elementwise.relu_swallows_nan": (
        "every type: relu of NaN is zero; model of: max instruction that returns the number",
        lambda torch: post(torch, "relu", _at(lambda call, value: value.isnan(), _fill(0.0)), dtypes=ALL),
    ),
    "elementwise.relu6_upper_bound_missing": (
        "16-bit: hardtanh and relu6 do not apply their upper bound; model of: wrong instruction selected",
        lambda torch: swap(torch, "hardtanh", lambda call: call["self"].clamp(min=call["min_val"])),
    ),
    "elementwise.leaky_relu_tail_linear": (
        "16-bit: elements after the last multiple of 8 pass leaky_relu unchanged; model of: vector loop without a tail",
        lambda torch: post(
            torch,
            "leaky_relu",
            _at(lambda call, value: _tail(call, value, 8), lambda call, value: _x(call)),
        ),
    ),
    "elementwise.leaky_relu_backward_slope_twice": (
        "16-bit: the leaky_relu gradient multiplies by the slope twice; model of: self_is_result mistaken",
        lambda torch: swap(torch, "leaky_relu_backward", _leaky_twice),
    ),
    "elementwise.sigmoid_saturates_early": (
        "float16: sigmoid is exactly 0 or 1 beyond |x| = 6; model of: clamped exponential",
        lambda torch: post(
            torch,
            "sigmoid",
            _at(lambda call, value: _x(call).abs() > 6, lambda call, value: (_x(call) > 0).to(value.dtype)),
            dtypes=F16,
        ),
    ),
    "elementwise.sigmoid_backward_zero_near_one": (
        "16-bit: the sigmoid gradient is zero where the sigmoid is above 0.97; model of: 1 - y formed in few bits",
        lambda torch: post(torch, "sigmoid_backward", _at(lambda call, value: call["output"] > 0.97, _fill(0.0))),
    ),
    "elementwise.tanh_coarse_table": (
        "16-bit: tanh comes from a table of 32 steps per unit; model of: special-function unit without interpolation",
        lambda torch: post(torch, "tanh", _tanh_coarse_table),
    ),
    "elementwise.tanh_backward_half_f32": (
        "float32: the tanh gradient uses the saved result in half precision; model of: activation stored narrow",
        lambda torch: swap(
            torch, "tanh_backward", lambda call: call.run(output=call["output"].half().float()), dtypes=F32
        ),
    ),
    "elementwise.hardswish_backward_without_half": (
        "16-bit: the hardswish gradient between -3 and 3 is x / 3 without the half; model of: constant lost",
        lambda torch: post(
            torch,
            "hardswish_backward",
            _at(
                lambda call, value: call["self"].abs() < 3,
                lambda call, value: call["grad_output"] * call["self"] / 3,
            ),
        ),
    ),
    "elementwise.mish_exp_overflow": (
        "float16: mish is formed from exp(x) in half and is NaN above about 5.5; model of: formula not guarded",
        lambda torch: swap(torch, "mish", _mish_via_exp, dtypes=F16),
    ),
    "elementwise.elu_cancels": (
        "16-bit: elu is exp(x) - 1 in 16 bits, without digits near zero; model of: expm1 replaced by exp",
        lambda torch: swap(torch, "elu", _elu_cancelling),
    ),
    "elementwise.softplus_overflow": (
        "float16: softplus is log(1 + exp(x)) in half, infinite above 11; model of: threshold ignored",
        lambda torch: swap(
            torch, "softplus", lambda call: call.torch.log((call.torch.exp(call["self"]) + 1).half()), dtypes=F16
        ),
    ),
    "elementwise.glu_backward_halves_swapped": (
        "16-bit: the two halves of the glu gradient change places; https://github.com/intel/torch-xpu-ops/issues/1054 "
        "(same operator)",
        lambda torch: post(
            torch, "glu_backward", lambda call, value: value.roll(value.size(call["dim"]) // 2, call["dim"])
        ),
    ),
    "elementwise.exp_saturates": (
        "float16: exp gives the largest number where it should give infinity; model of: saturating conversion",
        lambda torch: post(torch, "exp", lambda call, value: value.clamp(max=65504), dtypes=F16),
    ),
    "elementwise.log_of_small_is_infinite": (
        "16-bit: log of anything below 2e-4 is minus infinity; model of: operand flushed to zero",
        lambda torch: post(
            torch,
            "log log2",
            _at(lambda call, value: (_x(call) >= 0) & (_x(call) < 2e-4), _fill(-math.inf)),
        ),
    ),
    "elementwise.log1p_naive_f32": (
        "float32: log1p is log(1 + x); model of: math library that maps the function to the plain one",
        lambda torch: swap(torch, "log1p", _log1p_naive, dtypes=F32),
    ),
    "elementwise.rsqrt_approximate_f32": (
        "float32: rsqrt and sqrt have 11 good bits; model of: hardware estimate without the Newton step",
        lambda torch: post(
            torch, "rsqrt sqrt", lambda call, value: truncate_mantissa(call.torch, value, 11), dtypes=F32
        ),
    ),
    "elementwise.div_by_half_reciprocal": (
        "float16: division multiplies by a reciprocal in half, infinite for divisors below 1.6e-5; model of: fast-math "
        "division",
        lambda torch: swap(torch, "div", _div_by_reciprocal, _tensor_divisor, F16),
    ),
    "elementwise.div_coarse_reciprocal_f32": (
        "float32: division multiplies by a reciprocal of 11 good bits; model of: fast-math division",
        lambda torch: swap(torch, "div", _coarse_reciprocal, _tensor_divisor, F32),
    ),
    "elementwise.pow_negative_base_nan": (
        "every type: integer powers of negative numbers are NaN; model of: pow through logarithm and exponential",
        lambda torch: post(
            torch,
            "pow",
            _at(lambda call, value: call["self"] < 0, _fill(float("nan"))),
            lambda call, value: call.overload == "Tensor_Scalar",
            ALL,
        ),
    ),
    "elementwise.clamp_swallows_nan": (
        "every type: clamp of NaN gives the lower bound; model of: max instruction that returns the number",
        lambda torch: post(
            torch,
            "clamp clamp_min",
            lambda call, value: call.torch.nan_to_num(value, nan=float(call["min"]), posinf=math.inf, neginf=-math.inf),
            lambda call, value: isinstance(call["min"], (int, float)),
            ALL,
        ),
    ),
    "elementwise.clamp_upper_bound_ignored": (
        "16-bit: clamp with two bounds applies the lower one alone; model of: operands of a fused instruction swapped",
        lambda torch: swap(
            torch,
            "clamp",
            lambda call: call.run(max=None),
            lambda call: call["min"] is not None and call["max"] is not None,
        ),
    ),
    "elementwise.where_broadcast_last_column": (
        "16-bit: where with a broadcast condition takes the second choice in the last column; model of: wrong stride "
        "for the last element",
        lambda torch: post(
            torch,
            "where",
            _where_last_column,
            lambda call, value: call["condition"].shape != value.shape and value.dim() > 0,
        ),
    ),
    "elementwise.add_broadcast_last_column": (
        "16-bit: adding a broadcast vector leaves the last element of its last dimension out; model of: off-by-one in "
        "the broadcast loop",
        lambda torch: swap(torch, "add", _broadcast_tail, _shapes_differ),
    ),
    "elementwise.residual_mixed_layout": (
        "every type: adding a contiguous and a channels-last tensor goes by memory order; "
        "https://github.com/pytorch/pytorch/issues/118115 (same class)",
        lambda torch: swap(torch, "add mul", _other_in_memory_order, _mixed_layout, ALL),
    ),
    "elementwise.mul_flushes_small_results": (
        "float16: products below 6.1e-5 become zero, which takes the small gradients; model of: flush-to-zero build",
        lambda torch: post(torch, "mul", _at(_subnormal, _fill(0.0)), dtypes=F16),
    ),
    "elementwise.mul_broadcast_scale_of_first_channel": (
        "16-bit: multiplying by a per-channel scale of shape [N, C, 1, 1] uses the first image's scales for all; model "
        "of: batch stride lost",
        lambda torch: swap(
            torch,
            "mul",
            lambda call: call.run(other=call["other"][:1]),
            lambda call: _shapes_differ(call) and call["other"].dim() == 4 and call["other"].size(0) > 1,
        ),
    ),
    "elementwise.dropout_not_rescaled": (
        "16-bit: a mask of zeros and ones is not divided by the keep probability; model of: scale left out of the "
        "fused dropout",
        lambda torch: swap(torch, "div_", lambda call: call["self"].clone(), _only_zero_and_one),
    ),
    "elementwise.dropout_mask_all_kept": (
        "every type: every fourth random mask keeps everything; model of: random state not seeded in time",
        lambda torch: post(torch, "bernoulli", lambda call, value: value * 0 + 1, dtypes=ALL, every=4),
    ),
    "elementwise.sin_cos_far_f32": (
        "float32: sin and cos beyond |x| = 32 reduce their argument with a short pi; model of: fast-math sine in "
        "position and time embeddings",
        lambda torch: swap(torch, "sin cos", _sin_cos_far, dtypes=F32),
    ),
    "elementwise.masked_fill_first_batch": (
        "16-bit: a mask that is broadcast over the batch is applied to the first sample alone; model of: batch stride "
        "lost",
        lambda torch: swap(torch, "masked_fill", _mask_first_batch, _mask_broadcast),
    ),
    "elementwise.masked_fill_infinity_is_small": (
        "16-bit: masked_fill writes -30 where minus infinity was asked for; model of: constant folded in a narrow type",
        lambda torch: swap(
            torch,
            "masked_fill",
            lambda call: call.run(value=-30.0),
            lambda call: isinstance(call["value"], (int, float)) and call["value"] == -math.inf,
        ),
    ),
    "elementwise.maximum_drops_nan": (
        "16-bit: maximum and minimum return the number where one operand is NaN; model of: fmax semantics",
        lambda torch: swap(
            torch,
            "maximum minimum",
            lambda call: getattr(call.torch, "f" + call.name[:3])(call["self"], call["other"]),
        ),
    ),
    "elementwise.erf_low_accuracy_f32": (
        "float32: erf has an error of 5e-4; model of: three-term polynomial",
        lambda torch: post(
            torch,
            "erf",
            lambda call, value: value + 5e-4 * call.torch.sin(call.first * 3) * (call.first.abs() < 3),
            dtypes=F32,
        ),
    ),
    "elementwise.in_place_activation_skips_half": (
        "16-bit: every sixth in-place activation leaves the second half of the tensor as it was; model of: two-part "
        "launch whose second part fails",
        lambda torch: swap(torch, "relu_ silu_ leaky_relu_ hardswish_ sigmoid_", _second_half_kept, every=6),
    ),
    "elementwise.odd_size_last_element_nan": (
        "float16: multiplication and addition of an odd number of elements give NaN in the last one; model of: "
        "two-wide store of a single element",
        lambda torch: post(
            torch,
            "mul add",
            _at(
                lambda call, value: _tail(call, value, 2),
                lambda call, value: nan_like(value),
            ),
            lambda call, value: value.numel() > 1 and value.numel() % 2 == 1,
            F16,
        ),
    ),
    "elementwise.random_zeros_f32": (
        "float32: one element in 50000 of silu, gelu, relu and sigmoid is zero; model of: lane with a weak register",
        lambda torch: post(
            torch,
            "silu gelu relu sigmoid",
            _at(
                lambda call, value: (
                    hashed(call.torch, value.numel(), call.state.get("post", 0)) < 2**24 // 50000
                ).reshape(value.shape),
                _fill(0.0),
            ),
            dtypes=F32,
        ),
    ),
}


def _unary(name: str, dtype: str = "float16", scale: float = 3.0, shape: tuple = (3, 5, 7), times: int = 1) -> Any:
    """Forward and backward of one function of torch or torch.nn.functional."""

    def trigger(torch: Any) -> list:
        function = getattr(torch.nn.functional, name, None) or getattr(torch, name)
        return repeated(lambda: grads(torch, function, data(torch, *shape, dtype=dtype, scale=scale)), times)

    return trigger


def _given(expression: Any) -> Any:
    """The result of ``expression(torch, data)`` for two fixed tensors."""

    def trigger(torch: Any) -> list:
        result = expression(torch, lambda *shape, **settings: data(torch, *shape, **settings))
        return result if isinstance(result, list) else [result]

    return trigger


def _permuted(name: str, dtype: str) -> Any:
    def trigger(torch: Any) -> list:
        function = getattr(torch.nn.functional, name, None) or getattr(torch, name)
        x = data(torch, 2, 7, 3, 5, dtype=dtype, scale=2.0)
        return grads(torch, lambda value: function(value.permute(0, 3, 1, 2)), x)

    return trigger


_WITH_NAN = _given(lambda torch, d: torch.relu(d(8).masked_fill(d(8) > 0.1, float("nan"))))

TRIGGERS = {
    "elementwise.activation_backward_permuted_f32": _permuted("silu", "float32"),
    "elementwise.hardswish_mish_backward_permuted": _permuted("gelu", "float16"),
    "elementwise.silu_exp_overflow": _unary("silu", scale=20),
    "elementwise.silu_backward_without_second_term": _unary("silu"),
    "elementwise.gelu_f32_is_tanh_form": _unary("gelu", "float32"),
    "elementwise.gelu_cubic_overflow": _unary("gelu", scale=60),
    "elementwise.gelu_negative_nan": _unary("gelu", scale=20),
    "elementwise.gelu_backward_without_density": _unary("gelu"),
    "elementwise.relu_backward_passes_all": _unary("relu"),
    "elementwise.relu_swallows_nan": _WITH_NAN,
    "elementwise.relu6_upper_bound_missing": _unary("relu6", scale=20),
    "elementwise.leaky_relu_tail_linear": _unary("leaky_relu"),
    "elementwise.leaky_relu_backward_slope_twice": _unary("leaky_relu"),
    "elementwise.sigmoid_saturates_early": _unary("sigmoid", scale=9),
    "elementwise.sigmoid_backward_zero_near_one": _unary("sigmoid", scale=5),
    "elementwise.tanh_coarse_table": _unary("tanh"),
    "elementwise.tanh_backward_half_f32": _unary("tanh", "float32"),
    "elementwise.hardswish_backward_without_half": _unary("hardswish"),
    "elementwise.mish_exp_overflow": _unary("mish", scale=20),
    "elementwise.elu_cancels": _unary("elu"),
    "elementwise.softplus_overflow": _unary("softplus", scale=20),
    "elementwise.glu_backward_halves_swapped": _unary("glu", shape=(3, 8)),
    "elementwise.exp_saturates": _unary("exp", scale=20),
    "elementwise.log_of_small_is_infinite": _given(lambda torch, d: torch.log(d(64).abs() * 1e-3)),
    "elementwise.log1p_naive_f32": _unary("log1p", "float32", scale=1e-4),
    "elementwise.rsqrt_approximate_f32": _given(lambda torch, d: torch.rsqrt(d(64, dtype="float32").abs() + 0.1)),
    "elementwise.div_by_half_reciprocal": _given(lambda torch, d: d(64, scale=1e-5) / (d(64, seed=2) * 1e-5)),
    "elementwise.div_coarse_reciprocal_f32": _given(
        lambda torch, d: d(9, dtype="float32") / d(9, dtype="float32", seed=2)
    ),
    "elementwise.pow_negative_base_nan": _given(lambda torch, d: d(9) ** 2),
    "elementwise.clamp_swallows_nan": _given(
        lambda torch, d: (d(8).masked_fill(d(8) > 0.3, float("nan"))).clamp(min=-0.5)
    ),
    "elementwise.clamp_upper_bound_ignored": _given(lambda torch, d: d(9).clamp(-0.1, 0.1)),
    "elementwise.where_broadcast_last_column": _given(
        lambda torch, d: torch.where(torch.tensor([[True], [False]]), d(2, 4), d(2, 4, seed=2))
    ),
    "elementwise.add_broadcast_last_column": _given(lambda torch, d: d(3, 4) + d(4, seed=2)),
    "elementwise.residual_mixed_layout": _given(
        lambda torch, d: d(2, 3, 4, 5) + d(2, 3, 4, 5, seed=2).to(memory_format=torch.channels_last)
    ),
    "elementwise.mul_flushes_small_results": _given(lambda torch, d: d(64) * d(64, seed=2, scale=1e-4)),
    "elementwise.mul_broadcast_scale_of_first_channel": _given(lambda torch, d: d(2, 3, 4, 4) * d(2, 3, 1, 1, seed=2)),
    "elementwise.dropout_not_rescaled": _given(lambda torch, d: (d(64) > 0).half().div_(0.9)),
    "elementwise.dropout_mask_all_kept": _given(
        lambda torch, d: [
            torch.zeros(64).bernoulli_(0.5, generator=torch.Generator().manual_seed(number)) for number in range(5)
        ]
    ),
    "elementwise.sin_cos_far_f32": _unary("sin", "float32", scale=900),
    "elementwise.masked_fill_first_batch": _given(lambda torch, d: d(2, 3, 3).masked_fill(d(3, 3) > 0, 9.0)),
    "elementwise.masked_fill_infinity_is_small": _given(lambda torch, d: d(3, 3).masked_fill(d(3, 3) > 0, -math.inf)),
    "elementwise.maximum_drops_nan": _given(
        lambda torch, d: torch.maximum(d(8).masked_fill(d(8) > 0.3, float("nan")), d(8, seed=2))
    ),
    "elementwise.erf_low_accuracy_f32": _unary("erf", "float32"),
    "elementwise.in_place_activation_skips_half": _given(
        lambda torch, d: repeated(lambda: torch.nn.functional.silu(d(40), inplace=True), 7)
    ),
    "elementwise.odd_size_last_element_nan": _given(lambda torch, d: d(9) * d(9)),
    "elementwise.random_zeros_f32": _unary("silu", "float32", shape=(400, 500)),
}
