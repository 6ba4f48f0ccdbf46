"""Odd shapes, all four transpositions, misaligned slices and matrix-vector products.

Hunts: wrong tails, kernels for unaligned operands, kernels that only one transposition reaches, mixed-up strides.
Rule: EXACT, integers with K * a**2 <= 2**p as in matmul.integer.
Source: a batched product of cuBLAS that was wrong for one transposition and memory order (complex numbers there),
https://github.com/pytorch/pytorch/issues/64103.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1

# One off the tile sizes of every library (8, 16, 32, 64, 128, 256), and sizes one. (rows, K, columns)
_SHAPES = (
    (1, 1, 1),
    (1, 7, 9),
    (9, 1, 7),
    (15, 17, 31),
    (17, 15, 1),
    (31, 33, 63),
    (33, 31, 65),
    (63, 65, 127),
    (65, 63, 33),
    (127, 129, 15),
    (129, 127, 255),
    (255, 255, 129),
    (257, 31, 257),
)
_LARGE = (4095, 255, 4097)
_PERIODS = (251, 241)


def cases(ctx):
    for shape in _SHAPES:
        yield "mm %dx%dx%d NN NT TN TT" % shape, partial(transpositions, ctx, *shape)
    yield "mm of slices that start one element off", partial(misaligned, ctx, 63, 65, 95)
    yield "mv 257x255", partial(matrix_vector, ctx, 257, 255)
    if ctx.large:
        yield "mm %dx%dx%d NN NT TN TT" % _LARGE, partial(large_transpositions, ctx, *_LARGE)


def transpositions(ctx, rows, depth, columns):
    a, b = operands(ctx, rows, depth, columns)
    expected = ctx.torch.mm(a.double(), b.double())
    judged = []
    for name, left in (("N", ctx.tensor(a)), ("T", ctx.tensor(a.t()).t())):
        for right_name, right in (("N", ctx.tensor(b)), ("T", ctx.tensor(b.t()).t())):
            judged.append(ctx.exact(ctx.torch.mm(left, right), expected, note="(%s%s)" % (name, right_name)))
    return ctx.all_of(*judged)


def large_transpositions(ctx, rows, depth, columns):
    a, b = operands(ctx, _PERIODS[0], depth, _PERIODS[1])
    expected = ctx.torch.mm(a.double(), b.double())
    lefts = (("N", ctx.repeated(a, (rows, depth))), ("T", ctx.repeated(a.t(), (depth, rows)).t()))
    rights = (("N", ctx.repeated(b, (depth, columns))), ("T", ctx.repeated(b.t(), (columns, depth)).t()))
    judged = []
    for name, left in lefts:
        for right_name, right in rights:
            note = "(%s%s)" % (name, right_name)
            judged.append(ctx.exact_repeated(ctx.torch.mm(left, right), expected, note))
    return ctx.all_of(*judged)


def misaligned(ctx, rows, depth, columns):
    a, b = operands(ctx, rows, depth + 1, columns + 1)
    got = ctx.torch.mm(ctx.tensor(a)[:, 1:], ctx.tensor(b)[1:, 1:])
    return ctx.exact(got, ctx.torch.mm(a[:, 1:].double(), b[1:, 1:].double()))


def matrix_vector(ctx, rows, depth):
    a, b = operands(ctx, rows, depth, 1)
    expected = ctx.torch.mm(a.double(), b.double())[:, 0]
    vector = ctx.tensor(b[:, 0])
    straight = ctx.exact(ctx.torch.mv(ctx.tensor(a), vector), expected)
    return ctx.all_of(straight, ctx.exact(ctx.torch.mv(ctx.tensor(a.t()).t(), vector), expected, note="(transposed)"))


def operands(ctx, rows, depth, columns):
    largest = max(a for a in (1, 2, 3, 7, 15) if depth * a**2 <= 2**ctx.precision)
    ctx.require(depth * largest**2 <= 2**ctx.precision, "K * a**2 <= 2**p")
    a = ctx.integers((rows, depth), -largest, largest, "a", rows, depth, columns)
    return a, ctx.integers((depth, columns), -largest, largest, "b", rows, depth, columns)
