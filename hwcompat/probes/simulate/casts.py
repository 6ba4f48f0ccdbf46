"""Conversions between formats: rounding, ties, ranges, subnormal numbers."""

from . import _dispatch, rounding

FAULTS = {
    "toward_zero": "fp32 is cut to 16 bits instead of rounded: the right rounding is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "ties_away": "ties between two 16-bit numbers are rounded away from zero: the right rounding is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "flush_narrow": "fp32 becomes zero where 16 bits need a subnormal number (MI200 keeps none in its products), "
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "flush_wide": "subnormal fp16 numbers become zero in fp32 (MI200 keeps none in its products), "
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "saturates": "fp32 beyond the range of 16 bits becomes the largest number instead of infinity: the right one is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
}

_CASTS = ("_to_copy", "copy", "to")


def _casts(torch, source_dtypes, target_dtypes, damage):
    """Conversions between the named dtypes give damage(source, result)."""

    def change(call):
        target = call.out
        source = call.args[1] if call.name == "copy" else call.args[0]
        names = [str(t.dtype).replace("torch.", "") for t in (source, target)]
        if names[0] not in source_dtypes or names[1] not in target_dtypes or source.shape != target.shape:
            return None
        return damage(source, target)

    return _dispatch.on(torch, _CASTS, change, _dispatch.FLOATS)


def toward_zero(torch):
    return _casts(torch, ("float32",), _dispatch.LOW, lambda source, out: rounding.cut(torch, source.double(), out))


def ties_away(torch):
    return _casts(torch, ("float32",), _dispatch.LOW, lambda source, out: rounding.away(torch, source.double(), out))


def flush_narrow(torch):
    return _casts(torch, ("float32",), _dispatch.LOW, lambda source, out: rounding.flushed(torch, out))


def flush_wide(torch):
    def damage(source, out):
        return torch.where(source.abs() < torch.finfo(source.dtype).tiny, torch.zeros_like(out), out)

    return _casts(torch, ("float16",), ("float32",), damage)


def saturates(torch):
    def damage(source, out):
        lost = torch.isinf(out) & torch.isfinite(source)
        return torch.where(lost, out.sign() * torch.finfo(out.dtype).max, out)

    return _casts(torch, ("float32",), _dispatch.LOW, damage)
