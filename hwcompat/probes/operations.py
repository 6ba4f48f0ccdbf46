"""Operations of two and three operands: how their probes run and judge them, on pools (pointwise.py)."""

from collections import namedtuple
from functools import partial

from . import judge, pointwise
from .pointwise import Want

Operation = namedtuple("Operation", "name call draw value slopes in_place out flags", defaults=((), None, False, False))
"""
name      what the case is called
call      the operation on the device
draw      (ctx, count) -> float64 operands, numbers of the dtype
value     (ctx, *operands) -> Want of the result; flags: bool
slopes    an entry an operand: (ctx, *operands) -> Want of the derivative, or None where there is no gradient
in_place  the operation on its first operand itself, None where there is none
out       True where it takes out=
flags     True where the result is bool
"""

COUNT = 1 << 12


def cases(ctx, operations):
    """The cases of `operations`: each forward and, where it has slopes, backward."""
    for operation in operations:
        yield operation.name, partial(forward, ctx, operation)
        if any(slope is not None for slope in operation.slopes):
            yield "gradient of %s" % operation.name, partial(backward, ctx, operation)


def forward(ctx, operation):
    operands = operation.draw(ctx, COUNT)
    pool = pointwise.Pool(ctx, operands, operation.name)
    arrangements = [a for kind in (pool.everything, pool.vectors, pool.layouts) for a in kind()]
    arrangements += list(pool.large((1 << 18 if ctx.large else 1 << 15) + 5))
    found = pool.forward(operation.call, arrangements)
    if operation.flags:
        if operation.out:
            found += pool.into(operation.call, ctx.torch.bool)
        return judged_flags(ctx, found, operation.value(ctx, *operands))
    legal = pointwise.interval(ctx, operation.value(ctx, *operands))
    if operation.in_place is not None:
        found += pool.in_place(operation.in_place)
    if operation.out:
        found += pool.into(operation.call)
    return pool.judged(found, legal)


def judged_flags(ctx, found, wanted):
    """bool outputs against the bool of their places."""
    torch = ctx.torch
    for label, got, places in found:
        if tuple(got.shape) != tuple(places.shape) or got.dtype != torch.bool:
            return judge.failed("%s of shape %s (%s)" % (got.dtype, tuple(got.shape), label), 0)
    have = torch.cat([ctx.host(got).reshape(-1) for _, got, _ in found])
    places = torch.cat([places.reshape(-1) for _, _, places in found])
    return ctx.exact_integers(have, wanted[places])


def backward(ctx, operation):
    """Incoming gradients are odd quarters up to 7/4; every operand that has a slope is judged."""
    operands = operation.draw(ctx, COUNT)
    incoming = (2 * ctx.integers((COUNT,), -4, 3, operation.name, "g").double() + 1) / 4
    wanted = [which for which, slope in enumerate(operation.slopes) if slope is not None]
    pool = pointwise.Pool(ctx, operands + [incoming], operation.name, "gradient")
    arrangements = list(pool.everything()) + list(pool.vectors(pointwise.GRADIENT_LENGTHS)) + list(pool.layouts())[:-1]
    judged = []
    for which, found in zip(wanted, pool.backward(operation.call, arrangements, wanted)):
        slope = operation.slopes[which](ctx, *operands)
        bound = None if slope.bound is None else incoming.abs() * slope.bound
        legal = pointwise.interval(ctx, Want(incoming * slope.value, bound))
        judged.append(pool.judged(found, legal, note="(operand %d)" % which))
    return ctx.all_of(*judged)


# --- operands ---------------------------------------------------------------------------------------------------------


def numbers(*names):
    """Operands of normal distribution times three, one a name."""
    return lambda ctx, count: [ctx.rounded(ctx.normal((count,), name) * 3) for name in names]


def integers(**ranges):
    """Integer operands, name=(low, high)."""
    return lambda ctx, count: [ctx.integers((count,), low, high, name).double() for name, (low, high) in ranges.items()]


def rounded(value):
    """`value` of the operands, correctly rounded."""
    return lambda ctx, *operands: Want(value(*operands), None)
