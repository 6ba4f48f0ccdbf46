"""Group norm, forward and backward, in both layouts, on inputs whose statistics are known exactly.

Hunts: 16-bit statistics, groups or channels mixed up, kernels that are wrong only in channels_last. Early releases
computed bfloat16 moments on the CPU in bfloat16 (https://github.com/pytorch/pytorch/issues/77507, mended since): with
torch 1.12.1 this probe fails there, 1122 of the first case's 4096 outputs being off by one ulp.
Rule: INTERVAL with the bounds of normalisation.py. Every group of every image holds c +- 1 in equal numbers
(c in -1, 0, 1), times 1 or 512; gamma in {+-1, +-2}, |beta| != |gamma|.
"""

from functools import partial

from .. import convolution
from .. import normalisation as norm

GROUP = "norm"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1

_GROUPS = 4


def cases(ctx):
    for images, channels, side, scale in ((4, 16, 8, 1), (4, 16, 8, 512), (2, 8, 48, 1)):
        for layout in convolution.LAYOUTS:
            yield (
                "%dx%dx%dx%d c+-1 times %d %s" % (images, channels, side, side, scale, layout),
                partial(check, ctx, (images, channels, side, side), scale, layout),
            )


def check(ctx, shape, scale, layout):
    grouped = (shape[0], _GROUPS, shape[1] // _GROUPS * shape[2] * shape[3])
    signs = norm.balanced_signs(ctx, grouped[0] * grouped[1], grouped[2], shape, scale).reshape(grouped)
    x = scale * (signs + norm.offsets(ctx, grouped[:2] + (1,), shape, scale))
    gamma, beta = norm.affine(ctx, shape[1])
    wide_gamma, wide_beta = (_spread(v, shape, grouped) for v in (gamma, beta))
    dy = norm.thin_ternary(ctx, shape, shape[0] * shape[2] * shape[3], shape, scale)
    stats = norm.statistics(ctx, x, (2,))
    y_expected = norm.forward(stats, wide_gamma, wide_beta)
    dx_expected = norm.backward(stats, x, wide_gamma, dy.reshape(grouped), (2,))
    dgamma, dbeta = norm.parameters(ctx, stats._replace(h=stats.h.reshape(shape)), dy, (0, 2, 3))
    y, leaf, weight, bias = _on_device(ctx, x.reshape(shape), gamma, beta, dy, layout)
    return norm.all_within(
        ctx,
        (
            ("output", y, _shaped(y_expected, shape)),
            ("input gradient", leaf.grad, _shaped(dx_expected, shape)),
            ("weight gradient", weight.grad, dgamma),
            ("bias gradient", bias.grad, dbeta),
        ),
    )


def _spread(values, shape, grouped):
    """A value a channel, repeated to the shape (images, groups, elements of a group)."""
    return values.reshape(1, -1, 1, 1).expand(shape).reshape(grouped)


def _shaped(expected, shape):
    return norm.Expected(expected.value.reshape(shape), expected.bound.reshape(shape))


def _on_device(ctx, x, gamma, beta, dy, layout):
    leaf = convolution.arranged(ctx, ctx.tensor(x), layout).requires_grad_()
    weight, bias = ctx.tensor(gamma, grad=True), ctx.tensor(beta, grad=True)
    y = ctx.torch.nn.functional.group_norm(leaf, _GROUPS, weight, bias, norm.EPS)
    y.backward(convolution.arranged(ctx, ctx.tensor(dy), layout))
    return y, leaf, weight, bias
