"""The list operators (torch._foreach_*) that optimizers, clipping and averaging are made of, element by element.

Hunts: tensors of a list that are left out or handled twice (https://github.com/pytorch/pytorch/issues/119885), tails
behind the last full vector or chunk, a list of scalars that is shifted against the list of tensors, wrong alpha, an
in-place form that writes nothing, layouts that are mixed up.
Rule: EXACT. Integers up to 8, quotients by powers of two, roots of squares, halves and quarters as weights: no result
needs more than eight bits, so that nothing rounds in any dtype, order or fusion. float32 gets integers up to 2047, of
which 4 times a product and a sum fit 24 bits, and norms of 12 bits where roots are correctly rounded; powers, which
need not be, stay small. Each operator runs out of place (its operands must stay as they are), then in place, then in
place once more on its own result where that is exact too. Root and quotients of exact results are correctly rounded on
CPU and CUDA; elsewhere they are allowed the 3.5 units of roundoff.py (INTERVAL).
"""

from collections import namedtuple
from functools import partial

from .. import judge, tensorlists

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 2
WORKAROUND = "Use foreach=False in optimizers and clipping."

Call = namedtuple("Call", "name label arguments expected again")
"""`arguments(lists)`: what follows the first list; `expected(x, y, z)`: float64; `again`: whether a second in-place
call on the result is exact as well."""


def calls(ctx, scalars, repeated):
    """Every form; `scalars` one number a tensor (1, 2, 4 in turn), `repeated` the same for each element."""
    torch = ctx.torch
    half = ctx.tensor(torch.tensor(0.5, dtype=torch.float64))
    return (
        Call("add", "list", lambda x, y, z: (y,), lambda x, y, z: x + y, True),
        Call("add", "list, alpha", lambda x, y, z: (y, {"alpha": -0.5}), lambda x, y, z: x - y / 2, True),
        Call("add", "number", lambda x, y, z: (3,), lambda x, y, z: x + 3, True),
        Call("add", "numbers", lambda x, y, z: (scalars,), lambda x, y, z: x + repeated, True),
        Call("sub", "list, alpha", lambda x, y, z: (y, {"alpha": 2}), lambda x, y, z: x - 2 * y, True),
        Call("mul", "list", lambda x, y, z: (y,), lambda x, y, z: x * y, False),
        Call("mul", "number", lambda x, y, z: (-0.5,), lambda x, y, z: x * -0.5, True),
        Call("mul", "numbers", lambda x, y, z: (scalars,), lambda x, y, z: x * repeated, True),
        Call("mul", "tensor", lambda x, y, z: (half,), lambda x, y, z: x / 2, True),
        Call("div", "list", lambda x, y, z: (z,), lambda x, y, z: x / z, True),
        Call("div", "number", lambda x, y, z: (4,), lambda x, y, z: x / 4, True),
        Call("div", "numbers", lambda x, y, z: (scalars,), lambda x, y, z: x / repeated, True),
        Call("addcmul", "value", lambda x, y, z: (y, z, -0.5), lambda x, y, z: x - y * z / 2, False),
        Call("addcmul", "numbers", lambda x, y, z: (y, z, scalars), lambda x, y, z: x + y * z * repeated, False),
        Call("addcdiv", "value", lambda x, y, z: (y, z, -2), lambda x, y, z: x - 2 * y / z, True),
        Call("addcdiv", "numbers", lambda x, y, z: (y, z, scalars), lambda x, y, z: x + y / z * repeated, True),
        Call("lerp", "weight", lambda x, y, z: (y, 0.25), lambda x, y, z: x + (y - x) / 4, False),
        Call("lerp", "weight above a half", lambda x, y, z: (y, 0.75), lambda x, y, z: x + (y - x) * 0.75, False),
        Call("maximum", "list", lambda x, y, z: (y,), lambda x, y, z: torch.maximum(x, y), True),
        Call("minimum", "list", lambda x, y, z: (y,), lambda x, y, z: torch.minimum(x, y), True),
        Call("clamp_max", "number", lambda x, y, z: (2,), lambda x, y, z: x.clamp(max=2), True),
        Call("clamp_min", "number", lambda x, y, z: (-2,), lambda x, y, z: x.clamp(min=-2), True),
        Call("neg", "", lambda x, y, z: (), lambda x, y, z: -x, True),
        Call("abs", "", lambda x, y, z: (), lambda x, y, z: x.abs(), True),
        Call("sign", "", lambda x, y, z: (), lambda x, y, z: torch.sign(x), True),
        Call("pow", "number", lambda x, y, z: (2,), lambda x, y, z: x * x, False),
        Call("zero", "", lambda x, y, z: (), lambda x, y, z: x * 0, True),
        Call("copy", "list", lambda x, y, z: (y,), lambda x, y, z: y, True),
    )


def cases(ctx):
    seen = set()
    for n, call in enumerate(calls(ctx, None, None)):
        shapes = tensorlists.SHAPES if call.name in seen else tensorlists.SHAPES + tensorlists.many(ctx)
        seen.add(call.name)
        scalars = [2 ** (n % 3) for n in range(len(shapes))]
        call = calls(ctx, scalars, _repeated(ctx, scalars, shapes))[n]
        yield ("%s %s" % (call.name, call.label)).strip(), partial(check, ctx, call, shapes)
    yield "sqrt and reciprocal", partial(roots, ctx, tensorlists.SHAPES)
    for kind in (2, 1, float("inf")):
        yield "norm %g" % kind, partial(norms, ctx, kind, tensorlists.SHAPES + tensorlists.many(ctx))
    for call in calls(ctx, [4, 4], 4.0):
        if ctx.dtype_name == "float32" or (call.name, call.label) in _LARGE:
            yield "%s %s of 65,537 elements" % (call.name, call.label), partial(large, ctx, call)


_LARGE = (("add", "list, alpha"), ("mul", "tensor"), ("lerp", "weight"), ("addcdiv", "numbers"), ("addcmul", "value"))
_SIZES = ((65537,), (4099,))
_PERIOD = 251


def large(ctx, call):
    """A tensor of one element more than a chunk, filled with a pattern whose period no kernel shares; in place."""
    x, y = (ctx.integers((_PERIOD,), -_reach(ctx, call), _reach(ctx, call), call.name, n).double() for n in "xy")
    z = 2.0 ** ctx.integers((_PERIOD,), 0, 2, call.name, "z").double()
    lists = [[ctx.repeated(values, shape) for shape in _SIZES] for values in (x, y, z)]
    _called(ctx, call.name + "_", lists, call.arguments)
    return ctx.all_of(*[ctx.exact_repeated(got, call.expected(x, y, z)) for got in lists[0]])


def check(ctx, call, shapes):
    count = tensorlists.total(shapes)
    x, y = (ctx.integers((count,), -_reach(ctx, call), _reach(ctx, call), call.name, n).double() for n in "xy")
    z = 2.0 ** ctx.integers((count,), 0, 2, call.name, "z").double()
    expected, judged = call.expected(x, y, z), []
    ctx.require(bool((ctx.rounded(expected) == expected).all()), "results are numbers of the dtype")
    lists = [tensorlists.cut(ctx, values, shapes) for values in (x, y, z)]
    if hasattr(ctx.torch, "_foreach_" + call.name):
        got = _called(ctx, call.name, lists, call.arguments)
        judged.append(tensorlists.exact(ctx, got, expected, "out of place"))
        judged.append(tensorlists.exact(ctx, lists[0], x, "in an operand"))
    _called(ctx, call.name + "_", lists, call.arguments)
    judged.append(tensorlists.exact(ctx, lists[0], expected, "in place"))
    if call.again:
        _called(ctx, call.name + "_", lists, call.arguments)
        judged.append(tensorlists.exact(ctx, lists[0], call.expected(expected, y, z), "in place for the second time"))
    judged += [tensorlists.exact(ctx, one, v, "in an operand") for one, v in zip(lists[1:], (y, z))]
    return ctx.all_of(*judged)


def _reach(ctx, call):
    """The largest integer: 4 times a product and a sum stay within 2**p. A device's pow may err by some units."""
    return 2047 if ctx.dtype_name == "float32" and call.name != "pow" else 8


def _called(ctx, name, lists, arguments):
    given = arguments(*lists)
    options = given[-1] if given and isinstance(given[-1], dict) else {}
    return getattr(ctx.torch, "_foreach_" + name)(lists[0], *[a for a in given if a is not options], **options)


def roots(ctx, shapes):
    """Roots of squares and reciprocals of powers of two, in place and not."""
    torch, count = ctx.torch, tensorlists.total(shapes)
    loose = 0.0 if ctx.kind in ("cpu", "cuda") else 7 * 2.0**-24
    root = ctx.integers((count,), 0, 15, "root").double()
    power = 2.0 ** ctx.integers((count,), -3, 3, "power").double()
    judged = []
    for name, x, expected in (("sqrt", root * root, root), ("reciprocal", power, 1 / power)):
        tensors = tensorlists.cut(ctx, x, shapes)
        given = getattr(torch, "_foreach_" + name)(tensors)
        getattr(torch, "_foreach_%s_" % name)(tensors)
        for got in (given, tensors):
            joined, values = tensorlists.joined(ctx, got)
            judged.append(tensorlists.within(ctx, joined, values, expected, expected * loose, "of %s" % name))
    return ctx.all_of(*judged)


def norms(ctx, kind, shapes):
    """Integer vectors whose sum of squares is a square: 1 to 16 entries of one size, the last among them.

    In float32 a single entry has 12 bits, so that its square has 24; not where a root may be off by some units.
    """
    torch, values, expected = ctx.torch, [], []
    for n, shape in enumerate(shapes):
        size = tensorlists.size(shape)
        root = min(int(size**0.5), 1 + n % 4)
        flat = torch.zeros(size, dtype=torch.float64)
        places = ctx.uniform((size - 1,), "places", n).argsort()[: root * root - 1] if size > 1 else []
        magnitude = float(1 + n % 3)
        if root == 1 and ctx.dtype_name == "float32" and ctx.kind in ("cpu", "cuda"):
            magnitude = float(2 * int(ctx.integers((), 1024, 2047, "size", n)) + 1)
            ctx.require(magnitude**2 <= 2.0**ctx.precision, "squares are numbers of the dtype")
        flat[-1] = -magnitude
        if len(places):
            flat[places] = magnitude
        values.append(flat)
        expected.append({1: root * root, 2: root}.get(kind, 1) * magnitude)
    got = torch._foreach_norm(tensorlists.cut(ctx, torch.cat(values), shapes), kind)
    if len(got) != len(shapes):
        return judge.failed("%d norms of %d tensors" % (len(got), len(shapes)), 0)
    return tensorlists.exact(ctx, got, torch.tensor(expected, dtype=torch.float64))


def _repeated(ctx, scalars, shapes):
    parts = [ctx.torch.full((tensorlists.size(s),), float(v), dtype=ctx.torch.float64) for s, v in zip(shapes, scalars)]
    return ctx.torch.cat(parts)
