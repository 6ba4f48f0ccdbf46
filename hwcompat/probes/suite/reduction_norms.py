"""Norms and distances of vectors: p = 1, 2, infinity, 0, with gradients; the total norm that clipping needs; cdist.

Hunts: squares kept or summed in 16 bits, a lost last element, a missing root or absolute value, wrong dimensions,
wrong gradients.
Rule: EXACT for p = 0, 1, infinity on integers below 2**24, and for p = 2 on vectors of integer length (squares, their
sum and its root are exact in float32). INTERVAL for gradients of p = 2, dy x / |x|: three roundings to the dtype, which
a composition of 16-bit operations makes, and four in float32. Euclidean cdist goes through a matrix product above 25
rows: |a|**2 + |b|**2 - 2 a b is exact on small integers, so that only the root rounds, by at most 2 u |d| with u =
2**-24, and as much again for the output; gradients (a - b) / d have four roundings a term and n + 4 for the sum.
Source: https://pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_TUPLES = ((3, 4, 0), (2, 3, 6), (1, 4, 8), (2, 4, 4), (6, 6, 7), (1, 2, 2), (0, 0, 1), (2, 6, 9), (4, 4, 7))
_SHAPES = ((5, 3), (4, 8), (11, 17), (3, 33), (4, 64), (2, 257), (3, 1025))


def cases(ctx):
    for shape in _SHAPES:
        yield "norms of %dx%d" % shape, partial(rows, ctx, shape)
    yield "norm of 65537 elements", partial(long, ctx, 65537)
    yield "gradient of norms", partial(gradients, ctx)
    yield "clipping by the total norm", partial(clipped, ctx)
    if ctx.dtype_name == "float32":
        for first, second, width in ((7, 5, 9), (40, 31, 33)):
            yield "cdist %dx%dx%d" % (first, second, width), partial(distances, ctx, first, second, width)


def vectors(ctx, rows_, width, *words):
    """int64 (rows, width) of integer length among zeros, and the lengths."""
    table = ctx.torch.tensor(_TUPLES)
    chosen = table[ctx.integers((rows_,), 0, len(_TUPLES) - 1, "tuple", *words)]
    signs = 2 * ctx.integers((rows_, 3), 0, 1, "sign", *words) - 1
    places = ctx.uniform((rows_, width), "place", *words).argsort(1)[:, :3]
    places[0, 0] = places[0, 0] if bool((places[0] == width - 1).any()) else width - 1
    x = ctx.torch.zeros(rows_, width, dtype=ctx.torch.int64).scatter(1, places, chosen * signs)
    lengths = (x**2).sum(1).double().sqrt()
    ctx.require(bool((lengths == lengths.round()).all()), "integer lengths")
    return x, lengths


def rows(ctx, shape):
    x, lengths = vectors(ctx, shape[0], shape[1], shape)
    y = ctx.integers(shape, -7, 7, "y", shape)
    y[:, -1] = -7
    tensor, other, vector_norm = ctx.tensor(x), ctx.tensor(y), ctx.torch.linalg.vector_norm
    count, size, most = (y != 0).sum(1), y.abs().sum(1), y.abs().amax(1)
    return ctx.all_of(
        ctx.exact(vector_norm(tensor, 2, 1), lengths, note="(p 2)"),
        ctx.exact(vector_norm(ctx.tensor(x.t().contiguous()), 2, 0), lengths, note="(p 2 of columns)"),
        ctx.exact(vector_norm(ctx.tensor(4 * x).t().contiguous().t(), 2, 1), 4 * lengths, note="(p 2, swapped)"),
        ctx.exact(tensor[1].norm(), lengths[1], note="(norm of a row)"),
        ctx.exact(vector_norm(other, 1, 1), size, note="(p 1)"),
        ctx.exact(other.norm(1, 1), size, note="(norm, p 1)"),
        ctx.exact(vector_norm(other, float("inf"), 1, True), most[:, None], note="(p inf)"),
        ctx.exact(vector_norm(other, float("-inf"), 1), y.abs().amin(1), note="(p -inf)"),
        ctx.exact(vector_norm(other, 0, 1), count, note="(p 0)"),
        ctx.exact(vector_norm(other, 1), y.abs().sum(), note="(p 1 of all)"),
        ctx.exact(vector_norm(tensor, 2, 1, dtype=ctx.torch.float32), lengths, note="(p 2 in float32)"),
        ctx.exact(ctx.torch.dist(other, tensor, 1), (y - x).abs().sum(), note="(dist, p 1)"),
    )


def long(ctx, size):
    """16,384 = 128**2 entries of +-1 among zeros; times 16 their squares overflow fp16."""
    ctx.require(size > 4 * 16384, "room for 16384 entries")
    places = (ctx.torch.arange(16384) * 4).clone()
    places[-1] = size - 1
    x = ctx.torch.zeros(size, dtype=ctx.torch.int64)
    x[places] = 2 * ctx.integers((16384,), 0, 1, "sign") - 1
    want = ctx.torch.tensor(128.0).double()
    return ctx.all_of(
        ctx.exact(ctx.tensor(x).norm(), want, note="(+-1)"),
        ctx.exact(ctx.tensor(16 * x).norm(), 16 * want, note="(+-16)"),
        ctx.exact(ctx.torch.linalg.vector_norm(ctx.tensor(1024 * x)), 1024 * want, note="(+-1024)"),
    )


def gradients(ctx):
    triples = []
    for shape in ((5, 9), (3, 64)):
        x, lengths = vectors(ctx, shape[0], shape[1], shape, "gradient")
        dy = ctx.integers((shape[0],), -9, 9, "dy", shape).double()
        for p in (2, 1):
            leaf = ctx.tensor(x, grad=True)
            ctx.torch.linalg.vector_norm(leaf, p, 1).backward(ctx.tensor(dy))
            want = dy[:, None] * (x / lengths[:, None] if p == 2 else x.sign().double())
            bound = want.abs() * ((3 * 2.0**-ctx.precision if ctx.format.bits == 16 else 0.0) + 4 * 2.0**-24)
            triples.append(("gradient for p %d of %dx%d" % ((p,) + shape), leaf.grad, norm.Expected(want, bound)))
    return norm.all_within(ctx, triples)


def clipped(ctx):
    """Two parameters with gradients of lengths 3 and 4 times 2: the total is 10; half of it, less a share of 2e-7."""
    torch = ctx.torch
    x, y = ctx.torch.zeros(5, 7).long(), ctx.torch.zeros(33).long()
    x[4, 6], y[32] = 6, -8
    pair = [torch.nn.Parameter(ctx.tensor(0 * v)) for v in (x, y)]
    for parameter, v in zip(pair, (x, y)):
        parameter.grad = ctx.tensor(v)
    total = torch.nn.utils.clip_grad_norm_(pair, 5.0)
    share = (2 * 2.0**-ctx.precision if ctx.format.bits == 16 else 0.0) + 8 * 2.0**-24 + 1e-6 / 10
    want = [norm.Expected(v.double() / 2, v.double().abs() / 2 * share) for v in (x, y)]
    clip = [("clipped gradient", parameter.grad, expected) for parameter, expected in zip(pair, want)]
    return ctx.all_of(ctx.exact(total, ctx.torch.tensor(10.0).double(), note="(total)"), norm.all_within(ctx, clip))


def distances(ctx, first, second, width):
    a, b = (ctx.integers((rows_, width), -9, 9, name, first) for rows_, name in ((first, "a"), (second, "b")))
    dy = ctx.integers((first, second), -3, 3, "dy", first).double()
    difference = (a[:, None] - b[None]).double()
    length = (difference**2).sum(2).sqrt()
    ctx.require(float(length.min()) > 0, "no equal rows")
    leaf, other, u = ctx.tensor(a, grad=True), ctx.tensor(b), 2.0**-24
    d = ctx.torch.cdist(leaf, other)
    d.backward(ctx.tensor(dy))
    parts = dy[..., None] * difference / length[..., None]
    # Through the product, the gradient is a sum of dy / d times a and of dy / d times b.
    reach = (dy.abs() / length)[..., None] * (a.abs()[:, None] + b.abs()[None]).double()
    return ctx.all_of(
        ctx.exact(ctx.torch.cdist(leaf.detach(), other, 1.0), difference.abs().sum(2), note="(p 1)"),
        norm.all_within(
            ctx,
            (
                ("cdist", d, norm.Expected(length, 2 * u * length)),
                ("gradient", leaf.grad, norm.Expected(parts.sum(1), norm.growth(2 * second + 8) * reach.sum(1))),
            ),
        ),
    )
