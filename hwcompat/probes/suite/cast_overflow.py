"""Conversions at both ends of the range: infinity from the largest number plus half a unit, zero to half the smallest.

Hunts: saturation instead of infinity, infinity too early, subnormal results flushed, integers converted with a wrong
rounding; each by .to and by copy_. GradScaler lives on this: it sees an overflow only as an infinity.
Rule: EXACT. IEEE 754 conversion, one correct rounding. Integers stay within 2**24 for the 16-bit formats, where a step
through float32 is exact; float32 itself takes any int32, which rounds once.
Source: IEEE 754-2019, 4.3.1; subnormal results that a conversion to half rounded wrongly,
https://github.com/numpy/numpy/pull/12845.
"""

from functools import partial

from .. import rounding
from .cast_ties import copied

GROUP = "elementwise"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.1
VERSION = 2

_WIDE = rounding.FORMATS["float32"]


def cases(ctx):
    if ctx.dtype_name != "float32":
        yield "float32 to %s at both ends" % ctx.dtype_name, partial(ends, ctx)
    yield "int32 to %s" % ctx.dtype_name, partial(from_integers, ctx, "int32")
    yield "int64 to %s" % ctx.dtype_name, partial(from_integers, ctx, "int64")
    yield "bool to %s" % ctx.dtype_name, partial(from_bool, ctx)


def ends(ctx):
    """Repeated to 4 x 257 copies, so that vector loops and their tails both meet every value."""
    torch, fmt = ctx.torch, ctx.format
    largest = (2 - 2.0 ** (1 - fmt.precision)) * 2.0**fmt.emax
    half_unit = 2.0 ** (fmt.emax - fmt.precision)
    smallest = 2.0 ** (fmt.emin - fmt.precision + 1)
    marks = [largest, largest + half_unit, 2.0**fmt.emax * 1.5, float("inf")]
    if fmt.emin > _WIDE.emin:  # below bfloat16 the float32 operand would be subnormal itself
        marks += [smallest / 2, smallest, 1.5 * smallest, 2.0**fmt.emin]
    codes = rounding.encode(torch, torch.tensor(marks, dtype=torch.float64), _WIDE)
    finite = codes[torch.isfinite(rounding.decode(torch, codes, _WIDE))]
    codes = torch.cat([codes, finite - 1, finite + 1])
    codes = torch.cat([codes, codes | (1 << 31)]).repeat(4 * 257)
    return both_ways(ctx, ctx.from_codes(codes, "float32"), rounding.decode(torch, codes, _WIDE), signed_zero=True)


def both_ways(ctx, x, value, signed_zero=False):
    """`x` converted to the dtype under test by .to and by copy_ is `value`."""
    return ctx.all_of(
        ctx.exact(x.to(ctx.dtype), value, signed_zero),
        ctx.exact(copied(ctx, x, ctx.dtype), value, signed_zero, note="(copy_)"),
    )


def from_integers(ctx, kind):
    torch = ctx.torch
    limit = 2**31 - 1 if ctx.dtype_name == "float32" else 2**24
    step = 2 ** (ctx.precision - 1)
    near = torch.arange(-300, 301)
    marks = [0, 65504, 65520, 70000, 2 * step, 4 * step, 8 * step, limit - 300]
    integers = torch.cat([near + mark for mark in marks] + [ctx.integers((4096,), -limit, limit, kind)])
    integers = torch.cat([integers, -integers])
    ctx.require(int(integers.abs().max()) <= limit, "integers within the limit")
    return both_ways(ctx, integers.to(getattr(torch, kind)).to(ctx.device), integers)


def from_bool(ctx):
    flags = ctx.integers((1031,), 0, 1, "flags")
    return both_ways(ctx, (flags > 0).to(ctx.device), flags)
