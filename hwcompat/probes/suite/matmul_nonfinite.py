"""Infinities and NaNs go where IEEE 754 sends them, and nowhere else.

Hunts: NaN swallowed or saturated, NaN that leaks into rows without any, `beta=0` that reads the addend.
Rule: EXACT. B holds only -1 and 1, so an infinity in a row gives an infinity of known sign, two of opposite effect or a
NaN give NaN, and all other outputs are small integers as in matmul.integer. The expected pattern is counted in
integers, not computed with infinities. An infinity times zero is left out: some libraries legally skip zeros.
Source: IEEE 754-2019, 6.1 and 6.2; NaN of an addend that `beta=0` excludes (MPS),
https://github.com/pytorch/pytorch/issues/187521.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.1
VERSION = 1

_INFINITY = float("inf")
# (row, column, value): single specials, pairs in one row, a NaN beside an infinity; first, middle and last places.
_SPECIALS = (
    (0, 0, _INFINITY),
    (3, 17, -_INFINITY),
    (7, 47, float("nan")),
    (11, 2, _INFINITY),
    (11, 30, _INFINITY),
    (15, 5, _INFINITY),
    (15, 6, -_INFINITY),
    (20, 9, float("nan")),
    (20, 10, _INFINITY),
    (32, 47, -_INFINITY),
)


def cases(ctx):
    yield "rows with infinities and NaN", partial(rows, ctx, 33, 48, 40)
    yield "columns with infinities and NaN", partial(columns, ctx, 33, 48, 40)
    yield "addmm beta=0 does not read its addend", partial(ignored_addend, ctx, 33, 48, 40)


def rows(ctx, count, depth, width):
    a, b, expected = patterned(ctx, count, depth, width)
    return ctx.exact(ctx.torch.mm(ctx.tensor(a), ctx.tensor(b)), expected)


def columns(ctx, count, depth, width):
    a, b, expected = patterned(ctx, count, depth, width)
    return ctx.exact(ctx.torch.mm(ctx.tensor(b.t()), ctx.tensor(a.t())), expected.t())


def patterned(ctx, count, depth, width):
    torch = ctx.torch
    ctx.require(depth <= 2**ctx.precision, "K * a**2 <= 2**p")
    finite = signs(ctx, (count, depth), "a")
    b = signs(ctx, (depth, width), "b")
    a = finite.clone()
    for row, column, value in _SPECIALS:
        a[row, column] = value
    up, down = (a == _INFINITY).double(), (a == -_INFINITY).double()
    above, below = (b > 0).double(), (b < 0).double()
    rises = torch.mm(up, above) + torch.mm(down, below) > 0
    falls = torch.mm(up, below) + torch.mm(down, above) > 0
    lost = (a != a).any(1)[:, None] | (rises & falls)
    expected = torch.mm(finite, b)
    expected[rises] = _INFINITY
    expected[falls] = -_INFINITY
    expected[lost] = float("nan")
    return a, b, expected


def ignored_addend(ctx, count, depth, width):
    a, b = signs(ctx, (count, depth), "a"), signs(ctx, (depth, width), "b")
    addend = ctx.torch.full((count, width), float("nan"), dtype=ctx.torch.float64)
    got = ctx.torch.addmm(ctx.tensor(addend), ctx.tensor(a), ctx.tensor(b), beta=0)
    return ctx.exact(got, ctx.torch.mm(a, b))


def signs(ctx, shape, name):
    return (2 * ctx.integers(shape, 0, 1, name, *shape) - 1).double()
