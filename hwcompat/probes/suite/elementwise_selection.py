"""maximum, minimum, where, masked_fill, copysign, fmod, remainder, lerp, addcmul, addcdiv, atan2, pow, comparisons.

Hunts: exchanged branches, ties whose gradient goes to one side or to both in full, a mask of the wrong layout, a sign
rule of remainder taken for fmod's, value= ignored, comparisons that swallow a lane; each forward and backward, in
place, into given outputs, in every layout.
Rule: EXACT: operands are small integers (weights of lerp eighths, divisors of addcdiv powers of two), so that every
formula in use, fused or not, gives the exact result; ties of maximum and minimum share the gradient in halves (the
sub-gradient of least norm, which PyTorch documents as its choice). INTERVAL for atan2 (3 units in the last place, CUDA
C Programming Guide, Mathematical Functions; gradients composed of seven operators: gamma(7, u)) and pow of two tensors
(8 units; gradients b a**(b - 1), where b - 1 rounds to the dtype and moves the power by u |b - 1| |ln a|, and y ln a:
gamma(5, u)).
Source: https://pytorch.org/docs/stable/generated/torch.remainder.html (the sign of the divisor),
https://pytorch.org/docs/stable/notes/autograd.html (gradients of functions that are not differentiable everywhere).
"""

from .. import judge, operations
from ..functions import E, lost, u
from ..operations import Operation, integers, rounded
from ..pointwise import Want

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.5
VERSION = 1


def cases(ctx):
    torch = ctx.torch
    made = (extremes, choices, remainders, combinations, curved, comparisons)
    return operations.cases(ctx, tuple(operation for family in made for operation in family(torch)))


def extremes(torch):
    """Small ranges, so that ties are frequent."""
    draw = integers(a=(-6, 6), b=(-6, 6))
    for name, compare in (("maximum", torch.gt), ("minimum", torch.lt)):
        slopes = (
            lambda ctx, a, b, compare=compare: Want(compare(a, b).double() + (a == b) / 2, None),
            lambda ctx, a, b, compare=compare: Want(compare(b, a).double() + (a == b) / 2, None),
        )
        call = getattr(torch, name)
        yield Operation(name, call, draw, rounded(call), slopes, None, True)
    for name in ("fmax", "fmin"):
        call = getattr(torch, name)
        yield Operation(name, call, draw, rounded(call), (), None, True)


def choices(torch):
    draw = integers(condition=(-1, 1), a=(-100, 100), b=(-100, 100))

    def taken(ctx, c, a, b):
        return Want((c > 0).double(), None)

    def left(ctx, c, a, b):
        return Want((c <= 0).double(), None)

    def where(c, a, b):
        return torch.where(c > 0, a, b)

    yield Operation("where", where, draw, rounded(where), (None, taken, left))

    def filled(a, c):
        return a.masked_fill(c > 0, -1.5)

    def kept(ctx, a, c):
        return Want((c <= 0).double(), None)

    yield Operation(
        "masked_fill",
        filled,
        integers(a=(-100, 100), condition=(-1, 1)),
        rounded(filled),
        (kept, None),
        lambda a, c: a.masked_fill_(c > 0, -1.5),
    )

    def signs(ctx, a, b):
        return Want(torch.where((a < 0) == (b < 0), a * 0 + 1, a * 0 - 1) * (a != 0), None)

    call = torch.copysign
    positive = integers(a=(-100, 100), b=(-9, 9))
    yield Operation("copysign", call, positive, rounded(call), (signs, None), lambda a, b: a.copysign_(b), True)


def remainders(torch):
    def draw(ctx, count):
        a = ctx.integers((count,), -100, 100, "dividend").double()
        b = ctx.integers((count,), 1, 7, "divisor").double() * (2 * ctx.integers((count,), 0, 1, "divisor sign") - 1)
        return [a, b]

    one = rounded(lambda a, b: a * 0 + 1)
    for name, whole in (("fmod", torch.trunc), ("remainder", torch.floor)):
        call = getattr(torch, name)
        by_divisor = rounded(lambda a, b, whole=whole: -whole(a / b))
        in_place = _in_place(name)
        yield Operation(name, call, draw, rounded(call), (one, by_divisor), in_place, True)
    for mode in ("trunc", "floor"):
        whole = getattr(torch, mode)

        def call(a, b, mode=mode, **out):
            return torch.div(a, b, rounding_mode=mode, **out)

        value = rounded(lambda a, b, whole=whole: whole(a / b))
        yield Operation("div rounded by %s" % mode, call, draw, value, (), None, True)
    truncates = "towards zero" in (torch.floor_divide.__doc__ or "")  # until torch 1.12, and documented there
    whole = torch.trunc if truncates else torch.floor
    value = rounded(lambda a, b, whole=whole: whole(a / b))
    yield Operation("floor_divide", torch.floor_divide, draw, value, (), None, True)


def _in_place(name):
    return lambda a, *others: getattr(a, name + "_")(*others)


def combinations(torch):
    def weighted(ctx, count):
        a, b, w = integers(a=(-16, 16), b=(-16, 16), w=(0, 8))(ctx, count)
        return [a, b, w / 8]

    def lerp(a, b, w):
        return a + w * (b - a)

    slopes = (rounded(lambda a, b, w: 1 - w), rounded(lambda a, b, w: w), rounded(lambda a, b, w: b - a))
    yield Operation("lerp", torch.lerp, weighted, rounded(lerp), slopes, _in_place("lerp"), True)
    yield Operation(
        "lerp by 3/4",
        lambda a, b, **out: torch.lerp(a, b, 0.75, **out),
        integers(a=(-16, 16), b=(-16, 16)),
        rounded(lambda a, b: lerp(a, b, 0.75)),
        (rounded(lambda a, b: a * 0 + 0.25), rounded(lambda a, b: a * 0 + 0.75)),
        lambda a, b: a.lerp_(b, 0.75),
        True,
    )
    yield Operation(
        "addcmul of value 1/2",
        lambda a, b, c, **out: torch.addcmul(a, b, c, value=0.5, **out),
        integers(a=(-8, 8), b=(-8, 8), c=(-8, 8)),
        rounded(lambda a, b, c: a + b * c / 2),
        (
            rounded(lambda a, b, c: a * 0 + 1),
            rounded(lambda a, b, c: c / 2),
            rounded(lambda a, b, c: b / 2),
        ),
        lambda a, b, c: a.addcmul_(b, c, value=0.5),
        True,
    )
    yield _addcdiv(torch)


def _addcdiv(torch):
    def draw(ctx, count):
        a, b, c = integers(a=(-8, 8), b=(-8, 8), c=(-1, 1))(ctx, count)
        return [a, b, 2.0**c]

    return Operation(
        "addcdiv of value 2",
        lambda a, b, c, **out: torch.addcdiv(a, b, c, value=2, **out),
        draw,
        rounded(lambda a, b, c: a + 2 * b / c),
        (
            rounded(lambda a, b, c: a * 0 + 1),
            rounded(lambda a, b, c: 2 / c),
            rounded(lambda a, b, c: -2 * b / (c * c)),
        ),
        lambda a, b, c: a.addcdiv_(b, c, value=2),
        True,
    )


def curved(torch):
    def points(ctx, count):
        """Both coordinates of either sign, away from zero."""
        signs = [2 * ctx.integers((count,), 0, 1, name, "sign").double() - 1 for name in "ab"]
        return [ctx.rounded(s * (0.125 + 8 * ctx.uniform((count,), name))) for s, name in zip(signs, "ab")]

    def angle(sign, pick):
        def slope(ctx, a, b):
            y = sign * pick(a, b) / (a * a + b * b)
            return Want(y, judge.gamma(7, u(ctx)) * y.abs() + lost(ctx))

        return slope

    slopes = (angle(1, lambda a, b: b), angle(-1, lambda a, b: a))

    def arc(ctx, a, b):
        return Want(torch.atan2(a, b), 3 * E * torch.atan2(a, b).abs())

    yield Operation("atan2", torch.atan2, points, arc, slopes, _in_place("atan2"), True)

    def bases(ctx, count):
        return [
            ctx.rounded(0.25 + 3.75 * ctx.uniform((count,), "base")),
            ctx.rounded(6 * ctx.uniform((count,), "exponent") - 3),
        ]

    def power(ctx, a, b):
        return Want(a**b, 8 * E * a**b)

    def of_base(ctx, a, b):
        y = b * a ** (b - 1)
        moved = u(ctx) * (b - 1).abs() * torch.log(a).abs()
        return Want(y, y.abs() * (judge.gamma(4, u(ctx)) + 8 * E + 1.1 * moved) + lost(ctx))

    def of_exponent(ctx, a, b):
        y = a**b * torch.log(a)
        return Want(y, y.abs() * (judge.gamma(5, u(ctx)) + 10 * E) + lost(ctx))

    yield Operation("pow of tensors", torch.pow, bases, power, (of_base, of_exponent), _in_place("pow"), True)


def comparisons(torch):
    draw = integers(a=(-3, 3), b=(-3, 3))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"):
        call = getattr(torch, name)
        yield Operation(name, call, draw, lambda ctx, a, b, call=call: call(a, b), (), None, True, True)
    yield Operation(
        "comparison with 1.5", lambda a: a > 1.5, integers(a=(-3, 3)), lambda ctx, a: a > 1.5, (), None, False, True
    )
    yield Operation("logical_not", torch.logical_not, integers(a=(-1, 1)), lambda ctx, a: a == 0, (), None, True, True)
