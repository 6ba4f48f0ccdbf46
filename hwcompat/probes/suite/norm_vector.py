"""Vectors scaled to length one: F.normalize, cosine similarity, weight norm, local response norm.

Hunts: a wrong length (16-bit squares, the wrong dimension, a lost element), wrong quotients, wrong gradients.
Rule: INTERVAL, with u = 2**-24 and v = 2**-p (0 in float32) for what a composition of 16-bit operations rounds between
its steps. With h = x / |x|: cosine, sum |h k| (4 v + g(n + 6)); gradients of normalize, |dy| / |x| and |h| sum |dy h| /
|x| times (8 v + g(n + 8)); weight norm, w = g h, dg = sum dw h, dv = g (dw - h dg) / |v|, each term times (4 v + g(n +
8)); local response norm, y = x (k + a s)**-b with s the sum of n squares over neighbouring channels and a = alpha / n:
n + 8 roundings of either kind inside the power count b <= 1 times, the power itself 16 u (CUDA C Programming Guide,
Mathematical Functions: powf 4 ulp, doubled twice for other libraries). EXACT for the values of F.normalize: rows are
vectors of integers of integer length (3-4-5, 2-3-6-7, 1-4-8-9 ...) among zeros, so that squares, their sum and its root
are exact, and the quotient is rounded once.
Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html and its neighbours.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 2

_TUPLES = ((3, 4, 0), (2, 3, 6), (1, 4, 8), (2, 4, 4), (6, 6, 7), (1, 2, 2), (0, 0, 1), (2, 6, 9), (4, 4, 7))
_SHAPES = ((7, 3), (5, 4), (11, 17), (3, 32), (4, 65), (2, 300))


def cases(ctx):
    for shape in _SHAPES:
        size = "%dx%d" % shape
        yield "normalize %s" % size, partial(normalize, ctx, shape, 1)
        yield "normalize %s along dim 0" % size, partial(normalize, ctx, shape, 0)
        yield "cosine similarity %s" % size, partial(cosine, ctx, shape)
        yield "weight norm %s" % size, partial(weight_norm, ctx, shape)
    if ctx.format.bits == 16 and not ctx.large:
        return  # torch's average pooling in three dimensions, which the last operation is made of, has no 16-bit kernel
    for images, count in (((2, 7, 3, 11), 5), ((3, 4, 13), 3), ((1, 16, 2, 2), 2)):
        label = "local response norm of %d, %s" % (count, "x".join(map(str, images)))
        yield label, partial(response, ctx, images, count)


def vectors(ctx, rows, width, *words):
    """int64 (rows, width) of integer length, and the lengths (rows, 1); three places of each row are not zero."""
    table = ctx.torch.tensor(_TUPLES)
    chosen = table[ctx.integers((rows,), 0, len(_TUPLES) - 1, "tuple", *words)]
    signs = 2 * ctx.integers((rows, 3), 0, 1, "sign", *words) - 1
    places = ctx.uniform((rows, width), "place", *words).argsort(1)[:, :3]
    x = ctx.torch.zeros(rows, width, dtype=ctx.torch.int64).scatter(1, places, chosen * signs)
    lengths = (x**2).sum(1, keepdim=True).double().sqrt()
    ctx.require(bool((lengths == lengths.round()).all()), "integer lengths")
    return x, lengths


def roundings(ctx, count):
    """`count` roundings to 16 bits between the steps; none in float32."""
    return count * 2.0**-ctx.precision if ctx.format.bits == 16 else 0.0


def normalize(ctx, shape, dim):
    x, lengths = vectors(ctx, shape[0], shape[1], shape, dim)
    dy = ctx.integers(shape, -2, 2, "dy", shape, dim).double()
    h = x.double() / lengths
    inner = (dy * h).sum(1, keepdim=True)
    size = (dy.abs() + h.abs() * (dy * h).abs().sum(1, keepdim=True)) / lengths
    want = norm.Expected((dy - h * inner) / lengths, size * (roundings(ctx, 8) + norm.growth(shape[1] + 8)))
    turned = [v.t().contiguous() if dim == 0 else v for v in (x, dy, h, want.value, want.bound)]
    leaf = ctx.tensor(turned[0], grad=True)
    y = ctx.torch.nn.functional.normalize(leaf, dim=dim)
    y.backward(ctx.tensor(turned[1]))
    return ctx.all_of(
        ctx.exact(y, turned[2], note="in output"),
        norm.all_within(ctx, (("gradient", leaf.grad, norm.Expected(turned[3], turned[4])),)),
    )


def cosine(ctx, shape):
    (x, a), (k, b) = (vectors(ctx, shape[0], shape[1], shape, word) for word in ("x", "k"))
    h, g = x.double() / a, k.double() / b
    dy = ctx.integers((shape[0],), 1, 3, "dy", shape).double()
    share = roundings(ctx, 4) + norm.growth(shape[1] + 6)
    value, size = (h * g).sum(1), (h * g).abs().sum(1)
    leaves = [ctx.tensor(v, grad=True) for v in (x, k)]
    y = ctx.torch.nn.functional.cosine_similarity(leaves[0], leaves[1], dim=1)
    y.backward(ctx.tensor(dy))
    triples = [("output", y, norm.Expected(value, size * share))]
    for leaf, mine, other, length in ((leaves[0], h, g, a), (leaves[1], g, h, b)):
        wide = dy[:, None] / length
        gradient = wide * (other - value[:, None] * mine)
        reach = wide * (other.abs() + size[:, None] * mine.abs())
        triples.append(("gradient", leaf.grad, norm.Expected(gradient, 4 * reach * share)))
    return norm.all_within(ctx, triples)


def weight_norm(ctx, shape):
    v, lengths = vectors(ctx, shape[0], shape[1], shape, "v")
    g = lengths * 2.0 ** ctx.integers((shape[0], 1), -1, 1, "g", shape).double()
    if ctx.dtype_name == "float32":  # lengths of up to 12 bits, whose squares have 24, and a scale of 24
        factor = 2 * ctx.integers((shape[0], 1), 150, 180, "long", shape) + 1
        v, lengths, g = v * factor, lengths * factor, ctx.rounded(g * (1 + ctx.uniform((shape[0], 1), "wide", shape)))
        ctx.require(float(lengths.max()) ** 2 <= 2.0**ctx.precision, "squares of lengths have at most p bits")
    dw = ctx.integers(shape, -2, 2, "dw", shape).double()
    h = v.double() / lengths
    dg = (dw * h).sum(1, keepdim=True)
    share = roundings(ctx, 4) + norm.growth(shape[1] + 8)
    reach = (dw * h).abs().sum(1, keepdim=True)
    direction, scale = (ctx.tensor(value, grad=True) for value in (v, g))
    w = ctx.torch._weight_norm(direction, scale, 0)
    w.backward(ctx.tensor(dw))
    slope = g / lengths
    return norm.all_within(
        ctx,
        (
            ("output", w, norm.Expected(g * h, 6 * norm.growth(1) * (g * h).abs())),
            ("gradient of g", scale.grad, norm.Expected(dg, reach * share)),
            (
                "gradient of v",
                direction.grad,
                norm.Expected(slope * (dw - h * dg), slope.abs() * (dw.abs() + h.abs() * reach) * share),
            ),
        ),
    )


def response(ctx, shape, size):
    """alpha = n / 4, beta = 0.75 and k = 1, on integers: the base lies between 1 and 21."""
    x = ctx.integers(shape, -4, 4, "x", shape)
    dy = ctx.integers(shape, -2, 2, "dy", shape).double()
    wide = x.double()
    base = 1 + 0.25 * _neighbours(ctx, wide**2, size, size // 2)
    factor = base**-0.75
    share = roundings(ctx, size + 8) + norm.growth(size + 8) + 32 * 2.0**-24
    inner = dy * wide * factor / base
    spread, reach = (_neighbours(ctx, part, size, (size - 1) // 2) for part in (inner, inner.abs()))
    gradient = dy * factor - 0.375 * wide * spread
    bound = ((dy * factor).abs() + 0.375 * wide.abs() * reach) * 3 * share
    leaf = ctx.tensor(x, grad=True)
    y = ctx.torch.nn.functional.local_response_norm(leaf, size, alpha=size / 4, beta=0.75, k=1.0)
    y.backward(ctx.tensor(dy))
    value = wide * factor
    return norm.all_within(
        ctx,
        (
            ("output", y, norm.Expected(value, value.abs() * share)),
            ("gradient", leaf.grad, norm.Expected(gradient, bound)),
        ),
    )


def _neighbours(ctx, values, size, before):
    """Sums over `size` channels, the first of them `before` channels earlier; missing channels count as zero."""
    channels = values.shape[1]
    total = 0 * values
    for step in range(-before, size - before):
        low, high = max(0, -step), min(channels, channels - step)
        if low < high:
            total[:, low:high] += values[:, low + step : high + step]
    return total
