"""Bicubic resizing, area and antialiased resizing, forward and backward.

Hunts: wrong kernel constants, taps clamped wrongly at the border, weights computed or results added in 16 bits, a
filter that does not widen when it should.
Rule: INTERVAL: resampling.py's bound, which lets 16-bit kernels round every product and sum to the dtype. EXACT in
float32 for twice the size (weights are products of two multiples of 1/256, sums stay below 2**24 of them) and for area
and antialiased halving (weights are multiples of 1/4 or 1/8). The kernel is that of Keys with a = -3/4; the antialiased
filter is a triangle as wide as two outputs, cut off at the border and divided by its sum (there, and only there, by
7/8): INTERVAL at the border rows.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html.
"""

from functools import partial

from .. import judge, movement, resampling
from ..resampling import Axis

GROUP = "layout"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_TWICE = ((2, 3, 7, 5), (1, 9, 4, 9))
_OTHER = (((2, 3, 5, 9), (9, 17), True), ((1, 5, 8, 11), (13, 7), False), ((2, 3, 6, 4), (3, 10), True))


def cases(ctx):
    for layout in ("contiguous", "channels_last", "strided"):
        for shape in _TWICE:
            yield "bicubic %s two times %s" % (shape, layout), partial(bicubic, ctx, shape, None, False, layout)
        for shape, size, align in _OTHER:
            label = "bicubic %s to %s, align_corners %s %s" % (shape, size, align, layout)
            yield label, partial(bicubic, ctx, shape, size, align, layout)
        yield "area (2, 5, 8, 12) halved %s" % layout, partial(area, ctx, layout)
        yield "antialiased (2, 3, 10, 8) halved %s" % layout, partial(antialiased, ctx, layout)


def bicubic(ctx, shape, size, align, layout):
    function = ctx.torch.nn.functional.interpolate
    sizes = size or tuple(2 * n for n in shape[2:])
    axes = [Axis(m, "cubic", align, None) for m in sizes]
    x = movement.narrow(ctx, shape, 20, shape, layout)
    exact = size is None and ctx.precision == 24

    def resized(x):
        return function(x, size=size, scale_factor=None if size else 2, mode="bicubic", align_corners=align)

    return resampling.check(ctx, resized, axes, x, 1, 2**16 if exact else None, layout, word=str(shape))


def area(ctx, layout):
    function = ctx.torch.nn.functional.interpolate
    x = movement.narrow(ctx, (2, 5, 8, 12), 60, "area", layout)
    return movement.check(ctx, lambda x: function(x, scale_factor=0.5, mode="area"), [x], layout, unit=4)


def antialiased(ctx, layout):
    """Weights 1/8, 3/8, 3/8, 1/8 a dimension; 3/7, 3/7, 1/7 at the border, which a float32 kernel rounds."""
    torch = ctx.torch
    if ctx.dtype_name != "float32" and ctx.kind == "cpu":
        return judge.skipped("PyTorch has no 16-bit antialiasing on the CPU")
    x = movement.narrow(ctx, (2, 3, 10, 8), 100, "x", layout)
    scale = 2.0 ** movement.SCALES[layout]
    x, factors = x * scale, [_triangle(torch, n) for n in x.shape[2:]]
    g = movement.narrow(ctx, (2, 3, 5, 4), 3, "g", layout) * scale
    outputs, gradients = resampling.applied(x, factors), resampling.applied(g, factors, True)
    relative = judge.gamma(32, 2.0 ** -min(23, ctx.precision))
    want = movement.Result(
        [outputs],
        [gradients],
        [resampling.applied(x.abs(), factors) * relative],
        [resampling.applied(g.abs(), factors, True) * relative],
    )

    def resized(x):
        return torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)

    return movement.compare(ctx, resized, [ctx.tensor(x)], layout, [g], want)


def _triangle(torch, count):
    """Outputs x inputs: a triangle four inputs wide over the middle of each pair, divided by what lies inside."""
    weights = torch.zeros(count // 2, count, dtype=torch.float64)
    for out in range(count // 2):
        for tap, weight in ((2 * out - 1, 1), (2 * out, 3), (2 * out + 1, 3), (2 * out + 2, 1)):
            if 0 <= tap < count:
                weights[out, tap] = weight
    return weights / weights.sum(1, keepdim=True)
