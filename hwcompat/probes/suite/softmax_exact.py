"""Softmax where the answer is known to the bit: equal, huge, masked and far apart scores; and its gradient.

Hunts: a missing subtraction of the largest score, wrong row sums, NaN from masks, kernels for one row length or
dimension.
Rule: EXACT. exp(0) = 1, the sum of n = 2**k ones and 1 / n are exact in any accumulator that holds n; scores 30,000
below the largest, and -inf, give exactly zero. With y = 1 / n and integers g of mean 1 the gradient y * (g - sum(g y))
is (g - 1) / n, an integer over a power of two at every step. (Rows that are -inf throughout are NaN by definition and
are not asked for.)
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html; rows of -inf throughout:
https://github.com/pytorch/pytorch/issues/25110.
"""

from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_INFINITY = float("inf")


def cases(ctx):
    for shape, dim in (((64, 1024), 1), ((1024, 33), 0), ((5, 64, 7), 1), ((3, 4096), 1)):
        label = "x".join(str(size) for size in shape)
        yield "equal scores %s over dim %d" % (label, dim), partial(equal, ctx, shape, dim, 0)
        yield "equal scores of 30000, %s over dim %d" % (label, dim), partial(equal, ctx, shape, dim, 30000)
        yield "gradient %s over dim %d" % (label, dim), partial(gradient, ctx, shape, dim)
    for length in (7, 128, 1000):
        yield "one score 30000 above the others, length %d" % length, partial(winner, ctx, length)
    yield "half the scores -inf", partial(masked, ctx, 64, 1000)


def equal(ctx, shape, dim, score):
    x = ctx.torch.full(shape, score, dtype=ctx.torch.int64)
    want = ctx.torch.full(shape, 1.0 / shape[dim], dtype=ctx.torch.float64)
    return ctx.exact(ctx.torch.softmax(ctx.tensor(x), dim), want)


def winner(ctx, length):
    one_hot = ctx.torch.zeros(33, length, dtype=ctx.torch.int64)
    one_hot[ctx.torch.arange(33), ctx.integers((33,), 0, length - 1, "winner", length)] = 1
    return ctx.exact(ctx.torch.softmax(ctx.tensor((one_hot - 1) * 30000), 1), one_hot)


def masked(ctx, rows, length):
    """512 scores of a row are 3, the others -inf, in an order of its own."""
    keys = ctx.uniform((rows, length), "order")
    kept = keys <= keys.sort(1)[0][:, 511:512]
    ctx.require(bool((kept.sum(1) == 512).all()), "512 scores a row are kept")
    x = ctx.torch.where(kept, ctx.torch.full_like(keys, 3.0), ctx.torch.full_like(keys, -_INFINITY))
    return ctx.exact(ctx.torch.softmax(ctx.tensor(x), 1), kept.double() / 512)


def gradient(ctx, shape, dim):
    """g = h + 1 where the second half of h is the negative of the first, so that the mean of g is 1."""
    size = shape[dim]
    half = list(shape)
    half[dim] = size // 2
    h = ctx.integers(half, -4, 4, "g", *shape)
    h = ctx.torch.cat([h, -h], dim)
    ctx.require(5 * size < 2**24 and size & (size - 1) == 0, "partial sums of g y are exact, and so is 1 / n")
    x = ctx.tensor(ctx.torch.full(shape, 2, dtype=ctx.torch.int64), grad=True)
    ctx.torch.softmax(x, dim).backward(ctx.tensor(h + 1))
    return ctx.exact(x.grad, h.double() / size)
