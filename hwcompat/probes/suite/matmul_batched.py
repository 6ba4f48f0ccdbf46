"""Batched products and products with an addend are exact on integers.

Hunts: batch indices that overflow (fp16 bmm gave zeros beyond 65,535 matrices,
https://github.com/pytorch/pytorch/issues/25241), a wrong epilogue (alpha, beta, broadcast addend), a wrong gradient of
bmm.
Rule: EXACT, integers whose sums of absolute products, the addend included, stay within 2**p.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_MANY = 65537
_PERIOD = 251  # coprime to every power of two: matrix i + 2**16 is never the same as matrix i


def cases(ctx):
    yield "bmm 8x64x128x63 forward and backward", partial(bmm, ctx, 8, 64, 128, 63)
    yield "matmul 2x3x33x65 @ 65x17, broadcast", partial(broadcast, ctx)
    yield "addmm beta=2 alpha=-1", partial(addmm, ctx, 65, 127, 96)
    yield "baddbmm beta=3, broadcast addend", partial(baddbmm, ctx, 5, 32, 63, 40)
    if ctx.large:
        yield "bmm %dx8x64x8" % _MANY, partial(many, ctx, _MANY, 8, 64, 8)


def bmm(ctx, batch, rows, depth, columns):
    torch = ctx.torch
    a = ctx.integers((batch, rows, depth), -1, 1, "a")
    b = ctx.integers((batch, depth, columns), -1, 1, "b")
    g = ctx.integers((batch, rows, columns), -1, 1, "g")
    ctx.require(max(rows, depth, columns) <= 2**ctx.precision, "K * a**2 <= 2**p")
    x, y = ctx.tensor(a, grad=True), ctx.tensor(b, grad=True)
    out = torch.bmm(x, y)
    out.backward(ctx.tensor(g))
    a, b, g = a.double(), b.double(), g.double()
    return ctx.all_of(
        ctx.exact(out, torch.bmm(a, b), note="(forward)"),
        ctx.exact(x.grad, torch.bmm(g, b.transpose(1, 2)), note="(gradient of the left operand)"),
        ctx.exact(y.grad, torch.bmm(a.transpose(1, 2), g), note="(gradient of the right operand)"),
    )


def broadcast(ctx):
    a, b = ctx.integers((2, 3, 33, 65), -1, 1, "a"), ctx.integers((65, 17), -1, 1, "b")
    ctx.require(a.shape[-1] <= 2**ctx.precision, "K * a**2 <= 2**p")
    return ctx.exact(ctx.torch.matmul(ctx.tensor(a), ctx.tensor(b)), ctx.torch.matmul(a.double(), b.double()))


def addmm(ctx, rows, depth, columns):
    a, b = ctx.integers((rows, depth), -1, 1, "a"), ctx.integers((depth, columns), -1, 1, "b")
    c = ctx.integers((rows, columns), -3, 3, "c")
    ctx.require(depth + 2 * 3 <= 2**ctx.precision, "K + |beta c| <= 2**p")
    got = ctx.torch.addmm(ctx.tensor(c), ctx.tensor(a), ctx.tensor(b), beta=2, alpha=-1)
    return ctx.exact(got, 2 * c.double() - ctx.torch.mm(a.double(), b.double()))


def baddbmm(ctx, batch, rows, depth, columns):
    a, b = ctx.integers((batch, rows, depth), -1, 1, "a"), ctx.integers((batch, depth, columns), -1, 1, "b")
    c = ctx.integers((1, 1, columns), -3, 3, "c")
    ctx.require(depth + 3 * 3 <= 2**ctx.precision, "K + |beta c| <= 2**p")
    got = ctx.torch.baddbmm(ctx.tensor(c), ctx.tensor(a), ctx.tensor(b), beta=3)
    return ctx.exact(got, 3 * c.double() + ctx.torch.bmm(a.double(), b.double()))


def many(ctx, batch, rows, depth, columns):
    a, b = ctx.integers((_PERIOD, rows, depth), -1, 1, "a"), ctx.integers((_PERIOD, depth, columns), -1, 1, "b")
    ctx.require(depth <= 2**ctx.precision, "K * a**2 <= 2**p")
    got = ctx.torch.bmm(ctx.repeated(a, (batch, rows, depth)), ctx.repeated(b, (batch, depth, columns)))
    return ctx.exact_repeated(got, ctx.torch.bmm(a.double(), b.double()))
