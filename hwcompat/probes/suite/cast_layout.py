"""Conversions between dtypes in every layout and length, by .to, by name, by copy_, with and without a copy, and back.

Hunts: tails and strides that a conversion kernel forgets, copy_ between layouts that transposes, images of uint8 that
are scaled wrongly, integers beyond 65504 that do not become infinite, fractions rounded instead of dropped, a NaN that
counts as False, a copy that shares memory, the gradient of a cast in another layout.
Rule: EXACT. One correct rounding: integers for 16-bit formats stay below 2**24 or are powers of two, where a step
through float32 is exact. To integers the fraction is dropped (C11, 6.3.1.4), to bool everything but zero is True.
INTERVAL for images divided by 255: a kernel may multiply by the rounded reciprocal, 2**-22 |y|.
Source: conversions that read a view from the wrong place (MPS, https://github.com/pytorch/pytorch/issues/194344), or
convert nothing (https://github.com/pytorch/pytorch/issues/78091).
"""

from functools import partial

from .. import judge, pointwise, rounding
from ..pointwise import Want

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.2
VERSION = 1

_SHORT = {"float16": "half", "bfloat16": "bfloat16", "float32": "float"}
_WHOLE = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int32": (-70000, 70000),
    "int64": (-70000, 70000),
    "bool": (0, 1),
}


def cases(ctx):
    for kind in ("float32", "float16", "bfloat16"):
        yield "from %s" % kind, partial(from_floats, ctx, kind)
    for kind in _WHOLE:
        yield "from %s" % kind, partial(from_integers, ctx, kind)
        yield "to %s" % kind, partial(to_integers, ctx, kind)
    yield "int64 beyond 2**31", partial(from_large, ctx)
    yield "images of uint8 divided by 255", partial(images, ctx)
    yield "copies share no memory", partial(copies, ctx)
    yield "gradients of casts", partial(gradients, ctx)


def calls(ctx):
    torch, name = ctx.torch, _SHORT[ctx.dtype_name]
    return (
        lambda x: x.to(ctx.dtype),
        lambda x: getattr(x, name)(),
        lambda x: torch.empty(x.shape, dtype=ctx.dtype, device=ctx.device).copy_(x),
        lambda x: x.to(ctx.dtype, copy=True),
    )


def everywhere(ctx, pool, legal, dtype=None):
    """All ways to convert in all arrangements, and copy_ into a transposed and a strided destination."""
    found = []
    for number, call in enumerate(calls(ctx)):
        arrangements = list(pool.everything()) + list(pool.vectors() if number % 2 == 0 else ()) + list(pool.layouts())
        found += pool.forward(call, arrangements)
    index = pool.places((65, 63), "destination")
    flipped = ctx.torch.zeros((63, 65), dtype=ctx.dtype, device=ctx.device)
    flipped.t().copy_(pool.storage(0, index))
    gaps = ctx.torch.full((65, 126), -2.0, dtype=ctx.dtype, device=ctx.device)
    gaps[:, ::2].copy_(pool.storage(0, index))
    found += [("copy_ into a transposed tensor", flipped, index.t()), ("copy_ into every other", gaps[:, ::2], index)]
    between = ctx.exact(gaps[:, 1::2], ctx.torch.full((65, 63), -2.0), note="(between the destinations of copy_)")
    return ctx.all_of(pool.judged(found, legal), between)


def from_floats(ctx, kind):
    """Numbers of `kind` over the whole range that need rounding, halves of units among them."""
    fmt = rounding.FORMATS[kind]
    codes = ctx.integers((1 << 13,), 1 << (fmt.precision - 1), rounding.infinity(fmt), kind)
    near = (
        1.0 + ctx.integers((1 << 12,), 0, 2**13, kind, "near").double() * 2.0**-13
    )  # midpoints of both 16-bit formats
    values = rounding.decode(ctx.torch, codes | (ctx.integers(codes.shape, 0, 1, kind, "sign") << (fmt.bits - 1)), fmt)
    values = ctx.torch.cat([values, rounding.rn(ctx.torch, near, fmt)])
    smallest = 2.0**ctx.format.emin
    values = values[(values.abs() >= smallest) | (values.abs() < smallest / 2**30)]  # cast.overflow judges between
    values = values[values.abs() >= 2.0**-126]
    pool = pointwise.Pool(ctx, [values], kind, kind=kind)
    return everywhere(ctx, pool, pointwise.interval(ctx, Want(values, None)))


def from_integers(ctx, kind):
    low, high = _WHOLE[kind]
    values = ctx.integers((1 << 13,), low, high, kind)
    pool = pointwise.Pool(ctx, [values], kind, kind=kind)
    return everywhere(ctx, pool, pointwise.interval(ctx, Want(values.double(), None)))


def from_large(ctx):
    """Powers of two up to 2**62: infinite in fp16, exact elsewhere."""
    values = 2 ** ctx.integers((1 << 10,), 0, 62, "large") * (2 * ctx.integers((1 << 10,), 0, 1, "sign") - 1)
    pool = pointwise.Pool(ctx, [values], "large", kind="int64")
    return everywhere(ctx, pool, pointwise.interval(ctx, Want(values.double(), None)))


def to_integers(ctx, kind):
    torch, (low, high) = ctx.torch, _WHOLE[kind]
    if kind == "bool":
        choice = torch.tensor([0.0, -0.0, 0.5, -3.0, float("inf"), float("nan")], dtype=torch.float64)
        values = choice[ctx.integers((1 << 12,), 0, 5, "to bool")]
        want = values != 0
    else:
        values = ctx.rounded(ctx.uniform((1 << 13,), "to", kind) * (high - low) * 0.99 + low * 0.99)
        values = values[(values > low - 1) & (values < high + 1)]
        values = torch.cat([values, ctx.rounded(ctx.uniform((1 << 10,), "near zero", kind) * 3)])
        want = torch.trunc(values)
    pool = pointwise.Pool(ctx, [values], "to", kind)
    dtype = getattr(torch, kind)
    arrangements = [a for made in (pool.everything, pool.vectors, pool.layouts) for a in made()]
    found = pool.forward(lambda x: x.to(dtype), arrangements)
    found += pool.forward(lambda x: torch.zeros(x.shape, dtype=dtype, device=ctx.device).copy_(x), arrangements)
    return whole(ctx, found, want, dtype)


def whole(ctx, found, want, dtype):
    torch = ctx.torch
    for label, got, places in found:
        if got.dtype != dtype or tuple(got.shape) != tuple(places.shape):
            return judge.failed("%s of shape %s (%s)" % (got.dtype, tuple(got.shape), label), 0)
    have = torch.cat([ctx.host(got).reshape(-1) for _, got, _ in found])
    places = torch.cat([places.reshape(-1) for _, _, places in found])
    return ctx.exact_integers(have, want[places])


def images(ctx):
    """As loaders do: a batch of uint8 in NHWC, seen as NCHW, converted and scaled."""
    torch = ctx.torch
    pixels = ctx.integers((2, 17, 19, 3), 0, 255, "pixels")
    stored = pixels.to(torch.uint8).to(ctx.device)
    plain = stored.permute(0, 3, 1, 2).contiguous().to(ctx.dtype) / 255
    last = stored.permute(0, 3, 1, 2).to(ctx.dtype).div_(255.0)
    wanted = pixels.permute(0, 3, 1, 2).double() / 255
    return ctx.all_of(
        ctx.interval(plain, wanted, wanted * 2.0**-22),
        ctx.interval(last, wanted, wanted * 2.0**-22, note="(channels_last)"),
    )


def copies(ctx):
    """.to of the same dtype gives the tensor itself, with copy=True, clone and contiguous of a view a new one."""
    values = ctx.integers((33, 65), -100, 100, "copies")
    x = ctx.tensor(values)
    judged = []
    for note, made, want in (
        ("(copy=True)", x.to(ctx.dtype, copy=True), values),
        ("(clone)", x.clone(), values),
        ("(contiguous)", x.t().contiguous(), values.t()),
        ("(clone of a view)", x[:, ::2].clone(), values[:, ::2]),
    ):
        made.zero_()
        judged.append(ctx.exact(made, want * 0, note=note))
    judged.append(ctx.exact(x, values, note="(the original afterwards)"))
    x.to(ctx.dtype).add_(1)
    judged.append(ctx.exact(x, values + 1, note="(the original through .to)"))
    return ctx.all_of(*judged)


def gradients(ctx):
    """A gradient in another dtype and layout comes back in the operand's dtype, rounded once."""
    torch = ctx.torch
    judged = []
    for other in ("float32", "float16", "bfloat16"):
        fmt = rounding.FORMATS[other]
        g = rounding.rn(torch, ctx.normal((65, 63), other), fmt)
        x = ctx.tensor(ctx.integers((65, 63), -9, 9, other), grad=True)
        x.to(getattr(torch, other)).backward(ctx.tensor(g, dtype_name=other))
        judged.append(ctx.exact(x.grad, g, note="(through %s)" % other))
        x.grad = None
        x.t().to(getattr(torch, other)).backward(ctx.tensor(g.t().contiguous(), dtype_name=other))
        judged.append(ctx.exact(x.grad, g, note="(through transposed %s)" % other))
        if other == ctx.dtype_name:
            continue
        judged += [
            judge.failed("gradient of dtype %s" % x.grad.dtype, 0) if x.grad.dtype != ctx.dtype else judge.passed(1)
        ]
    return ctx.all_of(*judged)
