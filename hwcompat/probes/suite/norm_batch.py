"""Batch norm, training and evaluation, forward and backward, in both layouts, with running statistics.

Hunts: 16-bit statistics, NaN or wrong values in channels_last (https://github.com/pytorch/pytorch/issues/147303,
https://github.com/pytorch/pytorch/issues/62594), wrong running statistics, wrong gradients.
Rule: INTERVAL with the bounds of normalisation.py. Every channel holds c +- 1 in equal numbers (c in -1, 0, 1), times 1
or 512; gamma in {+-1, +-2}, |beta| != |gamma|. 16-bit inputs run with parameters of their own dtype and with float32
parameters, as mixed-precision training has them. Running statistics, momentum 1/2: (old + mean) / 2 and (old + var n /
(n-1)) / 2, inside half of the errors of mean and variance plus four roundings. Evaluation: mean within 1 of c, variance
1 or 4, so that h is a multiple of 1/2 of at most 2.
"""

from functools import partial

from .. import convolution
from .. import normalisation as norm

GROUP = "norm"
LEVEL = "quick"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1

_DIMS = (0, 2, 3)


def cases(ctx):
    kinds = ("float32",) if ctx.dtype_name == "float32" else (ctx.dtype_name, "float32")
    for shape, scale in (((4, 16, 8, 8), 1), ((4, 16, 8, 8), 512), ((4, 8, 32, 32), 1)):
        for layout in convolution.LAYOUTS:
            for kind in kinds:
                label = "%s c+-1 times %d %s %s parameters" % ("x".join(map(str, shape)), scale, layout, kind)
                yield "training " + label, partial(training, ctx, shape, scale, layout, kind)
    for layout in convolution.LAYOUTS:
        for kind in kinds:
            yield (
                "evaluation 4x16x8x8 %s %s parameters" % (layout, kind),
                partial(evaluation, ctx, (4, 16, 8, 8), layout, kind),
            )


def training(ctx, shape, scale, layout, kind):
    x, gamma, beta, dy = _inputs(ctx, shape, scale)
    stats = norm.statistics(ctx, x, _DIMS)
    old_mean = ctx.integers((shape[1],), -2, 2, "old mean").double()
    old_variance = ctx.integers((shape[1],), 1, 3, "old variance").double()
    running = [ctx.tensor(v, dtype_name=kind) for v in (old_mean, old_variance)]
    y, leaf, weight, bias = _on_device(ctx, x, gamma, beta, dy, layout, kind, running, True)
    flat = gamma.reshape(1, -1, 1, 1)
    dgamma, dbeta = norm.parameters(ctx, stats, dy, _DIMS)
    mean, variance = _running(x, stats, old_mean, old_variance)
    return norm.all_within(
        ctx,
        (
            ("output", y, norm.forward(stats, flat, beta.reshape(1, -1, 1, 1))),
            ("input gradient", leaf.grad, norm.backward(stats, x, flat, dy, _DIMS)),
            ("weight gradient", weight.grad, dgamma),
            ("bias gradient", bias.grad, dbeta),
            ("running mean", running[0], mean),
            ("running variance", running[1], variance),
        ),
    )


def evaluation(ctx, shape, layout, kind):
    x, gamma, beta, dy = _inputs(ctx, shape, 1)
    mean = ctx.integers((shape[1],), -1, 1, "mean").double() + x.mean(_DIMS)
    variance = 4.0 ** ctx.integers((shape[1],), 0, 1, "variance").double()
    stats = norm.given(x, mean.reshape(1, -1, 1, 1), variance.reshape(1, -1, 1, 1))
    running = [ctx.tensor(v, dtype_name=kind) for v in (mean, variance)]
    y, leaf, weight, bias = _on_device(ctx, x, gamma, beta, dy, layout, kind, running, False)
    flat = gamma.reshape(1, -1, 1, 1)
    dgamma, dbeta = norm.parameters(ctx, stats, dy, _DIMS)
    return norm.all_within(
        ctx,
        (
            ("output", y, norm.forward(stats, flat, beta.reshape(1, -1, 1, 1))),
            ("input gradient", leaf.grad, norm.backward_given(stats, flat, dy)),
            ("weight gradient", weight.grad, dgamma),
            ("bias gradient", bias.grad, dbeta),
            ("running mean, to be left alone", running[0], norm.Expected(mean, 0 * mean)),
        ),
    )


def _inputs(ctx, shape, scale):
    """float64 x, gamma, beta, dy."""
    images, channels, height, width = shape
    signs = norm.balanced_signs(ctx, channels, images * height * width, shape, scale)
    x = signs.reshape(channels, images, height, width).transpose(0, 1)
    x = scale * (x + norm.offsets(ctx, (1, channels, 1, 1), shape, scale))
    gamma, beta = norm.affine(ctx, channels)
    return x, gamma, beta, norm.thin_ternary(ctx, shape, images * height * width, shape, scale)


def _on_device(ctx, x, gamma, beta, dy, layout, kind, running, train):
    leaf = convolution.arranged(ctx, ctx.tensor(x), layout).requires_grad_()
    weight, bias = (ctx.tensor(v, grad=True, dtype_name=kind) for v in (gamma, beta))
    y = ctx.torch.nn.functional.batch_norm(
        leaf, running[0], running[1], weight, bias, training=train, momentum=0.5, eps=norm.EPS
    )
    y.backward(convolution.arranged(ctx, ctx.tensor(dy), layout))
    return y, leaf, weight, bias


def _running(x, stats, old_mean, old_variance):
    """Expected running mean and variance after one step."""
    count = x.numel() // old_mean.numel()
    mean = 0.5 * (old_mean + stats.mean.reshape(-1))
    variance = 0.5 * (old_variance + stats.variance.reshape(-1) * count / (count - 1))
    mean_error = 0.5 * norm.growth(count + 2) * x.abs().mean(_DIMS) + norm.growth(4) * (old_mean.abs() + mean.abs())
    squares = (x**2).mean(_DIMS) * count / (count - 1)
    variance_error = norm.growth(2 * count) * squares + norm.growth(4) * (old_variance + variance)
    return norm.Expected(mean, mean_error), norm.Expected(variance, variance_error)
