"""Joining and splitting tensors (cat, stack, split, chunk, unbind), forward and backward, in every layout.

Hunts: channels_last joins whose dimension is taken wrongly from the second batch of operands on
(https://github.com/pytorch/pytorch/pull/165023; https://github.com/pytorch/pytorch/issues/89353), overlapping views
joined wrongly (https://github.com/pytorch/pytorch/issues/57122), lost tails of odd sizes, mixed layouts,
gradients that go to the wrong part.
Rule: EXACT. Bits move: operands and incoming gradients hold every kind of number (both zeros, subnormal, huge,
infinite, NaN). Where an operand is used twice its gradients are integers whose sum stays within 2**p.
"""

from functools import partial

from .. import movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

# (dimension, shapes of the operands)
_CATS = (
    (1, ((2, 3, 5, 7), (2, 16, 5, 7), (2, 1, 5, 7), (2, 8, 5, 7))),
    (1, ((2, 64, 4, 4), (2, 66, 4, 4))),
    (0, ((3, 8, 4, 4), (1, 8, 4, 4), (8, 8, 4, 4))),
    (-1, ((2, 4, 3, 5), (2, 4, 3, 16), (2, 4, 3, 1))),
    (2, ((2, 4, 3, 5), (2, 4, 13, 5))),
    (0, ((1025,), (7,), (1,), (64,), (4097,))),
    (1, ((129, 1), (129, 33), (129, 64))),
    (0, ((33, 65), (0, 65), (4, 65))),
    (2, ((2, 3, 4, 5, 3), (2, 3, 1, 5, 3))),
)


def cases(ctx):
    for dim, shapes in _CATS:
        for layout in movement.LAYOUTS:
            if layout != "channels_last" or len(shapes[0]) > 3:
                yield (
                    "cat of %d, dim %d, %s %s" % (len(shapes), dim, shapes[0], layout),
                    partial(cat, ctx, dim, shapes, layout),
                )
    for count in (33, 129, 300):
        yield "cat of %d small tensors" % count, partial(many, ctx, count)
    yield "cat of 140 in channels_last", partial(many_images, ctx)
    for layout in movement.LAYOUTS:
        yield "mixed layouts, %s among contiguous" % layout, partial(mixed, ctx, layout)
        yield "stack %s" % layout, partial(stack, ctx, layout)
        yield "split, chunk and unbind %s" % layout, partial(split, ctx, layout)
    yield "cat of overlapping slices", partial(overlapping, ctx)
    yield "cat into an existing tensor", partial(into, ctx)
    yield "cat of 65537 rows", partial(rows, ctx)


def cat(ctx, dim, shapes, layout):
    return movement.check_move(ctx, lambda *xs: ctx.torch.cat(xs, dim), shapes, layout)


def many(ctx, count):
    """Operands of 1 to 9 rows, joined in reverse; kernels take 32 to 128 of them at once."""
    sizes = ctx.integers((count,), 1, 9, "sizes", count).tolist()

    def function(x):
        return ctx.torch.cat(x.split(sizes)[::-1])

    return movement.check_move(ctx, function, [(sum(sizes), 3)], word=str(count))


def many_images(ctx):
    torch = ctx.torch
    sizes = [1 + n % 3 for n in range(140)]

    def function(x):
        parts = [part.contiguous(memory_format=torch.channels_last) for part in x.split(sizes, 1)]
        return torch.cat(parts[::-1], 1)

    return movement.check_move(ctx, function, [(2, sum(sizes), 2, 3)], "channels_last")


def mixed(ctx, layout):
    torch = ctx.torch

    def join(*xs):
        return torch.cat([xs[0].contiguous(), xs[1], xs[2].contiguous(), xs[3]], 1)

    return movement.check_move(ctx, join, [(2, c, 4, 5) for c in (3, 8, 1, 5)], layout, word="mixed")


def stack(ctx, layout):
    torch = ctx.torch
    shapes = [(2, 3, 4, 5)] * 3

    def both(*xs):
        return tuple(torch.stack(xs, dim) for dim in (0, 2, -1))

    values = [movement.integers(ctx, s, 100, "stack", n, layout) for n, s in enumerate(shapes)]
    return ctx.all_of(
        movement.check(ctx, both, values, layout, word="stack"),
        movement.check_move(ctx, lambda *xs: torch.stack(xs, 1), shapes, layout, word="stack"),
    )


def split(ctx, layout):
    """The parts are views; each is made contiguous, as its user would, and gets a gradient of its own."""
    torch = ctx.torch

    def parts(x):
        taken = list(torch.split(x, [3, 1, 4], 1))[:2] + list(x.chunk(3, 3))[1:] + list(x.unbind(0))[:1]
        return tuple(part.contiguous() for part in taken)

    def halves(x):
        return tuple(part.contiguous() for part in torch.split(x, 3, 2))

    x = movement.integers(ctx, (2, 8, 7, 10), 100, "split", layout)
    return ctx.all_of(
        movement.check(ctx, parts, [x], layout, word="split"),
        movement.check_move(ctx, halves, [(2, 8, 7, 10)], layout, word="split"),
        movement.check_move(ctx, lambda x: x.unbind(1)[2] * 1, [(3, 5, 2, 9)], layout, word="unbind", backward=False),
    )


def overlapping(ctx):
    torch = ctx.torch

    def function(x):
        x = x.transpose(1, 2)
        x = x.reshape(x.shape[0], x.shape[1], 6, 4)
        return torch.cat((x[:, :, :-1], x[:, :, 1:]), -1)

    return movement.check(ctx, function, [movement.integers(ctx, (2, 24, 5), 100, "overlapping")])


def into(ctx):
    torch = ctx.torch
    values = [movement.patterns(ctx, (5, n), "into", n) for n in (3, 8, 30)]
    out = ctx.tensor(torch.ones(5, 41))
    torch.cat([ctx.tensor(v) for v in values], 1, out=out)
    first = ctx.exact(out, torch.cat(values, 1), True, note="(out=)")
    slot = ctx.tensor(torch.zeros(2, 5, 41))[:, :, :].transpose(1, 2)
    torch.stack([ctx.tensor(torch.cat(values, 1).t())] * 2, 0, out=slot)
    return ctx.all_of(first, ctx.exact(slot, torch.stack([torch.cat(values, 1).t()] * 2), True, note="(strided out=)"))


def rows(ctx):
    pattern = movement.integers(ctx, (251, 3), 200, "rows")
    return movement.check_rows(ctx, lambda x: ctx.torch.cat([x[:, 1:], x[:, :2]], 1), pattern, 65537, reach=2)
