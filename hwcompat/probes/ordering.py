"""What sorting, selecting and comparing operations must fulfil, checked without sorting anything.

Numbers are ranked as torch ranks them: -inf below all numbers, then inf, then NaN; both zeros are equal.
"""

from . import judge, movement, rounding


def ranks(torch, values):
    """float64 numbers in the order of `values` (float64): infinities become +-2**1000, NaN the largest of all."""
    ranked = torch.clamp(values, -(2.0**1000), 2.0**1000)
    return torch.where(torch.isnan(values), torch.full_like(values, 2.0**1001), ranked)


def numbers(ctx, shape, *words):
    """float64 random bit patterns; positive NaNs only, and subnormal numbers where comparisons must keep them apart.

    NaNs with a sign bit are ordered differently by different kernels, https://github.com/pytorch/pytorch/issues/117617.
    """
    values = movement.patterns(ctx, shape, *words)
    if ctx.kind not in ("cpu", "cuda"):
        values = ctx.torch.where(values.abs() < 2.0**ctx.format.emin, values * 0, values)
    return values


def finite(ctx, shape, *words):
    """As `numbers`, without infinities and NaN, so that every element may be among the largest."""
    values = numbers(ctx, shape, *words)
    return ctx.torch.where(ctx.torch.isfinite(values), values, values.new_full((), 1.0))


def distinct(ctx, rows, size, *words):
    """float64 rows x size: normal numbers of both signs, distinct in every row, of widely different magnitude."""
    torch, fmt = ctx.torch, ctx.format
    first, last = 1 << (fmt.precision - 1), (fmt.emax - fmt.emin + 1) << (fmt.precision - 1)
    step = (last - first) // (size + 1)
    ctx.require(step > 0, "enough codes for distinct numbers")
    order = movement.permutations(ctx, rows, size, "distinct", *words)
    codes = first + order * step + ctx.integers((rows, size), 0, step - 1, "jitter", *words)
    negative = ctx.integers((rows, size), 0, 1, "sign", *words)
    return rounding.decode(torch, codes + (negative << (fmt.bits - 1)), fmt)


def placed(ctx, x, values, indices, dim, note=""):
    """`values` are the elements of x (float64) at `indices`, which lie inside and are distinct along `dim`.

    Gives (judgement, indices on the CPU, elements there), the latter two None where the judgement is not a pass.
    """
    torch, index = ctx.torch, ctx.host(indices).to(ctx.torch.int64)
    size = x.shape[dim]
    if tuple(index.shape) != tuple(values.shape) or values.dtype != ctx.dtype:
        return (
            judge.failed(
                "values %s %s, indices %s %s" % (values.dtype, tuple(values.shape), tuple(index.shape), note), 0
            ),
            None,
            None,
        )
    if bool(((index < 0) | (index >= size)).any()):
        return judge.failed("an index outside 0 .. %d %s" % (size - 1, note), index.numel()), None, None
    shape = list(x.shape)
    hits = torch.zeros(shape, dtype=torch.int64).scatter_add(dim, index, torch.ones_like(index))
    if int(hits.max()) > 1:
        return judge.failed("an index occurs twice %s" % note, index.numel()), None, None
    chosen = x.gather(dim, index)
    return ctx.exact(values, chosen, note="(values are not the elements at the indices) " + note), index, chosen


def sorted_right(ctx, x, values, indices, dim, descending, stable, note=""):
    """All of x in order; equal elements keep theirs where `stable`."""
    torch = ctx.torch
    if tuple(values.shape) != tuple(x.shape):
        return judge.failed("shape %s instead of %s" % (tuple(values.shape), tuple(x.shape)), 0)
    judged, index, chosen = placed(ctx, x, values, indices, dim, note)
    if judged.status != "pass":
        return judged
    rank = ranks(torch, chosen)
    count = x.shape[dim]
    before, after = rank.narrow(dim, 0, count - 1), rank.narrow(dim, 1, count - 1)
    wrong = (after > before) if descending else (after < before)
    if bool(wrong.any()):
        return judge.failed("%d neighbours out of order %s" % (int(wrong.sum()), note), x.numel())
    if stable:
        swapped = (before == after) & (index.narrow(dim, 0, count - 1) > index.narrow(dim, 1, count - 1))
        if bool(swapped.any()):
            return judge.failed("%d equal neighbours changed their order %s" % (int(swapped.sum()), note), x.numel())
    return judged


def selected_right(ctx, x, values, indices, dim, largest, in_order, note=""):
    """The k = values.shape[dim] largest (or smallest) elements of x, in order where `in_order`."""
    torch = ctx.torch
    judged, index, chosen = placed(ctx, x, values, indices, dim, note)
    if judged.status != "pass":
        return judged
    sign = 1 if largest else -1
    rank, all_ranks = sign * ranks(torch, chosen), sign * ranks(torch, x)
    rest = all_ranks.scatter(dim, index, -(2.0**1002))
    if bool((rest.amax(dim) > rank.amin(dim)).any()):
        return judge.failed("an element that was left out beats one that was chosen %s" % note, x.numel())
    count = rank.shape[dim]
    if in_order and bool((rank.narrow(dim, 1, count - 1) > rank.narrow(dim, 0, count - 1)).any()):
        return judge.failed("not in order %s" % note, x.numel())
    return judged


def gradient_right(ctx, leaf, x, values, indices, dim, *words):
    """Send integers into `values`: they must arrive where `indices` (right by now) say, and zero elsewhere."""
    torch = ctx.torch
    g = movement.integers(ctx, tuple(values.shape), 100, "gradient", *words)
    values.backward(ctx.tensor(g))
    want = torch.zeros_like(x).scatter(dim, ctx.host(indices).to(torch.int64), g)
    if leaf.grad is None:
        return judge.failed("no gradient", 0)
    return ctx.exact(leaf.grad, want, note="(gradient)")
