"""abs, neg, sign, floor, ceil, round, trunc, frac and every form of clamp, forward and backward, in every layout.

Hunts: halves rounded away from even, floor that truncates, a bound of clamp ignored or exchanged, gradients that pass
where the value was clamped (or do not where it was not), lanes, tails, layouts, in-place and out= variants.
Rule: EXACT; the results are numbers of the dtype. Gradients: those of the pieces; 0 for steps; 1 from bound to bound
for clamp, both bounds included (PyTorch, derivatives of clamp: the mask is x >= min and x <= max).
Source: IEEE 754-2019, 5.3.1 and 5.9 (roundToIntegralTiesToEven and its kin);
https://pytorch.org/docs/stable/generated/torch.round.html (half to even).
"""

from .. import functions
from ..functions import Function
from ..pointwise import Want

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1


def cases(ctx):
    return functions.both(ctx, tuple(table(ctx.torch)), every=3)


def table(torch):
    yield _named(torch, "abs", torch.sign)
    yield _named(torch, "neg", lambda x: 0.0 * x - 1)
    for name in ("sign", "floor", "ceil", "round", "trunc"):
        yield _named(torch, name, lambda x: 0.0 * x)
    yield _named(torch, "frac", lambda x: 0.0 * x + 1)
    yield _clamp(torch, "clamp to -1.5 .. 2", {"min": -1.5, "max": 2.0})
    yield _clamp(torch, "clamp from 0.25", {"min": 0.25})
    yield _clamp(torch, "clamp to 6", {"max": 6.0})
    yield _bounded(torch, "clamp_min", 0.25)
    yield _bounded(torch, "clamp_max", -0.25)


def _named(torch, name, slope):
    call = getattr(torch, name)

    def derivative(ctx, x):
        return Want(slope(x), None)

    return Function(name, call, lambda ctx, x: Want(call(x), None), derivative, None, None, None, (), _own(name), True)


def _own(name):
    return lambda x: getattr(x, name + "_")()


def _clamp(torch, name, bounds):
    def call(x, **out):
        return torch.clamp(x, **dict(bounds, **out))

    def derivative(ctx, x):
        return Want((torch.clamp(x, **bounds) == x).double(), None)

    def in_place(x):
        return x.clamp_(**bounds)

    return Function(name, call, lambda ctx, x: Want(call(x), None), derivative, None, None, None, (), in_place, True)


def _bounded(torch, name, bound):
    function = getattr(torch, name)

    def call(x, **out):
        return function(x, bound, **out)

    def derivative(ctx, x):
        return Want((call(x) == x).double(), None)

    def in_place(x):
        return getattr(x, name + "_")(bound)

    label = "%s %g" % (name, bound)
    return Function(label, call, lambda ctx, x: Want(call(x), None), derivative, None, None, None, (), in_place, True)
