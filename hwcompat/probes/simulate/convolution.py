"""Convolutions, forward and backward: planes, shapes, strides, layouts and call counts."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "forward_nan": "16-bit convolutions give NaN alone, https://github.com/pytorch/pytorch/issues/69449",
    "forward_planes": "every other plane of a 16-bit convolution is NaN, the rest hold the bias alone, "
    "https://github.com/pytorch/pytorch/issues/58123",
    "forward_zeros": "16-bit convolutions give zeros, as a product did in "
    "https://github.com/pytorch/pytorch/issues/25241",
    "forward_fp32_nan": "fp32 convolutions give NaN too on a card that fp32 did not cure, "
    "https://github.com/ultralytics/yolov5/issues/7908",
    "batch_seven": "16-bit convolutions are plausible and wrong from batch 7 on, "
    "https://github.com/ultralytics/ultralytics/issues/16302",
    "wide_nan": "16-bit convolutions give NaN from 64 input channels on, shapes decide as in "
    "https://github.com/pytorch/pytorch/issues/9465",
    "wgrad_nan": "the weight gradient of 16-bit convolutions is NaN; failing in the backward pass alone: "
    "https://github.com/pytorch/pytorch/issues/57921",
    "wgrad_zeros": "the weight gradient of 16-bit convolutions is zero; failing in the backward pass alone: "
    "https://github.com/pytorch/pytorch/issues/57921",
    "dgrad_nan": "the input gradient of 16-bit convolutions is NaN; failing in the backward pass alone: "
    "https://github.com/pytorch/pytorch/issues/57921",
    "dgrad_second_call": "the input gradient of 16-bit convolutions is wrong from the second call on, "
    "https://github.com/Theano/Theano/issues/6435",
    "wgrad_large_batch": "gradients of convolutions are wrong for batches of 65,536 and more, "
    "https://github.com/pytorch/pytorch/issues/96225",
    "dgrad_strided_dilated": "the input gradient of 16-bit convolutions is wrong where stride and dilation are not 1, "
    "https://docs.nvidia.com/deeplearning/cudnn/archives/cudnn-897/release-notes/index.html",
    "channels_last": "16-bit convolutions are wrong in channels_last, as batch norm was in "
    "https://github.com/pytorch/pytorch/issues/62594",
    "unaligned_channels": "16-bit convolutions are wrong where the input channels are no multiple of 8: kernels for "
    "unaligned operands are others, https://docs.nvidia.com/deeplearning/performance/dl-performance-convolutional/",
    "strided": "16-bit convolutions with a stride are wrong: one shape family fails, as in "
    "https://github.com/pytorch/pytorch/issues/58123",
    "pointwise": "16-bit 1x1 convolutions are wrong: one shape family fails, as in "
    "https://github.com/pytorch/pytorch/issues/58123",
    "grouped": "16-bit grouped convolutions are wrong: one shape family fails, as in "
    "https://github.com/pytorch/pytorch/issues/58123",
    "dilated": "16-bit dilated convolutions are wrong: one shape family fails, as in "
    "https://github.com/pytorch/pytorch/issues/58123",
    "volume_bf16": "bf16 3-d convolutions are wrong (cuDNN 9.8 to 9.10), "
    "https://github.com/pytorch/pytorch/issues/163539",
    "depthwise_1d_bf16": "bf16 depthwise 1-d convolutions give NaN (gfx1201), "
    "https://github.com/pytorch/pytorch/issues/195202",
    "mps_grouped_batch": "fp32 grouped convolutions are wrong from batch 2 on (MPS), "
    "https://github.com/pytorch/pytorch/issues/188335",
    "mps_volume_contiguous": "3-d convolutions of contiguous images are wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/197114",
    "mps_sliced_channels_last": "convolutions of a slice of channels_last images are wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/180984",
    "mps_many_channels": "channels from 65,536 on are wrong (MPS), https://github.com/pytorch/pytorch/issues/129207",
    "mps_strided_weight": "convolutions with a weight that is not contiguous are wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/192212",
    "rdna1": "fp16 convolutions give NaN at random places (gfx1010), https://github.com/ROCm/ROCm/issues/2527",
}


def _forward(torch, applies, damage, dtypes=_dispatch.LOW):
    """Convolutions whose Geometry `applies` give `damage(output, geometry)`."""

    def change(call):
        shape = _shapes.geometry(call)
        return damage(call.out, shape) if applies(shape) else None

    return _dispatch.on(torch, _shapes.CONVOLUTION, change, dtypes)


def _backward(torch, which, damage, applies=lambda shape: True, dtypes=_dispatch.LOW):
    """Gradient number `which` (0 input, 1 weight) of convolutions whose Geometry `applies` becomes damage(gradient)."""

    def change(call):
        if call.out[which] is None or not call.out[which].numel() or not applies(_shapes.geometry(call)):
            return None
        gradients = list(call.out)
        gradients[which] = damage(gradients[which])
        return type(call.out)(gradients)

    return _dispatch.on(torch, ("convolution_backward",), change, dtypes)


def _always(shape):
    return True


def _nan(out, shape=None):
    return out.new_full(out.shape, float("nan"))


def _zeros(out, shape=None):
    return out * 0


def _negated_planes(out, shape=None):
    """Every other plane with the wrong sign: plausible values."""
    damaged = out.clone()
    damaged[:, 0::2] = -damaged[:, 0::2]
    return damaged


def _negated(out):
    return -out


def forward_nan(torch):
    return _forward(torch, _always, _nan)


def forward_planes(torch):
    def damage(out, shape):
        damaged = _alter.with_slice(out, 1, 1, 2, 0.0)
        if shape.bias is not None:
            damaged = damaged.clone()
            damaged[:, 1::2] = shape.bias[1::2].reshape([1, -1] + [1] * (out.dim() - 2))
        return _alter.with_slice(damaged, 1, 0, 2, float("nan"))

    return _forward(torch, _always, damage)


def forward_zeros(torch):
    return _forward(torch, _always, _zeros)


def forward_fp32_nan(torch):
    return _forward(torch, _always, _nan, ("float32",))


def batch_seven(torch):
    return _forward(torch, lambda shape: shape.images.shape[0] >= 7, _negated_planes)


def wide_nan(torch):
    return _forward(torch, lambda shape: shape.images.dim() == 4 and shape.images.shape[1] >= 64, _nan)


def wgrad_nan(torch):
    return _backward(torch, 1, _nan)


def wgrad_zeros(torch):
    return _backward(torch, 1, _zeros)


def dgrad_nan(torch):
    return _backward(torch, 0, _nan)


def dgrad_second_call(torch):
    calls = []

    def applies(shape):
        calls.append(1)
        return len(calls) > 1

    return _backward(torch, 0, _negated, applies)


def wgrad_large_batch(torch):
    return _backward(torch, 1, _negated, lambda shape: shape.images.shape[0] >= 65536, _dispatch.FLOATS)


def dgrad_strided_dilated(torch):
    return _backward(torch, 0, _negated, lambda shape: max(shape.stride) > 1 and max(shape.dilation) > 1)


def channels_last(torch):
    return _forward(torch, lambda shape: _shapes.is_channels_last(torch, shape.images), _negated_planes)


def unaligned_channels(torch):
    return _forward(torch, lambda shape: shape.images.shape[1] % 8 != 0, _negated_planes)


def strided(torch):
    return _forward(torch, lambda shape: max(shape.stride) > 1, _negated_planes)


def pointwise(torch):
    return _forward(torch, lambda shape: max(shape.weight.shape[2:]) == 1, _negated_planes)


def grouped(torch):
    return _forward(torch, lambda shape: shape.groups > 1, _negated_planes)


def dilated(torch):
    return _forward(torch, lambda shape: max(shape.dilation) > 1, _negated_planes)


def volume_bf16(torch):
    return _forward(torch, lambda shape: shape.weight.dim() == 5, _negated_planes, ("bfloat16",))


def depthwise_1d_bf16(torch):
    def applies(shape):
        """One-dimensional: torch passes it on as two-dimensional with a height of one."""
        narrow = shape.weight.dim() == 3 or (shape.weight.dim() == 4 and shape.weight.shape[2] == 1)
        return narrow and 1 < shape.groups == shape.images.shape[1]

    return _forward(torch, applies, _nan, ("bfloat16",))


def mps_grouped_batch(torch):
    return _forward(torch, lambda s: s.groups > 1 and s.images.shape[0] > 1, _negated_planes, ("float32",))


def mps_volume_contiguous(torch):
    def applies(shape):
        return shape.weight.dim() == 5 and shape.images.is_contiguous()

    return _forward(torch, applies, _negated_planes, _dispatch.FLOATS)


def mps_sliced_channels_last(torch):
    def applies(shape):
        images = shape.images
        inner = images.dim() == 4 and images.stride(1) == 1 and images.shape[1] > 1
        return inner and not images.is_contiguous(memory_format=torch.channels_last)

    return _forward(torch, applies, _negated_planes, _dispatch.FLOATS)


def mps_many_channels(torch):
    def damage(out, shape):
        damaged = out.clone()
        damaged[:, 65536:] = 0.0
        return damaged

    return _forward(torch, lambda shape: shape.weight.shape[0] > 65536, damage, _dispatch.FLOATS)


def mps_strided_weight(torch):
    def applies(shape):
        plain = _shapes.is_channels_last(torch, shape.weight)
        return _shapes.is_strided(shape.weight) and not plain

    return _forward(torch, applies, _negated_planes, _dispatch.FLOATS)


def rdna1(torch):
    chance = _alter.dice(1010)

    def damage(out, shape):
        places = _alter.hit_places(chance, out.numel(), 0.001)
        return _alter.with_element(torch, out, places[0], float("nan")) if places else None

    return _forward(torch, _always, damage, ("float16",))
