"""log_softmax and logsumexp of random scores inside their derived errors, forward and backward.

Hunts: a sum kept in 16 bits, reduced-precision exp or log, a missing subtraction of the largest score.
Rule: INTERVAL. y = d - L with d = x - max and L = log(sum exp(d)), evaluated in float32: n terms of relative error 2
units are summed (gamma(n + 6, 2**-24), absolute in L); the logarithm errs by one unit and its storage by another (4 *
2**-23 |L| covers both); the two differences round, whichever way they are grouped, with operands of at most |d|, |L|,
|max| and |x|:
  B = gamma(n + 6, 2**-24) + 4 * 2**-24 (|d| + |L| + |max| + |x|) + 4 * 2**-23 |L|.
The CPU kernel keeps sum and logarithm of 16-bit scores in 16 bits: 4 u + 2 u |L| more there, u = 2**-p. Its gradient
g - exp(y) G, with G = sum(g), starts from the stored y: with E = B + u |y|, exp(y) errs relatively by expm1(E) + 4 *
2**-23 and G by gamma(n, 2**-24) sum|g| (on the CPU 2 u |G| as well); the subtraction rounds: 2**-23 of both sides.
logsumexp is composed: scores less the maximum, exponentials, sum and logarithm are each stored (u), so that a term errs
by expm1(u |d| + 2**-22) + u + 2**-22, L by that and u + gamma(n, 2**-24), and its storage u |L|; the gradient
g exp(x - L), from the stored result, errs by expm1(E + u |x - L| + 2**-22) + 3 u. Powers that leave the normal
numbers err by eta, half the smallest subnormal number, at most n times a sum that is at least 1.
Equal scores of 128 or -128 (exp leaves float32 without the subtraction) give -log n; with n = 64 every partial
sum, 64 itself and the score are numbers of every dtype, and the kernel rounds the logarithm once and the difference
once: one unit in the last place of the output for 16 bits on the CPU, B elsewhere. One score far above the rest gives
0 there, exactly (a sum of 1, a logarithm of 0), and the distance of 256 elsewhere.
Source: results that lost the logarithm of the sum for large scores, on CUDA
(https://github.com/pytorch/pytorch/issues/38839) and on the CPU (https://github.com/pytorch/pytorch/issues/11752).
"""

from functools import partial

from .. import judge

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 3


def cases(ctx):
    rows = 512 if ctx.large else 64
    yield "log_softmax of scores of 128 and -128, 66x64", partial(large, ctx)
    for shape, dim in (((rows, 1000), 1), ((130, 33), 0), ((3, 17, 65), 1), ((7, 2049), -1), ((2, 31), 1)):
        label = "scores within 18, %s over dim %d" % ("x".join(str(size) for size in shape), dim)
        yield "log_softmax of %s" % label, partial(random, ctx, shape, dim)
        yield "logsumexp of %s" % label, partial(summed, ctx, shape, dim)


def large(ctx):
    """Rows of 64: equal scores of either sign, and one score 256 above the rest at each place in turn."""
    torch, size = ctx.torch, 64
    equal = torch.full((2, size), 128.0, dtype=torch.float64)
    equal[1] = -128.0
    single = 256 * torch.eye(size, dtype=torch.float64) - 128
    x = torch.cat([equal, single])
    got = torch.log_softmax(ctx.tensor(x), 1)
    want, bound = reference(ctx, x)
    if ctx.kind == "cpu" and ctx.format.bits == 16:
        bound = torch.full_like(want, 2.0 ** (3 - ctx.precision))  # log 64 = 4.16: one unit is 2**(2 - p + 1)
    return ctx.all_of(
        ctx.interval(got[:2], want[:2], bound[:2], note="(equal scores)"),
        ctx.exact(got[2:], single - 128, note="(one score above the rest)"),
    )


def operands(ctx, shape, dim):
    """(scores, their float64 distance from the maximum, the logarithm of the sum of its powers)."""
    x = ctx.rounded(ctx.uniform(shape, "x", dim) * 36 - 18)
    distance = x - x.max(dim, keepdim=True)[0]
    return x, distance, ctx.torch.log(ctx.torch.exp(distance).sum(dim, keepdim=True))


def random(ctx, shape, dim):
    torch, unit = ctx.torch, 2.0**-ctx.precision
    x, _, _ = operands(ctx, shape, dim)
    g = ctx.rounded(ctx.uniform(shape, "g", dim) * 4 - 2)
    leaf = ctx.tensor(x, grad=True)
    got = torch.log_softmax(leaf, dim)
    got.backward(ctx.tensor(g))
    want, bound = reference(ctx, x, dim)
    stored = bound + unit * (want.abs() + bound)
    total = g.sum(dim, keepdim=True)
    total_error = judge.gamma(x.shape[dim], 2.0**-24) * g.abs().sum(dim, keepdim=True)
    if ctx.kind == "cpu":
        total_error = total_error + 2 * unit * total.abs()
    power = torch.exp(want)
    power_error = power * (torch.expm1(stored) + 4 * 2.0**-23) + 2.0**-126
    error = power_error * (total.abs() + total_error) + power * total_error
    error = error + 2.0**-23 * (g.abs() + power * total.abs() + error)
    return ctx.all_of(
        ctx.interval(got, want, bound, note="(output)"),
        ctx.interval(leaf.grad, g - power * total, error, note="(gradient)"),
    )


def summed(ctx, shape, dim):
    torch, unit = ctx.torch, 2.0**-ctx.precision
    x, distance, logarithm = operands(ctx, shape, dim)
    g = ctx.rounded(ctx.uniform(tuple(logarithm.squeeze(dim).shape), "g", dim) * 4 - 2)
    leaf = ctx.tensor(x, grad=True)
    got = torch.logsumexp(leaf, dim)
    got.backward(ctx.tensor(g))
    want = x.max(dim, keepdim=True)[0] + logarithm
    count, eta = x.shape[dim], max(2.0 ** (ctx.format.emin - ctx.format.precision), 2.0**-126)
    terms = torch.exp(distance) * (torch.expm1(unit * distance.abs() + 2.0**-22) + unit + 2.0**-22)
    relative = terms.sum(dim, keepdim=True) / torch.exp(logarithm) + unit + judge.gamma(count, 2.0**-24) + count * eta
    bound = relative / (1 - relative) + (unit + 2.0**-22) * logarithm.abs() + 2.0**-22 * want.abs()
    stored = bound + unit * (want.abs() + bound)
    power = torch.exp(x - want)
    error = torch.expm1(stored + unit * (x - want).abs() + 2.0**-22) + 3 * unit + 2.0**-21
    size = g.unsqueeze(dim).abs()
    return ctx.all_of(
        ctx.interval(got, want.squeeze(dim), bound.squeeze(dim), note="(output)"),
        ctx.interval(leaf.grad, power * g.unsqueeze(dim), size * (power * error + 2 * eta), note="(gradient)"),
    )


def reference(ctx, x, dim=1):
    """(log_softmax, its bound B), float64."""
    largest = x.max(dim, keepdim=True)[0]
    distance = x - largest
    total = ctx.torch.log(ctx.torch.exp(distance).sum(dim, keepdim=True))
    terms = distance.abs() + total.abs() + largest.abs() + x.abs()
    bound = judge.gamma(x.shape[dim] + 6, 2.0**-24) + 4 * 2.0**-24 * terms + 4 * 2.0**-23 * total.abs()
    if ctx.kind == "cpu" and ctx.format.bits == 16:
        bound = bound + 2.0**-ctx.precision * (4 + 2 * total.abs())
    return distance - total, bound
