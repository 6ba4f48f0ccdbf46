"""Logarithms where softmax underflows: -inf where IEEE 754 gives -inf, finite where log_softmax must be, and no NaN.

Hunts: log_softmax computed as log(softmax), NaN in a KL divergence whose target has zeros, early or late overflow of
exp, wrong values of log at 0, 1, infinity and below zero; each of these is the seed of a NaN loss.
Rule: EXACT. The gap between two scores is so wide (20 in fp16, 128 elsewhere) that the smaller probability is below
half the smallest subnormal number: softmax is (1, 0), its logarithm (0, -inf). log_softmax is (-tiny, -gap - tiny),
which rounds to (0, -gap) in every dtype; the gradient of its second element is (-1, 1). Gaps and arguments keep clear
of float32's own subnormal range, where flushing is legal.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html; a loss that is infinite
because it takes the logarithm of a softmax: https://github.com/tenstorrent/tt-forge-onnx/issues/3405.
"""

from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_INFINITY = float("inf")
_ROWS = 67


def cases(ctx):
    gap = 20 if ctx.dtype_name == "float16" else 128
    yield "softmax and its logarithm, gap %d" % gap, partial(log_of_softmax, ctx, gap)
    yield "log_softmax and its gradient, gap %d" % gap, partial(log_softmax, ctx, gap)
    yield "KL divergence to a one-hot target, gap %d" % gap, partial(divergence, ctx, gap)
    yield "exp beyond the range", partial(exponential, ctx)
    yield "log at the edges", partial(logarithm, ctx)


def scores(ctx, gap):
    """Rows (0, -gap), shifted by small integers."""
    base = ctx.integers((_ROWS, 1), -3, 3, "base").double()
    return ctx.torch.cat([base, base - gap], 1)


def rows(ctx, *values):
    return ctx.torch.tensor([values] * _ROWS, dtype=ctx.torch.float64)


def representable_scores(ctx, gap):
    """As scores, the difference exact: base - gap is a number of the dtype (asserted)."""
    x = scores(ctx, gap)
    ctx.require(bool((ctx.rounded(x) == x).all()), "scores are representable")
    return x


def log_of_softmax(ctx, gap):
    y = ctx.torch.softmax(ctx.tensor(representable_scores(ctx, gap)), 1)
    return ctx.all_of(
        ctx.exact(y, rows(ctx, 1.0, 0.0), note="(softmax)"),
        ctx.exact(ctx.torch.log(y), rows(ctx, 0.0, -_INFINITY), note="(log of softmax)"),
    )


def log_softmax(ctx, gap):
    x = ctx.tensor(representable_scores(ctx, gap), grad=True)
    y = ctx.torch.log_softmax(x, 1)
    y.backward(ctx.tensor(rows(ctx, 0.0, 1.0)))
    return ctx.all_of(
        ctx.exact(y, rows(ctx, 0.0, -float(gap)), note="(log_softmax)"),
        ctx.exact(x.grad, rows(ctx, -1.0, 1.0), note="(gradient)"),
    )


def divergence(ctx, gap):
    target = rows(ctx, 0.0, 1.0)
    log_probability = ctx.torch.log_softmax(ctx.tensor(representable_scores(ctx, gap)), 1)
    got = ctx.torch.nn.functional.kl_div(log_probability, ctx.tensor(target), reduction="none")
    return ctx.exact(got, rows(ctx, 0.0, float(gap)))


def exponential(ctx):
    """exp(11.5) = 98716 is beyond fp16, exp(90) beyond float32 and bfloat16; exp(-20) and exp(-128) are nothing
    there."""
    top, bottom = (11.5, -20.0) if ctx.dtype_name == "float16" else (90.0, -128.0)
    x = rows(ctx, top, bottom, 0.0, _INFINITY, -_INFINITY, float("nan"))
    want = rows(ctx, _INFINITY, 0.0, 1.0, _INFINITY, 0.0, float("nan"))
    return ctx.exact(ctx.torch.exp(ctx.tensor(x)), want)


def logarithm(ctx):
    x = rows(ctx, 0.0, 1.0, -1.0, _INFINITY, -_INFINITY, float("nan"))
    want = rows(ctx, -_INFINITY, 0.0, float("nan"), _INFINITY, float("nan"), float("nan"))
    return ctx.exact(ctx.torch.log(ctx.tensor(x)), want)
