"""Cross entropy of random scores, forward and backward, and its sums over a long sequence.

Hunts: a coarse exp or logarithm, a sum over classes kept in 16 bits, a gradient that misses the softmax of other
classes, errors that exact scores hide because all but one exponential is zero.
Rule: INTERVAL. The loss is -y[target] with y as in softmax.log and its bound B, plus one rounding to the dtype, u |y|.
Gradient (exp(y) - [target]) g, from y as stored in the dtype: exp errs relatively by expm1(B + u |y|) and 4 e (2 units
of its own, difference and product), the difference rounds: B_g = |g| (p (expm1(B + u |y|) + 4 e) + 2 e + 2 u |p - t|),
e = 2**-23; g is a power of two. The CPU kernel rounds the sum of 16-bit scores to 16 bits (softmax.log), so that there
16-bit scores are widened first, as autocast does; B then stands with u = 2**-24, and the gradient rounds once more.
Source: https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html (the formulas).
"""

from functools import partial

from ..functions import E, u
from .softmax_log import reference

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_SHAPES = ((64, 10), (67, 1000), (2, 32003), (129, 257))


def cases(ctx):
    for shape in _SHAPES:
        if ctx.kind != "cpu" or ctx.format.bits == 32:
            yield "%dx%d scores" % shape, partial(random, ctx, shape, False)
        if ctx.format.bits == 16:
            yield "%dx%d scores as float32" % shape, partial(random, ctx, shape, True)


def random(ctx, shape, widened):
    """`widened`: as autocast does, the loss is taken in float32 of 16-bit scores; its gradient is rounded once."""
    torch = ctx.torch
    x = ctx.rounded((ctx.uniform(shape, "x") - 0.5) * 24)
    target = ctx.integers((shape[0],), 0, shape[1] - 1, "target")
    g = 2.0 ** ctx.integers((shape[0],), -2, 2, "g").double()
    leaf = ctx.tensor(x, grad=True)
    scores = leaf.to(torch.float32) if widened else leaf
    got = torch.nn.functional.cross_entropy(scores, target.to(ctx.device), reduction="none")
    got.backward(ctx.tensor(g, dtype_name="float32" if widened else None))
    y, bound = reference(ctx, x)
    unit = 2.0**-24 if widened else u(ctx)
    picked = (torch.arange(shape[0]), target)
    p, t = torch.exp(y), torch.nn.functional.one_hot(target, shape[1]).double()
    of_p = p * (torch.expm1(bound + unit * y.abs()) + 4 * E) + 2 * E + 2 * unit * (p - t).abs()
    return ctx.all_of(
        ctx.interval(got, -y[picked], bound[picked] + unit * y[picked].abs()),
        ctx.interval(leaf.grad, (p - t) * g.unsqueeze(1), of_p * g.unsqueeze(1), note="(gradient)"),
    )
