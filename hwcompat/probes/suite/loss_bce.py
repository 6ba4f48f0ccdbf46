"""Binary cross entropy with logits for logits of -60 to 60, each element, their mean, and the gradient.

Hunts: log(0) by a sigmoid that saturates in 16 bits, infinite or NaN losses, a mean that overflows, wrong gradients.
Rule: INTERVAL, 16-bit intermediates allowed, since PyTorch composes the loss of several operators that each round to
the dtype (u = 2**-p). With loss = (1 - t) x + max(-x, 0) + log(exp(-max(-x, 0)) + exp(-x - max(-x, 0))), the longest
formula in use (the newer (1 - t) x - logsigmoid(x) rounds less): the product and its first sum round (2 u |(1 - t) x|),
the sum with max(-x, 0) rounds (u max(-x, 0), twice for its two sums), two exponentials, their sum and the logarithm of
a value in [1, 2] round (4 u in absolute terms); float32 functions err by at most 8 * 2**-24 in all:
  B = u (2 |(1 - t) x| + 2 max(-x, 0) + 4) + 8 * 2**-24.
Mean: losses are stored rounded, B + u |loss| each, then n additions in float32. Gradient (sigmoid(x) - t) g with g a
power of two: sigmoid, 1 - sigmoid, 1 - t, and the difference, at most 1 each, round: B = |g| (4 u + 12 * 2**-24).
Targets are quarters, so that t and 1 - t are exact.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html; infinite losses for large
negative logits, https://github.com/pytorch/pytorch/pull/2221.
"""

from functools import partial

from .. import judge

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    yield "each element, and its gradient", partial(elements, ctx, 8192)
    yield "mean of 8192", partial(mean, ctx, 8192)


def elements(ctx, count):
    x, t = operands(ctx, count)
    g = 2.0 ** ctx.integers((count,), -3, 3, "g").double()
    logits = ctx.tensor(x, grad=True)
    loss = cross_entropy(ctx)(logits, ctx.tensor(t), reduction="none")
    loss.backward(ctx.tensor(g))
    u = 2.0**-ctx.precision
    gradient = (ctx.torch.sigmoid(x) - t) * g
    return ctx.all_of(
        ctx.interval(loss, *reference(ctx, x, t), note="(loss)"),
        ctx.interval(logits.grad, gradient, g * (4 * u + 12 * 2.0**-24), note="(gradient)"),
    )


def mean(ctx, count):
    x, t = operands(ctx, count)
    loss, bound = reference(ctx, x, t)
    stored = bound + 2.0**-ctx.precision * (loss + bound)
    total = stored.mean() + judge.gamma(count + 1, 2.0**-24) * (loss + stored).mean()
    got = cross_entropy(ctx)(ctx.tensor(x), ctx.tensor(t))
    return ctx.interval(got, loss.mean(), total)


def operands(ctx, count):
    """Logits of all sizes (a third of them within one of zero) and targets 0, 1/4 .. 1, zero and one most often."""
    x = (ctx.uniform((count,), "x") - 0.5) * 120
    near = (ctx.uniform((count,), "near") - 0.5) * 2
    x = ctx.torch.where(ctx.torch.arange(count) % 3 == 0, near, x)
    t = ctx.torch.clamp(ctx.integers((count,), -4, 8, "t"), 0, 4).double() / 4
    return ctx.rounded(x), t


def reference(ctx, x, t):
    u = 2.0**-ctx.precision
    product, negative = (1 - t) * x, ctx.torch.clamp(-x, min=0)
    loss = product + negative + ctx.torch.log1p(ctx.torch.exp(-x.abs()))
    return loss, u * (2 * product.abs() + 2 * negative + 4) + 8 * 2.0**-24


def cross_entropy(ctx):
    return ctx.torch.nn.functional.binary_cross_entropy_with_logits
