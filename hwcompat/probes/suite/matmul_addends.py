"""Products with an addend: alpha and beta, addends of every shape, in place, into a given output, and a fused ReLU.

Hunts: alpha or beta lost, or applied to the wrong part, a broadcast addend read wrongly, `beta=0` that reads an addend
full of NaN (or stale memory), results of an in-place or out= variant that differ, wrong gradients of the addend.
Rule: EXACT. Integers (and alpha, beta powers of two or small integers) whose sums of absolute terms stay within 2**p
for the output and every gradient (asserted); see products.py. With beta = 0 the addend is ignored whatever it holds:
https://pytorch.org/docs/stable/generated/torch.addmm.html
"""

from functools import partial

from .. import judge, outputs, products
from ..products import Form

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

# operator, addend and operands
_SHAPES = (
    ("addmm", (33, 17), (33, 9), (9, 17)),
    ("addmm", (17,), (33, 9), (9, 17)),
    ("addmm", (33, 1), (33, 9), (9, 17)),
    ("addmm", (1, 1), (5, 64), (64, 9)),
    ("addmm", (1, 8), (1, 31), (31, 8)),
    ("addmv", (65,), (65, 33), (33,)),
    ("addmv", (1,), (7, 97), (97,)),
    ("addr", (33, 9), (33,), (9,)),
    ("addr", (9,), (33,), (9,)),
    ("addbmm", (9, 7), (4, 9, 8), (4, 8, 7)),
    ("baddbmm", (4, 9, 7), (4, 9, 8), (4, 8, 7)),
    ("baddbmm", (9, 1), (7, 9, 8), (7, 8, 5)),
    ("baddbmm", (1, 1, 5), (3, 1, 8), (3, 8, 5)),
)
_EVERY_OPERATOR = (0, 1, 4, 5, 7, 9, 10, 12)
_SCALES = ((1, 1), (2, -1), (-1, 3), (0.5, 2), (1, 0), (0, 1))  # beta, alpha


def cases(ctx):
    for row in _SHAPES:
        for beta, alpha in _SCALES if row in _SHAPES[::3] else _SCALES[1:3]:
            form = _form(row[0], row[1:], {"beta": beta, "alpha": alpha})
            # Halves need even addends; the label is the stream, so that every case has operands of its own.
            yield form.label, partial(products.check, ctx, form, ("whole", "transposed"))
    for row in [_SHAPES[n] for n in _EVERY_OPERATOR]:
        label = "%s %s" % (row[0], row[1])
        yield label + " beta=0 ignores NaN", partial(ignored, ctx, row[0], row[1:])
        yield label + " in place and out=", partial(variants, ctx, row[0], row[1:])
    for name, shapes in (
        ("mm", ((33, 9), (9, 17))),
        ("bmm", ((3, 9, 8), (3, 8, 5))),
        ("matmul", ((2, 9, 8), (2, 8, 7))),
    ):
        yield "%s out=" % name, partial(into, ctx, name, shapes)
    yield "_addmm_activation with ReLU", partial(fused, ctx)


def _form(name, shapes, scales):
    label = "%s %s beta=%g alpha=%g" % (name, " ".join(str(s) for s in shapes), scales["beta"], scales["alpha"])
    return Form(label, shapes, _call(name), scales)


def _call(name):
    def function(torch, c, a, b, beta, alpha):
        operator = getattr(torch, name)
        if c.dtype == torch.float64:  # the reference: torch 1.13 and older err at beta=0 here too
            return 2 * beta * c + alpha * operator(torch.zeros_like(c), a, b)
        # Twice the addend: a half of it is still an integer.
        return operator(2 * c, a, b, beta=beta, alpha=alpha)

    return function


def drawn(ctx, name, shapes):
    """int64 (addend, left, right) and the float64 product that the operator adds, before alpha and beta."""
    operator = getattr(ctx.torch, name)
    for largest in (2, 1):
        c, a, b = (ctx.integers(shape, -largest, largest, name, n, shape) for n, shape in enumerate(shapes))
        sums = operator(c.double().abs(), a.double().abs(), b.double().abs(), beta=3, alpha=2)
        if float(sums.max()) <= 2**ctx.precision:
            break
    ctx.require_exact_sums(sums)
    nothing = ctx.torch.zeros(shapes[0], dtype=ctx.torch.float64)
    return (c, a, b), operator(nothing, a.double(), b.double())


def ignored(ctx, name, shapes):
    """The addend is NaN, then infinite."""
    (_, a, b), product = drawn(ctx, name, shapes)
    judged = []
    for value in (float("nan"), float("inf")):
        addend = ctx.tensor(ctx.torch.full(shapes[0], value, dtype=ctx.torch.float64))
        got = getattr(ctx.torch, name)(addend, ctx.tensor(a), ctx.tensor(b), beta=0)
        judged.append(outputs.exact(ctx, got, product, "(addend %r)" % value))
    return ctx.all_of(*judged)


def variants(ctx, name, shapes):
    """In place twice on one tensor, and into one that holds NaN."""
    (c, a, b), product = drawn(ctx, name, shapes)
    left, right = ctx.tensor(a), ctx.tensor(b)
    full = c.expand(product.shape).contiguous()
    target = ctx.tensor(full)
    getattr(target, name + "_")(left, right, beta=-1, alpha=2)
    first = outputs.exact(ctx, target, 2 * product - full, "(in place)")
    getattr(target, name + "_")(left, right, beta=1, alpha=-2)
    second = outputs.exact(ctx, target, -full.double(), "(in place again)")
    out = ctx.tensor(ctx.torch.full(tuple(product.shape), float("nan"), dtype=ctx.torch.float64))
    getattr(ctx.torch, name)(ctx.tensor(c), left, right, beta=3, out=out)
    return ctx.all_of(first, second, outputs.exact(ctx, out, product + 3 * c, "(out=)"))


def into(ctx, name, shapes):
    """A product written over NaN, and into a transposed output."""
    a, b = (ctx.integers(shape, -3, 3, name, n) for n, shape in enumerate(shapes))
    ctx.require_exact_sums(ctx.torch.matmul(a.double().abs(), b.double().abs()))
    want = ctx.torch.matmul(a.double(), b.double())
    judged = []
    for note, turned in (("(out=)", False), ("(transposed out=)", True)):
        shape = want.transpose(-1, -2).shape if turned else want.shape
        out = ctx.tensor(ctx.torch.full(tuple(shape), float("nan"), dtype=ctx.torch.float64))
        out = out.transpose(-1, -2) if turned else out
        getattr(ctx.torch, name)(ctx.tensor(a), ctx.tensor(b), out=out)
        judged.append(outputs.exact(ctx, out, want, note))
    return ctx.all_of(*judged)


def fused(ctx):
    """What a linear layer with ReLU becomes on some paths; releases without it are `unsupported`."""
    function = getattr(ctx.torch, "_addmm_activation", None)
    if function is None:
        return judge.skipped("this release has no _addmm_activation")
    judged = []
    for shapes in (((17,), (33, 9), (9, 17)), ((64,), (8, 32), (32, 64)), ((5,), (1, 31), (31, 5))):
        (c, a, b), product = drawn(ctx, "addmm", shapes)
        got = function(ctx.tensor(c), ctx.tensor(a), ctx.tensor(b), use_gelu=False)
        judged.append(outputs.exact(ctx, got, (product + c).clamp(min=0), str(shapes)))
    return ctx.all_of(*judged)
