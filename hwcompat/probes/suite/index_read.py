"""Reading by index: gather, index_select, take, advanced and boolean indexing, masked_select; forward and backward.

Hunts: duplicates that overwrite instead of adding up in backward (https://github.com/pytorch/pytorch/issues/33798,
https://github.com/pytorch/pytorch/issues/156173), negative indices, several index tensors in the wrong order, the last
row, indices beyond 2**15 and 2**16, sources that are not contiguous. PyTorch before 2.1 itself gives masked_select a
wrong gradient where its input is not contiguous (https://github.com/pytorch/pytorch/issues/99638): a true finding.
Rule: EXACT. Forward moves bits (every kind of number); gradients are sums of integers, repetitions such that they stay
within 2**p in any order, also when added atomically in the dtype.
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
WORKAROUND = "make the tensor contiguous before it is indexed, or index with integers instead of a mask"

_LAYOUTS = ("contiguous", "channels_last", "strided", "transposed")


def cases(ctx):
    for label, shape, function in _table(ctx):
        for layout in _LAYOUTS:
            if layout != "channels_last" or len(shape) > 3:
                yield "%s %s %s" % (label, shape, layout), partial(check, ctx, label, shape, function, layout)
    yield "one row a thousand times", partial(repeated, ctx)
    yield "rows of a table of 70001", partial(tall, ctx)
    yield "gather for 65537 rows", partial(rows, ctx)
    yield "nonzero", partial(nonzero, ctx)


def _table(ctx):
    """(label, shape of the operand, function): indices repeat, and reach the first and the last place."""
    torch = ctx.torch

    def at(size, *shape):
        index = ctx.integers(shape, 0, size - 1, "index", size, *shape)
        index.reshape(-1)[-1] = size - 1
        return index

    def on(x, index):
        return index.to(x.device)

    columns, deep, mask = at(7, 9, 20), at(4, 3, 4, 5), ctx.integers((9, 33), 0, 2, "mask") == 0
    image_mask = ctx.integers((2, 6, 5), 0, 1, "image mask") == 1
    return (
        ("gather of columns", (9, 7), lambda x: x.gather(1, on(x, columns))),
        ("gather of rows", (7, 20), lambda x: torch.gather(x, 0, on(x, columns))),
        ("gather in the middle", (3, 4, 5), lambda x: x.gather(1, on(x, deep))),
        ("gather of one class a row", (33, 80), lambda x: x.gather(1, on(x, at(80, 33, 1))).squeeze(1)),
        ("index_select of rows", (17, 9), lambda x: x.index_select(0, on(x, at(17, 65)))),
        ("index_select of columns", (5, 33), lambda x: x.index_select(1, on(x, at(33, 40)).to(torch.int32))),
        ("index_select of channels", (2, 6, 3, 5), lambda x: x.index_select(1, on(x, at(6, 9)))),
        ("take", (7, 9), lambda x: x.take(on(x, at(63, 4, 20) - 63 * (at(63, 4, 20) % 2)))),
        ("take_along_dim", (9, 7), lambda x: torch.take_along_dim(x, on(x, columns), 1)),
        ("rows by a list", (8, 5), lambda x: x[[0, -1, 3, 3, -8]]),
        ("rows by a tensor", (129, 3), lambda x: x[on(x, at(129, 4, 33))]),
        ("two index tensors", (9, 7, 5), lambda x: x[on(x, at(9, 30)), on(x, at(7, 30))]),
        ("first and last dimension", (9, 4, 7), lambda x: x[on(x, at(9, 12)), :, on(x, at(7, 12))]),
        ("broadcast index tensors", (9, 7, 3), lambda x: x[on(x, at(9, 6, 1)), on(x, at(7, 1, 5))]),
        ("negative index tensor", (9, 6), lambda x: x[:, on(x, at(6, 11) - 6)]),
        ("index, slice and None", (5, 8, 6), lambda x: x[1:, None, on(x, at(8, 9)), ::2]),
        (
            "anchors of a grid",
            (2, 3, 6, 5, 4),
            lambda x: x[on(x, at(2, 9)), on(x, at(3, 9)), on(x, at(6, 9)), on(x, at(5, 9))],
        ),
        ("boolean mask", (9, 33), lambda x: x[on(x, mask)]),
        ("boolean mask of pixels", (2, 6, 5, 3), lambda x: x[on(x, image_mask)]),
        ("boolean mask of rows", (9, 4), lambda x: x[on(x, mask[:, 0])]),
        ("masked_select", (9, 33), lambda x: x.masked_select(on(x, mask))),
        ("masked_select, broadcast", (9, 33), lambda x: torch.masked_select(x, on(x, mask[:1]))),
    )


def check(ctx, label, shape, function, layout):
    x = movement.integers(ctx, shape, 200, label, layout)
    return ctx.all_of(
        movement.check(ctx, function, [x], layout, reach=1, word=label),
        movement.check_move(ctx, function, [shape], layout, label, backward=False),
    )


def repeated(ctx):
    """Row 3 a thousand times, of which 200 bring +-1, by each of the ways to read it."""
    torch = ctx.torch
    index = torch.full((1003,), 3, dtype=torch.int64)
    index[::101] = 6
    gradient = movement.spaced(ctx, (1003, 5), 5, "repeated")
    x = movement.integers(ctx, (7, 5), 100, "x")
    functions = (
        lambda x: x[index.to(x.device)],
        lambda x: x.index_select(0, index.to(x.device)),
        lambda x: x.gather(0, index.to(x.device)[:, None].expand(1003, 5)),
    )
    return ctx.all_of(*(movement.check(ctx, function, [x], gradients=[gradient]) for function in functions))


def tall(ctx):
    index = ctx.integers((600,), 0, 70000, "index")
    index[::50], index[0], index[599] = 65536, 70000, 32768
    functions = (lambda x: x[index.to(x.device)], lambda x: x.index_select(0, index.to(x.device)))
    x = movement.integers(ctx, (70001, 1), 250, "tall")
    return ctx.all_of(*(movement.check(ctx, function, [x], word=str(n)) for n, function in enumerate(functions)))


def rows(ctx):
    torch = ctx.torch
    pattern = movement.integers(ctx, (241, 5), 200, "rows")

    def function(x):
        return x.gather(1, torch.tensor([[4, 0, 3]], device=x.device).expand(len(x), 3))

    return movement.check_rows(ctx, function, pattern, 65537)


def nonzero(ctx):
    """Places of what is not zero, in order; both zeros are zero, NaN and subnormal numbers are not."""
    torch, judged = ctx.torch, []
    for shape in ((7,), (33, 65), (3, 5, 7), (1030,), (65537,)):
        x = movement.patterns(ctx, shape, "nonzero")
        x = torch.where(ctx.integers(shape, 0, 3, "kept", *shape) > 0, torch.zeros_like(x), x)
        if ctx.kind != "cpu":  # a device may take subnormal numbers as zero when it compares
            x = torch.where(x.abs() < 2.0**ctx.format.emin, torch.zeros_like(x), x)
        flat = [place for place, value in enumerate(x.reshape(-1).tolist()) if value != 0]
        want = torch.tensor(flat).reshape(-1, 1)
        if len(shape) > 1:
            parts = []
            for size in reversed(shape):
                parts.append(want % size)
                want = torch.div(want, size, rounding_mode="floor")
            want = torch.cat(parts[::-1], 1)
        judged.append(ctx.exact_integers(torch.nonzero(ctx.tensor(x)), want, note="(shape %s)" % (shape,)))
        count = torch.count_nonzero(ctx.tensor(x))
        judged.append(ctx.exact_integers(count, torch.tensor(len(flat)), note="(count)"))
    return ctx.all_of(*judged)
