"""Instance norm, forward and backward, in both layouts: each channel of each image by itself.

Hunts: what norm.batch hunts, where the kernel sees images times channels as its channels: odd counts of both, one
image, small and odd pictures, missing parameters.
Rule: INTERVAL with the bounds of normalisation.py. Every channel of every image holds 0, +-1 and +-2 with mean 0 and
variance 1, plus c in {-1, 0, 1}, times a power of two; gamma in {+-1, +-2}, beta never of the size of gamma h.
For one image the gradient comes in contiguous: torch 2.13 on a CPU reads one in channels_last as if it were contiguous
there (instance norm views the input as one image in any case, and only then do the layouts differ).
Source: https://pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html gives the formula.
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
WORKAROUND = "run instance norm in float32, or replace it by group norm with one group a channel"

_SHAPES = (
    ((2, 3, 5, 7), 1),
    ((1, 8, 4, 4), 1),
    ((4, 16, 4, 6), 512),
    ((3, 5, 17, 3), 1),
    ((9, 33, 2, 2), 1),
    ((2, 64, 3, 3), 2.0**-9),
)


def cases(ctx):
    for shape, scale in _SHAPES:
        for layout in ("contiguous", "channels_last"):
            label = "%s times %g %s" % ("x".join(map(str, shape)), scale, layout)
            yield label, partial(check, ctx, shape, scale, layout)
    for other in ((3, 4, 13), (2, 3, 3, 4, 5)):
        yield "x".join(map(str, other)), partial(check, ctx, other, 1)
    for affine in ("weight", "none"):
        label = "3x6x4x5 %s" % {"weight": "no bias", "none": "no parameters"}[affine]
        yield label, partial(check, ctx, (3, 6, 4, 5), 1, affine=affine)


def check(ctx, shape, scale, layout="contiguous", affine="both"):
    dims = tuple(range(2, len(shape)))
    params = tuple(size if dim == 1 else 1 for dim, size in enumerate(shape))
    words = (shape, scale, layout, affine)
    x = norm.sample(ctx, shape, dims, "ladder", scale, 1, *words)
    wanted = norm.problem(ctx, x, dims, params, held=True, words=words)
    wanted = norm.reduced(wanted, dims, affine, held=True)
    instance_norm = ctx.torch.nn.functional.instance_norm
    return norm.judged(
        ctx,
        wanted,
        shape,
        (shape[1],),
        lambda x, weight, bias: instance_norm(x, None, None, weight, bias),
        layout,
        dy_layout="contiguous" if shape[0] == 1 else None,
    )
