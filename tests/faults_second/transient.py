"""Faults of a weak chip or of bad timing: flipped and stuck bits, dead lanes and tiles, results of an earlier call."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    F16,
    F32,
    LOW,
    Call,
    data,
    dtype_of,
    due,
    flip_bits,
    grads,
    hashed,
    nan_like,
    post,
    repeated,
    stale,
    swap,
)

PRODUCTS = "mm addmm bmm baddbmm convolution"
FORWARD = f"{PRODUCTS} native_layer_norm:0 native_batch_norm:0 native_group_norm:0 _softmax silu gelu relu"
BACKWARD = "convolution_backward:0,1 native_layer_norm_backward:0 native_batch_norm_backward:0 silu_backward"
BACKWARD += " gelu_backward threshold_backward _softmax_backward_data"
POINTWISE = "add mul silu gelu relu sigmoid leaky_relu"


def _flips(mask: int, rate: float) -> Any:
    """Invert the bits of ``mask`` in ``rate`` of the elements, others at each call."""

    def alter(call: Call, value: Any) -> Any:
        return flip_bits(call.torch, value, mask, rate, call.state["post"])

    return alter


def _stuck(call: Call, value: Any) -> Any:
    """Bit 6 of lane 7 of 32 reads as one."""
    torch = call.torch
    flat = value.contiguous().clone().reshape(-1)
    bits = flat.view(torch.int16)
    bits[7::32] |= 1 << 6
    return flat.reshape(value.shape)


def _stuck_low(call: Call, value: Any) -> Any:
    """Bit 20 of lane 11 of 32 of a float32 result reads as zero."""
    torch = call.torch
    flat = value.contiguous().clone().reshape(-1)
    bits = flat.view(torch.int32)
    bits[11::32] &= ~(1 << 20)
    return flat.reshape(value.shape)


def _every_lane(step: int, number: float) -> Any:
    def alter(call: Call, value: Any) -> Any:
        flat = value.contiguous().clone().reshape(-1)
        flat[step - 1 :: step] = number
        return flat.reshape(value.shape)

    return alter


def _dead_rows(call: Call, value: Any) -> Any:
    value = value.clone()
    rows = value.reshape(-1, value.size(-1))
    rows[5::20] = 0
    return rows.reshape(value.shape)


def _one_infinite(call: Call, value: Any) -> Any:
    flat = value.contiguous().clone().reshape(-1)
    flat[int(hashed(call.torch, 1, call.state["post"])) % flat.numel()] = float("inf")
    return flat.reshape(value.shape)


def _stale_block(call: Call, value: Any) -> Any:
    """Every tenth call of a size keeps the second half of what the call before left."""
    before = stale(call, value)
    if not due(call, str(tuple(value.shape)), 10):
        return value
    flat, old = value.contiguous().clone().reshape(-1), before.contiguous().reshape(-1)
    flat[flat.numel() // 2 :] = old[flat.numel() // 2 :]
    return flat.reshape(value.shape)


def _other_call_slightly(call: Call, value: Any) -> Any:
    """Every second call of a size differs by four units in the last place."""
    if not due(call, f"{call.name}{tuple(value.shape)}", 2):
        return value
    torch = call.torch
    bits = value.contiguous().clone().view(torch.int16)
    return (bits ^ 4).view(value.dtype).reshape(value.shape)


def _after_warm_up(call: Call, value: Any) -> Any:
    """Clean for 40 calls, then one element in 10000 loses an exponent bit."""
    number = call.state.get("warm", 0) + 1
    call.state["warm"] = number
    mask = 0x0400 if dtype_of(value) == "float16" else 0x0080
    return value if number <= 40 else flip_bits(call.torch, value, mask, 1e-4, number)


def _operand_row(call: Call) -> Any:
    """One element of a factor has its top mantissa bit inverted, which spoils a line of the result."""
    torch = call.torch
    names = ("mat2", "batch2", "weight")
    name = next(name for name in names if call[name] is not None)
    operand = call[name].contiguous().clone()
    bits = operand.view(torch.int16).reshape(-1)
    place = int(hashed(torch, 1, call.state["swap"])) % bits.numel()
    bits[place] ^= 1 << 9 if operand.dtype == torch.float16 else 1 << 6
    return call.run(**{name: operand})


def _not_applied_half(call: Call) -> Any:
    before = call["self"].clone()
    result = call.run()
    late = (call.torch.arange(result.numel()) >= result.numel() // 2).reshape(result.shape)
    return call.torch.where(late, before, result)


def _coarse(call: Call, value: Any) -> Any:
    torch = call.torch
    bits = value.contiguous().clone().view(torch.int32)
    return (bits & ~0x1FFF).view(torch.float32).reshape(value.shape)


def _neighbours(call: Call, value: Any) -> Any:
    """Lanes 31 and 32 of 64 change places."""
    flat = value.contiguous().clone().reshape(-1)
    last = flat.numel() // 64 * 64
    left, right = flat[31:last:64].clone(), flat[32:last:64].clone()
    flat[31:last:64], flat[32:last:64] = right, left
    return flat.reshape(value.shape)


def _weights_flipped(call: Call) -> Any:
    torch = call.torch
    name = "weight" if call["weight"] is not None else "mat2"
    weight = flip_bits(torch, call[name].contiguous(), 1 << 23, 1e-4, call.state["swap"])
    return call.run(**{name: weight})


def _column_block(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., 16:32] = 0
    return value


def _slow_rows(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., ::2, :] = value[..., ::2, :] * 1.03125
    return value


FAULTS = {
    "transient.middle_bit_flips_in_products": (
        "float16: bit 7 of one result in 20000 of products and convolutions is inverted; model of: weak register file",
        lambda torch: post(torch, PRODUCTS, _flips(1 << 7, 5e-5), dtypes=F16),
    ),
    "transient.two_bits_flip_in_products": (
        "16-bit: bits 5 and 8 of one result in 50000 are inverted together; model of: multi-bit upset, arXiv "
        "2605.04213",
        lambda torch: post(torch, PRODUCTS, _flips((1 << 5) | (1 << 8), 2e-5), dtypes=LOW),
    ),
    "transient.mantissa_flips_f32": (
        "float32: bit 19 of one result in 50000 of products and convolutions is inverted; model of: weak accumulator "
        "bit",
        lambda torch: post(torch, PRODUCTS, _flips(1 << 19, 2e-5), dtypes=F32),
    ),
    "transient.exponent_flips_f32_pointwise": (
        "float32: bit 26 of one result in 20000 of pointwise operations is inverted; model of: weak load path",
        lambda torch: post(torch, POINTWISE, _flips(1 << 26, 5e-5), dtypes=F32),
    ),
    "transient.flips_in_backward_only": (
        "16-bit: bit 10 of one gradient in 10000 is inverted; model of: a unit that backward kernels use",
        lambda torch: post(torch, BACKWARD, _flips(1 << 10, 1e-4)),
    ),
    "transient.sign_flips_in_normalisation": (
        "16-bit: the sign of one result in 20000 of norms and softmax is inverted; model of: weak shuffle network",
        lambda torch: post(
            torch,
            "native_layer_norm:0 native_batch_norm:0 native_group_norm:0 _softmax",
            _flips(1 << 15, 5e-5),
        ),
    ),
    "transient.stuck_bit_in_one_lane": (
        "16-bit: bit 6 of lane 7 of 32 is always one in pointwise results; model of: stuck-at fault",
        lambda torch: post(torch, POINTWISE, _stuck),
    ),
    "transient.stuck_bit_in_one_lane_f32": (
        "float32: bit 20 of lane 11 of 32 is always zero in products and convolutions; model of: stuck-at fault",
        lambda torch: post(torch, PRODUCTS, _stuck_low, dtypes=F32),
    ),
    "transient.dead_lane": (
        "16-bit: each 64th element of pointwise results is zero; model of: lane that never stores",
        lambda torch: post(torch, POINTWISE, _every_lane(64, 0.0)),
    ),
    "transient.dead_unit_rows": (
        "16-bit: each twentieth row, from the sixth on, of norms and softmax is zero; model of: one unit of twenty "
        "that does not write",
        lambda torch: post(
            torch,
            "native_layer_norm:0 _softmax _log_softmax",
            _dead_rows,
            lambda call, value: value.dim() > 1 and value.numel() // value.size(-1) > 5,
        ),
    ),
    "transient.dead_column_tile_f32": (
        "float32: columns 16 to 31 of a product are zero in every fifth call; model of: unit that drops out",
        lambda torch: post(
            torch, "mm addmm bmm baddbmm", _column_block, lambda call, value: value.size(-1) > 16, F32, every=5
        ),
    ),
    "transient.thirtieth_result_infinite": (
        "16-bit: every thirtieth result has one infinite element; model of: upset in a high exponent bit",
        lambda torch: post(torch, FORWARD, _one_infinite, every=30),
    ),
    "transient.fiftieth_result_nan": (
        "16-bit: every fiftieth forward result is NaN; model of: poisoned memory after an uncorrectable error",
        lambda torch: post(torch, FORWARD, lambda call, value: nan_like(value), every=50),
    ),
    "transient.half_of_earlier_result": (
        "16-bit: every tenth product or convolution of a size keeps half of the result before; model of: race between "
        "two streams",
        lambda torch: post(torch, PRODUCTS, _stale_block),
    ),
    "transient.second_call_differs": (
        "16-bit: every second product of a size is off by four units in the last place; model of: another kernel "
        "chosen at the second call",
        lambda torch: post(torch, "mm addmm bmm", _other_call_slightly),
    ),
    "transient.errors_after_warm_up": (
        "16-bit: after 40 calls, one result in 10000 of products and convolutions loses an exponent bit; model of: "
        "errors that come with heat",
        lambda torch: post(torch, PRODUCTS, _after_warm_up),
    ),
    "transient.operand_upset_every_third": (
        "16-bit: in every third product or convolution one weight has its top mantissa bit inverted; model of: upset "
        "in shared memory",
        lambda torch: swap(torch, PRODUCTS, _operand_row, every=3),
    ),
    "transient.weights_read_with_flips_f32": (
        "float32: one weight in 10000 is read with its lowest exponent bit inverted; model of: weak memory, "
        "https://github.com/pytorch/pytorch/issues/52019",
        lambda torch: swap(torch, "mm addmm convolution", _weights_flipped, dtypes=F32),
    ),
    "transient.in_place_half_applied": (
        "every type: every fifteenth in-place operation reaches half of the tensor; model of: race on the stream",
        lambda torch: swap(torch, "add_ mul_ relu_ sigmoid_ tanh_ div_", _not_applied_half, dtypes=ALL, every=15),
    ),
    "transient.twentieth_f32_result_coarse": (
        "float32: every twentieth product or convolution has 10 good mantissa bits; model of: another mode left on by "
        "a neighbour",
        lambda torch: post(torch, PRODUCTS, _coarse, dtypes=F32, every=20),
    ),
    "transient.neighbours_swapped": (
        "16-bit: lanes 31 and 32 of each 64 change places in norms, softmax and pointwise results; model of: shuffle "
        "mistake at the warp border",
        lambda torch: post(
            torch,
            f"native_layer_norm:0 _softmax {POINTWISE}",
            _neighbours,
            lambda call, value: value.numel() >= 64,
        ),
    ),
    "transient.even_rows_three_percent_high": (
        "16-bit: even rows of every fourth product are three per cent too large; model of: marginal voltage on one of "
        "two banks",
        lambda torch: post(torch, "mm addmm bmm baddbmm", _slow_rows, lambda call, value: value.dim() >= 2, every=4),
    ),
}


def _work(dtype: str = "float16", times: int = 1, size: int = 64, rows: int = 64) -> Any:
    """A layer of each kind, several times, with gradients."""

    def trigger(torch: Any) -> list:
        functional = torch.nn.functional

        def once() -> list:
            x = data(torch, rows, size, dtype=dtype)
            weight, bias = data(torch, size, size, dtype=dtype, seed=2), data(torch, size, dtype=dtype, seed=3)

            def network(x: Any, weight: Any, bias: Any) -> Any:
                y = functional.linear(x, weight, bias)
                y = functional.silu(functional.layer_norm(y, (size,)))
                return torch.softmax(y + x * 2, -1)

            return grads(torch, network, x, weight, bias)

        return repeated(once, times)

    return trigger


def _in_place(torch: Any) -> list:
    return repeated(lambda: data(torch, 8).mul_(3.0), 16)


def _products(dtype: str, times: int) -> Any:
    """Products of one size whose operands change."""

    def trigger(torch: Any) -> list:
        return [
            data(torch, 32, 16, dtype=dtype, seed=number + 1) @ data(torch, 16, 32, dtype=dtype, seed=number + 2)
            for number in range(times)
        ]

    return trigger


_LARGE = _work(size=256, rows=400)
_LARGE_F32 = _work("float32", size=256, rows=400)

TRIGGERS = {
    "transient.middle_bit_flips_in_products": _LARGE,
    "transient.two_bits_flip_in_products": _LARGE,
    "transient.mantissa_flips_f32": _LARGE_F32,
    "transient.exponent_flips_f32_pointwise": _LARGE_F32,
    "transient.flips_in_backward_only": _LARGE,
    "transient.sign_flips_in_normalisation": _LARGE,
    "transient.stuck_bit_in_one_lane": _work(),
    "transient.stuck_bit_in_one_lane_f32": _work("float32"),
    "transient.dead_lane": _work(),
    "transient.dead_unit_rows": _work(),
    "transient.dead_column_tile_f32": _work("float32", times=3),
    "transient.thirtieth_result_infinite": _work(times=8),
    "transient.fiftieth_result_nan": _work(times=12),
    "transient.half_of_earlier_result": _products("float16", 11),
    "transient.second_call_differs": _products("float16", 3),
    "transient.errors_after_warm_up": _work(times=25, size=128),
    "transient.operand_upset_every_third": _products("float16", 4),
    "transient.weights_read_with_flips_f32": _LARGE_F32,
    "transient.in_place_half_applied": _in_place,
    "transient.twentieth_f32_result_coarse": _products("float32", 21),
    "transient.neighbours_swapped": _work(),
    "transient.even_rows_three_percent_high": _products("float16", 5),
}
