"""Faults of pooling, up- and downsampling, padding and grid sampling, forward and backward."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    Call,
    data,
    grads,
    is_channels_last,
    post,
    repeated,
    swap,
)


def _pair(value: Any) -> tuple:
    numbers = tuple(value)
    return numbers * 2 if len(numbers) == 1 else numbers


def _geometry(call: Call) -> tuple:
    kernel = _pair(call["kernel_size"])
    stride = _pair(call["stride"]) if call["stride"] else kernel
    return kernel, stride, _pair(call["padding"])


def _as_nchw(call: Call, value: Any) -> Any:
    """The values a kernel stores that writes NCHW order into a channels-last output."""
    n, c, h, w = value.shape
    return value.contiguous().reshape(n, h, w, c).permute(0, 3, 1, 2)


def _zero_padded_max(call: Call) -> Any:
    functional, (_, _, pad) = call.torch.nn.functional, _geometry(call)
    result = call.run()
    x = functional.pad(call["self"], (pad[1], pad[1], pad[0], pad[0]))
    return (call.run(self=x, padding=[0, 0])[0].reshape(result[0].shape), result[1])


def _max_backward_overwrites(call: Call) -> Any:
    torch, gradient = call.torch, call["grad_output"]
    x = call["self"]
    flat = torch.zeros(x.size(0), x.size(1), x.size(2) * x.size(3), dtype=x.dtype)
    flat.scatter_(2, call["indices"].flatten(2), gradient.contiguous().flatten(2))
    return flat.reshape(x.shape)


def _overlapping(call: Call) -> bool:
    kernel, stride, _ = _geometry(call)
    return kernel[0] > stride[0] or kernel[1] > stride[1]


def _max_backward_ties(call: Call) -> Any:
    """Every element that equals its window's maximum gets the whole gradient."""
    torch, x = call.torch, call["self"]
    kernel, stride, pad = _geometry(call)
    functional = torch.nn.functional
    padded = functional.pad(x.float(), (pad[1], pad[1], pad[0], pad[0]), value=float("-inf"))
    windows = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
    top = windows.amax((-1, -2), keepdim=True)
    gradient = call["grad_output"].float()
    total = torch.zeros_like(padded)
    rows, columns = gradient.shape[2], gradient.shape[3]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            hit = (windows[:, :, :rows, :columns, i, j] == top[:, :, :rows, :columns, 0, 0]) * gradient
            total[:, :, i : i + rows * stride[0] : stride[0], j : j + columns * stride[1] : stride[1]] += hit
    return total[:, :, pad[0] : pad[0] + x.size(2), pad[1] : pad[1] + x.size(3)]


def _max_backward_first_window(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, :, : call["stride"][0] if call["stride"] else 1, : call["stride"][-1] if call["stride"] else 1] = 0
    return value


def _max_short_last(call: Call, value: Any) -> Any:
    """The last column of windows sees the first element of its row alone."""
    _, stride, pad = _geometry(call)
    value = value.clone()
    column = (value.size(3) - 1) * stride[1] - pad[1]
    rows = (call.torch.arange(value.size(2)) * stride[0] - pad[0]).clamp(0, call["self"].size(2) - 1)
    value[..., -1] = call["self"][:, :, :, max(column, 0)][:, :, rows]
    return value


def _flip_include(call: Call) -> Any:
    return call.run(count_include_pad=not call["count_include_pad"])


def _avg_unpadded(call: Call) -> Any:
    """The gradient is spread as if there were no padding."""
    _, _, pad = _geometry(call)
    return call.run().roll((pad[0], pad[1]), (2, 3))


def _avg_half_sum(call: Call) -> Any:
    kernel, _, _ = _geometry(call)
    count = kernel[0] * kernel[1]
    return (call.run().float() * count).to(call["self"].dtype).float() / count


def _adaptive_floor(call: Call) -> Any:
    torch, x = call.torch, call["self"].float()
    rows, columns = call["output_size"]
    parts = []
    for i in range(rows):
        top, bottom = i * x.size(-2) // rows, (i + 1) * x.size(-2) // rows
        line = [
            x[..., top : max(bottom, top + 1), left : max(right, left + 1)].mean((-1, -2))
            for left, right in ((j * x.size(-1) // columns, (j + 1) * x.size(-1) // columns) for j in range(columns))
        ]
        parts.append(torch.stack(line, -1))
    return torch.stack(parts, -2)


def _mean_of_rows_count(call: Call, value: Any) -> Any:
    x = call["self"]
    return value.float() * x.size(-1) / x.size(-2)


def _spatial_mean(call: Call, value: Any) -> bool:
    x = call["self"]
    dims = call["dim"] or []
    return x.dim() == 4 and sorted(d % 4 for d in dims) == [2, 3] and x.size(2) != x.size(3)


def _nearest_late(call: Call) -> Any:
    x, (rows, columns) = call["self"], call["output_size"]
    torch = call.torch
    i = ((torch.arange(rows) + 1) * x.size(2) // rows).clamp(max=x.size(2) - 1)
    j = ((torch.arange(columns) + 1) * x.size(3) // columns).clamp(max=x.size(3) - 1)
    return x[:, :, i][:, :, :, j]


def _nearest_backward_last(call: Call) -> Any:
    """One of the copies alone sends its gradient back."""
    torch, gradient = call.torch, call["grad_output"]
    n, c, rows, columns = call["input_size"]
    i = (torch.arange(rows) + 1) * gradient.size(2) // rows - 1
    j = (torch.arange(columns) + 1) * gradient.size(3) // columns - 1
    return gradient[:, :, i.clamp(min=0)][:, :, :, j.clamp(min=0)].reshape(n, c, rows, columns).clone()


def _matrix(torch: Any, outputs: int, inputs: int, kernel: Any, reach: int, coordinate: Any = None) -> Any:
    """The matrix of an interpolation without align_corners, built from its kernel."""
    position = (torch.arange(outputs, dtype=torch.float32) + 0.5) * (inputs / outputs) - 0.5
    if coordinate is not None:
        position = coordinate(position)
    base = position.floor()
    matrix = torch.zeros(outputs, inputs)
    for step in range(1 - reach, reach + 1):
        index = (base + step).clamp(0, inputs - 1).long()
        matrix[torch.arange(outputs), index] += kernel((position - base - step).abs())
    return matrix


def _separable(call: Call, kernel: Any, reach: int, coordinate: Any = None) -> Any:
    torch, x = call.torch, call["self"].float()
    rows, columns = call["output_size"]
    vertical = _matrix(torch, rows, x.size(2), kernel, reach, coordinate)
    horizontal = _matrix(torch, columns, x.size(3), kernel, reach, coordinate)
    return vertical @ x @ horizontal.T


def _tent(distance: Any) -> Any:
    return (1 - distance).clamp(min=0)


def _cubic_half(distance: Any) -> Any:
    """The cubic kernel with -0.5 instead of -0.75."""
    a, d = -0.5, distance
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return near * (d <= 1) + far * ((d > 1) & (d < 2))


def _edge_zero(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, :, -1] = 0
    value[:, :, :, -1] = 0
    return value


def _shuffle_swapped(call: Call) -> Any:
    x, r = call["self"], call["upscale_factor"]
    n, c, h, w = x.shape
    return x.reshape(n, c // r // r, r, r, h, w).permute(0, 1, 4, 3, 5, 2).reshape(n, c // r // r, h * r, w * r)


def _symmetric(call: Call) -> Any:
    torch, x = call.torch, call["self"]
    left, right, top, bottom = call["padding"]

    def index(size: int, before: int, after: int) -> Any:
        number = torch.arange(-before, size + after)
        number = torch.where(number < 0, -1 - number, number)
        return torch.where(number >= size, 2 * size - 1 - number, number)

    i, j = index(x.size(-2), top, bottom), index(x.size(-1), left, right)
    return x[..., i, :][..., j]


def _border_lost(call: Call) -> Any:
    left, right, top, bottom = call["padding"]
    gradient = call["grad_output"]
    return gradient[..., top : gradient.size(-2) - bottom, left : gradient.size(-1) - right].clone()


def _pad_dirty(call: Call, value: Any) -> Any:
    pad = call["pad"]
    value = value.clone()
    if pad[1] > 0:
        value[..., -pad[1] :] = call["self"].flatten()[0]
    return value


def _grid_swapped(call: Call) -> Any:
    return call.run(align_corners=not call["align_corners"])


def _grid_backward_first_sample(call: Call) -> Any:
    result = call.run()
    gradient = result[0].clone()
    gradient[1:] = 0
    return (gradient, result[1])


def _col2im_overwrites(call: Call) -> Any:
    """Where windows overlap the last one stays."""
    torch, x = call.torch, call["self"]
    kernel, dilation, pad, stride = (_pair(call[name]) for name in ("kernel_size", "dilation", "padding", "stride"))
    rows, columns = call["output_size"]
    out_h = (rows + 2 * pad[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    out_w = (columns + 2 * pad[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    x = x.reshape(x.size(0), -1, kernel[0], kernel[1], out_h, out_w)
    image = torch.zeros(x.size(0), x.size(1), rows + 2 * pad[0], columns + 2 * pad[1], dtype=x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation[0], j * dilation[1]
            bottom, right = top + out_h * stride[0], left + out_w * stride[1]
            image[:, :, top : bottom : stride[0], left : right : stride[1]] = x[:, :, i, j]
    return image[:, :, pad[0] : pad[0] + rows, pad[1] : pad[1] + columns]


def _im2col_tail(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., value.size(-1) // 32 * 32 :] = 0
    return value


def _rows_doubled(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, :, 1::2] = value[:, :, ::2][:, :, : value[:, :, 1::2].size(2)]
    return value


MAX_BACK = "max_pool2d_with_indices_backward"

FAULTS = {
    "pooling_resampling.max_pads_with_zero": (
        "16-bit: max pooling pads with zero instead of minus infinity; model of: zero fill of out-of-range loads",
        lambda torch: swap(
            torch,
            "max_pool2d_with_indices",
            _zero_padded_max,
            lambda call: any(call["padding"]) and not call["ceil_mode"] and call["self"].dim() == 4,
        ),
    ),
    "pooling_resampling.max_backward_overwrites": (
        "16-bit: where pooling windows overlap, one gradient stays instead of the sum; model of: store instead of "
        "atomic add",
        lambda torch: swap(
            torch, MAX_BACK, _max_backward_overwrites, lambda call: _overlapping(call) and call["self"].dim() == 4
        ),
    ),
    "pooling_resampling.max_backward_all_ties": (
        "16-bit: all elements that share a window's maximum get the whole gradient; model of: mask instead of index",
        lambda torch: swap(
            torch,
            MAX_BACK,
            _max_backward_ties,
            lambda call: max(call["dilation"]) == 1 and not call["ceil_mode"] and call["self"].dim() == 4,
        ),
    ),
    "pooling_resampling.max_backward_first_window_lost": (
        "float16: the gradient of the first window of each plane is lost; https://github.com/ROCm/MIOpen/issues/1325",
        lambda torch: post(torch, MAX_BACK, _max_backward_first_window, lambda call, value: value.dim() == 4, F16),
    ),
    "pooling_resampling.max_swallows_nan": (
        "every type: NaN in a window is passed over; model of: max instruction that returns the number",
        lambda torch: swap(
            torch,
            "max_pool2d_with_indices",
            lambda call: call.run(self=call.torch.nan_to_num(call["self"], nan=-60000.0)),
            lambda call: bool(call["self"].isnan().any()),
            ALL,
        ),
    ),
    "pooling_resampling.max_last_window_short": (
        "16-bit: the last column of windows of an odd-width input is cut short; model of: bound taken from the output "
        "width",
        lambda torch: post(
            torch,
            "max_pool2d_with_indices",
            _max_short_last,
            lambda call, value: call["self"].dim() == 4 and call["self"].size(3) % 2 == 1,
        ),
    ),
    "pooling_resampling.max_channels_last_order": (
        "float32: adaptive and plain max pooling of a channels-last input write NCHW order; "
        "https://github.com/pytorch/pytorch/issues/67239",
        lambda torch: post(
            torch,
            "adaptive_max_pool2d:0 max_pool2d_with_indices:0",
            _as_nchw,
            lambda call, value: is_channels_last(call.torch, call["self"]),
            F32,
        ),
    ),
    "pooling_resampling.avg_counts_padding_wrongly": (
        "16-bit: average pooling with padding treats count_include_pad the wrong way round; model of: flag inverted",
        lambda torch: swap(torch, "avg_pool2d avg_pool2d_backward", _flip_include, lambda call: any(call["padding"])),
    ),
    "pooling_resampling.avg_backward_channels_last_padding": (
        "float32: gradients of channels-last average pooling with padding are shifted by the padding; "
        "https://github.com/pytorch/pytorch/issues/188344",
        lambda torch: swap(
            torch,
            "avg_pool2d_backward",
            _avg_unpadded,
            lambda call: any(call["padding"]) and is_channels_last(call.torch, call["self"]),
            F32,
        ),
    ),
    "pooling_resampling.avg_sum_overflows": (
        "float16: the sum of a window is held in half and overflows from 65504 on; model of: half accumulator",
        lambda torch: swap(torch, "avg_pool2d", _avg_half_sum, dtypes=F16),
    ),
    "pooling_resampling.adaptive_bins_rounded_down": (
        "16-bit: bins of adaptive average pooling end too early when sizes do not divide; model of: floor for ceil",
        lambda torch: swap(
            torch,
            "_adaptive_avg_pool2d",
            _adaptive_floor,
            lambda call: any(
                size % wanted for size, wanted in zip(call["self"].shape[-2:], call["output_size"], strict=True)
            ),
        ),
    ),
    "pooling_resampling.adaptive_backward_unscaled": (
        "16-bit: the gradient of adaptive average pooling is not divided by the bin size; model of: constant lost",
        lambda torch: post(
            torch,
            "_adaptive_avg_pool2d_backward",
            lambda call, value: (
                value.float()
                * (value.shape[-1] * value.shape[-2] / (call["grad_output"].size(-1) * call["grad_output"].size(-2)))
            ),
        ),
    ),
    "pooling_resampling.global_mean_square_assumed": (
        "16-bit: the mean over height and width divides by the height squared; model of: square maps assumed",
        lambda torch: post(torch, "mean", _mean_of_rows_count, _spatial_mean),
    ),
    "pooling_resampling.nearest_rounds_up": (
        "16-bit: nearest upsampling takes the source of the next pixel; model of: half-pixel rule mistaken",
        lambda torch: swap(torch, "upsample_nearest2d", _nearest_late),
    ),
    "pooling_resampling.nearest_channels_last_order": (
        "float32: nearest upsampling of a channels-last input writes NCHW order; "
        "https://github.com/pytorch/pytorch/pull/54744",
        lambda torch: post(
            torch,
            "upsample_nearest2d",
            _as_nchw,
            lambda call, value: is_channels_last(call.torch, call.first),
            F32,
        ),
    ),
    "pooling_resampling.nearest_backward_one_copy": (
        "16-bit: one copy of each pixel sends its gradient back; https://github.com/pytorch/pytorch/issues/38985 "
        "(same class)",
        lambda torch: swap(torch, "upsample_nearest2d_backward", _nearest_backward_last),
    ),
    "pooling_resampling.bilinear_corners_swapped": (
        "16-bit: bilinear sampling treats align_corners the wrong way round; model of: flag inverted",
        lambda torch: swap(
            torch, "upsample_bilinear2d", lambda call: call.run(align_corners=not call["align_corners"])
        ),
    ),
    "pooling_resampling.bilinear_coordinates_in_bfloat16": (
        "bfloat16: source coordinates of bilinear sampling are held in bfloat16; "
        "https://github.com/pytorch/pytorch/pull/83847",
        lambda torch: swap(
            torch,
            "upsample_bilinear2d",
            lambda call: _separable(call, _tent, 1, lambda position: position.bfloat16().float()),
            lambda call: not call["align_corners"] and call.overload == "default",
            BF16,
        ),
    ),
    "pooling_resampling.bilinear_backward_edge_lost": (
        "16-bit: the gradient of the last row and column is lost; https://github.com/pytorch/pytorch/issues/65200 "
        "(same operator)",
        lambda torch: post(torch, "upsample_bilinear2d_backward", _edge_zero),
    ),
    "pooling_resampling.bicubic_other_constant": (
        "float32: bicubic sampling uses the constant -0.5; model of: another library's kernel",
        lambda torch: swap(
            torch,
            "upsample_bicubic2d",
            lambda call: _separable(call, _cubic_half, 2),
            lambda call: not call["align_corners"] and call.overload == "default",
            F32,
        ),
    ),
    "pooling_resampling.pixel_shuffle_transposed": (
        "16-bit: pixel_shuffle mixes up the two sub-positions; model of: wrong permutation",
        lambda torch: swap(torch, "pixel_shuffle", _shuffle_swapped, lambda call: call["self"].dim() == 4),
    ),
    "pooling_resampling.reflection_repeats_edge": (
        "16-bit: reflection padding repeats the edge; model of: symmetric mode taken",
        lambda torch: swap(torch, "reflection_pad2d", _symmetric),
    ),
    "pooling_resampling.replication_backward_border_lost": (
        "16-bit: gradients of the replicated border are not added to the edge; model of: crop instead of add",
        lambda torch: swap(torch, "replication_pad2d_backward reflection_pad2d_backward", _border_lost),
    ),
    "pooling_resampling.constant_pad_right_dirty": (
        "16-bit: the right padding holds the tensor's first value instead of the constant; model of: address that "
        "wraps",
        lambda torch: post(
            torch, "constant_pad_nd", _pad_dirty, lambda call, value: len(call["pad"]) >= 2 and call["pad"][1] > 0
        ),
    ),
    "pooling_resampling.grid_corners_swapped": (
        "16-bit: grid_sample treats align_corners the wrong way round; model of: flag inverted",
        lambda torch: swap(torch, "grid_sampler_2d", _grid_swapped),
    ),
    "pooling_resampling.grid_backward_first_sample": (
        "every type: the gradient of the sampled image is filled for the first sample alone; model of: batch stride "
        "lost in the atomic add",
        lambda torch: swap(
            torch,
            "grid_sampler_2d_backward",
            _grid_backward_first_sample,
            lambda call: call["output_mask"][0] and call["input"].size(0) > 1,
            ALL,
        ),
    ),
    "pooling_resampling.col2im_overwrites": (
        "16-bit: overlapping windows overwrite each other in fold and in the gradient of unfold; model of: store "
        "instead of add",
        lambda torch: swap(torch, "col2im", _col2im_overwrites, lambda call: call["self"].dim() == 3),
    ),
    "pooling_resampling.im2col_tail_zero": (
        "16-bit: columns of unfold after the last multiple of 32 are zero; model of: block count rounded down",
        lambda torch: post(
            torch, "im2col", _im2col_tail, lambda call, value: value.size(-1) > 32 and value.size(-1) % 32 != 0
        ),
    ),
    "pooling_resampling.bilinear_rows_repeat_every_fourth": (
        "16-bit: every fourth bilinear upsampling repeats rows instead of blending them; model of: stale row buffer",
        lambda torch: post(torch, "upsample_bilinear2d", _rows_doubled, every=4),
    ),
}


def _function(
    shape: tuple, call: Any, dtype: str = "float16", channels_last: bool = False, scale: float = 1.0, relu: bool = False
) -> Any:
    """Forward and backward of ``call(functional, x)``."""

    def trigger(torch: Any) -> list:
        x = data(torch, *shape, dtype=dtype, scale=scale)
        if relu:
            x = x.relu()
        if channels_last:
            x = x.to(memory_format=torch.channels_last)
        return grads(torch, lambda value: call(torch.nn.functional, value), x)

    return trigger


def _laid_last(function: Any) -> Any:
    """Forward of ``function(functional, x)`` for a channels-last float32 image."""

    def trigger(torch: Any) -> list:
        x = data(torch, *_IMAGE, dtype="float32").to(memory_format=torch.channels_last)
        return [function(torch.nn.functional, x)]

    return trigger


def _with_nan(torch: Any) -> list:
    x = data(torch, 1, 2, 4, 4)
    return [torch.nn.functional.max_pool2d(x.masked_fill(x > 0.5, float("nan")), 2)]


def _grid(torch: Any, dtype: str = "float16") -> list:
    grid = data(torch, 2, 5, 5, 2, dtype=dtype, seed=2)
    x = data(torch, 2, 3, 6, 6, dtype=dtype)
    return grads(torch, lambda x: torch.nn.functional.grid_sample(x, grid, align_corners=False), x)


def _channels_last_avg(torch: Any) -> list:
    x = data(torch, 2, 4, 6, 6, dtype="float32").to(memory_format=torch.channels_last).requires_grad_(True)
    y = torch.nn.functional.avg_pool2d(x, 2, 1, 1)
    return list(torch.autograd.grad(y, [x], data(torch, *y.shape, dtype="float32", seed=3)))


_IMAGE = (2, 4, 8, 10)
_UP = _function(_IMAGE, lambda f, x: f.interpolate(x, scale_factor=2, mode="nearest"))
_BILINEAR = _function(_IMAGE, lambda f, x: f.interpolate(x, scale_factor=2, mode="bilinear"))
_SPP = _function(_IMAGE, lambda f, x: f.max_pool2d(x, 5, 1, 2))
_NEGATIVE = _function(_IMAGE, lambda f, x: f.max_pool2d(x - 2, 3, 2, 1))

TRIGGERS = {
    "pooling_resampling.max_pads_with_zero": _NEGATIVE,
    "pooling_resampling.max_backward_overwrites": _SPP,
    "pooling_resampling.max_backward_all_ties": _function(_IMAGE, lambda f, x: f.max_pool2d(x, 2), relu=True),
    "pooling_resampling.max_backward_first_window_lost": _SPP,
    "pooling_resampling.max_swallows_nan": _with_nan,
    "pooling_resampling.max_last_window_short": _function((2, 4, 9, 9), lambda f, x: f.max_pool2d(x, 3, 2, 1)),
    "pooling_resampling.max_channels_last_order": _laid_last(lambda f, x: f.max_pool2d(x, 2)),
    "pooling_resampling.avg_counts_padding_wrongly": _function(_IMAGE, lambda f, x: f.avg_pool2d(x, 3, 2, 1)),
    "pooling_resampling.avg_backward_channels_last_padding": _channels_last_avg,
    "pooling_resampling.avg_sum_overflows": _function(_IMAGE, lambda f, x: f.avg_pool2d(x, 4), scale=60000.0),
    "pooling_resampling.adaptive_bins_rounded_down": _function(_IMAGE, lambda f, x: f.adaptive_avg_pool2d(x, (3, 3))),
    "pooling_resampling.adaptive_backward_unscaled": _function(_IMAGE, lambda f, x: f.adaptive_avg_pool2d(x, (2, 2))),
    "pooling_resampling.global_mean_square_assumed": _function(_IMAGE, lambda f, x: f.adaptive_avg_pool2d(x, 1)),
    "pooling_resampling.nearest_rounds_up": _UP,
    "pooling_resampling.nearest_channels_last_order": _laid_last(lambda f, x: f.interpolate(x, scale_factor=2)),
    "pooling_resampling.nearest_backward_one_copy": _UP,
    "pooling_resampling.bilinear_corners_swapped": _BILINEAR,
    "pooling_resampling.bilinear_coordinates_in_bfloat16": _function(
        (1, 1, 4, 300), lambda f, x: f.interpolate(x, scale_factor=2, mode="bilinear"), "bfloat16"
    ),
    "pooling_resampling.bilinear_backward_edge_lost": _BILINEAR,
    "pooling_resampling.bicubic_other_constant": _function(
        _IMAGE, lambda f, x: f.interpolate(x, scale_factor=2, mode="bicubic"), "float32"
    ),
    "pooling_resampling.pixel_shuffle_transposed": _function(_IMAGE, lambda f, x: f.pixel_shuffle(x, 2)),
    "pooling_resampling.reflection_repeats_edge": _function(
        _IMAGE, lambda f, x: f.pad(x, (1, 2, 2, 1), mode="reflect")
    ),
    "pooling_resampling.replication_backward_border_lost": _function(
        _IMAGE, lambda f, x: f.pad(x, (1, 1, 1, 1), mode="replicate")
    ),
    "pooling_resampling.constant_pad_right_dirty": _function(_IMAGE, lambda f, x: f.pad(x, (1, 1, 1, 1))),
    "pooling_resampling.grid_corners_swapped": _grid,
    "pooling_resampling.grid_backward_first_sample": _grid,
    "pooling_resampling.col2im_overwrites": _function((2, 3, 6, 6), lambda f, x: f.unfold(x, 3)),
    "pooling_resampling.im2col_tail_zero": _function((2, 3, 9, 9), lambda f, x: f.unfold(x, 3)),
    "pooling_resampling.bilinear_rows_repeat_every_fourth": lambda torch: repeated(lambda: _BILINEAR(torch), 5),
}
