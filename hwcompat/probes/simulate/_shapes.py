"""Reading the arguments of convolutions and attention, forward and backward alike."""

from collections import namedtuple

from . import _mutation

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "addbmm", "linear")
CONVOLUTION = ("convolution",)
CONVOLUTIONS = ("convolution", "convolution_backward")
NORMS = ("native_batch_norm", "_native_batch_norm_legit", "native_layer_norm", "native_group_norm", "_fused_rms_norm")

_KERNELS = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
            "fused_attention_overrideable", "attention_math_for_mps")  # fmt: skip
ATTENTION = tuple("_scaled_dot_product_" + name for name in _KERNELS)
ATTENTION_BACKWARD = tuple(name + "_backward" for name in ATTENTION)

Geometry = namedtuple("Geometry", "images weight bias stride padding dilation transposed groups")


def geometry(call):
    """The Geometry of a convolution or its backward pass; the bias of a backward pass is not known."""
    args = call.args
    if call.name == "convolution":
        return Geometry(args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[8])
    return Geometry(args[1], args[2], None, args[4], args[5], args[6], args[7], args[9])


def is_channels_last(torch, tensor):
    return _mutation.is_channels_last(torch, tensor)


def is_strided(tensor):
    return _mutation.is_strided(tensor)


def query_key_value(call):
    """The three operands of an attention, forward or backward, each (batch, heads, length, width)."""
    first = 1 if call.name.endswith("_backward") else 0
    return tuple(call.args[first : first + 3])


def mask_of(torch, call):
    """The additive or boolean mask of an attention, or None."""
    named = call.kwargs.get("attn_mask", call.kwargs.get("attn_bias"))
    if named is not None:
        return named
    place = {True: 4, False: 3}[call.name.endswith("_backward")]
    value = call.args[place] if "flash" not in call.name and len(call.args) > place else None
    return value if isinstance(value, torch.Tensor) and value.dim() >= 2 else None
