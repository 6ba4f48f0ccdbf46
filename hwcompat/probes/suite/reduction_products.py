"""Products of elements, dot products, traces and mean squared errors, with their gradients.

Hunts: a lost last element, a wrong sign, zeros taken for ones, 16-bit accumulators, wrong means, wrong gradients (of a
product with zeros among its factors, say).
Rule: EXACT. Products of +-1, +-2 and +-1/2 are powers of two that no partial product takes out of range; the
first odd primes, as many as multiply to p bits, among factors of +-1 leave partial products that divide the whole; dot
products and traces are sums of integers of at most p bits; squared differences are integers, their mean is over a power
of two, and its gradient, 2 (x - y) dy / n, is a small integer times a power of two.
Source: https://pytorch.org/docs/stable/generated/torch.prod.html
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 2

_SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 127, 129, 256, 257, 1023, 1025)


def cases(ctx):
    for start in range(0, len(_SIZES), 7):
        sizes = _SIZES[start : start + 7]
        yield "products of %d to %d" % (sizes[0], sizes[-1]), partial(products, ctx, sizes)
        yield "dot products of %d to %d" % (sizes[0], sizes[-1]), partial(dots, ctx, sizes)
    yield "products of many bits", partial(primes, ctx)
    for zeros in (0, 1, 2):
        yield "gradient of a product with %d zeros" % zeros, partial(product_gradient, ctx, zeros)
    yield "trace", partial(traces, ctx)
    yield "mean squared error", partial(squared_error, ctx)


def products(ctx, sizes):
    judgements = []
    for size in sizes:
        powers = balanced(ctx, size)
        signs = 2.0 * ctx.integers((3, size), 0, 1, "sign", size).double() - 1
        x = 2.0**powers * signs
        x[2, -1] = 0.0
        tensor = ctx.tensor(x)
        judgements += [
            ctx.exact(tensor.prod(1), x.prod(1), note="(rows of %d)" % size),
            ctx.exact(tensor.t().contiguous().prod(0), x.prod(1), note="(columns of %d)" % size),
            ctx.exact(norm.laid(ctx, tensor, "strided").prod(1, keepdim=True), x.prod(1, True), note="(strided)"),
            ctx.exact(tensor[0].prod(), x[0].prod(), note="(all of %d)" % size),
        ]
    return ctx.all_of(*judgements)


def primes(ctx):
    """Primes in random places of three rows, -1 and 1 elsewhere: each partial product divides a number of p bits."""
    judgements, factors, whole = [], [], 1
    for prime in (3, 5, 7, 11, 13, 17, 19):
        if whole * prime <= 2**ctx.precision:
            factors.append(float(prime))
            whole *= prime
    ctx.require(whole <= 2**ctx.precision, "the product of all primes has at most p bits")
    for size in (len(factors), 17, 64, 259):
        x = 2.0 * ctx.integers((3, size), 0, 1, "prime", size).double() - 1
        places = ctx.uniform((3, size), "primes", size).argsort(1)[:, : len(factors)]
        x = x * ctx.torch.ones_like(x).scatter(1, places, ctx.torch.tensor([factors] * 3).double())
        tensor = ctx.tensor(x)
        judgements += [
            ctx.exact(tensor.prod(1), x.prod(1), note="(primes among %d)" % size),
            ctx.exact(tensor.t().contiguous().prod(0), x.prod(1), note="(primes in columns of %d)" % size),
            ctx.exact(tensor[1].prod(), x[1].prod(), note="(all of %d, with primes)" % size),
        ]
    return ctx.all_of(*judgements)


def balanced(ctx, size):
    """Three rows of exponents -1, 0 or 1 of which at most twelve are not zero: every partial product is a number."""
    powers = ctx.torch.zeros(3, size, dtype=ctx.torch.float64)
    places = ctx.uniform((3, size), "place", size).argsort(1)[:, : min(size, 12)]
    values = 2.0 * ctx.integers(places.shape, 0, 1, "power", size).double() - 1
    powers.scatter_(1, places, values)
    ctx.require(float(powers.abs().sum(1).max()) <= 12, "partial products in 2**-12 .. 2**12")
    return powers


def dots(ctx, sizes):
    judgements, largest = [], 2**ctx.precision
    for size in sizes:
        x, y = (ctx.integers((size,), -2, 2, name, size) for name in ("x", "y"))
        keep = largest / (1.6 * 4 * size)  # the mean of |x y| is 1.44
        x = x * (ctx.uniform((size,), "keep", size) < keep).long()
        x[-1], y[-1] = 2, -1
        ctx.require(int((x * y).abs().sum()) <= largest, "sum of absolute products <= 2**p")
        total = (x * y).sum()
        leaf, other = ctx.tensor(x, grad=True), ctx.tensor(y, grad=True)
        out = ctx.torch.dot(leaf, other)
        out.backward()
        judgements += [
            ctx.exact(out, total, note="(dot of %d)" % size),
            ctx.exact(leaf.grad, y, note="(gradient of dot of %d)" % size),
            ctx.exact(other.grad, x, note="(gradient of dot of %d)" % size),
            ctx.exact(ctx.torch.vdot(leaf.detach(), other.detach()), total, note="(vdot of %d)" % size),
            ctx.exact((leaf.detach() * other.detach()).sum(), total, note="(sum of %d products)" % size),
        ]
    return ctx.all_of(*judgements)


def product_gradient(ctx, zeros):
    x = 2.0 ** balanced(ctx, 9) * (2.0 * ctx.integers((3, 9), 0, 1, "sign", zeros).double() - 1)
    x[:, :zeros] = 0.0
    dy = ctx.torch.tensor([1.0, -2.0, 4.0]).double()
    want = ctx.torch.stack([x[:, [j for j in range(9) if j != i]].prod(1) for i in range(9)], 1) * dy[:, None]
    leaf, whole = ctx.tensor(x, grad=True), ctx.tensor(x[1], grad=True)
    leaf.prod(1).backward(ctx.tensor(dy))
    whole.prod().backward(ctx.tensor(dy[1]))
    return ctx.all_of(ctx.exact(leaf.grad, want, note="(rows)"), ctx.exact(whole.grad, want[1], note="(everything)"))


def traces(ctx):
    judgements = []
    for rows, columns in ((1, 1), (5, 9), (33, 31), (64, 64)):
        x = ctx.integers((rows, columns), -3, 3, "x", rows)
        leaf = ctx.tensor(x, grad=True)
        total = ctx.torch.trace(leaf)
        total.backward(ctx.tensor(ctx.torch.tensor(3)))
        judgements.append(ctx.exact(total, x.diagonal().sum(), note="(%dx%d)" % (rows, columns)))
        want = 3 * ctx.torch.eye(rows, columns, dtype=ctx.torch.int64)
        judgements.append(ctx.exact(leaf.grad, want, note="(gradient %dx%d)" % (rows, columns)))
    return ctx.all_of(*judgements)


def squared_error(ctx):
    judgements = []
    for shape in ((4, 16), (2, 3, 5, 7), (1, 33), (8, 128)):
        x, y = (ctx.integers(shape, -1, 1, name, shape) for name in ("x", "y"))
        exact_mean = x.numel() & (x.numel() - 1) == 0
        square = (x - y) ** 2
        for reduction in ("mean", "sum") if exact_mean else ("sum",):
            count = x.numel() if reduction == "mean" else 1
            leaf, other = ctx.tensor(x, grad=True), ctx.tensor(y, grad=True)
            out = ctx.torch.nn.functional.mse_loss(leaf, other, reduction=reduction)
            out.backward(ctx.tensor(ctx.torch.tensor(2)))
            slope = 4.0 * (x - y).double() / count
            note = "(%s of %s)" % (reduction, "x".join(map(str, shape)))
            judgements += [
                ctx.exact(out, square.sum().double() / count, note=note),
                ctx.exact(leaf.grad, slope, note="(gradient) " + note),
                ctx.exact(other.grad, -slope, note="(gradient of the target) " + note),
            ]
            judgements.append(ctx.exact(((leaf.detach() - other.detach()) ** 2).sum(), square.sum(), note=note))
    return ctx.all_of(*judgements)
