"""Embedding tables and bags, forward and backward: padding, repeated words, frequencies, sparse gradients, norms.

Hunts: gradients of repeated words lost or rounded away (https://github.com/pytorch/pytorch/issues/156173), a gradient
for the padding row, rows beyond 2**15 or the last row wrong, int32 indices read as int64, bags that leak into their
neighbours, empty bags that are not zero.
Rule: EXACT. Forward moves bits (every kind of number) or adds integers; gradients are sums of integers, the number of
repetitions such that they stay within 2**p in any order, also when added atomically in the dtype; bags and frequencies
that divide have 1, 2 or 4 members. INTERVAL for rows that max_norm shortens: multiples of (3, 4, 0), whose norm
is an integer; square, sum, root, the 1e-7 that torch adds to the denominator, quotient and product round six times at
most in float32 or the dtype: gamma(6, u) + 2**-23 of the element, u = 2**-p, at least 2**-23.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html, and ..._bag.html.
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

# (rows, width, number of words)
_TABLES = ((10, 7, 33), (129, 64, 65), (1000, 1, 300), (32000, 3, 40), (50257, 1, 70), (70001, 1, 1025))
_MODES = ("sum", "mean", "max")


def cases(ctx):
    for rows, width, count in _TABLES:
        for padding in (None, 0, rows - 1):
            label = "%d of %dx%d, padding %s" % (count, rows, width, padding)
            if padding is None or rows < 2000:
                yield label, partial(lookup, ctx, rows, width, count, padding)
    for layout in ("transposed", "strided"):
        yield "table in %s memory" % layout, partial(lookup, ctx, 50, 9, 40, 3, layout)
    yield "one word a thousand times", partial(repeated, ctx, 1000)
    yield "int32 indices of two dimensions", partial(lookup, ctx, 90, 5, 60, None, "contiguous", True)
    yield "scaled by frequency", partial(frequencies, ctx)
    yield "sparse gradient", partial(sparse, ctx)
    for layout in ("contiguous", "transposed", "strided"):
        yield "max_norm %s" % layout, partial(shortened, ctx, layout)
    for mode in _MODES:
        for layout in ("contiguous", "transposed"):
            yield "bags with offsets, %s %s" % (mode, layout), partial(bags, ctx, mode, layout)
        yield "bags of two dimensions, %s" % mode, partial(square_bags, ctx, mode)
    for layout in ("contiguous", "transposed"):
        yield "weighted bags %s" % layout, partial(weighted, ctx, layout)


def words(ctx, rows, count, *key):
    """int64 indices; the first, the last and the first rows again among them, half of them repeated."""
    index = ctx.integers((count,), 0, rows - 1, "words", rows, *key)
    index[::2] = index[::2] % max(1, min(rows, count // 4))
    index[0], index[-1], index[count // 2] = rows - 1, 0, rows - 1
    return index


def lookup(ctx, rows, width, count, padding, layout="contiguous", narrow=False):
    torch = ctx.torch
    index = words(ctx, rows, count, padding, layout)
    if narrow:
        index = index.reshape(-1, 5).to(torch.int32)

    def function(table):
        place = index.to(table.device) if table.dtype != torch.float64 else index.to(torch.int64)
        return torch.nn.functional.embedding(place, table, padding_idx=padding)

    table = movement.integers(ctx, (rows, width), 200, "table", rows)
    judged = movement.check(ctx, function, [table], layout, reach=1, word="%d %d" % (rows, count))
    if rows > 2000:
        return judged
    return ctx.all_of(judged, movement.check_move(ctx, function, [(rows, width)], layout, backward=False))


def repeated(ctx, count):
    """One word in `count` positions, 200 of which bring a gradient of +-1, and some other words."""
    index = ctx.torch.full((count + 7,), 5, dtype=ctx.torch.int64)
    index[::150] = 2
    gradient = movement.spaced(ctx, (count + 7, 9), 5, "repeated")
    function = ctx.torch.nn.functional.embedding
    table = movement.integers(ctx, (8, 9), 100, "table")
    return movement.check(ctx, lambda t: function(index.to(t.device), t), [table], gradients=[gradient])


def frequencies(ctx):
    """Words occur once, twice or four times, and their gradient is divided by that."""
    index = ctx.torch.tensor([3, 1, 3, 7, 7, 0, 7, 7, 9, 0, 4])
    function = ctx.torch.nn.functional.embedding
    table = movement.integers(ctx, (11, 6), 100, "table")
    return movement.check(
        ctx, lambda t: function(index.to(t.device), t, padding_idx=4, scale_grad_by_freq=True), [table], unit=1, reach=4
    )


def sparse(ctx):
    torch = ctx.torch
    judged = []  # type: list[judge.Judgement]
    for rows, count, width in ((60, 40, 5), (129, 300, 8), (60, 40, 5)):
        index = words(ctx, rows, count, "sparse", len(judged))
        table = movement.integers(ctx, (rows, width), 100, "table", len(judged))
        gradient = movement.integers(ctx, (count, width), 1, "gradient", len(judged))
        leaf = ctx.tensor(table, grad=True)
        torch.nn.functional.embedding(index.to(ctx.device), leaf, sparse=True).backward(ctx.tensor(gradient))
        want = torch.zeros(rows, width, dtype=torch.float64).index_add(0, index, gradient)
        judged.append(ctx.exact(leaf.grad.to_dense(), want))
    return ctx.all_of(*judged)


def shortened(ctx, layout):
    """Only rows that are looked up may change, and only those longer than 10, to a length of 10."""
    torch = ctx.torch
    factors = torch.tensor([1, 1.5, 3, 7, 20, 1, 40, 5], dtype=torch.float64)
    table = factors[:, None] * torch.tensor([3, -4] + [0] * 129, dtype=torch.float64)
    index = torch.tensor([1, 3, 4, 0, 3, 7, 2])
    weight = movement.arranged(ctx, ctx.tensor(table), layout)
    got = torch.nn.functional.embedding(index.to(ctx.device), weight, max_norm=10.0)
    used = torch.zeros(8, dtype=torch.bool)
    used[index] = True
    long = used & (factors > 2)
    want = torch.where(long[:, None], table * (2 / factors)[:, None], table)
    bound = want.abs() * long[:, None] * (judge.gamma(6, 2.0 ** -min(23, ctx.precision)) + 2.0**-23)
    return ctx.all_of(
        ctx.interval(weight, want, bound, note="(table)"),
        ctx.interval(got, want[index], bound[index], note="(output)"),
    )


# --- bags -------------------------------------------------------------------------------------------------------------
_SIZES = (2, 1, 4, 0, 4, 1, 2, 2)


def bags(ctx, mode, layout):
    torch = ctx.torch
    index = words(ctx, 40, sum(_SIZES), mode, layout)
    offsets = torch.tensor([sum(_SIZES[:n]) for n in range(len(_SIZES))])
    table = _distinct_table(ctx, 40, 9)

    def function(t):
        return torch.nn.functional.embedding_bag(index.to(t.device), t, offsets.to(t.device), mode=mode)

    return _judged_bags(ctx, function, table, index, _SIZES, mode, layout)


def square_bags(ctx, mode):
    torch = ctx.torch
    index = words(ctx, 70, 260, mode)
    table = _distinct_table(ctx, 70, 17)

    def function(t):
        return torch.nn.functional.embedding_bag(index.reshape(65, 4).to(t.device), t, mode=mode)

    return _judged_bags(ctx, function, table, index, (4,) * 65, mode, "contiguous")


def _distinct_table(ctx, rows, width):
    """Distinct integers in every column, so that a maximum has one place."""
    return (movement.permutations(ctx, width, rows, "column").t() - rows // 2).double()


def _judged_bags(ctx, function, table, index, sizes, mode, layout):
    """The reference adds, averages or compares slices of the table itself; gradients of float64 autograd."""
    torch = ctx.torch

    def model(t):
        rows, start, made = t[index], 0, []
        for size in sizes:
            part, start = rows[start : start + size], start + size
            if mode == "max" and size:
                made.append(part.max(0)[0] if size > 1 else part[0])
            else:
                made.append(part.sum(0) / max(size if mode == "mean" else 1, 1))
        return torch.stack(made)

    gradient = movement.integers(ctx, (len(sizes), table.shape[1]), 3, "gradient", mode, layout)
    leaves, outputs = movement.traced(model, [table])
    pulled = movement.pulled_back(ctx, leaves, outputs, [gradient])
    if mode == "max":  # a bag may hold a word twice: then either place is a maximum, and both are the same row
        pulled = [_gradient_of_maxima(ctx, table, index, sizes, gradient)]
    want = movement.Result([outputs[0].detach()], pulled, [], [])
    return movement.compare(ctx, function, [ctx.tensor(table)], layout, [gradient], want)


def _gradient_of_maxima(ctx, table, index, sizes, gradient):
    made, start = ctx.torch.zeros_like(table), 0
    for bag, size in enumerate(sizes):
        members, start = index[start : start + size].tolist(), start + size
        for column in range(table.shape[1]) if members else ():
            heights = table[members, column].tolist()
            made[members[heights.index(max(heights))], column] += gradient[bag, column]
    return made


def weighted(ctx, layout):
    """Sums with a weight a word; the gradient of a weight is the product of its row and its bag's gradient."""
    torch = ctx.torch
    index, offsets = words(ctx, 30, 17, "weighted"), torch.tensor([0, 3, 4, 10, 10])
    bag = torch.tensor([0] * 3 + [1] + [2] * 6 + [4] * 7)

    def function(t, w):
        if t.dtype == torch.float64:
            return torch.zeros(5, 6, dtype=torch.float64).index_add(0, bag, t[index] * w[:, None])
        place = (index.to(t.device), t, offsets.to(t.device))
        return torch.nn.functional.embedding_bag(*place, mode="sum", per_sample_weights=w)

    table, weight = movement.narrow(ctx, (30, 6), 5, "table"), movement.narrow(ctx, (17,), 2, "weights")
    return movement.check(ctx, function, [table, weight], layout, reach=1)
