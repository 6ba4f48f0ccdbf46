"""Selecting by rank: topk, kthvalue, median and mode, values, indices and gradients.

Hunts: wrong elements or indices in half precision (https://github.com/pytorch/pytorch/issues/35584), NaN and infinities
(https://github.com/pytorch/pytorch/issues/16762), sizes where the kernel changes, results out of order, gradients that
go elsewhere.
Rule: EXACT. No element left out may beat one that was chosen, indices are distinct and belong to the values, the order
is right where it was asked for. kthvalue and median (the lower of two): fewer than k elements are smaller and at least
k are not larger. mode: the rows have one most frequent number. A gradient arrives where the index says.
Source: https://docs.pytorch.org/docs/stable/generated/torch.topk.html, torch.kthvalue, torch.median, torch.mode there.
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

# (shape, dimension, the numbers to select)
_TOPK = (
    ((5, 7), 1, (1, 3, 7)),
    ((3, 80), 1, (1, 5, 80)),
    ((33, 4), 0, (1, 5)),
    ((2, 5, 65, 3), 2, (2, 64)),
    ((3, 1000), 1, (1, 5, 100)),
    ((2, 1025), 1, (5, 1024)),
    ((1, 4097), 1, (1, 300)),
    ((1, 70000), 1, (100,)),
    ((8400,), 0, (1, 1000)),
)


def cases(ctx):
    for shape, dim, counts in _TOPK:
        for largest in (True, False):
            label = "%s of %s over dim %d" % ("largest" if largest else "smallest", shape, dim)
            yield label, partial(topk, ctx, shape, dim, counts, largest)
    yield "topk of tensors that are not contiguous", partial(strided, ctx)
    yield "gradients of topk", partial(gradients, ctx)
    yield "kthvalue", partial(kth, ctx)
    yield "median", partial(median, ctx)
    yield "mode", partial(mode, ctx)


def topk(ctx, shape, dim, counts, largest):
    judged = []
    for count in counts:
        for in_order in (True, False):
            for data in ("any", "finite", "ties") if shape[dim] < 2000 else ("finite",):
                words = (shape, count, largest, in_order, data)
                if data == "ties":
                    x = movement.integers(ctx, shape, 5, *words)
                else:
                    x = (ordering.numbers if data == "any" else ordering.finite)(ctx, shape, *words)
                values, indices = ctx.torch.topk(ctx.tensor(x), count, dim, largest, in_order)
                note = "(%d of %s, %s)" % (count, shape, data)
                judged.append(_counted(ctx, x, values, indices, dim, count, largest, in_order, note))
    return ctx.all_of(*judged)


def _counted(ctx, x, values, indices, dim, count, largest, in_order, note=""):
    want = list(x.shape)
    want[dim] = count
    if list(values.shape) != want:
        return judge.failed("shape %s instead of %s" % (tuple(values.shape), tuple(want)), 0)
    return ordering.selected_right(ctx, x, values, indices, dim, largest, in_order, note)


def strided(ctx):
    judged = []
    for layout in ("channels_last", "transposed", "strided"):
        x = ordering.finite(ctx, (3, 40, 4, 5), layout)
        values, indices = movement.arranged(ctx, ctx.tensor(x), layout).topk(9, 1)
        judged.append(_counted(ctx, x, values, indices, 1, 9, True, True, "(%s)" % layout))
    return ctx.all_of(*judged)


def gradients(ctx):
    judged = []
    for shape, count, largest in (((5, 33), 4, True), ((3, 100), 20, False), ((2, 1030), 100, True)):
        x = movement.integers(ctx, shape, 200, shape)
        leaf = ctx.tensor(x, grad=True)
        values, indices = leaf.topk(count, 1, largest)
        right = _counted(ctx, x, values, indices, 1, count, largest, True)
        if right.status != "pass":
            return right
        judged.append(ordering.gradient_right(ctx, leaf, x, values, indices, 1, shape))
    return ctx.all_of(*judged)


def _has_rank(ctx, x, value, index, k, dim, note):
    """value (keepdim) is the k-th smallest along dim: fewer than k are smaller, at least k are not larger."""
    judged, _, chosen = ordering.placed(ctx, x, value, index, dim, note)
    if judged.status != "pass":
        return judged
    smaller, not_larger = (x < chosen).sum(dim, keepdim=True), (x <= chosen).sum(dim, keepdim=True)
    if bool(((smaller >= k) | (not_larger < k)).any()):
        return judge.failed("not the element of rank %s %s" % (k, note), x.numel())
    return judged


_SHAPES = (((3, 1), 1), ((5, 8), 1), ((33, 3), 0), ((2, 65, 3), 1), ((2, 1025), 1), ((1, 4096), 1))


def kth(ctx):
    judged = []
    for shape, dim in _SHAPES:
        for k in sorted({1, shape[dim] // 2 or 1, shape[dim]}):
            leaf, x = _leaf(ctx, shape, "kth", k)
            value, index = leaf.kthvalue(k, dim, True)
            judged.append(_has_rank(ctx, x, value, index, k, dim, "(%d of %s)" % (k, shape)))
            if judged[-1].status != "pass":
                return judged[-1]
            judged.append(ordering.gradient_right(ctx, leaf, x, value, index, dim, shape, k))
    return ctx.all_of(*judged)


def _leaf(ctx, shape, *words):
    x = movement.integers(ctx, shape, 100, shape, *words)
    return movement.arranged(ctx, ctx.tensor(x), "transposed").detach().requires_grad_(), x


def median(ctx):
    """Also of everything, and with NaN, which wins (nanmedian leaves it out)."""
    torch, judged = ctx.torch, []
    for shape, dim in _SHAPES:
        leaf, x = _leaf(ctx, shape, "median")
        value, index = leaf.median(dim, True)
        rank = (shape[dim] + 1) // 2
        judged.append(_has_rank(ctx, x, value, index, rank, dim, "(median of %s)" % (shape,)))
        if judged[-1].status != "pass":
            return judged[-1]
        judged.append(ordering.gradient_right(ctx, leaf, x, value, index, dim, shape))
        whole = sorted(x.reshape(-1).tolist())[(x.numel() - 1) // 2]
        judged.append(ctx.exact(leaf.median(), torch.tensor(whole, dtype=torch.float64), note="(of all)"))
    x = torch.tensor([[3.0, float("nan"), 1.0, 2.0, 5.0], [4.0, 1.0, 2.0, 9.0, 7.0]]).double()
    nan = torch.tensor([float("nan"), 4.0], dtype=torch.float64)
    judged.append(ctx.exact(ctx.tensor(x).median(1)[0], nan, note="(with NaN)"))
    judged.append(ctx.exact(ctx.tensor(x).nanmedian(1)[0], torch.tensor([2.0, 4.0]).double(), note="(nanmedian)"))
    return ctx.all_of(*judged)


def mode(ctx):
    """Rows of a permutation of few numbers, of which 7 appears most often."""
    torch, judged = ctx.torch, []
    for size in (5, 33, 257, 1030):
        x = torch.arange(size) % (size // 2 + 1) % 90
        x = torch.where(torch.arange(size) % 2 == 0, torch.full_like(x, 7), x)
        x = x[movement.permutations(ctx, 4, size, "mode", size)].double() - 40
        value, index = ctx.tensor(x).mode(1, True)
        judged.append(ordering.placed(ctx, x, value, index, 1, "(%d)" % size)[0])
        judged.append(ctx.exact(value, torch.full((4, 1), -33.0).double(), note="(mode of %d)" % size))
    return ctx.all_of(*judged)
