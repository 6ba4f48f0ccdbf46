"""Operators that mistake the layout of an operand that is not contiguous."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "addcdiv": "addcdiv and addcmul on operands that are not contiguous change nothing or the wrong elements: weights "
    "stand still (MPS), https://github.com/pytorch/pytorch/issues/118115",
    "mse_loss": "the squared loss of operands that are not contiguous is wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/124621",
    "activation": "activations of operands that are not contiguous are wrong (MPS), "
    "https://github.com/huggingface/transformers/issues/22468",
    "grid_sample": "sampling with a grid that is not contiguous is wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/171602",
    "nearest_channels_last": "nearest upsampling in channels_last puts values in the wrong places, "
    "https://github.com/pytorch/pytorch/issues/54590",
    "bilinear_channels_last": "the last row of bilinear upsampling in bf16 and channels_last is wrong, "
    "https://github.com/pytorch/pytorch/pull/83847",
}

_FLOATS = _dispatch.FLOATS


def _strided(torch, names, damage, dtypes=_FLOATS, wanted=_shapes.is_strided):
    """The operators give damage(call) where an operand is `wanted`."""

    def change(call):
        hit = any(wanted(tensor) for tensor in _dispatch.tensors(torch, (call.args, call.kwargs)))
        return damage(call) if hit else None

    return _dispatch.on(torch, names, change, dtypes)


def _transposed_order(call):
    """The right values in the order of another layout."""
    return call.out.flip(0) if call.out.dim() and call.out.numel() > 1 else -call.out


def addcdiv(torch):
    return _strided(torch, ("addcdiv", "addcmul"), _transposed_order)


def mse_loss(torch):
    return _strided(torch, ("mse_loss", "mse_loss_backward"), lambda call: call.out * 0.5)


def activation(torch):
    return _strided(torch, ("gelu", "silu", "sigmoid", "tanh", "relu", "hardswish", "leaky_relu"), _transposed_order)


def grid_sample(torch):
    names = ("grid_sampler_2d", "grid_sampler_3d")
    return _strided(torch, names, lambda call: _alter.with_slice(call.out, -1, 0, 2, 0.0))


def _in_channels_last(torch):
    return lambda tensor: _shapes.is_channels_last(torch, tensor)


def nearest_channels_last(torch):
    def damage(call):
        """The channels of one pixel read as the pixels of one channel."""
        return call.out.permute(0, 2, 3, 1).reshape(call.out.shape)

    names = ("upsample_nearest2d", "_upsample_nearest_exact2d")
    return _strided(torch, names, damage, _FLOATS, _in_channels_last(torch))


def bilinear_channels_last(torch):
    def damage(call):
        damaged = call.out.clone()
        damaged[..., -1, :] = 0.0
        return damaged

    return _strided(torch, ("upsample_bilinear2d",), damage, ("bfloat16",), _in_channels_last(torch))
