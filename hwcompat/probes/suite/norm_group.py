"""Group norm, forward and backward, in both layouts, on inputs whose statistics are known exactly.

Hunts: 16-bit statistics, groups or channels mixed up, kernels that are wrong only in channels_last, for one group, for
a group a channel, for odd sizes or without parameters. Early releases computed bfloat16 moments on the CPU in bfloat16
(https://github.com/pytorch/pytorch/issues/77507, mended since): with torch 1.12.1 this probe fails there.
Rule: INTERVAL with the bounds of normalisation.py. Every group of every image holds 0, +-1 and +-2 with mean 0 and
variance 1, plus c in {-1, 0, 1}, times a power of two; gamma in {+-1, +-2}, beta never of the size of gamma h.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 2

_BOTH = ("contiguous", "channels_last")
_SHAPES = (
    ((4, 16, 8, 8), 4, 1),
    ((4, 16, 8, 8), 4, 512),
    ((1, 8, 40, 40), 4, 1),
    ((2, 32, 5, 7), 32, 1),
    ((3, 64, 4, 4), 32, 1),
    ((2, 6, 7, 9), 1, 1),
    ((2, 6, 7, 9), 2, 1),
    ((2, 6, 5, 5), 3, 1),
    ((1, 3, 9, 31), 1, 1),
    ((1, 320, 3, 2), 32, 1),
    ((9, 24, 3, 3), 8, 1),
    ((2, 34, 1, 1), 2, 1),
    ((5, 12, 4, 4), 3, 16384),
    ((2, 15, 4, 5), 5, 2.0**-9),
)
"""(shape, groups, scale)"""

_FLAT = (((3, 12), 3), ((5, 33), 3), ((3, 8, 13), 2), ((2, 9, 31), 9), ((2, 6, 3, 4, 5), 3))
"""(shape, groups): two, three and five dimensions."""


def cases(ctx):
    for shape, groups, scale in _SHAPES:
        for layout in _BOTH:
            label = "%s in %d groups times %g %s" % ("x".join(map(str, shape)), groups, scale, layout)
            yield label, partial(check, ctx, shape, groups, scale, layout)
    for flat, groups in _FLAT:
        yield "%s in %d groups" % ("x".join(map(str, flat)), groups), partial(check, ctx, flat, groups, 1)
    if ctx.large:
        for layout in _BOTH:
            yield "4x64x48x48 in 32 groups %s" % layout, partial(check, ctx, (4, 64, 48, 48), 32, 1, layout)
    yield "2x8x5x7 in 2 groups, last dimensions swapped", partial(check, ctx, (2, 8, 5, 7), 2, 1, "swapped")
    yield "4x8x4x4 in 2 groups, mean 16", partial(check, ctx, (4, 8, 4, 4), 2, 1, offset=16)
    yield "2x8x4x4 in 2 groups, equal elements", partial(check, ctx, (2, 8, 4, 4), 2, 1, data="equal")
    for eps in (1e-6, 1e-3):
        yield "2x8x4x5 in 2 groups eps %g" % eps, partial(check, ctx, (2, 8, 4, 5), 2, 2.0**-6, eps=eps)
    for affine in ("weight", "none"):
        for layout in _BOTH:
            label = "2x10x4x5 in 5 groups %s %s" % ({"weight": "no bias", "none": "no parameters"}[affine], layout)
            yield label, partial(check, ctx, (2, 10, 4, 5), 5, 1, layout, affine=affine)
    if ctx.dtype_name != "float32":
        for layout in _BOTH:
            label = "3x32x5x5 in 8 groups %s float32 parameters" % layout
            yield label, partial(check, ctx, (3, 32, 5, 5), 8, 1, layout, kind="float32")


def check(
    ctx,
    shape,
    groups,
    scale,
    layout="contiguous",
    offset=1,
    data="ladder",
    eps=norm.EPS,
    affine="both",
    kind=None,
):
    words = (shape, groups, scale, layout, offset, data, eps)
    pixels = 1
    for size in shape[2:]:
        pixels *= size
    view = (shape[0], groups, shape[1] // groups, pixels)
    x = norm.sample(ctx, view, (2, 3), data, scale, offset, *words)
    wanted = norm.problem(ctx, x, (2, 3), (1, groups, shape[1] // groups, 1), eps, kind, words=words)
    wanted = norm.reduced(wanted, (2, 3), affine)
    group_norm = ctx.torch.nn.functional.group_norm
    return norm.judged(
        ctx,
        wanted,
        shape,
        (shape[1],),
        lambda x, weight, bias: group_norm(x, groups, weight, bias, eps),
        layout,
        kind,
    )
