"""GLU, SwiGLU and GEGLU, forward and backward, and PReLU with the gradient of its weights.

Hunts: halves taken in the wrong order or along the wrong dimension, a gate's gradient without its slope, halves whose
rows are not contiguous, one PReLU weight used for every channel, weight gradients that miss elements.
Rule: INTERVAL for gates a s(b); e = 2**-23, u = 2**-p. Sigmoid errs by 6 e (exp, add, divide; CUDA C Programming Guide,
Mathematical Functions) and may be stored in the dtype: (u + 6 e) s, its complement as much in absolute terms.
  GLU       y = a s: one product more: 7 e |y| and |a| times what s loses to flushing.
  d a       g s: |g| s (u + 7 e); d b = g a s (1 - s): |g a| ((u + 6 e) s + 4 e s (1 - s)).
SwiGLU and GEGLU are composed of operators that round to the dtype, with f = silu (error 7 e |f|, slope 16 e s
(1 + |x|)) or gelu (3 e |x|, slope 5 e): y = f b: |b| (|f| u + E_f); d b = g f: |g| (|f| u + E_f); d a = (g b) f':
|g b| (2 u |f'| + E_f'), g b being stored rounded. Where an intermediate underflows in the dtype, the smallest number is
lost, times what multiplies it. PReLU is EXACT: operands are integers (of 12 bits in float32; gradients too
where the weight's share is 0), weights powers of two; the sums of weight gradients stay within 2**p (asserted).
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.glu.html; kernels of SwiGLU and GEGLU that
are wrong for halves that are not contiguous: https://github.com/vllm-project/vllm/pull/3324.
"""

from functools import partial

from .. import activations
from ..functions import TINY, E, lost, u

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 2

_SHAPES = (
    ("65x66, last dimension", (65, 66), -1, None),
    ("65x66 again, last dimension", (65, 66), -1, None),
    ("2x34x5x7, channels", (2, 34, 5, 7), 1, None),
    ("2x34x5x7 channels_last, channels", (2, 34, 5, 7), 1, (0, 2, 3, 1)),
    ("66x130 transposed, first dimension", (66, 130), 0, (1, 0)),
    ("3x5x2, last dimension", (3, 5, 2), -1, None),
    ("2x129x1024, last dimension", (2, 129, 1024), -1, None),
)


def cases(ctx):
    for label, shape, dim, storage in _SHAPES:
        yield "GLU of %s" % label, partial(glu, ctx, label, shape, dim, storage)
    for name in ("silu", "gelu"):
        for label, shape, dim, storage in _SHAPES[:5]:
            yield "%s gate of %s" % (name, label), partial(composed, ctx, name, label, shape, dim, storage)
    for channels in (1, 5, 64):
        yield "PReLU of %d weights" % channels, partial(prelu, ctx, channels)


def operands(ctx, label, shape, dim):
    """x, its halves and an incoming gradient of odd quarters, float64."""
    x = ctx.rounded(ctx.normal(shape, label, "x") * 3)
    a, b = x.chunk(2, dim)
    return x, a, b, (2 * ctx.integers(a.shape, -4, 3, label, "g").double() + 1) / 4


def placed(ctx, values, storage):
    """`values` on the device as a leaf; `storage` names the order of its dimensions in memory."""
    if storage is None:
        return ctx.tensor(values, grad=True)
    back = sorted(range(len(storage)), key=lambda at: storage[at])
    return ctx.tensor(values.permute(*storage).contiguous()).permute(*back).requires_grad_()


def glu(ctx, label, shape, dim, storage):
    torch = ctx.torch
    x, a, b, g = operands(ctx, label, shape, dim)
    leaf = placed(ctx, x, storage)
    y = torch.nn.functional.glu(leaf, dim)
    y.backward(ctx.tensor(g))
    s, rest = torch.sigmoid(b), torch.sigmoid(-b)
    of_gate = (g * a).abs() * ((u(ctx) + 6 * E) * s + 4 * E * s * rest + lost(ctx))
    slope = torch.cat([g * s, g * a * s * rest], dim)
    bound = torch.cat([g.abs() * (s * (u(ctx) + 7 * E) + lost(ctx)), of_gate], dim)
    return ctx.all_of(
        ctx.interval(y, a * s, (a * s).abs() * 7 * E + TINY * (1 + a.abs())),
        ctx.interval(leaf.grad, slope, bound, note="(gradient)"),
    )


def composed(ctx, name, label, shape, dim, storage):
    """f(a) b, as SwiGLU and GEGLU blocks write it."""
    torch = ctx.torch
    function = next(f for f in activations.common(torch) if f.name == name)
    x, a, b, g = operands(ctx, label, shape, dim)
    leaf = placed(ctx, x, storage)
    first, second = leaf.chunk(2, dim)
    y = function.call(first) * second
    y.backward(ctx.tensor(g))
    f, slope = function.value(ctx, a), function.slope(ctx, a)
    stored = f.value.abs() * u(ctx) + f.bound + lost(ctx)
    outer = (g * b).abs()
    of_first = outer * (2 * u(ctx) * slope.value.abs() + slope.bound) + lost(ctx) * (1 + slope.value.abs())
    wanted = torch.cat([g * b * slope.value, g * f.value], dim)
    bound = torch.cat([of_first, g.abs() * stored], dim)
    return ctx.all_of(
        ctx.interval(y, f.value * b, b.abs() * stored),
        ctx.interval(leaf.grad, wanted, bound, note="(gradient)"),
    )


def prelu(ctx, channels):
    """Contiguous, channels_last and two-dimensional operands."""
    weights = 2.0 ** ctx.integers((channels,), -2, 1, "weight", channels).double()
    weights = weights * (2 * ctx.integers((channels,), 0, 1, "sign", channels) - 1)
    judged = []
    for shape, storage in (
        ((3, channels, 3, 5), None),
        ((3, channels, 3, 5), (0, 2, 3, 1)),
        ((7, channels), None),
        ((2, channels, 65, 67 if channels < 9 else 3), None),
    ):
        judged += prelu_of(ctx, weights, shape, storage)
    return ctx.all_of(*judged)


def prelu_of(ctx, weights, shape, storage):
    torch = ctx.torch
    reach = 4095 if ctx.dtype_name == "float32" else 4
    x = ctx.integers(shape, -reach, reach, "prelu", shape, storage).double()
    g = ctx.integers(shape, -1, 1, "prelu g", shape, storage).double()
    keep = 2.0**ctx.precision / (2 * reach * g.numel() // weights.numel())  # a weight's gradient adds |x| an element
    g = g * (ctx.uniform(shape, "keep", shape, storage) < keep)
    if ctx.dtype_name == "float32":
        g = torch.where(x > 0, ctx.integers(shape, -reach, reach, "wide g", shape, storage).double(), g)
    view = weights.reshape([1, -1] + [1] * (len(shape) - 2))
    leaf, weight = placed(ctx, x, storage), ctx.tensor(weights, grad=True)
    y = torch.nn.functional.prelu(leaf, weight)
    y.backward(ctx.tensor(g))
    kept = torch.where(x > 0, torch.zeros_like(x), g * x)
    others = [at for at in range(len(shape)) if at != 1]
    by_weight = kept.sum(others) if weights.numel() > 1 else kept.sum().reshape(1)
    ctx.require_exact_sums(kept.abs().sum(others) if weights.numel() > 1 else kept.abs().sum())
    return (
        ctx.exact(y, torch.where(x > 0, x, x * view)),
        ctx.exact(leaf.grad, torch.where(x > 0, g, g * view), note="(gradient)"),
        ctx.exact(weight.grad, by_weight, note="(gradient of the weights)"),
    )
