"""All 65,536 codes of a 16-bit format to float32 and back, to the other 16-bit format, and to integers.

Hunts: wrong tables or bit moves, swallowed NaN, lost subnormal numbers, integers rounded instead of truncated; each
by .to and by copy_.
Rule: EXACT. Widening loses nothing; the way back returns the same code (all NaNs alike); the other 16-bit format is one
correct rounding, since the step through float32 is exact; a cast to integers drops the fraction (C11, 6.3.1.4).
Source: conversions to integers and truth values that left the bits as they were (MPS),
https://github.com/pytorch/pytorch/issues/78091.
"""

from functools import partial

from .. import rounding
from .cast_ties import copied

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
SECONDS = 0.1
VERSION = 2


def cases(ctx):
    other = {"float16": "bfloat16", "bfloat16": "float16"}[ctx.dtype_name]
    yield "%s to float32 and back" % ctx.dtype_name, partial(widened, ctx)
    yield "%s to %s" % (ctx.dtype_name, other), partial(to_other, ctx, other)
    yield "%s to int32" % ctx.dtype_name, partial(to_integers, ctx)


def widened(ctx):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    x = ctx.from_codes(codes)
    wide = x.to(ctx.torch.float32)
    back = wide.to(ctx.dtype)
    wide_copy = copied(ctx, x, ctx.torch.float32)
    back_copy = copied(ctx, wide, ctx.dtype)
    return ctx.all_of(
        ctx.exact(wide, value, signed_zero=True, note="(widened)"),
        ctx.exact(back, value, signed_zero=True, note="(and back)"),
        ctx.exact(wide_copy, value, signed_zero=True, note="(widened by copy_)"),
        ctx.exact(back_copy, value, signed_zero=True, note="(and back by copy_)"),
    )


def to_other(ctx, other):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    x, dtype = ctx.from_codes(codes), getattr(ctx.torch, other)
    return ctx.all_of(
        ctx.exact(x.to(dtype), value, signed_zero=True),
        ctx.exact(copied(ctx, x, dtype), value, signed_zero=True, note="(copy_)"),
    )


def to_integers(ctx):
    codes = ctx.torch.arange(1 << 16)
    value = rounding.decode(ctx.torch, codes, ctx.format)
    codes = codes[value.abs() < 2.0**31]  # a NaN compares false; beyond the range C leaves the result open
    whole = ctx.torch.trunc(rounding.decode(ctx.torch, codes, ctx.format))
    x = ctx.from_codes(codes)
    return ctx.all_of(
        ctx.exact_integers(x.to(ctx.torch.int32), whole),
        ctx.exact_integers(copied(ctx, x, ctx.torch.int32), whole, note="(copy_)"),
    )
