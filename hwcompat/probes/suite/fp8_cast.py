"""8-bit floating point: every code widened, and every number, midpoint and neighbour of a midpoint narrowed.

Hunts: conversion that truncates, rounds ties away or twice, flushes subnormal results, loses the sign of zero, mistakes
the format (e4m3 has no infinity, its largest number is 448; e5m2 has one).
Rule: EXACT. Widening rounds nothing; narrowing is one rounding to nearest, ties to even. What becomes of numbers beyond
the largest and of infinity is FEATURE: saturation is as legal as overflow to infinity or NaN, and releases of torch
differ (`fp8_saturates`). NaN stays NaN.
Source: Open Compute Project, 8-bit Floating Point Specification (OFP8); Micikevicius et al., FP8 Formats for Deep
Learning, https://arxiv.org/abs/2209.05433; saturation here and not there: https://github.com/pytorch/ao/issues/1912.
"""

from functools import partial

from .. import judge, rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float8_e4m3fn", "float8_e5m2")
CORE = False
SECONDS = 0.2
VERSION = 1

_WIDE = ("float32", "float16", "bfloat16")


def cases(ctx):
    for name in _WIDE:
        yield "every code to %s" % name, partial(widened, ctx, name)
        yield "every code from %s" % name, partial(back, ctx, name)
    yield "from float32, ties and their neighbours", partial(ties, ctx)
    for name in _WIDE[1:]:
        yield "from every %s" % name, partial(narrowed, ctx, name)
    yield "beyond the largest number", partial(beyond, ctx)


def widened(ctx, name):
    """All 256 codes, contiguous and every second one of a larger tensor."""
    codes = ctx.torch.arange(256)
    x, wide = ctx.from_codes(codes), getattr(ctx.torch, name)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    return ctx.all_of(
        ctx.exact(x.to(wide), value, signed_zero=True),
        ctx.exact(ctx.torch.empty(256, dtype=wide, device=x.device).copy_(x), value, signed_zero=True, note="(copy_)"),
        ctx.exact(x.reshape(16, 16).t().to(wide), value.reshape(16, 16).t(), signed_zero=True, note="(transposed)"),
        ctx.exact(x[1::2].to(wide), value[1::2], signed_zero=True, note="(every second)"),
    )


def back(ctx, name):
    value = numbers(ctx)
    x = ctx.tensor(value, dtype_name=name)
    return ctx.all_of(
        ctx.exact(x.to(ctx.dtype), value, signed_zero=True),
        ctx.exact(x[1::2].to(ctx.dtype), value[1::2], signed_zero=True, note="(every second)"),
        ctx.exact(
            ctx.torch.empty(x.shape, dtype=ctx.dtype, device=x.device).copy_(x), value, signed_zero=True, note="(copy_)"
        ),
    )


def numbers(ctx):
    """All finite numbers of the format, float64."""
    value = rounding.decode(ctx.torch, ctx.torch.arange(256), ctx.format)
    return value[ctx.torch.isfinite(value)]


def ties(ctx):
    """Every midpoint of neighbours, one float32 unit to either side of it, and one float32 unit beside every number."""
    torch, wide = ctx.torch, rounding.FORMATS["float32"]
    positive = numbers(ctx)
    positive = positive[positive >= 0].unique()
    middle = rounding.encode(torch, (positive[1:] + positive[:-1]) / 2, wide)
    near = rounding.encode(torch, positive[1:], wide)
    codes = torch.cat([middle - 1, middle, middle + 1, near - 1, near, near[:-1] + 1])
    codes = torch.cat([codes, codes | (1 << 31)])
    x, value = ctx.from_codes(codes, "float32"), rounding.decode(torch, codes, wide)
    return ctx.exact(x.to(ctx.dtype), value, signed_zero=True)


def narrowed(ctx, name):
    """Every number of a 16-bit format that is no larger than the largest here."""
    fmt = rounding.FORMATS[name]
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, fmt)
    kept = value.abs() <= float(numbers(ctx).max())
    return ctx.exact(ctx.from_codes(codes[kept], name).to(ctx.dtype), value[kept], signed_zero=True)


def beyond(ctx):
    """NaN; the last numbers that round down to the largest; then what is beyond."""
    torch = ctx.torch
    largest = float(numbers(ctx).max())
    edge = largest + (largest - float(numbers(ctx)[numbers(ctx) < largest].max())) / 2
    inside = torch.tensor([largest, edge * (1 - 2.0**-20), -largest, -edge * (1 - 2.0**-20)]).double()
    outside = torch.tensor([edge * (1 + 2.0**-20), 2 * edge, 1e9, 3e38, float("inf")]).double()
    nan = torch.tensor([float("nan")]).double()
    kept = ctx.all_of(
        ctx.exact(ctx.tensor(inside, dtype_name="float32").to(ctx.dtype), inside, note="(still in range)"),
        ctx.exact(ctx.tensor(nan, dtype_name="float32").to(ctx.dtype), nan, note="(NaN)"),
    )
    if kept.status != "pass":
        return kept
    return ctx.all_of(kept, _overflown(ctx, torch.cat([outside, -outside]), largest))


def _overflown(ctx, values, largest):
    got = ctx.values(ctx.tensor(values, dtype_name="float32").to(ctx.dtype))
    saturated = got == ctx.torch.sign(values) * largest
    out = ctx.torch.isnan(got) if ctx.format.finite else ctx.torch.isinf(got) & (got.sign() == values.sign())
    if not bool((saturated | out).all()):
        first = int((~(saturated | out)).nonzero()[0])
        return judge.failed("%r became %r" % (float(values[first]), float(got[first])), values.numel())
    share = int(saturated.sum())
    detail = "%d of %d numbers beyond the largest become the largest" % (share, values.numel())
    return judge.feature(detail, {"fp8_saturates": share > 0}, values.numel())
