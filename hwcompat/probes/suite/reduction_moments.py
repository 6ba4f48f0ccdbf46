"""Variance and standard deviation, with and without Bessel's correction, and their gradients.

Hunts: the correction missing or too much, 16-bit statistics, a cancelling formula, wrong dimensions, lost elements,
wrong gradients.
Rule: INTERVAL, with the bound E_v for the variance and E_m for the mean of normalisation.py, times n / (n - c) for the
correction c and three roundings; the standard deviation s is wrong by at most E_v / (2 s) (1 - E_v / s**2)**-1.5 and
three roundings. Gradients: 2 dy (x - mu) / (n - c) and dy (x - mu) / (s (n - c)), four roundings to the dtype (they are
composed of operations on the dtype's own tensors) beside E_m, and for s its own error once more.
Source: https://pytorch.org/docs/stable/generated/torch.var.html
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_SHAPES = ((4, 2), (5, 3), (3, 7), (3, 16), (4, 33), (3, 64), (2, 255), (2, 1025), (300, 5))
_U = 2.0**-24


def cases(ctx):
    for shape in _SHAPES:
        for unbiased in (True, False):
            label = "%dx%d %s" % (shape + ("unbiased" if unbiased else "biased",))
            yield label, partial(check, ctx, shape, (1,), unbiased)
    for unbiased in (True, False):
        yield "5x13 over dim 0, %s" % unbiased, partial(check, ctx, (5, 13), (0,), unbiased)
    for dims in ((0,), (0, 2, 3), (1,), (2, 3), (0, 1, 2, 3)):
        for layout in ("contiguous", "channels_last", "swapped", "strided"):
            yield "3x4x5x6 over %s %s" % (dims, layout), partial(check, ctx, (3, 4, 5, 6), dims, True, layout)


def check(ctx, shape, dims, unbiased, layout="contiguous"):
    words = (shape, dims, unbiased, layout)
    x = norm.sample(ctx, shape, dims, "ladder", 4, 1, *words)
    stats = norm.statistics(ctx, x, dims, eps=0.0)
    count = x.numel() // stats.mean.numel()
    over = count - 1 if unbiased else count
    mean_error = norm.growth(count + 2) * x.abs().mean(dims, keepdim=True)
    square_error = 2 * norm.growth(2 * count) * (x**2).mean(dims, keepdim=True) * count / over
    variance = stats.variance * count / over
    var = norm.Expected(variance, square_error + 3 * _U * variance)
    part = square_error / variance
    std = norm.Expected(variance**0.5, variance**0.5 * (0.5 * part * (1 - part) ** -1.5 + 3 * _U))
    mean = norm.Expected(stats.mean, mean_error + _U * stats.mean.abs())
    torch, tensor = ctx.torch, norm.laid(ctx, ctx.tensor(x.long()), layout)
    options = {"unbiased": unbiased, "keepdim": True}
    both, root = torch.var_mean(tensor, dims, **options), torch.std_mean(tensor, dims, **options)
    triples = [
        ("var of var_mean", both[0], var),
        ("mean of var_mean", both[1], mean),
        ("std of std_mean", root[0], std),
        ("mean of std_mean", root[1], mean),
    ]
    for name, want in (("var", var), ("std", std)):
        leaf = norm.laid(ctx, ctx.tensor(x.long()), layout).requires_grad_()
        y = getattr(torch, name)(leaf, dims, **options)
        dy = ctx.integers(y.shape, -3, 3, "dy", name, *words).double()
        y.backward(ctx.tensor(dy))
        triples.append((name, y, want))
        triples.append(("gradient of " + name, leaf.grad, _slope(ctx, name, x, stats, mean_error, dy, std, over)))
    return norm.all_within(ctx, triples)


def _slope(ctx, name, x, stats, mean_error, dy, std, over):
    factor = 2 * dy / over if name == "var" else dy / (std.value * over)
    value = factor * (x - stats.mean)
    each = 4 * 2.0**-ctx.precision + 8 * _U
    size = factor.abs() * (x.abs() + stats.mean.abs()) * 8 * _U + value.abs() * each
    if name == "std":  # y itself, rounded to the dtype, is what the gradient divides by
        size = size + value.abs() * 2 * (std.bound / std.value + 2.0**-ctx.precision)
    held = 2.0**-ctx.precision * (x - stats.mean).abs() if ctx.format.bits == 16 else 0.0
    kept = norm.change(ctx, stats.mean, mean_error) if ctx.format.bits == 16 else 0.0
    return norm.Expected(value, size + factor.abs() * (mean_error + held + kept) * 1.01)
