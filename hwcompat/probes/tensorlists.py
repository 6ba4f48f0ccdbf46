"""Lists of tensors as optimizers see them: cut out of one vector and joined again by their bits."""

from . import judge, rounding

SHAPES = ((1,), (2,), (3,), (7,), (8,), (9,), (1023,), (1024,), (1025,), (17, 5), (2, 3, 4, 5), (5, 7), ())
"""Around vectors of 4, 8 and 16, blocks of 1024, in two dimensions, channels_last, transposed, without a dimension."""


def chunked(ctx):
    """One element beyond a chunk of 65,536, and more tensors than one launch of the list kernels takes: 30 to 110 by
    the number of operands, 320 chunks (PyTorch, aten/src/ATen/native/cuda/MultiTensorApply.cuh)."""
    return ((65537,),) + many(ctx)


def many(ctx):
    """Small tensors alone: more than one launch takes."""
    return ((1,),) * 5 + tuple((n % 13 + 1,) for n in range(330 if ctx.large else 115))


def size(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def total(shapes):
    return sum(size(shape) for shape in shapes)


def cut(ctx, values, shapes, dtype_name=None):
    """The float64 vector `values`, rounded to the dtype under test, as device tensors of `shapes`; leaves.

    Four dimensions are channels_last, (5, 7) is transposed in memory, the rest contiguous.
    """
    torch, fmt = ctx.torch, rounding.FORMATS[dtype_name or ctx.dtype_name]
    flat = rounding.from_codes(torch, rounding.encode(torch, values, fmt), fmt)
    parts = rounding.bits_of(torch, flat, fmt).split([size(shape) for shape in shapes])
    dtype = getattr(torch, fmt.name)
    return [laid_out(torch, part.clone().reshape(shape), dtype, ctx.device) for part, shape in zip(parts, shapes)]


def laid_out(torch, bits, dtype, device):
    """`bits` (integers) as a tensor of `dtype` on the device, arranged in memory by its shape."""
    if bits.dim() == 4:
        return bits.contiguous(memory_format=torch.channels_last).view(dtype).to(device)
    if tuple(bits.shape) == (5, 7):
        return bits.t().contiguous().view(dtype).to(device).t()
    return bits.view(dtype).to(device)


def joined(ctx, tensors, dtype_name=None):
    """(all elements as one CPU tensor, the same as float64), put together from bits."""
    torch, fmt = ctx.torch, rounding.FORMATS[dtype_name or ctx.dtype_name]
    bits = torch.cat([rounding.bits_of(torch, ctx.host(t), fmt).reshape(-1) for t in tensors])
    values = rounding.decode(torch, bits.to(torch.int64) & ((1 << fmt.bits) - 1), fmt)
    return bits.view(getattr(torch, fmt.name)), values


def exact(ctx, tensors, expected, note="", dtype_name=None):
    """EXACT for a list: dtype, number and sizes as they must be, every element of the float64 vector `expected`."""
    dtype = getattr(ctx.torch, dtype_name or ctx.dtype_name)
    other = [t for t in tensors if t.dtype != dtype]
    if other:
        return judge.failed("%s instead of %s %s" % (other[0].dtype, dtype, note), 0)
    got, values = joined(ctx, tensors, dtype_name)
    if values.shape == expected.shape and bool((values == expected).all()):
        return judge.passed(values.numel())
    return judge.exact(ctx.torch, got, expected, note=note)


def within(ctx, got, values, reference, bound, note=""):
    """INTERVAL for what `joined` gave; what is within the bound before any rounding of its ends needs no slow look."""
    torch = ctx.torch
    if values.shape == reference.shape:
        doubtful = ~((values - reference).abs() <= bound)
        if not bool(doubtful.any()):
            return judge.passed(values.numel())
        some = judge.interval(torch, got[doubtful], reference[doubtful], bound[doubtful])
        if some.status == "pass":
            return judge.passed(values.numel())
    return judge.interval(torch, got, reference, bound, note=note)
