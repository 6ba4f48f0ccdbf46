"""Max pooling in one, two and three dimensions, forward, backward, with indices, and its inverse.

Hunts: kernels of one layout, size or dimension (3-D backward that misses part of an output that is not square,
https://github.com/pytorch/pytorch/pull/36820), overlapping windows whose gradients overwrite each other, padding taken
as zero, dilation or ceil_mode ignored, indices off by one, NaN or -inf lost.
Rule: EXACT. A maximum moves bits and rounds nothing. Values are distinct inside every window (position (i, j) holds
entry 16 (i mod 16) + j mod 16 of a permutation, no window is wider than 16; in 3-D 64 i + 8 j + k modulo 8 each), so
that one element alone may be chosen and the gradient has one right place; gradients are integers whose sums stay
within 2**p. Where values are tied, torch promises no place: there the index must point at a maximum inside the window
and the gradient must go where the index says.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html (padding is -inf; ceil_mode).
"""

from collections import namedtuple
from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

Pool = namedtuple("Pool", "label shape kernel stride padding dilation ceil")

_POOLS = (
    Pool("k2 s2", (2, 5, 9, 16), 2, 2, 0, 1, False),
    Pool("k3 s2 p1", (2, 8, 15, 17), 3, 2, 1, 1, False),
    Pool("k3 s2 p1, 70 channels", (1, 70, 5, 6), 3, 2, 1, 1, False),
    Pool("k5 s1 p2", (8, 3, 7, 9), 5, 1, 2, 1, False),
    Pool("k9 s1 p4", (1, 3, 12, 10), 9, 1, 4, 1, False),
    Pool("k13 s1 p6", (1, 1, 20, 20), 13, 1, 6, 1, False),
    Pool("k3 s2 ceil", (2, 8, 8, 12), 3, 2, 0, 1, True),
    Pool("k2 s3 p1 ceil", (2, 3, 11, 9), 2, 3, 1, 1, True),
    Pool("k3 s1 d2", (2, 3, 11, 12), 3, 1, 0, 2, False),
    Pool("k3 s2 p1 d3", (1, 2, 19, 21), 3, 2, 1, 3, False),
    Pool("k(3,2) s(2,1) p(1,0)", (7, 3, 12, 9), (3, 2), (2, 1), (1, 0), 1, False),
    Pool("k1 s2", (1, 3, 7, 8), 1, 2, 0, 1, False),
    Pool("1-D k3 s2 p1", (3, 5, 33), 3, 2, 1, 1, False),
    Pool("1-D k2 s2", (1, 2, 1030), 2, 2, 0, 1, False),
    Pool("1-D k4 s1 d2 ceil", (2, 3, 65), 4, 1, 0, 2, True),
    Pool("3-D k2 s2", (2, 3, 4, 9, 6), 2, 2, 0, 1, False),
    Pool("3-D k3 s2 p1", (1, 3, 5, 6, 11), 3, 2, 1, 1, False),
    Pool("3-D k3 s1 p1", (2, 2, 3, 4, 13), 3, 1, 1, 1, False),
    Pool("3-D k2 s1 d2 ceil", (1, 2, 5, 5, 6), 2, 1, 0, 2, True),
)


def cases(ctx):
    for pool in _POOLS:
        for layout in ("contiguous", "channels_last", "strided"):
            if layout != "channels_last" or len(pool.shape) > 3:
                yield "%s %s" % (pool.label, layout), partial(check, ctx, pool, layout)
    for pool in (_POOLS[1], _POOLS[3], _POOLS[12], _POOLS[16]):
        yield "ties %s" % pool.label, partial(ties, ctx, pool)
    for pool in (_POOLS[0], _POOLS[13], _POOLS[15]):
        yield "unpool %s" % pool.label, partial(unpool, ctx, pool)
    yield "three in a row as in SPPF, and their concatenation", partial(pyramid, ctx)
    if ctx.kind in ("cpu", "cuda"):
        for pool in (_POOLS[1], _POOLS[3], _POOLS[12], _POOLS[16]):
            yield "NaN and infinities %s" % pool.label, partial(nonfinite, ctx, pool)
    if ctx.large:
        pattern = movement.distinct(ctx, (3, 16, 56, 56), "large")
        yield "k3 s2 p1 on 48x16x56x56", partial(movement.check_rows, ctx, pooled(ctx, _POOLS[1]), pattern, 48)
    yield (
        "65537 images",
        partial(movement.check_rows, ctx, pooled(ctx, _POOLS[0]), movement.distinct(ctx, (97, 1, 2, 5)), 65537),
    )


def pooled(ctx, pool, indices=False):
    functional = ctx.torch.nn.functional
    function = getattr(functional, "max_pool%dd" % (len(pool.shape) - 2))
    return lambda x: function(x, pool.kernel, pool.stride, pool.padding, pool.dilation, pool.ceil, indices)


def check(ctx, pool, layout):
    """Positive and negative values; in some layouts all negative, which padding with zero would beat."""
    x = movement.distinct(ctx, pool.shape, pool.label, layout)
    below = x if len(pool.shape) == 5 or layout == "contiguous" else -x.abs() - (x >= 0) * 128
    run = partial(movement.check, ctx, layout=layout, word=pool.label, reach=1 if pool.kernel == 13 else 3)
    plain = run(pooled(ctx, pool), [below])
    return plain if layout == "strided" else ctx.all_of(plain, run(pooled(ctx, pool, True), [x]))


def ties(ctx, pool):
    """Values in -1, 0, 1: the index must point at a maximum inside its window, the gradient must follow the index."""
    torch = ctx.torch
    x = movement.integers(ctx, pool.shape, 1, "ties", pool.label)
    leaf = ctx.tensor(x, grad=True)
    y, index = pooled(ctx, pool, True)(leaf)
    want = pooled(ctx, pool)(x)
    judged = ctx.exact(y, want, note="(values)")
    if judged.status != "pass":
        return judged
    place, flat = ctx.host(index).to(torch.int64), x.flatten(2)
    if place.shape != want.shape or bool((place < 0).any()) or bool((place >= flat.shape[2]).any()):
        return judge.failed("an index outside the image", place.numel())
    chosen = flat.gather(2, place.flatten(2)).reshape(want.shape)
    inside = _covered(ctx, pool, place)
    g = movement.integers(ctx, want.shape, 2, "gradient", pool.label)
    y.backward(ctx.tensor(g))
    gradient = torch.zeros_like(flat).scatter_add(2, place.flatten(2), g.flatten(2)).reshape(x.shape)
    return ctx.all_of(
        ctx.exact_integers(chosen, want, note="(elements at the indices)"),
        ctx.exact_integers(inside, torch.ones_like(inside), note="(index inside its window)"),
        ctx.exact(leaf.grad, gradient, note="(gradient where the indices say)"),
    )


def _covered(ctx, pool, place):
    """Whether each index lies in its own window, dimension by dimension."""
    torch, spatial = ctx.torch, pool.shape[2:]
    inside = torch.ones_like(place)
    for dim in reversed(range(len(spatial))):
        at, place = place % spatial[dim], place // spatial[dim]
        window = torch.arange(inside.shape[2 + dim]).reshape([-1] + [1] * (len(spatial) - 1 - dim))
        offset = at - window * pool.stride + pool.padding
        fits = (offset >= 0) & (offset <= (pool.kernel - 1) * pool.dilation) & (offset % pool.dilation == 0)
        inside = inside * fits
    return inside


def unpool(ctx, pool):
    functional = ctx.torch.nn.functional
    dims = len(pool.shape) - 2
    x = movement.distinct(ctx, pool.shape, "unpool", pool.label)
    _, index = pooled(ctx, pool, True)(x)

    def function(y):
        inverse = getattr(functional, "max_unpool%dd" % dims)
        return inverse(y, index.to(y.device), pool.kernel, pool.stride, output_size=pool.shape[2:])

    return movement.check(ctx, function, [movement.integers(ctx, index.shape, 100, "y", pool.label)], word=pool.label)


def pyramid(ctx):
    """Pooling of pooling: an element may be the maximum of up to 13 x 13 windows and collects their gradients."""
    functional, torch = ctx.torch.nn.functional, ctx.torch

    def function(x):
        first = functional.max_pool2d(x, 5, 1, 2)
        second = functional.max_pool2d(first, 5, 1, 2)
        return torch.cat([x, first, second, functional.max_pool2d(second, 5, 1, 2)], 1)

    x = movement.distinct(ctx, (2, 3, 9, 14), "pyramid")
    gradients = [movement.thin(ctx, (2, 12, 9, 14), 1, 2, "pyramid gradient")]
    judged = [
        movement.check(ctx, function, [x], layout, gradients=gradients) for layout in ("contiguous", "channels_last")
    ]
    return ctx.all_of(*judged)


def nonfinite(ctx, pool):
    """A window with a NaN gives NaN; one of -inf alone gives -inf."""
    torch = ctx.torch
    x = movement.distinct(ctx, pool.shape, "nonfinite", pool.label)
    kind = ctx.integers(pool.shape, 0, 60, "kind", pool.label)
    for code, value in ((0, float("nan")), (1, float("inf")), (2, -float("inf"))):
        x = torch.where(kind == code, torch.full_like(x, value), x)
    x[:, -1] = -float("inf")
    want = movement.Result([pooled(ctx, pool)(x)], [], [], [])
    judged = [
        movement.compare(ctx, pooled(ctx, pool), [ctx.tensor(x)], layout, None, want)
        for layout in ("contiguous", "channels_last")
    ]
    return ctx.all_of(*judged)
