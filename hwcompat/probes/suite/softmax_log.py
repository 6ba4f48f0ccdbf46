"""log_softmax of random scores inside its derived error.

Hunts: a sum kept in 16 bits, reduced-precision exp or log, a missing subtraction of the largest score.
Rule: INTERVAL. y = d - L with d = x - max and L = log(sum exp(d)), evaluated in float32: n terms of relative error 2
units are summed (gamma(n + 6, 2**-24), absolute in L); the logarithm errs by one unit and its storage by another (4 *
2**-23 |L| covers both); the two differences round, whichever way they are grouped, with operands of at most |d|, |L|,
|max| and |x|:
  B = gamma(n + 6, 2**-24) + 4 * 2**-24 (|d| + |L| + |max| + |x|) + 4 * 2**-23 |L|.
On the CPU only float32 is judged: the CPU kernel rounds the sum of 16-bit scores to 16 bits, more than once.
"""

from functools import partial

from .. import judge

GROUP = "softmax"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1


def cases(ctx):
    rows = 512 if ctx.large else 64
    yield "log_softmax of normal * 6, %dx1000" % rows, partial(random, ctx, rows, 1000)


def random(ctx, rows, columns):
    if ctx.kind == "cpu" and ctx.dtype_name != "float32":
        return judge.skipped("the CPU kernel keeps the sum in 16 bits")
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
