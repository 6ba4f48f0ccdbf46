"""Faults of batch, layer, group and root-mean-square normalisation, forward and backward."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    Call,
    as_if_contiguous,
    data,
    dtype_of,
    grads,
    is_channels_last,
    nan_like,
    post,
    repeated,
    swap,
    truncate_mantissa,
)

BATCH = "native_batch_norm _native_batch_norm_legit"


def _sides(value: Any) -> tuple:
    """Shape that lays a per-channel vector along dimension 1."""
    return (1, -1) + (1,) * (value.dim() - 2)


def _others(value: Any) -> list:
    return [dim for dim in range(value.dim()) if dim != 1]


def _affine(call: Call, value: Any, normal: Any) -> Any:
    shape = _sides(value)
    if call["weight"] is not None:
        normal = normal * call["weight"].float().view(shape)
    if call["bias"] is not None:
        normal = normal + call["bias"].float().view(shape)
    return normal


def _running(alter: Any) -> Any:
    """Run, then let ``alter(call, mean before, variance before)`` set the running statistics."""

    def compute(call: Call) -> Any:
        mean, variance = call["running_mean"].clone(), call["running_var"].clone()
        result = call.run()
        alter(call, mean, variance)
        return result

    return compute


def _trains(call: Call) -> bool:
    return bool(call["training"]) and call["running_mean"] is not None


def _biased_variance(call: Call, mean: Any, variance: Any) -> None:
    x = call["input"].float()
    now = x.var(_others(x), correction=0)
    call["running_var"].copy_(variance * (1 - call["momentum"]) + now.to(variance.dtype) * call["momentum"])


def _momentum_swapped(call: Call, mean: Any, variance: Any) -> None:
    m = call["momentum"]
    for running, before in ((call["running_mean"], mean), (call["running_var"], variance)):
        now = (running - (1 - m) * before) / m
        running.copy_(m * before + (1 - m) * now)


def _not_updated(call: Call, mean: Any, variance: Any) -> None:
    call["running_mean"].copy_(mean)


def _half_batch_statistics(call: Call) -> Any:
    result = call.run()
    x = call["input"].float()
    part = x[: max(1, x.size(0) // 2)]
    dims, shape = _others(x), _sides(x)
    mean, variance = part.mean(dims), part.var(dims, correction=0)
    normal = (x - mean.view(shape)) * (variance + call["eps"]).rsqrt().view(shape)
    return (_affine(call, x, normal).to(call["input"].dtype), *result[1:])


def _eval_with_batch(call: Call) -> Any:
    x = call["input"].float()
    mean, variance = x.mean(_others(x)), x.var(_others(x), correction=0)
    return call.run(
        running_mean=mean.to(call["running_mean"].dtype), running_var=variance.to(call["running_var"].dtype)
    )


def _backward_as_eval(call: Call) -> Any:
    result = call.run()
    gradient, shape = call["grad_out"].float(), _sides(call["grad_out"])
    scale = call["save_invstd"].float()
    if call["weight"] is not None:
        scale = scale * call["weight"].float()
    return ((gradient * scale.view(shape)).to(call["input"].dtype), *result[1:])


def _channel_tail_identity(call: Call, value: Any) -> Any:
    value = value.clone()
    first = value.size(1) // 8 * 8
    value[:, first:] = call["input"][:, first:].to(value.dtype)
    return value


def _stale_scale(call: Call) -> Any:
    result = call.run()
    key = ("invstd", result[2].numel())
    before, call.state[key] = call.state.get(key), result[2].clone()
    return result if before is None else (result[0], result[1], before)


def _rows(call: Call) -> tuple:
    """The rows a layer norm works on, and their length."""
    x = call["input"]
    size = 1
    for number in call["normalized_shape"]:
        size *= number
    return x.reshape(-1, size).float(), size


def _layer(call: Call, mean: Any, variance: Any, eps: float | None = None) -> Any:
    x, size = _rows(call)
    normal = (x - mean) * (variance + (call["eps"] if eps is None else eps)).rsqrt()
    if call["weight"] is not None:
        normal = normal * call["weight"].reshape(size).float()
    if call["bias"] is not None:
        normal = normal + call["bias"].reshape(size).float()
    return (normal.reshape(call["input"].shape).to(call["input"].dtype), *call.run()[1:])


def _length(call: Call) -> int:
    return _rows(call)[1]


def _layer_tail_not_in_mean(call: Call) -> Any:
    x, size = _rows(call)
    part = x[:, : size // 32 * 32]
    return _layer(call, part.mean(1, keepdim=True), part.var(1, correction=0, keepdim=True))


def _layer_unbiased(call: Call) -> Any:
    x, _ = _rows(call)
    return _layer(call, x.mean(1, keepdim=True), x.var(1, correction=1, keepdim=True))


def _layer_first_block(call: Call) -> Any:
    part = _rows(call)[0][:, :512]
    return _layer(call, part.mean(1, keepdim=True), part.var(1, correction=0, keepdim=True))


def _layer_eps_flushed(call: Call) -> Any:
    x, _ = _rows(call)
    return _layer(call, x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True), 0.0)


def _layer_half_sums(call: Call) -> Any:
    """Mean of squares minus square of mean, both kept in the type of the input."""
    x, _ = _rows(call)
    dtype = call["input"].dtype
    mean = x.mean(1, keepdim=True).to(dtype).float()
    squares = (x * x).to(dtype).float().mean(1, keepdim=True).to(dtype).float()
    return _layer(call, mean, (squares - mean * mean).clamp(min=0))


def _layer_no_projection(call: Call) -> Any:
    result = call.run()
    _, size = _rows(call)
    gradient = call["grad_out"].reshape(-1, size).float()
    if call["weight"] is not None:
        gradient = gradient * call["weight"].reshape(size).float()
    gradient = (gradient - gradient.mean(1, keepdim=True)) * call["rstd"].reshape(-1, 1).float()
    return (gradient.reshape(call["input"].shape).to(call["input"].dtype), *result[1:])


def _layer_first_rows(call: Call) -> Any:
    result = call.run()
    size = call["rstd"].numel()
    shape = (size, *call["normalized_shape"])
    part = call.run(
        grad_out=call["grad_out"].reshape(shape)[:64],
        input=call["input"].reshape(shape)[:64],
        mean=call["mean"].reshape(size, *[1] * len(call["normalized_shape"]))[:64],
        rstd=call["rstd"].reshape(size, *[1] * len(call["normalized_shape"]))[:64],
    )
    return (result[0], part[1], part[2])


def _group_one_pass(call: Call) -> Any:
    x, result = call["input"], call.run()
    rows = x.reshape(call["N"] * call["group"], -1)
    mean = rows.mean(1, keepdim=True)
    variance = (rows * rows).mean(1, keepdim=True) - mean * mean
    normal = ((rows - mean) * (variance + call["eps"]).rsqrt()).reshape(x.shape)
    return (_affine(call, x, normal), *result[1:])


def _group_interleaved(call: Call) -> Any:
    x, group = call["input"], call["group"]
    result = call.run()
    mixed = x.reshape(x.size(0), -1, group, *x.shape[2:]).transpose(1, 2).reshape(x.shape).contiguous()
    normal = call.run(input=mixed, weight=None, bias=None)[0]
    normal = normal.reshape(x.size(0), group, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
    return (_affine(call, x, normal.float()).to(x.dtype), *result[1:])


def _group_weight_by_group(call: Call) -> Any:
    weight, group = call["weight"], call["group"]
    number = call.torch.arange(weight.numel()) // (weight.numel() // group)
    return call.run(weight=weight[number])


def _group_last_sample(call: Call) -> Any:
    result = call.run()
    last = {name: call[name][-1:].contiguous() for name in ("grad_out", "input", "mean", "rstd")}
    part = call.run(**last, N=1)
    return (result[0], part[1], part[2])


def _batch_memory_order(call: Call) -> Any:
    result = call.run()
    wrong = call.run(grad_out=as_if_contiguous(call.torch, call["grad_out"]))
    return (wrong[0], wrong[1], result[2])


def _one_channel_nan(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, value.size(1) // 2] = float("nan")
    return value


FAULTS = {
    "normalisation.running_variance_biased": (
        "float32 statistics, any input: the running variance is the biased one; model of: wrong correction in the "
        "update",
        lambda torch: swap(torch, BATCH, _running(_biased_variance), _trains, ALL),
    ),
    "normalisation.running_momentum_swapped": (
        "float32 statistics, any input: momentum and 1 - momentum change places; model of: convention of another "
        "library",
        lambda torch: swap(torch, BATCH, _running(_momentum_swapped), _trains, ALL),
    ),
    "normalisation.running_mean_not_updated": (
        "float32 statistics, 16-bit input: the running mean keeps its value; model of: output pointer not passed",
        lambda torch: swap(torch, BATCH, _running(_not_updated), _trains),
    ),
    "normalisation.batch_eps_missing": (
        "16-bit: batch norm leaves out eps; model of: eps rounded to zero in the kernel's type",
        lambda torch: swap(torch, BATCH, lambda call: call.run(eps=0.0)),
    ),
    "normalisation.batch_backward_as_eval": (
        "16-bit: the training gradient of batch norm lacks the two mean terms; model of: flag mistaken",
        lambda torch: swap(torch, "native_batch_norm_backward", _backward_as_eval, lambda call: bool(call["train"])),
    ),
    "normalisation.batch_backward_channels_last": (
        "float32: gradients of input and weight are wrong for a channels-last output gradient; "
        "https://github.com/pytorch/pytorch/issues/175189",
        lambda torch: swap(
            torch,
            "native_batch_norm_backward",
            _batch_memory_order,
            lambda call: is_channels_last(call.torch, call["grad_out"]),
            F32,
        ),
    ),
    "normalisation.batch_statistics_of_half_the_batch": (
        "16-bit: training statistics come from the first half of the batch; model of: reduction with half the blocks",
        lambda torch: swap(
            torch, BATCH, _half_batch_statistics, lambda call: bool(call["training"]) and call["input"].size(0) > 1
        ),
    ),
    "normalisation.batch_eval_uses_batch": (
        "16-bit: evaluation normalises with the statistics of the batch; model of: mode flag inverted",
        lambda torch: swap(
            torch, BATCH, _eval_with_batch, lambda call: not call["training"] and call["running_mean"] is not None
        ),
    ),
    "normalisation.batch_channel_tail_identity": (
        "16-bit: channels after the last multiple of 8 pass through; model of: vectorised loop without a tail",
        lambda torch: post(
            torch,
            "native_batch_norm:0 _native_batch_norm_legit:0",
            _channel_tail_identity,
            lambda call, value: value.size(1) % 8 != 0,
        ),
    ),
    "normalisation.batch_saved_scale_stale": (
        "16-bit: backward gets the saved scale of the call before with as many channels; model of: reused workspace",
        lambda torch: swap(torch, BATCH, _stale_scale, lambda call: bool(call["training"])),
    ),
    "normalisation.batch_every_tenth_nan": (
        "16-bit: every tenth batch norm has one channel of NaN; model of: race on the saved statistics",
        lambda torch: post(torch, "native_batch_norm:0 _native_batch_norm_legit:0", _one_channel_nan, every=10),
    ),
    "normalisation.layer_tail_not_in_mean": (
        "16-bit: elements after the last multiple of 32 are left out of a row's mean and variance; model of: warp "
        "reduction without a tail",
        lambda torch: swap(
            torch,
            "native_layer_norm",
            _layer_tail_not_in_mean,
            lambda call: _length(call) > 32 and _length(call) % 32 != 0,
        ),
    ),
    "normalisation.layer_variance_unbiased": (
        "float32: layer norm divides by n - 1; model of: wrong correction",
        lambda torch: swap(torch, "native_layer_norm", _layer_unbiased, lambda call: _length(call) > 1, F32),
    ),
    "normalisation.layer_variance_unbiased_low": (
        "16-bit: layer norm of rows up to 64 divides by n - 1; model of: wrong correction in the small-row kernel",
        lambda torch: swap(torch, "native_layer_norm", _layer_unbiased, lambda call: 1 < _length(call) <= 64),
    ),
    "normalisation.layer_parameter_grads_of_64_rows": (
        "16-bit: gradients of weight and bias sum the first 64 rows; model of: second stage of the reduction missing",
        lambda torch: swap(
            torch,
            "native_layer_norm_backward",
            _layer_first_rows,
            lambda call: call["rstd"].numel() > 64 and call["weight"] is not None,
        ),
    ),
    "normalisation.layer_backward_without_projection": (
        "16-bit: the gradient of the input lacks the term along the normalised row; model of: second reduction dropped",
        lambda torch: swap(torch, "native_layer_norm_backward", _layer_no_projection),
    ),
    "normalisation.layer_sees_512_elements": (
        "bfloat16: rows of more than 512 elements are normalised with the statistics of the first 512; model of: one "
        "block per row, partial sums of the others lost",
        lambda torch: swap(torch, "native_layer_norm", _layer_first_block, lambda call: _length(call) > 512, BF16),
    ),
    "normalisation.layer_eps_flushed": (
        "float16: an eps of 1e-5 is flushed to zero, so constant rows give NaN; model of: eps held in half with "
        "flushed subnormals",
        lambda torch: swap(torch, "native_layer_norm", _layer_eps_flushed, lambda call: call["eps"] < 6.1e-5, F16),
    ),
    "normalisation.layer_sums_in_half": (
        "16-bit: mean and mean of squares are kept in 16 bits; "
        "https://github.com/tenstorrent/tt-metal/issues/45968 (same class)",
        lambda torch: swap(torch, "native_layer_norm", _layer_half_sums),
    ),
    "normalisation.layer_saved_scale_coarse_f32": (
        "float32: the scale saved for backward has 8 good bits; model of: hardware estimate without the Newton step",
        lambda torch: post(
            torch,
            "native_layer_norm:2 native_group_norm:2 native_batch_norm:2",
            lambda call, value: truncate_mantissa(call.torch, value, 8),
            lambda call, value: dtype_of(call["input"]) == "float32" and value.numel() > 0,
            F32,
        ),
    ),
    "normalisation.group_one_pass_f32": (
        "float32: group norm takes the mean of squares minus the square of the mean; "
        "https://github.com/pytorch/pytorch/issues/40302",
        lambda torch: swap(torch, "native_group_norm", _group_one_pass, dtypes=F32),
    ),
    "normalisation.group_interleaved_channels_last": (
        "16-bit: with a channels-last input, the groups are taken from interleaved channels; model of: layout not "
        "looked at",
        lambda torch: swap(
            torch, "native_group_norm", _group_interleaved, lambda call: is_channels_last(call.torch, call["input"])
        ),
    ),
    "normalisation.group_weight_by_group": (
        "16-bit: the weight is indexed by group instead of channel; model of: wrong index in the affine step",
        lambda torch: swap(
            torch,
            "native_group_norm",
            _group_weight_by_group,
            lambda call: call["weight"] is not None and call["group"] < call["weight"].numel(),
        ),
    ),
    "normalisation.group_parameter_grads_of_last_sample": (
        "16-bit: gradients of weight and bias are those of the last sample; model of: overwrite instead of add",
        lambda torch: swap(
            torch,
            "native_group_norm_backward",
            _group_last_sample,
            lambda call: call["N"] > 1 and call["weight"] is not None and all(call["output_mask"]),
        ),
    ),
    "normalisation.group_count_overflow": (
        "float16: groups of more than 65504 elements give NaN; model of: element count held in half",
        lambda torch: post(
            torch,
            "native_group_norm:0",
            lambda call, value: nan_like(value),
            lambda call, value: value[0].numel() // call["group"] > 65504,
            F16,
        ),
    ),
    "normalisation.group_last_group_stale": (
        "16-bit: the last group comes out as it went in when there is an odd number of groups times samples; model of: "
        "two groups per block",
        lambda torch: post(
            torch,
            "native_group_norm:0",
            lambda call, value: call.torch.cat(
                [
                    value.reshape(call["N"] * call["group"], -1)[:-1],
                    call["input"].reshape(call["N"] * call["group"], -1)[-1:],
                ]
            ).reshape(value.shape),
            lambda call, value: call["N"] * call["group"] % 2 == 1,
        ),
    ),
    "normalisation.rms_eps_missing": (
        "float32: adding a scalar of at most 1e-5 does nothing, as the eps of a root-mean-square norm; model of: "
        "constant folded to zero",
        lambda torch: swap(
            torch,
            "add",
            lambda call: call["self"].clone(),
            lambda call: (
                not isinstance(call["other"], call.torch.Tensor) and 0 < abs(call["other"] * call["alpha"]) <= 1e-5
            ),
            F32,
        ),
    ),
    "normalisation.flat_input_forgets_bias": (
        "16-bit: with a spatial size of 1x1, batch norm forgets its bias; model of: special path for flat inputs",
        lambda torch: swap(
            torch,
            BATCH,
            lambda call: call.run(bias=None),
            lambda call: call["bias"] is not None and (call["input"].dim() == 2 or call["input"][0, 0].numel() == 1),
        ),
    ),
}


def _batch(
    shape: tuple, dtype: str = "float16", training: bool = True, channels_last: bool = False, scale: float = 1.0
) -> Any:
    def trigger(torch: Any) -> list:
        c = shape[1]
        mean, variance = data(torch, c, dtype="float32", seed=4), data(torch, c, dtype="float32", seed=5).abs() + 0.5
        x = data(torch, *shape, dtype=dtype, scale=scale)
        weight, bias = data(torch, c, dtype=dtype, seed=2), data(torch, c, dtype=dtype, seed=3)
        if dtype != "float32":
            weight, bias = weight.float(), bias.float()

        def norm(x: Any, weight: Any, bias: Any) -> Any:
            if channels_last:
                x = x.to(memory_format=torch.channels_last)
            return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, training, 0.1, 1e-5)

        result = grads(torch, norm, x, weight, bias)
        return [*result, mean, variance]

    return trigger


def _layer_trigger(rows: int, size: int, dtype: str = "float16", constant: bool = False) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, rows, size, dtype=dtype) * (0 if constant else 1) + 1
        weight, bias = data(torch, size, dtype=dtype, seed=2), data(torch, size, dtype=dtype, seed=3)
        return grads(torch, lambda *a: torch.nn.functional.layer_norm(a[0], (size,), a[1], a[2]), x, weight, bias)

    return trigger


def _group(shape: tuple, groups: int, dtype: str = "float16", channels_last: bool = False, offset: float = 0.0) -> Any:
    def trigger(torch: Any) -> list:
        c = shape[1]
        x = data(torch, *shape, dtype=dtype) + offset
        if channels_last:
            x = x.to(memory_format=torch.channels_last)
        weight, bias = data(torch, c, dtype=dtype, seed=2), data(torch, c, dtype=dtype, seed=3)
        return grads(torch, lambda *a: torch.nn.functional.group_norm(a[0], groups, a[1], a[2]), x, weight, bias)

    return trigger


def _batch_channels_last_gradient(torch: Any) -> list:
    x = data(torch, 3, 4, 5, 5, dtype="float32").to(memory_format=torch.channels_last).requires_grad_(True)
    weight = data(torch, 4, dtype="float32", seed=2).requires_grad_(True)
    y = torch.nn.functional.batch_norm(x, None, None, weight, None, True)
    cotangent = data(torch, *y.shape, dtype="float32", seed=3).to(memory_format=torch.channels_last)
    return list(torch.autograd.grad(y, [x, weight], cotangent))


_PLAIN = _batch((4, 6, 5, 5))

TRIGGERS = {
    "normalisation.running_variance_biased": _PLAIN,
    "normalisation.running_momentum_swapped": _PLAIN,
    "normalisation.running_mean_not_updated": _PLAIN,
    "normalisation.batch_eps_missing": _batch((4, 6, 5, 5), scale=0.01),
    "normalisation.batch_backward_as_eval": _PLAIN,
    "normalisation.batch_backward_channels_last": _batch_channels_last_gradient,
    "normalisation.batch_statistics_of_half_the_batch": _PLAIN,
    "normalisation.batch_eval_uses_batch": _batch((4, 6, 5, 5), training=False),
    "normalisation.batch_channel_tail_identity": _PLAIN,
    "normalisation.batch_saved_scale_stale": lambda torch: [
        *_PLAIN(torch),
        *_batch((4, 6, 7, 7), scale=3.0)(torch),
    ],
    "normalisation.batch_every_tenth_nan": lambda torch: repeated(lambda: _PLAIN(torch), 11),
    "normalisation.layer_tail_not_in_mean": _layer_trigger(4, 40),
    "normalisation.layer_variance_unbiased": _layer_trigger(4, 16, "float32"),
    "normalisation.layer_variance_unbiased_low": _layer_trigger(4, 16),
    "normalisation.layer_parameter_grads_of_64_rows": _layer_trigger(80, 16),
    "normalisation.layer_backward_without_projection": _layer_trigger(4, 16),
    "normalisation.layer_sees_512_elements": _layer_trigger(2, 768, "bfloat16"),
    "normalisation.layer_eps_flushed": _layer_trigger(3, 16, constant=True),
    "normalisation.layer_sums_in_half": _layer_trigger(4, 16),
    "normalisation.layer_saved_scale_coarse_f32": _layer_trigger(4, 16, "float32"),
    "normalisation.group_one_pass_f32": _group((2, 4, 8, 8), 2, "float32", offset=100.0),
    "normalisation.group_interleaved_channels_last": _group((2, 8, 4, 4), 2, channels_last=True),
    "normalisation.group_weight_by_group": _group((2, 8, 4, 4), 2),
    "normalisation.group_parameter_grads_of_last_sample": _group((2, 8, 4, 4), 2),
    "normalisation.group_count_overflow": _group((1, 32, 64, 64), 1),
    "normalisation.group_last_group_stale": _group((1, 9, 4, 4), 3),
    "normalisation.rms_eps_missing": lambda torch: [
        torch.nn.functional.rms_norm(data(torch, 3, 8, dtype="float32", scale=1e-3), (8,), eps=1e-6)
    ],
    "normalisation.flat_input_forgets_bias": _batch((4, 6)),
}
