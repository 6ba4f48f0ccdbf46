"""Functions of one number: how the probes of functions and activations run and judge them, on pools (pointwise.py).

Notation of the bounds, here and in the tables: e = 2**-23, what one unit in the last place of float32 is worth
relatively at most; u = 2**-p, one rounding to the dtype under test; `tiny` = 2**-126 times a small number where float32
may flush subnormal results; `lost` = four smallest subnormal numbers of a 16-bit dtype where PyTorch composes a
gradient of operators that each round to the dtype and may underflow there.
"""

from collections import namedtuple
from functools import partial

from . import pointwise, rounding
from .pointwise import Want

E = 2.0**-23
TINY = 2.0**-126

Function = namedtuple("Function", "name call value slope low high steep kinks in_place out", defaults=(None, False))
"""
name      what the case is called
call      the operation on the device: tensor -> tensor
value     (ctx, x) -> Want of the result at float64 x; bound None: the correctly rounded value
slope     (ctx, x) -> Want of the derivative, judged as incoming gradient times slope; None: not judged
low, high the operands judged; None: no limit
steep     the largest |operand| of gradients (what is formed on the way must stay finite); None: as low and high
kinks     operands left out of gradients, since releases differ in the subgradient there
in_place  the operation on its operand itself, None where there is none
out       True where it takes out=
"""


def both(ctx, functions, every=1, big=False):
    """The cases of `functions`: each forward and, where it has a slope, backward; `every` third number, say.

    An odd `every` keeps both signs; on accelerators all numbers are judged.
    """
    x = numbers(ctx)[:: 1 if ctx.large else every]
    for function in functions:
        yield function.name, partial(forward, ctx, function, x, big)
        if function.slope is not None:
            yield "gradient of %s" % function.name, partial(backward, ctx, function, x)


def forward(ctx, function, x, big=False):
    """Every number of `x` inside the function's domain.

    `big`: twice as many in one call as well; on accelerators always, and 4 million.
    """
    x = within(x, function.low, function.high)
    pool = pointwise.Pool(ctx, [x], function.name)
    legal = pointwise.interval(ctx, function.value(ctx, x), loose=True)
    arrangements = [a for kind in (pool.everything, pool.vectors, pool.layouts) for a in kind()]
    if big or ctx.large:
        arrangements += list(pool.large(size_of(ctx, big, 2 * pool.count + 3)))
    found = pool.forward(function.call, arrangements)
    if function.in_place is not None:
        found += pool.in_place(function.in_place)
    if function.out:
        found += pool.into(function.call)
    return pool.judged(found, legal)


def size_of(ctx, big, here):
    """`here` on a CPU; on accelerators what fills a multiprocessor or two, or (`big`) all of them."""
    if not ctx.large:
        return here
    return (1 << 22) + 3 if big else (1 << 18) + 3


def backward(ctx, function, x):
    """Every third number of `x`, and incoming gradients of odd quarters up to 7/4."""
    x = within(x[::3], function.low, function.high)
    if function.steep is not None:
        x = within(x, -function.steep, function.steep)
    for kink in function.kinks:
        x = x[x != kink]
    incoming = (2 * ctx.integers(x.shape, -4, 3, function.name, "g").double() + 1) / 4
    slope = function.slope(ctx, x)
    bound = None if slope.bound is None else incoming.abs() * slope.bound
    legal = pointwise.interval(ctx, Want(incoming * slope.value, bound), loose=True)
    pool = pointwise.Pool(ctx, [x, incoming], function.name, "gradient")
    arrangements = list(pool.everything()) + list(pool.vectors(pointwise.GRADIENT_LENGTHS)) + list(pool.layouts())[:-1]
    (found,) = pool.backward(function.call, arrangements, [0])
    return pool.judged(found, legal)


def numbers(ctx):
    """Every finite normal number of the dtype and zero (32,770 random ones of float32), float64, signs by turns."""
    torch, fmt = ctx.torch, ctx.format
    first, end = 1 << (fmt.precision - 1), rounding.infinity(fmt)
    if fmt.bits == 16:
        magnitude = torch.cat([torch.zeros(1, dtype=torch.int64), torch.arange(first, end)])
    else:
        anywhere = ctx.integers((1 << 13,), first, end - 1, "anywhere")
        one = rounding.encode(torch, torch.ones(1, dtype=torch.float64), fmt)
        reach = 7 << (fmt.precision - 1)  # within a factor of 128 of one, where most functions bend
        near = one + ctx.integers((1 << 13,), -reach, reach, "near one")
        magnitude = torch.cat([torch.zeros(1, dtype=torch.int64), anywhere, near])
    both = torch.stack([magnitude, magnitude | (1 << (fmt.bits - 1))], 1).reshape(-1)
    return rounding.decode(torch, both, fmt)


def within(x, low, high):
    if low is not None:
        x = x[x >= low]
    return x if high is None else x[x <= high]


def u(ctx):
    return 2.0**-ctx.precision


def lost(ctx):
    """Four smallest subnormal numbers of a 16-bit dtype; what flushing may take of float32 in any case."""
    return max(4 * 2.0 ** (ctx.format.emin - ctx.precision + 1) if ctx.format.bits == 16 else 0.0, 4 * TINY)
