"""Linear, bilinear and trilinear resizing, forward and backward, with and without aligned corners.

Hunts: indices computed in 16 bits (https://github.com/pytorch/pytorch/pull/83847,
https://github.com/pytorch/pytorch/pull/89210), wrong weights at the border, align_corners or recompute_scale_factor
ignored, channels_last kernels, gradients lost where several outputs share an input, or added up too coarsely in fp16
(https://github.com/pytorch/pytorch/issues/104157).
Rule: EXACT where the ratio of sizes makes the weights multiples of 1/4 or 1/8 a dimension (twice, four times, half;
aligned corners with (N - 1) / (M - 1) = 1/2 or 1/4): integers small enough that every sum of weighted values is exact
in p bits, forward and backward, in any order and also when added atomically in the dtype. INTERVAL for other ratios:
the bound of resampling.py, from the error of a float32 coordinate and one rounding an operation. The reference is a
matrix a dimension, built from the documented coordinates:
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html.
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

_MODES = {3: "linear", 4: "bilinear", 5: "trilinear"}
# (input shape, size or None, scale factor or None, align_corners, one over the weights' unit a dimension)
_DYADIC = (
    ((2, 5, 13, 13), (26, 26), None, False, 4),
    ((1, 66, 7, 5), None, 2, False, 4),
    ((2, 8, 20, 3), None, 2.0, False, 4),
    ((8, 3, 4, 5), None, 2, False, 4),
    ((2, 3, 5, 6), None, 4, False, 8),
    ((1, 6, 8, 12), None, 0.5, False, 2),
    ((2, 9, 8, 16), None, 0.25, False, 2),
    ((2, 3, 5, 9), (9, 17), None, True, 2),
    ((1, 3, 3, 4), (9, 13), None, True, 4),
    ((2, 3, 9, 5), (5, 1), None, True, 2),
    ((2, 3, 9), None, 2, False, 4),
    ((1, 9, 33), (65,), None, True, 2),
    ((1, 3, 3, 4, 5), None, 2, False, 4),
    ((2, 2, 3, 2, 5), (5, 3, 9), None, True, 2),
)
# (input shape, size, scale factor, recompute_scale_factor, align_corners)
_OTHER = (
    ((2, 3, 9, 7), None, 1.5, None, False),
    ((1, 5, 7, 9), None, 1.5, True, False),
    ((2, 3, 5, 6), None, 3, None, False),
    ((1, 3, 13, 10), (20, 7), None, None, False),
    ((1, 6, 6, 11), (13, 16), None, None, True),
    ((2, 3, 17), (11,), None, None, False),
    ((1, 2, 3, 5, 4), (5, 4, 7), None, None, True),
)


def cases(ctx):
    for shape, size, factor, align, unit in _DYADIC:
        for layout in ("contiguous", "channels_last", "shifted"):
            if layout != "channels_last" or len(shape) > 3:
                label = "%s to %s, align_corners %s %s" % (shape, size or "%s times" % factor, align, layout)
                yield label, partial(check, ctx, shape, size, factor, None, align, unit, layout)
    for shape, size, factor, recompute, align in _OTHER:
        for layout in ("contiguous", "channels_last"):
            if layout != "channels_last" or len(shape) > 3:
                label = "%s to %s, align_corners %s %s" % (shape, size or "%s times" % factor, align, layout)
                label += ", scale recomputed" if recompute else ""
                yield label, partial(check, ctx, shape, size, factor, recompute, align, None, layout)
    if ctx.large:
        pattern = movement.integers(ctx, (3, 16, 32, 32), 10, "large")
        function = partial(ctx.torch.nn.functional.interpolate, scale_factor=2, mode="bilinear", align_corners=False)
        yield "64x16x32x32 two times", partial(movement.check_rows, ctx, function, pattern, 64, reach=1, unit=16)


def check(ctx, shape, size, factor, recompute, align, unit, layout):
    mode = _MODES[len(shape)]
    sizes = size or tuple(int(n * factor) for n in shape[2:])
    ratio = 1 / factor if factor and not recompute else None
    axes = [Axis(m, "linear", align, ratio) for m in sizes]
    interpolate = ctx.torch.nn.functional.interpolate

    def resized(x):
        return interpolate(
            x, size=size, scale_factor=factor, mode=mode, align_corners=align, recompute_scale_factor=recompute
        )

    finest = unit ** len(sizes) if unit else None
    reach = min(256 // finest, 100) if finest else 100
    x = movement.integers(ctx, shape, reach, shape, layout)
    return resampling.check(ctx, resized, axes, x, 1, finest, layout, word=str(shape))
