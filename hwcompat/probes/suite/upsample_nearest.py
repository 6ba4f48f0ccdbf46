"""Nearest-neighbour resizing in one, two and three dimensions, forward and backward.

Hunts: channels_last kernels (https://github.com/pytorch/pytorch/issues/81665), batches beyond a grid's limit
(https://github.com/huggingface/diffusers/issues/984), the wrong neighbour, gradients that overwrite each other instead
of adding up.
Rule: EXACT. Forward copies; a gradient is a sum of at most 27 integers within +-3, below 2**p. Sizes are multiples of
each other by powers of two, or have no common divisor, so that d N / M is no integer except at d = 0 and no rounding of
it can change the neighbour; the reference is a matrix of zeros and ones (resampling.py).
"""

from functools import partial

from .. import movement, resampling
from ..resampling import Axis

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

# (input shape, size of the output or None, scale factor or None)
_RESIZES = (
    ((2, 5, 13, 13), (26, 26), None),
    ((1, 66, 7, 5), None, 2),
    ((2, 8, 20, 3), None, 2.0),
    ((2, 3, 5, 7), None, 4),
    ((1, 6, 8, 12), None, 0.5),
    ((3, 3, 16, 8), None, (2.0, 0.25)),
    ((2, 3, 7, 9), (17, 4), None),
    ((1, 17, 25, 1), (9, 3), None),
    ((2, 3, 9), (31,), None),
    ((8, 1, 33), None, 2),
    ((1, 3, 3, 4, 5), None, 2),
    ((2, 2, 3, 5, 4), (7, 4, 9), None),
)


def cases(ctx):
    for mode in ("nearest", "nearest-exact"):
        for shape, size, factor in _RESIZES:
            for layout in ("contiguous", "channels_last", "strided"):
                if layout != "channels_last" or len(shape) > 3:
                    label = "%s %s to %s %s" % (mode, shape, size or "%s times" % (factor,), layout)
                    yield label, partial(check, ctx, mode, shape, size, factor, layout)
    pattern = movement.integers(ctx, (89, 1, 2, 2), 100, "rows")
    yield "65537 images", partial(movement.check_rows, ctx, resized(ctx, "nearest", None, 2), pattern, 65537)
    if ctx.large:
        pattern = movement.integers(ctx, (3, 20, 32, 32), 100, "large")
        function = resized(ctx, "nearest", None, 2)
        yield "64x20x32x32 two times", partial(movement.check_rows, ctx, function, pattern, 64)


def resized(ctx, mode, size, factor):
    function = ctx.torch.nn.functional.interpolate
    return lambda x: function(x, size=size, scale_factor=factor, mode=mode)


def check(ctx, mode, shape, size, factor, layout):
    spatial = shape[2:]
    factors = factor if isinstance(factor, tuple) else (factor,) * len(spatial)
    sizes = size or tuple(int(n * f) for n, f in zip(spatial, factors))
    axes = [Axis(m, mode, False, None) for m in sizes]
    x = movement.integers(ctx, shape, 200, mode, shape, layout)
    return resampling.check(ctx, resized(ctx, mode, size, factor), axes, x, 3, 1, layout, word=str(shape))
