"""Sorting: values, indices, stability, both directions and dimensions, sizes on either side of kernel borders.

Hunts: elements lost or doubled at sizes where the kernel changes (32, 128, 1024, 2048, 4096), indices that do not
belong to the values, unstable "stable" sorts, NaN or infinities in the wrong place, gradients that go elsewhere.
Rule: EXACT. The indices must be a permutation, the values the elements at the indices, neighbours in order (NaN above
infinity, both zeros equal), equal neighbours in their old order where stability was asked for; that is all that
https://docs.pytorch.org/docs/stable/generated/torch.sort.html promises. A gradient arrives where the index says.
"""

from functools import partial

from .. import judge, movement, ordering

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_SIZES = (
    tuple(range(1, 18)),
    (31, 32, 33, 63, 64, 65, 127, 128, 129),
    (255, 256, 257, 511, 513),
    (1023, 1024, 1025),
    (2047, 2048, 2049),
    (4095, 4097),
)


def cases(ctx):
    for sizes in _SIZES:
        for dim in (-1, 0):
            label = "%d to %d elements over dim %d" % (sizes[0], sizes[-1], dim)
            yield label, partial(several, ctx, sizes, dim)
    yield "one row of 70000", partial(one, ctx, (1, 70000), -1, False, True, "any")
    yield "65537 rows of 3", partial(rows, ctx, 65537)
    yield "middle dimension, not contiguous", partial(middle, ctx)
    yield "gradients", partial(gradients, ctx)


def several(ctx, sizes, dim):
    """Both directions, with and without stability, anything and many equal numbers, in turn."""
    judged = []
    for n, size in enumerate(sizes):
        shape = (3, size) if dim == -1 else (size, 5)
        descending = bool(n % 2)
        judged.append(one(ctx, shape, dim, descending, True, "ties"))
        judged.append(one(ctx, shape, dim, not descending, n % 4 < 2, "any"))
    return ctx.all_of(*judged)


def one(ctx, shape, dim, descending, stable, data):
    words = (shape, dim, descending, stable)
    if data == "any":
        x = ordering.numbers(ctx, shape, *words)
    else:
        x = movement.integers(ctx, shape, 3, "ties", *words) * 0.5
        x = ctx.torch.where(ctx.integers(shape, 0, 5, "minus zero", *words) == 0, -x, x)
    note = "(%s elements, %s, %s)" % (shape, "descending" if descending else "ascending", data)
    values, indices = sort(ctx, ctx.tensor(x), dim, descending, stable)
    return ordering.sorted_right(ctx, x, values, indices, dim % len(shape), descending, stable, note)


def rows(ctx, count):
    """Values, and elements at the indices, of many short rows that repeat those of a pattern."""
    pattern = ordering.finite(ctx, (251, 3), "rows")
    x = ctx.repeated(pattern, (count, 3))
    values, indices = ctx.torch.sort(x, 1)
    low, high = pattern.min(1)[0], pattern.max(1)[0]
    middle = ctx.torch.where((pattern > low[:, None]) & (pattern < high[:, None]), pattern, 0 * pattern).sum(1)
    distinct = (pattern == low[:, None]).sum(1) + (pattern == high[:, None]).sum(1) == 2
    ctx.require(bool(distinct.any()), "some rows are of three different numbers")
    two = ctx.torch.where((pattern == low[:, None]).sum(1) > 1, low, high)
    want = ctx.torch.stack([low, ctx.torch.where(distinct, middle, two), high], 1)
    if tuple(values.shape) != (count, 3) or tuple(indices.shape) != (count, 3):
        return judge.failed("shape %s" % (tuple(values.shape),), 0)
    return ctx.all_of(
        ctx.exact_repeated(values, want), ctx.exact_repeated(x.gather(1, indices), want, note="(at the indices)")
    )


def sort(ctx, tensor, dim, descending, stable):
    if stable:
        return ctx.torch.sort(tensor, dim=dim, descending=descending, stable=True)
    return ctx.torch.sort(tensor, dim, descending)


def middle(ctx):
    judged = []
    for layout in ("channels_last", "transposed", "strided"):
        x = ordering.numbers(ctx, (2, 37, 3, 5), layout)
        tensor = movement.arranged(ctx, ctx.tensor(x), layout)
        values, indices = sort(ctx, tensor, 1, False, True)
        judged.append(ordering.sorted_right(ctx, x, values, indices, 1, False, True, "(%s)" % layout))
        indices = ctx.torch.argsort(tensor, 1, True)
        values = tensor.gather(1, indices)
        judged.append(ordering.sorted_right(ctx, x, values, indices, 1, True, False, "(argsort, %s)" % layout))
    return ctx.all_of(*judged)


def gradients(ctx):
    judged = []
    for shape, dim in (((3, 33), 1), ((129, 2), 0), ((2, 1025), 1), ((4, 7, 9), 1)):
        for descending in (False, True):
            x = movement.integers(ctx, shape, 200, "gradients", shape, descending)
            leaf = ctx.tensor(x, grad=True)
            values, indices = sort(ctx, leaf, dim, descending, True)
            right = ordering.sorted_right(ctx, x, values, indices, dim, descending, True)
            if right.status != "pass":
                return right
            judged.append(ordering.gradient_right(ctx, leaf, x, values, indices, dim, shape, descending))
    return ctx.all_of(*judged)
