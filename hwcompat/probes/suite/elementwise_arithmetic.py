"""add, sub, mul, div with tensors, alpha and Python numbers, in place and into given outputs, in every layout.

Hunts: alpha ignored, operands exchanged, a scalar rounded or taken for a tensor, in-place variants that touch what lies
between, tails and layouts, gradients that lack the other operand.
Rule: EXACT: one correct rounding (elementwise.binary says why), alpha and most numbers being powers of two, whose
products are exact. INTERVAL where a kernel may multiply by the rounded reciprocal instead of dividing by a number
(2 e |y|, e = 2**-23: one rounding of the reciprocal, one of the product), and where PyTorch composes: 3 / x is the
reciprocal, rounded to the dtype (u), times 3; the gradient of a / b is g / b, and -g (a / b) / b of the rounded
quotient or product: gamma(4, u), with the smallest number lost where an intermediate underflows.
Source: https://pytorch.org/docs/stable/generated/torch.add.html (other is multiplied by alpha).
"""

from .. import judge, operations
from ..functions import E, lost, u
from ..operations import Operation, numbers, rounded
from ..pointwise import Want

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.4
VERSION = 1


def cases(ctx):
    return operations.cases(ctx, tuple(tensors(ctx.torch)) + tuple(scalars(ctx.torch)))


def tensors(torch):
    two = numbers("a", "b")
    one, minus = (lambda ctx, a, b: Want(a * 0 + 1, None)), (lambda ctx, a, b: Want(a * 0 - 1, None))
    yield _named(torch, "add", two, (one, one))
    yield _named(torch, "sub", two, (one, minus))
    yield _named(torch, "mul", two, (rounded(lambda a, b: b), rounded(lambda a, b: a)))
    yield Operation(
        "div", torch.div, quotients, rounded(torch.div), (_by_divisor, _of_divisor), lambda a, b: a.div_(b), True
    )
    for name, sign in (("add", 1), ("sub", -1)):
        for alpha in (2, -0.5):
            yield _with_alpha(torch, name, two, sign, alpha, one)


def _named(torch, name, draw, slopes):
    call = getattr(torch, name)
    return Operation(name, call, draw, rounded(call), slopes, lambda a, b: getattr(a, name + "_")(b), True)


def _with_alpha(torch, name, draw, sign, alpha, one):
    call, factor = getattr(torch, name), sign * alpha
    return Operation(
        "%s with alpha %g" % (name, alpha),
        lambda a, b, **out: call(a, b, alpha=alpha, **out),
        draw,
        rounded(lambda a, b: a + factor * b),
        (one, lambda ctx, a, b: Want(a * 0 + factor, None)),
        lambda a, b: getattr(a, name + "_")(b, alpha=alpha),
        True,
    )


def quotients(ctx, count):
    """Divisors away from zero, so that quotients and their squares stay finite."""
    a, b = numbers("a", "b")(ctx, count)
    return [a, ctx.rounded(b + 4 * ctx.torch.where(b < 0, b * 0 - 1, b * 0 + 1))]


def _by_divisor(ctx, a, b):
    return Want(1 / b, None)


def _of_divisor(ctx, a, b):
    y = -a / (b * b)
    return Want(y, judge.gamma(4, u(ctx)) * y.abs() + lost(ctx))


def scalars(torch):
    """Python numbers on either side, by the operators that programs write."""
    draw = numbers("x")
    for name, call, value, slope, in_place in (
        ("x + 1.5", lambda x: x + 1.5, lambda x: x + 1.5, 1.0, lambda x: x.add_(1.5)),
        ("1.5 - x", lambda x: 1.5 - x, lambda x: 1.5 - x, -1.0, None),
        ("x - 0.25", lambda x: x - 0.25, lambda x: x - 0.25, 1.0, lambda x: x.sub_(0.25)),
        ("x * 3", lambda x: x * 3, lambda x: x * 3, 3.0, lambda x: x.mul_(3)),
        ("x * -0.5", lambda x: x * -0.5, lambda x: x * -0.5, -0.5, lambda x: x.mul_(-0.5)),
        ("x / 8", lambda x: x / 8, lambda x: x / 8, 0.125, lambda x: x.div_(8)),
    ):
        yield Operation(name, call, draw, rounded(value), (_constant(slope),), in_place)
    yield Operation(
        "x / 3",
        lambda x: x / 3,
        draw,
        lambda ctx, x: Want(x / 3, 2 * E * (x / 3).abs()),
        (lambda ctx, x: Want(x * 0 + 1 / 3, x * 0 + E),),
        lambda x: x.div_(3),
    )
    yield Operation(
        "3 / x",
        lambda x: 3 / x,
        lambda ctx, count: quotients(ctx, count)[1:],
        lambda ctx, x: Want(3 / x, judge.gamma(2, u(ctx)) * (3 / x).abs()),
        (lambda ctx, x: Want(-3 / (x * x), judge.gamma(6, u(ctx)) * 3 / (x * x) + lost(ctx)),),
    )


def _constant(slope):
    return lambda ctx, x: Want(x * 0 + slope, None)
