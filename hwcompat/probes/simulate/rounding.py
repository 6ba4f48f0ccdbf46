"""The last bits of products, convolutions and arithmetic: rounding modes, subnormal numbers, operands cut short."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "toward_zero": "16-bit products are rounded toward zero instead of to nearest: the right rounding is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "ties_away": "ties of 16-bit additions and multiplications are rounded away from zero: the right rounding is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "subnormal_operands": "16-bit products and convolutions take subnormal operands as zero (MI200), "
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "subnormal_results": "16-bit products and convolutions give zero for subnormal results (MI200), "
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "tf32_products": "fp32 products cut their operands to ten bits although TF32 is off, "
    "https://github.com/pytorch/pytorch/issues/133093",
    "tf32_convolutions": "fp32 convolutions cut their operands to ten bits although TF32 is off, "
    "https://github.com/pytorch/pytorch/issues/133093",
    "unsteady_ulp": "one element in a thousand of a 16-bit product is one unit in the last place off, another each "
    "time: small differences as on the failing nodes of https://arxiv.org/abs/2502.12340",
}

_ARITHMETIC = ("add", "sub", "mul", "div")


def _recomputed(torch, names, operand, dtypes):
    """The operators on operands that `operand` has cut short."""

    def change(call):
        if _dispatch.works_in_place(call.func):
            return None  # one operand is overwritten by now
        return call.func(*_dispatch.mapped(torch, list(call.args), operand), **call.kwargs)

    return _dispatch.on(torch, names, change, dtypes)


def toward_zero(torch):
    def change(call):
        if _dispatch.works_in_place(call.func):
            return None  # one operand is overwritten by now
        wide = call.func(*_dispatch.mapped(torch, list(call.args), lambda t: t.double()), **call.kwargs)
        return cut(torch, wide, call.out)

    return _dispatch.on(torch, ("mm", "addmm", "bmm", "baddbmm"), change)


def cut(torch, wide, rounded):
    """`rounded` to nearest made rounded toward zero: one step back where it is larger than `wide` (float64)."""
    beyond = rounded.double().abs() > wide.abs()
    bits = _alter.integer_bits(torch, rounded.contiguous().clone())
    return torch.where(beyond, bits - 1, bits).view(rounded.dtype)


def ties_away(torch):
    def change(call):
        if len(call.args) != 2 or not all(isinstance(value, torch.Tensor) for value in call.args):
            return None
        if _dispatch.works_in_place(call.func) or call.out.dtype not in (torch.float16, torch.bfloat16):
            return None
        wide = call.func(*[value.double() for value in call.args], **call.kwargs)
        return away(torch, wide, call.out)

    return _dispatch.on(torch, _ARITHMETIC, change)


def away(torch, wide, rounded):
    """`rounded` to nearest even made ties away from zero."""
    bits = _alter.integer_bits(torch, rounded.contiguous().clone())
    larger = (bits + 1).view(rounded.dtype).double()
    tie = (wide - rounded.double()) == (larger - wide)
    return torch.where(tie & torch.isfinite(larger), bits + 1, bits).view(rounded.dtype)


def flushed(torch, tensor):
    """Subnormal numbers replaced by zero."""
    return torch.where(tensor.abs() < torch.finfo(tensor.dtype).tiny, torch.zeros_like(tensor), tensor)


def subnormal_operands(torch):
    names = ("mm", "addmm", "bmm", "baddbmm", "convolution")
    return _recomputed(torch, names, lambda tensor: flushed(torch, tensor), _dispatch.LOW)


def subnormal_results(torch):
    names = _shapes.PRODUCTS + ("convolution",)
    return _dispatch.on(torch, names, lambda call: flushed(torch, call.out))


def ten_bits(torch, tensor):
    """fp32 with the lowest 13 bits of the significand cut off."""
    if tensor.dtype != torch.float32:
        return tensor
    return (_alter.integer_bits(torch, tensor.contiguous()) & ~0x1FFF).view(torch.float32)


def tf32_products(torch):
    return _recomputed(torch, ("mm", "addmm", "bmm", "baddbmm"), lambda t: ten_bits(torch, t), ("float32",))


def tf32_convolutions(torch):
    return _recomputed(torch, ("convolution",), lambda t: ten_bits(torch, t), ("float32",))


def unsteady_ulp(torch):
    chance = _alter.dice(29)

    def change(call):
        return _alter.with_bits_flipped(torch, call.out, chance, 1e-3, 1)

    return _dispatch.on(torch, _shapes.PRODUCTS, change)
