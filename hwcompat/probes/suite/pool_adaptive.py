"""Adaptive average and maximum pooling to any output size, forward and backward, the global ones included.

Hunts: channels_last handled as if it were contiguous (https://github.com/pytorch/pytorch/issues/67239, forward and
backward), wrong window borders where sizes do not divide, overlapping windows whose gradients are lost, a global
average that sums in 16 bits or skips a tail.
Rule: EXACT for maxima (distinct values inside every window) and for averages of 2**k elements. INTERVAL for other
averages, which a device may take by a rounded reciprocal: windows have 1 to 3 elements a side and operands are
multiples of 36, or 49 elements and multiples of 49, so that every average is an integer; sums stay within 2**p in the
unit they are multiples of. gamma(12, 2**-23) of the sum of absolute values covers three roundings and sums of up to
nine gradients (global: one); 16-bit results keep one value.
Window i of n outputs over N inputs covers floor(i N / n) to ceil((i + 1) N / n):
https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html gives sizes, the borders are those of
PyTorch, aten/src/ATen/native/AdaptivePooling.h.
"""

from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

# (input shape, output size): of averages, windows of 2**k elements, of 1 to 3 a side, and one for the whole image.
_DYADIC = (
    ((2, 5, 8, 8), 1),
    ((7, 66, 4, 2), 1),
    ((2, 3, 8, 12), (4, 3)),
    ((1, 4, 4, 6), (8, 3)),
    ((3, 5, 16), 4),
    ((1, 3, 2048), 512),
)
_NINTHS = (
    ((2, 3, 7, 7), 3),
    ((1, 9, 5, 10), (2, 4)),
    ((1, 3, 2, 3), (5, 7)),
    ((2, 2, 13, 9), (6, None)),
    ((2, 3, 13), 6),
)
_GLOBAL = ((3, 65, 7, 7), (2, 8, 7, 7), (1, 3, 49))
_CUBES = (((1, 3, 4, 6, 10), (2, 3, 5)), ((2, 3, 4, 4, 4), 1), ((2, 9, 8, 8, 8), 4))
_MAXIMA = (
    ((2, 5, 7, 7), 3),
    ((1, 67, 7, 7), 1),
    ((3, 3, 13, 10), (6, 4)),
    ((1, 3, 5, 3), (7, 5)),
    ((2, 3, 33), 7),
    ((1, 2, 5, 6, 7), (2, 3, 4)),
)


def cases(ctx):
    for shape, size in _DYADIC + _CUBES:
        for layout in _layouts(shape):
            yield "average %s to %s %s" % (shape, size, layout), partial(dyadic, ctx, shape, size, layout)
    for shape, sizes in _NINTHS:
        for layout in _layouts(shape):
            yield "average %s to %s %s" % (shape, sizes, layout), partial(ninths, ctx, shape, sizes, layout)
    for shape in _GLOBAL:
        for layout in _layouts(shape):
            yield "average of 49, %s %s" % (shape, layout), partial(global_average, ctx, shape, layout)
    for shape, size in _MAXIMA:
        for layout in _layouts(shape):
            yield "maximum %s to %s %s" % (shape, size, layout), partial(maximum, ctx, shape, size, layout)
    pattern = movement.distinct(ctx, (97, 1, 3, 3), "rows")
    yield (
        "maxima of 65537 images",
        partial(movement.check_rows, ctx, pooled(ctx, "max", pattern.shape, 2), pattern, 65537),
    )


def _layouts(shape):
    return ("contiguous", "channels_last", "strided") if len(shape) > 3 else ("contiguous", "transposed")


def pooled(ctx, kind, shape, size, indices=False):
    function = getattr(ctx.torch.nn.functional, "adaptive_%s_pool%dd" % (kind, len(shape) - 2))
    return (lambda x: function(x, size, return_indices=indices)) if kind == "max" else (lambda x: function(x, size))


def dyadic(ctx, shape, size, layout):
    """At most 64 elements of at most 4: unit 64 over an average of 4 is 2**8. Gradients: at most four of 1 / 2."""
    x = movement.integers(ctx, shape, 4, "dyadic", layout)
    return movement.check(ctx, pooled(ctx, "avg", shape, size), [x], layout, reach=1, unit=64, word=str(shape))


def ninths(ctx, shape, size, layout):
    """Sums of operands are multiples of 4 below 9 * 108; at most nine windows share an element."""
    function = pooled(ctx, "avg", shape, size)
    x = 36 * movement.integers(ctx, shape, 3, "ninths", layout)
    gradient = 36 * movement.integers(ctx, function(x).shape, 1, "gradient", shape, layout)
    relative = judge.gamma(12, 2.0**-23)
    return movement.check(ctx, function, [x], layout, unit=1, gradients=[gradient], relative=relative)


def global_average(ctx, shape, layout):
    """Five elements of +-49 an image and channel: their sum stays below 2**8."""
    torch = ctx.torch
    places = movement.permutations(ctx, shape[0] * shape[1], 49, "places", shape, layout)[:, :5]
    signs = 49 * (2 * ctx.integers(places.shape, 0, 1, "signs", shape, layout) - 1)
    x = torch.zeros(shape[0] * shape[1], 49, dtype=torch.int64).scatter(1, places, signs).reshape(shape).double()
    function = pooled(ctx, "avg", shape, 1)
    gradient = 49 * movement.integers(ctx, function(x).shape, 5, "gradient", shape, layout)
    relative = judge.gamma(12, 2.0**-23)
    return movement.check(ctx, function, [x], layout, unit=49, gradients=[gradient], relative=relative)


def maximum(ctx, shape, size, layout):
    x = movement.distinct(ctx, shape, "maximum", layout)
    below = x if len(shape) == 5 or layout == "contiguous" else -x.abs() - (x >= 0) * 128
    return ctx.all_of(
        movement.check(ctx, pooled(ctx, "max", shape, size), [below], layout, word=str(shape)),
        movement.check(ctx, pooled(ctx, "max", shape, size, True), [x], layout, word=str(shape)),
    )
