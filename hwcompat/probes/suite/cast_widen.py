"""All 65,536 codes of a 16-bit format to float32 and back, to the other 16-bit format, and to integers.

Hunts: wrong tables or bit moves, swallowed NaN, lost subnormal numbers, integers rounded instead of truncated.
Rule: EXACT. Widening loses nothing; the way back returns the same code (all NaNs alike); the other 16-bit format is one
correct rounding, since the step through float32 is exact; a cast to integers drops the fraction (C11, 6.3.1.4).
"""

from functools import partial

from .. import rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    other = {"float16": "bfloat16", "bfloat16": "float16"}[ctx.dtype_name]
    yield "%s to float32 and back" % ctx.dtype_name, partial(widened, ctx)
    yield "%s to %s" % (ctx.dtype_name, other), partial(to_other, ctx, other)
    yield "%s to int32" % ctx.dtype_name, partial(to_integers, ctx)


def widened(ctx):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    wide = ctx.from_codes(codes).to(ctx.torch.float32)
    back = wide.to(ctx.dtype)
    return ctx.all_of(
        ctx.exact(wide, value, signed_zero=True, note="(widened)"),
        ctx.exact(back, value, signed_zero=True, note="(and back)"),
    )


def to_other(ctx, other):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    return ctx.exact(ctx.from_codes(codes).to(getattr(ctx.torch, other)), value, signed_zero=True)


def to_integers(ctx):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    codes = codes[value.abs() < 2.0**31]  # a NaN compares false; beyond the range C leaves the result open
    value = rounding.decode(ctx.torch, codes, ctx.format)
    return ctx.exact_integers(ctx.from_codes(codes).to(ctx.torch.int32), ctx.torch.trunc(value))
