"""Writing by index: scatter, index_add, index_put, index_copy, masked writes and reductions; forward and backward.

Hunts: duplicates lost, counted twice or overwritten where they must add up
(https://github.com/pytorch/pytorch/issues/33798), sums kept too coarsely
(https://github.com/pytorch/pytorch/issues/156173), accumulate taken for overwrite or the reverse, include_self ignored,
places not named that change, gradients of what was overwritten.
Rule: EXACT. Writes move bits (every kind of number); sums, means of four and products of -1, 1 and 2 are exact in any
order, also when added atomically in the dtype: sums of absolute values stay within 2**p. Where writes may collide the
places are distinct, since torch promises no order:
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_.html.
Maxima and minima are over distinct values, so that the gradient has one place.
"""

from functools import partial

from .. import movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_LAYOUTS = ("contiguous", "strided", "transposed")


def cases(ctx):
    for name, table in (("write", _writes(ctx)), ("add", _adds(ctx))):
        for label, shapes, function in table:
            for layout in _LAYOUTS:
                yield "%s %s" % (label, layout), partial(check, ctx, name, label, shapes, function, layout)
    for mode in ("sum", "mean", "prod", "amax", "amin"):
        for include in (True, False):
            for layout in ("contiguous", "transposed"):
                label = "scatter_reduce %s, include_self %s %s" % (mode, include, layout)
                yield label, partial(reduced, ctx, mode, include, layout)
    yield "one place a thousand times", partial(repeated, ctx)
    yield "a thousand places of 70001", partial(tall, ctx)
    yield "in place, and into views", partial(in_place, ctx)


def _on(x, index):
    return index.to(x.device)


def _places(ctx, size, *shape):
    """Indices below `size`; the first and the last place among them, repetitions likely."""
    index = ctx.integers(shape, 0, size - 1, "places", size, *shape)
    index.reshape(-1)[0], index.reshape(-1)[-1] = size - 1, 0
    return index


def _unique(ctx, size, count):
    """`count` distinct indices below `size`, the last place among them."""
    order = movement.permutations(ctx, 1, size, "unique", size, count)[0]
    if size - 1 not in order[:count].tolist():
        order[0] = size - 1
    return order[:count]


def _writes(ctx):
    """(label, shapes of the operands, function): every place is written at most once."""
    torch = ctx.torch
    columns = movement.permutations(ctx, 9, 33, "columns")[:, :20]
    rows = movement.permutations(ctx, 6, 17, "rows").t()[:11].contiguous()
    mask = ctx.integers((9, 33), 0, 2, "mask") == 0
    pairs = _unique(ctx, 9 * 33, 40)
    first, second = torch.div(pairs, 33, rounding_mode="floor"), pairs % 33
    return (
        ("scatter of columns", ((9, 33), (9, 20)), lambda x, s: x.scatter(1, _on(x, columns), s)),
        ("scatter of rows", ((17, 6), (11, 6)), lambda x, s: x.scatter(0, _on(x, rows), s)),
        ("scatter of a number", ((9, 33),), lambda x: x.scatter(1, _on(x, columns), 1.5)),
        ("index_copy of rows", ((257, 5), (210, 5)), lambda x, s: x.index_copy(0, _on(x, _unique(ctx, 257, 210)), s)),
        ("index_copy of columns", ((5, 33), (5, 8)), lambda x, s: x.index_copy(1, _on(x, _unique(ctx, 33, 8)), s)),
        ("index_fill", ((33, 33),), lambda x: x.index_fill(1, _on(x, _unique(ctx, 33, 9)), -2.0)),
        ("index_put of elements", ((9, 33), (40,)), lambda x, s: x.index_put((_on(x, first), _on(x, second)), s)),
        ("index_put of rows", ((129, 7), (33, 7)), lambda x, s: x.index_put((_on(x, _unique(ctx, 129, 33)),), s)),
        ("boolean assignment", ((9, 33), (int(mask.sum()),)), lambda x, s: x.index_put((_on(x, mask),), s)),
        (
            "boolean assignment of rows",
            ((9, 33), (int(mask[:, 0].sum()), 33)),
            lambda x, s: x.index_put((_on(x, mask[:, 0]),), s),
        ),
        ("masked_fill", ((9, 33),), lambda x: x.masked_fill(_on(x, mask), 3.5)),
        ("masked_fill, broadcast", ((9, 33),), lambda x: x.masked_fill(_on(x, mask[:1]), float("-inf"))),
        ("masked_scatter", ((9, 33), (300,)), lambda x, s: x.masked_scatter(_on(x, mask), s)),
        ("put", ((9, 33), (40,)), lambda x, s: x.put(_on(x, pairs - 297 * (pairs % 2)), s)),
        ("select_scatter", ((5, 9, 7), (5, 7)), lambda x, s: torch.select_scatter(x, s, 1, -1)),
        ("slice_scatter", ((5, 9, 7), (5, 3, 7)), lambda x, s: torch.slice_scatter(x, s, 1, 2, 8, 2)),
    )


def _adds(ctx):
    """The same with repetitions, which add up."""
    columns, rows = _places(ctx, 33, 9, 40), _places(ctx, 17, 24, 6)
    first, second = _places(ctx, 9, 65), _places(ctx, 33, 65, 1)[:, 0]
    grid = (_places(ctx, 9, 6, 1), _places(ctx, 33, 1, 5))
    return (
        ("scatter_add of columns", ((9, 33), (9, 40)), lambda x, s: x.scatter_add(1, _on(x, columns), s)),
        ("scatter_add of rows", ((17, 6), (24, 6)), lambda x, s: x.scatter_add(0, _on(x, rows), s)),
        ("index_add of rows", ((17, 9), (33, 9)), lambda x, s: x.index_add(0, _on(x, _places(ctx, 17, 33)), s)),
        ("index_add of columns", ((5, 33), (5, 20)), lambda x, s: x.index_add(1, _on(x, _places(ctx, 33, 20)), s)),
        ("index_add of many", ((65, 3), (257, 3)), lambda x, s: x.index_add(0, _on(x, _places(ctx, 65, 257)), s)),
        (
            "index_add of channels with a factor",
            ((2, 7, 3, 5), (2, 12, 3, 5)),
            lambda x, s: x.index_add(1, _on(x, _places(ctx, 7, 12)), s, alpha=-2),
        ),
        (
            "index_add to a line",
            ((129,), (300,)),
            lambda x, s: x.index_add(0, _on(x, _places(ctx, 129, 300)), s),
        ),
        (
            "index_put of elements, added",
            ((9, 33), (65,)),
            lambda x, s: x.index_put((_on(x, first), _on(x, second)), s, accumulate=True),
        ),
        (
            "index_put of rows, added",
            ((17, 7), (40, 7)),
            lambda x, s: x.index_put((_on(x, _places(ctx, 17, 40)),), s, accumulate=True),
        ),
        (
            "index_put of a grid, added",
            ((9, 33, 2), (6, 5, 2)),
            lambda x, s: x.index_put((_on(x, grid[0]), _on(x, grid[1])), s, accumulate=True),
        ),
        (
            "put, added",
            ((9, 33), (65,)),
            lambda x, s: x.put(_on(x, _places(ctx, 297, 65)), s, accumulate=True),
        ),
    )


def check(ctx, name, label, shapes, function, layout):
    values = [movement.integers(ctx, shape, 4, label, layout, n) for n, shape in enumerate(shapes)]
    finite = "broadcast" not in label
    if not finite:  # writes an infinity, which no sum may hold
        return movement.check_move(ctx, function, shapes, layout, label)
    judged = movement.check(ctx, function, values, layout, word=label)
    if name == "add":
        return judged
    return ctx.all_of(judged, movement.check_move(ctx, function, shapes, layout, label))


def reduced(ctx, mode, include, layout):
    """12 columns, each hit four times by the source (with self: three times); column 12 by nothing."""
    count = 3 if include else 4
    index = movement.permutations(ctx, 7, 12 * count, "index", mode, include) % 12
    if mode == "prod":
        signs = [2.0 * ctx.integers((7, n), 0, 1, "signs", mode, n).double() - 1 for n in (13, 12 * count)]
        values = [s * (1 + (ctx.integers(s.shape, 0, 4, "two", *s.shape) == 0)) for s in signs]
    elif mode in ("amax", "amin"):
        order = movement.permutations(ctx, 7, 13 + 12 * count, "order", mode, include).double() - 30
        values = [order[:, :13].contiguous(), order[:, 13:].contiguous()]
    else:
        values = [4 * movement.integers(ctx, (7, n), 5, mode, include, n) for n in (13, 12 * count)]

    def function(x, source):
        return x.scatter_reduce(1, index.to(x.device), source, mode, include_self=include)

    gradient = 4 * movement.integers(ctx, (7, 13), 2, "gradient", mode, include)
    if mode == "prod":
        return _without_scale(ctx, function, values, layout, gradient)
    return movement.check(ctx, function, values, layout, word=mode, gradients=[gradient])


def _without_scale(ctx, function, values, layout, gradient):
    """Products do not scale as sums do; at most 2**4 here, and gradients times that."""
    leaves, outputs = movement.traced(function, values)
    pulled = movement.pulled_back(ctx, leaves, outputs, [gradient])
    ctx.require(float(outputs[0].detach().abs().max()) <= 16, "products are small powers of two")
    want = movement.Result([outputs[0].detach()], pulled, [], [])
    return movement.compare(ctx, function, [ctx.tensor(v) for v in values], layout, [gradient], want)


def repeated(ctx):
    """A thousand numbers, 200 of them +-1 and the rest zero, all to one place."""
    torch = ctx.torch
    index = torch.full((1003,), 3, dtype=torch.int64)
    index[::101] = 6
    source, x = movement.spaced(ctx, (1003, 5), 5, "repeated"), movement.integers(ctx, (7, 5), 9, "x")
    functions = (
        lambda x, s: x.index_add(0, _on(x, index), s),
        lambda x, s: x.index_put((_on(x, index),), s, accumulate=True),
        lambda x, s: x.scatter_add(0, _on(x, index)[:, None].expand(1003, 5), s),
    )
    return ctx.all_of(*(movement.check(ctx, f, [x, source], word=str(n)) for n, f in enumerate(functions)))


def tall(ctx):
    index = ctx.integers((1000,), 0, 70000, "tall")
    index[::50], index[0], index[999] = 65536, 70000, 32768
    source, x = movement.integers(ctx, (1000, 1), 3, "source"), movement.integers(ctx, (70001, 1), 9, "x")
    functions = (
        lambda x, s: x.index_add(0, _on(x, index), s),
        lambda x, s: x.index_put((_on(x, index),), s, accumulate=True),
        lambda x, s: x.scatter_add(0, _on(x, index)[:, None], s),
    )
    want = ctx.torch.zeros(70001, 1, dtype=ctx.torch.float64)
    for place, value in zip(index.tolist(), source[:, 0].tolist()):
        want[place] += value
    got = [function(ctx.tensor(x), ctx.tensor(source)) for function in functions]
    return ctx.all_of(*(ctx.exact(g, x + want, note="(way %d)" % n) for n, g in enumerate(got)))


def in_place(ctx):
    """The in-place forms, with `x[index] = y`, `x[index] += y` and `x[mask] = number`, on part of a larger tensor."""
    unique, mask = _unique(ctx, 17, 6), ctx.integers((17, 9), 0, 2, "mask in place") == 0
    index = _places(ctx, 17, 6, 9)

    def assign(t, s):
        t[_on(t, unique)] = s

    def add(t, s):
        t[_on(t, unique), 2:4] += s[:, 2:4]

    def fill(t, s):
        t[_on(t, mask)] = 2.5

    steps = (
        ("assigned", assign),
        ("added", add),
        ("filled by mask", fill),
        ("scatter_", lambda t, s: t.scatter_(0, _on(t, unique)[:, None].expand(6, 9), s)),
        ("scatter_add_", lambda t, s: t.scatter_add_(0, _on(t, index), s)),
        ("index_add_", lambda t, s: t.index_add_(0, _on(t, index[:, 0]), s)),
        ("index_copy_", lambda t, s: t.index_copy_(0, _on(t, unique), s)),
        ("index_fill_", lambda t, s: t.index_fill_(0, _on(t, unique), 3.0)),
        ("index_put_", lambda t, s: t.index_put_((_on(t, index[:, 1]),), s, accumulate=True)),
        ("masked_fill_", lambda t, s: t.masked_fill_(_on(t, mask), -1.0)),
        ("masked_scatter_", lambda t, s: t.masked_scatter_(_on(t, mask), s.repeat(3, 1))),
        ("put_", lambda t, s: t.put_(_on(t, index[:, :3]), s[:, :3], accumulate=True)),
    )
    judged = []
    base, source = movement.integers(ctx, (19, 11), 9, "base"), movement.integers(ctx, (6, 9), 5, "source")
    for name, step in steps:
        target, want = ctx.tensor(base), base.clone()
        step(target[1:18, :9], ctx.tensor(source)), step(want[1:18, :9], source)
        judged.append(ctx.exact(target, want, note="(%s)" % name))
    return ctx.all_of(*judged)
