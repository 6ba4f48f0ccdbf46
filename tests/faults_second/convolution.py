"""Faults of convolutions: forward, data gradient, weight gradient and bias gradient."""

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
    grads,
    is_channels_last,
    nan_like,
    narrow_sum,
    post,
    repeated,
    swap,
    truncate_mantissa,
)


def _kernel(call: Call) -> tuple:
    return tuple(call["weight"].shape[2:])


def _depthwise(call: Call) -> bool:
    return call["groups"] > 1 and call["weight"].size(1) == 1


def _edit(region: Any, number: float) -> Any:
    """An alteration that writes ``number`` into ``value[region(call, value)]``."""

    def alter(call: Call, value: Any) -> Any:
        value = value.clone()
        value[region(call, value)] = number
        return value

    return alter


def _tail_bias(call: Call) -> Any:
    bias = call["bias"].clone()
    bias[bias.numel() - bias.numel() % 8 :] = 0
    return call.run(bias=bias)


def _replicated_border(call: Call) -> Any:
    functional, pad = call.torch.nn.functional, call["padding"]
    x = functional.pad(call["input"], (pad[1], pad[1], pad[0], pad[0]), mode="replicate")
    return call.run(input=x, padding=[0, 0])


def _last_tap_lost(call: Call) -> Any:
    weight = call["weight"].clone()
    weight[:, :, -1] = 0
    return call.run(weight=weight)


def _groups_swapped(call: Call) -> Any:
    result = call.run()
    weight = call["weight"].unflatten(0, (call["groups"], -1)).flip(0).flatten(0, 1)
    wrong = call.run(weight=weight)
    return call.torch.cat([result[:1], wrong[1:]])


def _winograd(call: Call) -> Any:
    """F(4x4, 3x3) with its transforms kept in the operands' type."""
    torch, functional = call.torch, call.torch.nn.functional
    x, weight, dtype = call["input"], call["weight"], call["input"].dtype
    b = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
    b += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
    g = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]]
    g += [[1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
    a = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    bt, gm, at = (torch.tensor(matrix, dtype=torch.float32) for matrix in (b, g, a))
    height, width = x.size(2) + 2 * call["padding"][0] - 2, x.size(3) + 2 * call["padding"][1] - 2
    extra_h, extra_w = -height % 4, -width % 4
    pad = call["padding"]
    x = functional.pad(x.float(), (pad[1], pad[1] + extra_w, pad[0], pad[0] + extra_h))
    tiles = x.unfold(2, 6, 4).unfold(3, 6, 4)
    v = (bt @ tiles.to(dtype).float()).to(dtype).float() @ bt.T
    u = (gm @ weight.float()).to(dtype).float() @ gm.T
    m = torch.einsum("nchwij,ocij->nohwij", v.to(dtype).float(), u.to(dtype).float()).to(dtype).float()
    y = (at @ m).to(dtype).float() @ at.T
    y = y.permute(0, 1, 2, 4, 3, 5).reshape(y.size(0), y.size(1), height + extra_h, width + extra_w)
    y = y[:, :, :height, :width]
    return y if call["bias"] is None else y + call["bias"].float().view(1, -1, 1, 1)


def _plain3x3(call: Call) -> bool:
    ones = all(number == 1 for number in (*call["stride"], *call["dilation"], call["groups"]))
    return _kernel(call) == (3, 3) and ones and not call["transposed"]


def _tapwise(call: Call) -> Any:
    """Every tap of the kernel is its own product, added up in the operands' type."""
    torch, weight, total = call.torch, call["weight"], None
    kernel = _kernel(call)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            only = torch.zeros_like(weight)
            only[:, :, row, column] = weight[:, :, row, column]
            part = call.run(weight=only, bias=None)
            total = part if total is None else (total + part).to(part.dtype)
    return total if call["bias"] is None else total + call["bias"].view(1, -1, 1, 1)


def _rgb_padding_lane(call: Call) -> Any:
    """The fourth lane of a three-channel stem holds the next pixel's blue instead of zero."""
    x, weight = call["input"], call["weight"]
    extra = call.run(input=x[:, 2:].roll(-1, 3).contiguous(), weight=weight[:, 2:].contiguous(), bias=None)
    return call.run() + extra


def _wgrad_half_batch(call: Call) -> Any:
    result = list(call.run())
    half = call["input"].size(0) // 2
    part = call.run(input=call["input"][half:].contiguous(), grad_output=call["grad_output"][half:].contiguous())
    return (result[0], part[1], result[2])


def _wgrad_narrow(call: Call) -> Any:
    torch, result = call.torch, list(call.run())
    parts = []
    for number in range(call["input"].size(0)):
        x, gradient = call["input"][number : number + 1], call["grad_output"][number : number + 1]
        parts.append(call.run(input=x, grad_output=gradient, output_mask=[False, True, False])[1])
    return (result[0], narrow_sum(torch, torch.stack(parts), 0), result[2])


def _bias_narrow(call: Call, value: Any) -> Any:
    gradient = call["grad_output"]
    return narrow_sum(call.torch, gradient.transpose(0, 1).reshape(gradient.size(1), -1), 1)


def _bias_first_image(call: Call, value: Any) -> Any:
    return call["grad_output"][:1].transpose(0, 1).flatten(1).sum(1)


def _dgrad_unflipped(call: Call) -> Any:
    result = call.run()
    mask = [True, False, False]
    return (call.run(weight=call["weight"].flip(2, 3), output_mask=mask)[0], result[1], result[2])


def _dgrad_memory_order(call: Call) -> Any:
    result = call.run()
    gradient = as_if_contiguous(call.torch, call["grad_output"])
    return (call.run(grad_output=gradient, output_mask=[True, False, False])[0], result[1], result[2])


def _wgrad_last_row(call: Call) -> Any:
    gradient = call["grad_output"].clone()
    gradient[:, :, -1] = 0
    result = call.run()
    return (result[0], call.run(grad_output=gradient)[1], result[2])


def _second_call_doubles(call: Call, value: Any) -> Any:
    key = ("second", tuple(value.shape))
    call.state[key] = call.state.get(key, 0) + 1
    return value * 2 if call.state[key] % 2 == 0 else value


def _conv_f32_bf16_operands(call: Call) -> Any:
    torch = call.torch
    return call.run(
        input=truncate_mantissa(torch, call["input"], 7), weight=truncate_mantissa(torch, call["weight"], 7)
    )


def _dense(x: Any) -> bool:
    return bool(x.stride(0) == x[0].numel()) or x.size(0) == 1


FAULTS = {
    "convolution.dgrad_odd_rows_zero": (
        "16-bit: odd rows of the data gradient stay zero when stride is 2; model of: one of the four sub-lattices of a "
        "strided data gradient not launched",
        lambda torch: post(
            torch,
            "convolution_backward:0",
            lambda call, value: _edit(lambda c, v: (slice(None), slice(None), slice(1, None, 2)), 0)(call, value),
            lambda call, value: value.dim() == 4 and call["stride"][0] == 2 and not call["transposed"],
        ),
    ),
    "convolution.wgrad_second_half_of_batch_only": (
        "16-bit: the weight gradient of the first half of the batch is overwritten by that of the second half when the "
        "batch has four or more images; model of: split-K with overwrite instead of add",
        lambda torch: swap(
            torch,
            "convolution_backward",
            _wgrad_half_batch,
            lambda call: call["input"].size(0) >= 4 and call["output_mask"][1],
        ),
    ),
    "convolution.depthwise_wgrad_transposed": (
        "16-bit: height and width of a depthwise weight gradient are mixed up; https://github.com/torch/cunn/pull/470",
        lambda torch: post(
            torch,
            "convolution_backward:1",
            lambda call, value: value.transpose(2, 3).contiguous(),
            lambda call, value: value.dim() == 4 and _depthwise(call) and value.size(2) == value.size(3) > 1,
        ),
    ),
    "convolution.depthwise_last_row_missing": (
        "16-bit: a depthwise convolution leaves the last row of an odd-height output at zero; "
        "https://github.com/deeplearning4j/deeplearning4j/issues/8405",
        lambda torch: post(
            torch,
            "convolution",
            _edit(lambda call, value: (slice(None), slice(None), -1), 0),
            lambda call, value: value.dim() == 4 and _depthwise(call) and value.size(2) % 2 == 1,
        ),
    ),
    "convolution.transposed_forgets_bias": (
        "every type: a transposed convolution does not add its bias; model of: epilogue missing in the data-gradient "
        "kernel that is reused as forward",
        lambda torch: swap(
            torch,
            "convolution",
            lambda call: call.run(bias=None),
            lambda call: call["transposed"] and call["bias"] is not None,
            ALL,
        ),
    ),
    "convolution.transposed_kernel_flipped": (
        "float16: a transposed convolution with kernel 2 or 4 turns its kernel round; model of: correlation and "
        "convolution mixed up",
        lambda torch: swap(
            torch,
            "convolution",
            lambda call: call.run(weight=call["weight"].flip(-1)),
            lambda call: call["transposed"] and _kernel(call)[-1] % 2 == 0,
            F16,
        ),
    ),
    "convolution.transposed_output_padding_garbage": (
        "16-bit: the extra last row and column made by output_padding keep the bias alone; "
        "https://github.com/apache/tvm/issues/19524",
        lambda torch: post(
            torch,
            "convolution",
            lambda call, value: _edit(
                lambda c, v: (Ellipsis, slice(-1, None)), float(call["bias"][0]) if call["bias"] is not None else 0.0
            )(call, value),
            lambda call, value: call["transposed"] and any(call["output_padding"]),
        ),
    ),
    "convolution.conv3d_last_depth_tap_lost": (
        "bfloat16: a three-dimensional convolution ignores the last plane of its kernel; "
        "https://github.com/pytorch/pytorch/issues/163539",
        lambda torch: swap(
            torch,
            "convolution",
            _last_tap_lost,
            lambda call: call["weight"].dim() == 5 and call["weight"].size(2) > 1 and not call["transposed"],
            BF16,
        ),
    ),
    "convolution.large_kernel_replicates_border": (
        "16-bit: kernels of 5 and more read the clamped border instead of zeros; model of: address clamp without the "
        "predicate",
        lambda torch: swap(
            torch,
            "convolution",
            _replicated_border,
            lambda call: (
                call["weight"].dim() == 4
                and min(_kernel(call)) >= 5
                and any(call["padding"])
                and not call["transposed"]
            ),
        ),
    ),
    "convolution.grouped_batch_uses_other_group": (
        "float32: in a grouped convolution the images after the first meet the groups in the wrong order; "
        "https://github.com/pytorch/pytorch/issues/188335",
        lambda torch: swap(
            torch,
            "convolution",
            _groups_swapped,
            lambda call: call["groups"] > 1 and call["input"].size(0) > 1 and not call["transposed"],
            F32,
        ),
    ),
    "convolution.winograd_in_half": (
        "float16: 3x3 convolutions of stride 1 run as Winograd F(4x4) with transforms held in half precision; model "
        "of: Winograd kernel chosen without a look at the type",
        lambda torch: swap(torch, "convolution", _winograd, _plain3x3, F16),
    ),
    "convolution.tapwise_accumulation": (
        "bfloat16: the taps of a kernel are added up in bfloat16; model of: implicit GEMM that writes its partial sums "
        "back after each tap",
        lambda torch: swap(
            torch,
            "convolution",
            _tapwise,
            lambda call: call["weight"].dim() == 4 and max(_kernel(call)) > 1 and not call["transposed"],
            BF16,
        ),
    ),
    "convolution.bias_tail_missing": (
        "16-bit: the output channels after the last multiple of 8 get no bias; model of: vectorised epilogue without "
        "a tail",
        lambda torch: swap(
            torch,
            "convolution",
            _tail_bias,
            lambda call: call["bias"] is not None and call["bias"].numel() % 8 != 0,
        ),
    ),
    "convolution.bias_grad_of_first_image": (
        "16-bit: the bias gradient sums the first image alone; model of: reduction launched with one batch",
        lambda torch: post(
            torch,
            "convolution_backward:2",
            _bias_first_image,
            lambda call, value: call["output_mask"][2] and call["grad_output"].size(0) > 1,
        ),
    ),
    "convolution.bias_grad_narrow": (
        "16-bit: the bias gradient is added up in 16 bits; model of: atomic half add",
        lambda torch: post(
            torch,
            "convolution_backward:2",
            _bias_narrow,
            lambda call, value: call["output_mask"][2] and call["grad_output"].numel() < 2**20,
        ),
    ),
    "convolution.wgrad_narrow_over_batch": (
        "16-bit: the images' parts of the weight gradient are added up in 16 bits; model of: 16-bit workspace of the "
        "non-deterministic weight-gradient algorithm",
        lambda torch: swap(
            torch,
            "convolution_backward",
            _wgrad_narrow,
            lambda call: call["output_mask"][1] and 4 <= call["input"].size(0) <= 64,
        ),
    ),
    "convolution.dgrad_reads_channels_last_as_contiguous": (
        "16-bit: the data gradient reads a channels-last output gradient in memory order; "
        "https://github.com/Dao-AILab/flash-attention/issues/355 (same class)",
        lambda torch: swap(
            torch,
            "convolution_backward",
            _dgrad_memory_order,
            lambda call: call["output_mask"][0] and is_channels_last(call.torch, call["grad_output"]),
        ),
    ),
    "convolution.pointwise_dgrad_first_plane_only": (
        "every type: the data gradient of a 1x1 convolution is right in the first plane and zero in the others; "
        "https://github.com/soumith/cudnn.torch/issues/28",
        lambda torch: post(
            torch,
            "convolution_backward:0",
            _edit(lambda call, value: (slice(None), slice(1, None)), 0),
            lambda call, value: call["output_mask"][0] and max(_kernel(call)) == 1 and value.size(1) > 1,
            ALL,
        ),
    ),
    "convolution.dilated_dgrad_shifted": (
        "float32: the data gradient of a dilated convolution is off by one column; "
        "https://github.com/ROCm/legacy-rocm-build/issues/4606",
        lambda torch: post(
            torch,
            "convolution_backward:0",
            lambda call, value: value.roll(1, -1),
            lambda call, value: call["output_mask"][0] and max(call["dilation"]) > 1,
            F32,
        ),
    ),
    "convolution.last_image_of_odd_batch": (
        "float16: in batches of an odd size from 3 on, the last image's result is that of the image before; "
        "https://github.com/ultralytics/ultralytics/issues/16302",
        lambda torch: post(
            torch,
            "convolution",
            lambda call, value: call.torch.cat([value[:-1], value[-2:-1]]),
            lambda call, value: value.size(0) >= 3 and value.size(0) % 2 == 1,
            F16,
        ),
    ),
    "convolution.large_map_nan_block": (
        "float16: inputs of 262144 elements and more make the last quarter of the channels NaN; "
        "https://github.com/huggingface/diffusers/issues/1556",
        lambda torch: post(
            torch,
            "convolution",
            _edit(lambda call, value: (slice(None), slice(value.size(1) - value.size(1) // 4, None)), float("nan")),
            lambda call, value: call["input"].numel() >= 262144 and value.size(1) >= 4,
            F16,
        ),
    ),
    "convolution.rgb_stem_reads_a_fourth_channel": (
        "16-bit: a three-channel input is padded to four lanes with the neighbour's value; model of: missing zero fill "
        "of the channel padding",
        lambda torch: swap(
            torch,
            "convolution",
            _rgb_padding_lane,
            lambda call: (
                call["input"].dim() == 4
                and call["input"].size(1) == 3
                and call["groups"] == 1
                and not call["transposed"]
            ),
        ),
    ),
    "convolution.every_tenth_call_short": (
        "16-bit: every tenth convolution leaves its last quarter of channels at zero; model of: a thread block that "
        "exits early under a race",
        lambda torch: post(
            torch,
            "convolution",
            _edit(lambda call, value: (slice(None), slice(value.size(1) * 3 // 4, None)), 0),
            every=10,
        ),
    ),
    "convolution.chunked_input_read_as_dense": (
        "every type: an input that is a channel slice of a larger tensor is read as if it were dense; "
        "https://github.com/pytorch/pytorch/issues/180984",
        lambda torch: swap(
            torch,
            "convolution",
            lambda call: call.run(input=as_if_contiguous(call.torch, call["input"])),
            lambda call: not call["input"].is_contiguous() and not _dense(call["input"]),
            ALL,
        ),
    ),
    "convolution.large_kernel_dgrad_not_flipped": (
        "16-bit: the data gradient of kernels of 5 and more uses the kernel unturned; model of: forward kernel reused",
        lambda torch: swap(
            torch,
            "convolution_backward",
            _dgrad_unflipped,
            lambda call: call["weight"].dim() == 4 and min(_kernel(call)) >= 5 and call["output_mask"][0],
        ),
    ),
    "convolution.strided_wgrad_misses_last_row": (
        "16-bit: the weight gradient of a stride-2 convolution leaves out the last row of the output gradient; model "
        "of: off-by-one in the loop bound",
        lambda torch: swap(
            torch,
            "convolution_backward",
            _wgrad_last_row,
            lambda call: call["weight"].dim() == 4 and call["stride"][0] == 2 and call["output_mask"][1],
        ),
    ),
    "convolution.fast_math_f32": (
        "float32: operands are cut to 8 significant bits; model of: a fast-math mode that a driver turned on unasked",
        lambda torch: swap(torch, "convolution", _conv_f32_bf16_operands, dtypes=F32),
    ),
    "convolution.dgrad_second_call_accumulates": (
        "16-bit: every second data gradient of a size is added to what the buffer held; "
        "https://github.com/Theano/Theano/issues/6435 (same class)",
        lambda torch: post(
            torch, "convolution_backward:0", _second_call_doubles, lambda call, value: call["output_mask"][0]
        ),
    ),
    "convolution.depthwise_wgrad_channel_tail": (
        "16-bit: depthwise weight gradients of the channels after the last multiple of 32 stay zero; model of: "
        "warp-wide channel loop without a tail",
        lambda torch: post(
            torch,
            "convolution_backward:1",
            _edit(lambda call, value: slice(value.size(0) - value.size(0) % 32, None), 0),
            lambda call, value: _depthwise(call) and value.size(0) % 32 != 0,
        ),
    ),
    "convolution.depthwise_conv1d_nan": (
        "bfloat16: every eighth grouped one-dimensional convolution gives NaN in its first position; "
        "https://github.com/pytorch/pytorch/issues/195202",
        lambda torch: post(
            torch,
            "convolution",
            _edit(lambda call, value: (Ellipsis, 0), float("nan")),
            lambda call, value: call["weight"].dim() == 3 and call["groups"] > 1,
            BF16,
            every=8,
        ),
    ),
    "convolution.unit_height_nan": (
        "float16: feature maps of one row or one column give NaN; model of: division by a tile count of zero",
        lambda torch: post(
            torch,
            "convolution",
            lambda call, value: nan_like(value),
            lambda call, value: value.dim() == 4 and 1 in value.shape[2:] and max(_kernel(call)) > 1,
            F16,
        ),
    ),
}


def _conv(
    x: tuple, w: tuple, dtype: str = "float16", bias: bool = True, channels_last: bool = False, **settings: Any
) -> Any:
    def trigger(torch: Any) -> list:
        name = f"conv{len(x) - 2}d" if not settings.get("output") else f"conv_transpose{len(x) - 2}d"
        arguments = {key: value for key, value in settings.items() if key != "output"}
        function = getattr(torch.nn.functional, name)
        inputs = [data(torch, *x, dtype=dtype), data(torch, *w, dtype=dtype, seed=2)]
        if channels_last:
            inputs[0] = inputs[0].to(memory_format=torch.channels_last)
        if bias:
            channels = w[1] if settings.get("output") else w[0]
            inputs.append(data(torch, channels, dtype=dtype, seed=3))
        return grads(torch, lambda *given: function(*given, **arguments), *inputs)

    return trigger


def _chunked(torch: Any) -> list:
    x = data(torch, 2, 8, 5, 5)
    weight = data(torch, 4, 4, 3, 3, seed=2)
    return [torch.nn.functional.conv2d(x.chunk(2, 1)[1], weight)]


def _channels_last_gradient(torch: Any) -> list:
    x = data(torch, 2, 4, 6, 6).requires_grad_(True)
    weight = data(torch, 8, 4, 3, 3, seed=2)
    output = torch.nn.functional.conv2d(x, weight, padding=1)
    cotangent = data(torch, *output.shape, seed=5).to(memory_format=torch.channels_last)
    return list(torch.autograd.grad(output, [x], cotangent))


def _many(trigger: Any, times: int) -> Any:
    return lambda torch: repeated(lambda: trigger(torch), times)


_PLAIN = _conv((4, 8, 9, 9), (12, 8, 3, 3), padding=1)
_STRIDED = _conv((2, 8, 10, 10), (8, 8, 3, 3), padding=1, stride=2)
_DEPTHWISE = _conv((2, 8, 9, 9), (8, 1, 3, 3), padding=1, groups=8)
_LARGE = _conv((2, 4, 12, 12), (8, 4, 5, 5), padding=2)
_TRANSPOSED = _conv((2, 4, 6, 6), (4, 8, 2, 2), stride=2, output=True)

TRIGGERS = {
    "convolution.dgrad_odd_rows_zero": _STRIDED,
    "convolution.wgrad_second_half_of_batch_only": _PLAIN,
    "convolution.depthwise_wgrad_transposed": _DEPTHWISE,
    "convolution.depthwise_last_row_missing": _DEPTHWISE,
    "convolution.transposed_forgets_bias": _TRANSPOSED,
    "convolution.transposed_kernel_flipped": _TRANSPOSED,
    "convolution.transposed_output_padding_garbage": _conv(
        (2, 4, 6, 6), (4, 8, 3, 3), stride=2, padding=1, output_padding=1, output=True
    ),
    "convolution.conv3d_last_depth_tap_lost": _conv((1, 4, 5, 6, 6), (4, 4, 3, 3, 3), "bfloat16", padding=1),
    "convolution.large_kernel_replicates_border": _LARGE,
    "convolution.grouped_batch_uses_other_group": _conv((2, 8, 6, 6), (8, 4, 3, 3), "float32", groups=2),
    "convolution.winograd_in_half": _PLAIN,
    "convolution.tapwise_accumulation": _conv((4, 8, 9, 9), (12, 8, 3, 3), "bfloat16", padding=1),
    "convolution.bias_tail_missing": _PLAIN,
    "convolution.bias_grad_of_first_image": _PLAIN,
    "convolution.bias_grad_narrow": _PLAIN,
    "convolution.wgrad_narrow_over_batch": _PLAIN,
    "convolution.dgrad_reads_channels_last_as_contiguous": _channels_last_gradient,
    "convolution.pointwise_dgrad_first_plane_only": _conv((2, 4, 6, 6), (8, 4, 1, 1)),
    "convolution.dilated_dgrad_shifted": _conv((2, 4, 8, 8), (4, 4, 3, 3), "float32", padding=2, dilation=2),
    "convolution.last_image_of_odd_batch": _conv((3, 4, 6, 6), (4, 4, 3, 3)),
    "convolution.large_map_nan_block": _conv((1, 16, 128, 128), (4, 16, 1, 1)),
    "convolution.rgb_stem_reads_a_fourth_channel": _conv((2, 3, 8, 8), (8, 3, 3, 3), padding=1),
    "convolution.every_tenth_call_short": _many(_PLAIN, 11),
    "convolution.chunked_input_read_as_dense": _chunked,
    "convolution.large_kernel_dgrad_not_flipped": _LARGE,
    "convolution.strided_wgrad_misses_last_row": _STRIDED,
    "convolution.fast_math_f32": _conv((2, 4, 6, 6), (4, 4, 3, 3), "float32"),
    "convolution.dgrad_second_call_accumulates": _many(_PLAIN, 2),
    "convolution.depthwise_wgrad_channel_tail": _DEPTHWISE,
    "convolution.depthwise_conv1d_nan": _many(_conv((2, 4, 9), (4, 1, 3), "bfloat16", groups=4), 9),
    "convolution.unit_height_nan": _conv((2, 4, 1, 8), (4, 4, 3, 3), padding=1),
}
