"""float32 to 16 bits: every number, every midpoint of neighbours, and one float32 unit to either side of it.

Hunts: conversion that truncates, rounds ties away, flushes subnormal results, or rounds twice; the same conversion in
the backward pass of a cast, and in copy_ between dtypes (an operator of its own).
Rule: EXACT. IEEE 754 conversion is one correct rounding to nearest, ties to even, subnormal results included; the sign
of zero is kept. float32 operands that are themselves subnormal (they exist below bfloat16 numbers) may be taken as
zero: FEATURE.
Source: IEEE 754-2019, 4.3.1; a conversion to bfloat16 that did not round ties to even,
https://github.com/pytorch/FBGEMM/pull/786.
"""

from functools import partial

from .. import rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 2

_WIDE = rounding.FORMATS["float32"]


def cases(ctx):
    yield "float32 to %s, ties and their neighbours" % ctx.dtype_name, partial(forward, ctx)
    yield "gradient of a cast to float32", partial(backward, ctx)
    if ctx.format.emin == _WIDE.emin:
        yield "subnormal float32 to %s" % ctx.dtype_name, partial(subnormal, ctx)


def forward(ctx):
    codes = sources(ctx)
    x, value = ctx.from_codes(codes, "float32"), rounding.decode(ctx.torch, codes, _WIDE)
    return ctx.all_of(
        ctx.exact(x.to(ctx.dtype), value, signed_zero=True),
        ctx.exact(copied(ctx, x, ctx.dtype), value, signed_zero=True, note="(copy_)"),
    )


def copied(ctx, x, dtype):
    """`x` converted to `dtype` by copy_ into a new tensor."""
    return ctx.torch.empty(x.shape, dtype=dtype, device=x.device).copy_(x)


def backward(ctx):
    codes = sources(ctx)[::16]
    x = ctx.tensor(ctx.torch.zeros(codes.shape, dtype=ctx.torch.int64), grad=True)
    x.to(ctx.torch.float32).backward(ctx.from_codes(codes, "float32"))
    return ctx.exact(x.grad, rounding.decode(ctx.torch, codes, _WIDE))


def subnormal(ctx):
    codes = everything(ctx)
    codes = codes[is_subnormal(codes)]
    value = rounding.decode(ctx.torch, codes, _WIDE)
    x, zero = ctx.from_codes(codes, "float32"), ctx.torch.zeros_like(value)
    return ctx.all_of(
        ctx.exact_or_flushed(x.to(ctx.dtype), value, zero),
        ctx.exact_or_flushed(copied(ctx, x, ctx.dtype), value, zero),
    )


def sources(ctx):
    codes = everything(ctx)
    return codes[~is_subnormal(codes)]


def everything(ctx):
    """float32 codes of all finite numbers of the narrow format, their midpoints, and the midpoints' neighbours."""
    torch, fmt = ctx.torch, ctx.format
    edges = rounding.decode(torch, torch.arange(rounding.infinity(fmt)), fmt)
    above = torch.cat([edges[1:], torch.tensor([2.0 ** (fmt.emax + 1)], dtype=torch.float64)])
    middle = rounding.encode(torch, (edges + above) / 2, _WIDE)
    magnitude = torch.cat([rounding.encode(torch, edges, _WIDE), middle - 1, middle, middle + 1])
    return torch.cat([magnitude, magnitude | (1 << 31)])


def is_subnormal(codes):
    magnitude = codes & ((1 << 31) - 1)
    return (magnitude > 0) & (magnitude < 1 << 23)
