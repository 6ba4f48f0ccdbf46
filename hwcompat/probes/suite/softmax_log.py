"""log_softmax of random scores inside its derived error.

Hunts: a sum kept in 16 bits, reduced-precision exp or log, a missing subtraction of the largest score.
Rule: INTERVAL. y = d - L with d = x - max and L = log(sum exp(d)), evaluated in float32: n terms of relative error 2
units are summed (gamma(n + 6, 2**-24), absolute in L); the logarithm errs by one unit and its storage by another (4 *
2**-23 |L| covers both); the two differences round, whichever way they are grouped, with operands of at most |d|, |L|,
|max| and |x|:
  B = gamma(n + 6, 2**-24) + 4 * 2**-24 (|d| + |L| + |max| + |x|) + 4 * 2**-23 |L|.
The CPU kernel rounds the sum of 16-bit scores to 16 bits, more than once, so random scores are judged there in float32
only. Equal scores of 128 or -128 (exp leaves float32 without the subtraction) give -log n; with n = 64 every partial
sum, 64 itself and the score are numbers of every dtype, and the kernel rounds the logarithm once and the difference
once: one unit in the last place of the output for 16 bits on the CPU, B elsewhere. One score far above the rest gives
0 there, exactly (a sum of 1, a logarithm of 0), and the distance of 256 elsewhere.
"""

from functools import partial

from .. import judge

GROUP = "softmax"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 2


def cases(ctx):
    rows = 512 if ctx.large else 64
    yield "log_softmax of scores of 128 and -128, 66x64", partial(large, ctx)
    if ctx.kind != "cpu" or ctx.dtype_name == "float32":
        yield "log_softmax of normal * 6, %dx1000" % rows, partial(random, ctx, rows, 1000)


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


def random(ctx, rows, columns):
    x = ctx.rounded(ctx.normal((rows, columns), "x") * 6)
    got = ctx.torch.log_softmax(ctx.tensor(x), 1)
    return ctx.interval(got, *reference(ctx, x))


def reference(ctx, x):
    """(log_softmax, its bound B) over the last dimension, float64."""
    largest = x.max(1, keepdim=True)[0]
    distance = x - largest
    total = ctx.torch.log(ctx.torch.exp(distance).sum(1, keepdim=True))
    terms = distance.abs() + total.abs() + largest.abs() + x.abs()
    bound = judge.gamma(x.shape[1] + 6, 2.0**-24) + 4 * 2.0**-24 * terms + 4 * 2.0**-23 * total.abs()
    return distance - total, bound
