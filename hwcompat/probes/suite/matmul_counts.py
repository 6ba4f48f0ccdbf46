"""More than 65,535 matrices, more than 2**21 rows, sums of 65,537 products: counts that outgrow a kernel's index.

Hunts: zeros beyond 65,535 matrices (https://github.com/pytorch/pytorch/issues/25241), wrong rows beyond 2**21
(https://github.com/pytorch/pytorch/issues/22078), in the forward pass and in both gradients.
Rule: EXACT. Integers whose sums of absolute products stay within 2**p (asserted). Operands repeat with a period of 251,
coprime to every power of two, so that no block of a wrong place is the right one; every element of the output is
compared bit by bit. The long sums have few terms that are not zero, the first and last among them.
"""

from functools import partial

from .. import outputs

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_PERIOD = 251
_MANY = 65539
_ROWS = 2**21 + 3


def cases(ctx):
    yield "bmm %dx3x2x2 forward and backward" % _MANY, partial(batches, ctx, 3, 2, 2)
    yield "bmm %dx1x3x1 forward and backward" % _MANY, partial(batches, ctx, 1, 3, 1)
    yield "baddbmm %dx2x3x2" % _MANY, partial(added, ctx, 2, 3, 2)
    yield "mm %dx2x1" % _ROWS, partial(rows, ctx, 2, 1)
    yield "linear of %d rows, gradients" % _MANY, partial(layer, ctx, _MANY, 4, 3)
    yield "mm 3x%dx5" % _MANY, partial(long_sums, ctx, 3, 5)
    yield "mm 2x1x%d" % _MANY, partial(columns, ctx)


def batches(ctx, height, depth, width):
    torch = ctx.torch
    shapes = ((height, depth), (depth, width), (height, width))
    a, b, g = (ctx.integers((_PERIOD,) + s, -2, 2, "bmm", n, s) for n, s in enumerate(shapes))
    ctx.require(4 * max(height, depth, width) <= 2**ctx.precision, "K * a**2 <= 2**p")
    x, y, dy = (ctx.repeated(v, (_MANY,) + s) for v, s in zip((a, b, g), shapes))
    x, y = x.requires_grad_(), y.requires_grad_()
    out = torch.bmm(x, y)
    bad = outputs.misshapen(ctx, out, (_MANY, height, width))
    if bad:
        return bad
    out.backward(dy)
    a, b, g = a.double(), b.double(), g.double()
    return ctx.all_of(
        ctx.exact_repeated(out, torch.bmm(a, b), note="(output)"),
        ctx.exact_repeated(x.grad, torch.bmm(g, b.transpose(1, 2)), note="(gradient of the left operand)"),
        ctx.exact_repeated(y.grad, torch.bmm(a.transpose(1, 2), g), note="(gradient of the right operand)"),
    )


def added(ctx, height, depth, width):
    shapes = ((height, width), (height, depth), (depth, width))
    c, a, b = (ctx.integers((_PERIOD,) + s, -2, 2, "baddbmm", n) for n, s in enumerate(shapes))
    ctx.require(4 * depth + 3 * 2 <= 2**ctx.precision, "K * a**2 + |beta c| <= 2**p")
    tensors = [ctx.repeated(v, (_MANY,) + s) for v, s in zip((c, a, b), shapes)]
    got = ctx.torch.baddbmm(*tensors, beta=3)
    return ctx.exact_repeated(got, 3 * c.double() + ctx.torch.bmm(a.double(), b.double()))


def rows(ctx, depth, width):
    a, b = ctx.integers((_PERIOD, depth), -3, 3, "a"), ctx.integers((depth, width), -3, 3, "b")
    ctx.require(9 * depth <= 2**ctx.precision, "K * a**2 <= 2**p")
    got = ctx.torch.mm(ctx.repeated(a, (_ROWS, depth)), ctx.tensor(b))
    return ctx.exact_repeated(got, ctx.torch.mm(a.double(), b.double()))


def columns(ctx):
    a, b = ctx.integers((2, 1), 1, 3, "a"), ctx.integers((1, _PERIOD), -3, 3, "b")
    got = ctx.torch.mm(ctx.tensor(a), ctx.repeated(b, (1, _MANY)))
    return ctx.exact_repeated(got, ctx.torch.mm(a.double(), b.double()))


def layer(ctx, count, inputs, units):
    """The gradient of the output is not zero in 64 rows, the first and the last among them."""
    torch = ctx.torch
    x, w = ctx.integers((_PERIOD, inputs), -1, 1, "x"), ctx.integers((units, inputs), -1, 1, "w")
    places = torch.cat([torch.tensor([0, count - 1]), ctx.integers((62,), 1, count - 2, "places")])
    g = torch.zeros(count, units, dtype=torch.int64)
    g[places] = 1 + ctx.integers((64, units), 0, 1, "g")
    used = torch.unique(places)
    ctx.require(2 * max(64, units) <= 2**ctx.precision, "sum of absolute products <= 2**p")
    leaf, weight = ctx.repeated(x, (count, inputs)).requires_grad_(), ctx.tensor(w, grad=True)
    bias = ctx.tensor(ctx.integers((units,), -2, 2, "b"), grad=True)
    y = torch.nn.functional.linear(leaf, weight, bias)
    bad = outputs.misshapen(ctx, y, (count, units))
    if bad:
        return bad
    y.backward(ctx.tensor(g))
    kept, seen = g[used].double(), x[used % _PERIOD].double()
    return ctx.all_of(
        ctx.exact_repeated(y, x.double() @ w.double().t() + ctx.values(bias), note="(output)"),
        outputs.exact(ctx, leaf.grad, g.double() @ w.double(), "(input gradient)"),
        outputs.exact(ctx, weight.grad, kept.t() @ seen, "(weight gradient)"),
        outputs.exact(ctx, bias.grad, kept.sum(0), "(bias gradient)"),
    )


def long_sums(ctx, height, width):
    torch = ctx.torch
    places = torch.cat([torch.tensor([0, _MANY - 1]), ctx.integers((62,), 1, _MANY - 2, "long places")])
    a = torch.zeros(height, _MANY, dtype=torch.int64)
    a[:, places] = 1 + ctx.integers((height, 64), 0, 1, "long a")
    b = ctx.integers((_MANY, width), -1, 1, "long b")
    ctx.require(2 * len(places) <= 2**ctx.precision, "sum of absolute products <= 2**p")
    got = torch.mm(ctx.tensor(a), ctx.tensor(b))
    return outputs.exact(ctx, got, a.double() @ b.double())
