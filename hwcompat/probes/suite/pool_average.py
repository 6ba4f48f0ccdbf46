"""Average and power-average pooling in one, two and three dimensions, forward and backward.

Hunts: wrong gradients in channels_last with padding (https://github.com/pytorch/pytorch/issues/188344: forward right,
backward silently wrong), a divisor that counts padding although it should not, or the reverse, a forgotten
divisor_override, windows cut short by ceil_mode, gradients of overlapping windows lost, sums kept in 16 bits.
Rule: EXACT for windows of 2**k elements: integers in, sums and quotients are exact in any order. INTERVAL for windows
of 3 x 3, where a device may multiply by a rounded reciprocal: operands are multiples of 36, so that every mean (of 9, 6
or 4) is an integer and every sum a multiple of 4 within 2**p; a mean is off by at most three roundings and a gradient
of n <= 9 terms by n + 2 more: gamma(12, 2**-23) of the sum of absolute values, where 16-bit results keep one value.
Power average of order 2: windows of two elements whose squares sum to a square. At most eight steps are rounded to the
dtype, no two terms cancel, and CUDA documents 4 units for powf (CUDA C Programming Guide, Mathematical Functions),
allowed twice: gamma(16, u) with u = 2**-p, at least 2**-23.
"""

from collections import namedtuple
from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

Pool = namedtuple("Pool", "label shape kernel stride padding ceil include divisor")

_DYADIC = (
    Pool("k2 s2", (2, 5, 9, 16), 2, 2, 0, False, True, None),
    Pool("k2 s2, 70 channels, 8 images", (8, 70, 3, 2), 2, 2, 0, False, True, None),
    Pool("k2 s1 p1", (1, 3, 9, 7), 2, 1, 1, False, True, None),
    Pool("k2 s1 p1 without padding", (3, 8, 5, 8), 2, 1, 1, False, False, None),
    Pool("k4 s2 p1", (1, 4, 14, 11), 4, 2, 1, False, True, None),
    Pool("k4 s2 p2", (2, 3, 8, 9), 4, 2, 2, False, True, None),
    Pool("k2 s2 ceil", (2, 3, 7, 11), 2, 2, 0, True, True, None),
    Pool("k(1,4) s(1,3) p(0,2)", (2, 3, 6, 17), (1, 4), (1, 3), (0, 2), False, True, None),
    Pool("k3 s2 p1 divided by 8", (2, 5, 10, 9), 3, 2, 1, False, True, 8),
    Pool("k3 s2 ceil divided by 4", (1, 16, 8, 8), 3, 2, 0, True, False, 4),
    Pool("1-D k2 s2", (2, 3, 33), 2, 2, 0, False, True, None),
    Pool("1-D k4 s1 p2", (1, 9, 30), 4, 1, 2, False, True, None),
    Pool("1-D k2 s2 on 2051", (1, 1, 2051), 2, 2, 0, True, False, None),
    Pool("3-D k2 s2", (2, 3, 4, 5, 6), 2, 2, 0, False, True, None),
    Pool("3-D k2 s1 p1 without padding", (1, 5, 3, 4, 6), 2, 1, 1, False, False, None),
)
_NINTHS = (
    Pool("k3 s1 p1", (2, 5, 8, 7), 3, 1, 1, False, True, None),
    Pool("k3 s1 p1 without padding", (1, 6, 6, 9), 3, 1, 1, False, False, None),
    Pool("k3 s2 p1 ceil without padding", (1, 72, 7, 8), 3, 2, 1, True, False, None),
)


def cases(ctx):
    for pool in _DYADIC:
        for layout in ("contiguous", "channels_last", "transposed"):
            if layout != "channels_last" or len(pool.shape) > 3:
                yield "%s %s" % (pool.label, layout), partial(dyadic, ctx, pool, layout)
    for pool in _NINTHS:
        for layout in ("contiguous", "channels_last", "shifted"):
            yield "%s %s" % (pool.label, layout), partial(ninths, ctx, pool, layout)
    rows = movement.integers(ctx, (89, 1, 2, 5), 16, "rows")
    yield "65537 images", partial(movement.check_rows, ctx, pooled(ctx, _DYADIC[0]), rows, 65537, unit=4)
    yield "power average of order 1", partial(first_order, ctx)
    yield "power average of order 2", partial(second_order, ctx)


def pooled(ctx, pool):
    function = getattr(ctx.torch.nn.functional, "avg_pool%dd" % (len(pool.shape) - 2))
    options = (pool.kernel, pool.stride, pool.padding, pool.ceil, pool.include)
    if pool.divisor is None:
        return lambda x: function(x, *options)
    return lambda x: function(x, *options, divisor_override=pool.divisor)


def dyadic(ctx, pool, layout):
    """Sums of at most 16 elements of at most 15: unit 16 over an average of at most 15 stays below 2**8."""
    reach = 15 if pool.divisor is None else 4
    x = movement.integers(ctx, pool.shape, reach, pool.label, layout)
    return movement.check(ctx, pooled(ctx, pool), [x], layout, reach=1, unit=16, word=pool.label)


def ninths(ctx, pool, layout):
    x = 36 * movement.integers(ctx, pool.shape, 3, pool.label, layout)
    gradient = 36 * movement.integers(ctx, pooled(ctx, pool)(x).shape, 1, "gradient", pool.label, layout)
    relative = judge.gamma(12, 2.0**-23)
    return movement.check(ctx, pooled(ctx, pool), [x], layout, unit=9 / 4, gradients=[gradient], relative=relative)


def first_order(ctx):
    """lp_pool of order 1 is a sum over the window (torch takes an average first and multiplies it)."""
    functional = ctx.torch.nn.functional
    x = 1 + movement.integers(ctx, (2, 3, 8, 10), 7, "first").abs()
    line = 1 + movement.integers(ctx, (2, 3, 17), 7, "line").abs()
    return ctx.all_of(
        movement.check(ctx, lambda x: functional.lp_pool2d(x, 1, 2), [x], "channels_last", reach=3, unit=4),
        movement.check(ctx, lambda x: functional.lp_pool1d(x, 1, 4, 2), [line], reach=3, unit=4),
    )


def second_order(ctx):
    torch = ctx.torch
    pairs = torch.tensor([[3, 4], [4, 3], [-6, 8], [0, -5], [8, 6], [-3, -4], [1, 0]], dtype=torch.float64)
    x = pairs[ctx.integers((2, 3, 9), 0, len(pairs) - 1, "pairs")].reshape(2, 3, 18)
    relative = judge.gamma(16, 2.0 ** -min(ctx.precision, 23))
    return movement.check(
        ctx, lambda x: torch.nn.functional.lp_pool1d(x, 2.0, 2), [x], reach=7, unit=0, relative=relative
    )
