"""Sampling an image at coordinates of a grid, and the grid of an affine map, forward and backward.

Hunts: wrong gradients at the border (https://github.com/pytorch/pytorch/issues/23925), a padding mode or align_corners
ignored or taken for another one, swapped coordinates, gradients of pixels that several samples share.
Rule: EXACT. Coordinates are odd quarters of a pixel, so that none falls on a pixel, where derivatives jump; the sizes
are 4 and 8 (aligned: 5 and 9), so that coordinates, weights (multiples of 1/16) and their products with small integers
are exact in p bits, and so are all sums, also added atomically in the dtype. affine_grid with aligned corners over 5 x
9 outputs: coordinates are multiples of 1/4, the map's entries small integers; otherwise INTERVAL: base coordinates take
four roundings, three products and two sums five: gamma(9, u) of the sum of absolute values, u = 2**-p, at least 2**-23;
the map's gradient sums 42 such products: gamma(51, u).
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html.
"""

from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_PADDING = ("zeros", "border", "reflection")


def cases(ctx):
    for mode in ("bilinear", "nearest"):
        for padding in _PADDING:
            for align in (False, True):
                for layout in ("contiguous", "channels_last"):
                    label = "%s %s align_corners %s %s" % (mode, padding, align, layout)
                    yield label, partial(sample, ctx, mode, padding, align, layout)
        yield "%s zeros in three dimensions" % mode, partial(volume, ctx, mode)
    yield "affine grid, aligned corners", partial(affine, ctx)
    yield "affine grid", partial(affine_inexact, ctx)


def coordinates(ctx, outputs, sizes, align, *words):
    """float64 (..., dims): the last dimension's coordinate first; pixels from -2 to size + 1, odd quarters off."""
    parts = []
    for dim, size in enumerate(reversed(sizes)):
        pixel = ctx.integers(outputs, -2, size, "pixel", dim, *words).double()
        pixel = pixel + (2 * ctx.integers(outputs, 0, 1, "quarter", dim, *words).double() + 1) / 4
        parts.append(2 * pixel / (size - 1) - 1 if align else (2 * pixel + 1) / size - 1)
    return ctx.torch.stack(parts, -1)


def sample(ctx, mode, padding, align, layout):
    sizes = (5, 9) if align else (4, 8)
    x = movement.narrow(ctx, (2, 3) + sizes, 3, mode, padding, align, layout)
    grid = coordinates(ctx, (2, 3, 5), sizes, align, mode, padding, align, layout)
    ctx.require(bool((ctx.rounded(grid) == grid).all()), "coordinates are exact in the dtype")
    function = ctx.torch.nn.functional.grid_sample
    return _check(ctx, lambda x, g: function(x, g, mode, padding, align), x, grid, layout)


def volume(ctx, mode):
    x = movement.narrow(ctx, (2, 2, 4, 2, 8), 2, "volume", mode)
    grid = coordinates(ctx, (2, 2, 2, 2), (4, 2, 8), False, "volume", mode)
    function = ctx.torch.nn.functional.grid_sample
    return _check(ctx, lambda x, g: function(x, g, mode, "zeros", False), x, grid, "contiguous")


def _check(ctx, function, x, grid, layout):
    """Gradients are 0 or 1 at one output in three, so that even a pixel's gradient from all samples fits p bits."""
    want = movement.traced(function, [x, grid])
    outputs = want[1]
    g = movement.thin(ctx, outputs[0].shape, 1, 3, "gradient", layout, *x.shape)
    pulled = movement.pulled_back(ctx, want[0], outputs, [g])
    ctx.require_exact_sums(16 * movement.pulled_back(ctx, want[0], outputs, [g.abs()])[0])
    ctx.require(16 * float(x.abs().max()) * 4 <= 2**ctx.precision, "outputs are sums of sixteenths within 2**p")
    ctx.require(bool((ctx.rounded(pulled[1]) == pulled[1]).all()), "gradients of coordinates are exact in the dtype")
    result = movement.Result([outputs[0].detach()], pulled, [], [])
    return movement.compare(ctx, function, [ctx.tensor(x), ctx.tensor(grid)], layout, [g], result)


def affine(ctx):
    theta = movement.narrow(ctx, (3, 2, 3), 3, "theta")
    function = ctx.torch.nn.functional.affine_grid
    gradient = movement.narrow(ctx, (3, 5, 9, 2), 1, "gradient")
    return movement.check(ctx, lambda t: function(t, (3, 1, 5, 9), True), [theta], unit=4, gradients=[gradient])


def affine_inexact(ctx):
    """Base coordinates lie within +-1, so sums of absolute values of the map, or of gradients, bound everything."""
    torch = ctx.torch
    theta = movement.narrow(ctx, (2, 2, 3), 3, "theta")
    gradient = movement.narrow(ctx, (2, 6, 7, 2), 3, "gradient")
    leaves, outputs = movement.traced(lambda t: torch.nn.functional.affine_grid(t, (2, 1, 6, 7), False), [theta])
    pulled = movement.pulled_back(ctx, leaves, outputs, [gradient])
    unit = 2.0 ** -min(23, ctx.precision)
    bounds = [
        judge.gamma(9, unit) * theta.abs().sum(2)[:, None, None].expand(2, 6, 7, 2),
        judge.gamma(9 + 42, unit) * gradient.abs().sum((1, 2))[:, :, None].expand(2, 2, 3),
    ]
    want = movement.Result([outputs[0].detach()], pulled, bounds[:1], bounds[1:])
    function = torch.nn.functional.affine_grid
    return movement.compare(
        ctx, lambda t: function(t, (2, 1, 6, 7), False), [ctx.tensor(theta)], "contiguous", [gradient], want
    )
