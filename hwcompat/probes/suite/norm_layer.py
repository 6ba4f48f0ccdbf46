"""Layer norm, forward and backward, on inputs whose statistics are known exactly, and on shifted normal data.

Hunts: statistics kept in 16 bits (a sum of squares that stops growing at 2**p, or overflows for inputs of 1024), a
cancelling variance formula, wrong affine terms, wrong gradients, faults of one row (fp16 overflow in a fused kernel:
https://github.com/microsoft/onnxruntime/issues/29043).
Rule: INTERVAL. Rows are c +- 1 in equal numbers (c in -1, 0, 1), times 1 or 512: mean c, variance 1. The derived bounds
(normalisation.py) leave a single 16-bit value for most elements. gamma in {+-1, +-2}, |beta| != |gamma|: otherwise y =
gamma h + beta cancels to nearly zero and the relative margin is gone. Normal data (2 randn + 3, n = 256) is judged
forward only: backward reads mean and r as forward stored them, which the CPU does in 16 bits for 16-bit inputs
(torch.native_layer_norm gives bfloat16 statistics there), legal and outside this bound.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "norm"
LEVEL = "quick"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1


def cases(ctx):
    for rows, width, scale in ((64, 64, 1), (64, 64, 512), (16, 4096, 1)):
        yield "%dx%d c+-1 times %d" % (rows, width, scale), partial(check, ctx, rows, width, scale)
    if ctx.large:
        yield "1024x512 c+-1", partial(check, ctx, 1024, 512, 1)
    yield "64x256 2*randn+3 forward", partial(normal, ctx, 64, 256)


def check(ctx, rows, width, scale):
    words = (rows, width, scale)
    x = scale * (norm.balanced_signs(ctx, rows, width, *words) + norm.offsets(ctx, (rows, 1), *words))
    gamma, beta = norm.affine(ctx, width)
    dy = norm.thin_ternary(ctx, (rows, width), rows, *words)
    stats = norm.statistics(ctx, x, (1,))
    dgamma, dbeta = norm.parameters(ctx, stats, dy, (0,))
    leaf, weight, bias = (ctx.tensor(v, grad=True) for v in (x, gamma, beta))
    y = ctx.torch.nn.functional.layer_norm(leaf, (width,), weight, bias, norm.EPS)
    y.backward(ctx.tensor(dy))
    return norm.all_within(
        ctx,
        (
            ("output", y, norm.forward(stats, gamma, beta)),
            ("input gradient", leaf.grad, norm.backward(stats, x, gamma, dy, (1,))),
            ("weight gradient", weight.grad, dgamma),
            ("bias gradient", bias.grad, dbeta),
        ),
    )


def normal(ctx, rows, width):
    x = ctx.rounded(2 * ctx.normal((rows, width), "x") + 3)
    gamma, beta = norm.affine(ctx, width)
    y = ctx.torch.nn.functional.layer_norm(ctx.tensor(x), (width,), ctx.tensor(gamma), ctx.tensor(beta), norm.EPS)
    expected = norm.forward(norm.statistics(ctx, x, (1,)), gamma, beta)
    return norm.all_within(ctx, (("output", y, expected),))
