"""Largest and smallest elements with their places: max, min, argmax, argmin, amax, amin, any, all; and gradients.

Hunts: a skipped tail or last block, NaN swallowed, an index that is not the first of equal ones, reductions of one
dimension or layout, gradients at the wrong place.
Rule: EXACT. A maximum moves bits. torch promises the first index where several elements are largest
(https://docs.pytorch.org/docs/stable/generated/torch.argmax.html, torch.max there), and that NaN is handed on; the
gradient goes to that element. amax and max over everything share a gradient among equal elements, so there the elements
are distinct.
"""

from functools import partial

from .. import movement, ordering

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_SHAPES = (
    ((7, 1), 1),
    ((5, 33), 1),
    ((33, 5), 0),
    ((2, 17, 3, 5), 1),
    ((3, 4, 6, 9), 3),
    ((3, 127), 1),
    ((257, 3), 0),
    ((2, 1025), 1),
    ((1025, 2), 0),
    ((1, 4099), 1),
    ((65537, 2), 1),
    ((2, 65539), 1),
)


def cases(ctx):
    for shape, dim in _SHAPES:
        for layout in ("contiguous", "channels_last", "transposed"):
            if layout == "contiguous" or (layout == "transposed" and _count(shape) < 5000) or len(shape) > 3:
                for sign, name in ((1, "max"), (-1, "min")):
                    label = "%s of %s over dim %d %s" % (name, shape, dim, layout)
                    yield label, partial(along, ctx, shape, dim, layout, sign)
    for shape, dim in _SHAPES[:9]:
        yield "gradients of %s over dim %d" % (shape, dim), partial(gradients, ctx, shape, dim)
    yield "all elements at once", partial(whole, ctx)
    yield "any and all", partial(truths, ctx)


def along(ctx, shape, dim, layout, sign):
    """Finite numbers, numbers of all kinds, and few different ones, of which the largest occurs several times."""
    torch, name = ctx.torch, "max" if sign > 0 else "min"
    words = (shape, dim, layout, sign)
    judged = []
    for x in _operands(ctx, shape, sign, *words):
        want, first = first_largest(ctx, x, dim, sign)
        tensor = movement.arranged(ctx, ctx.tensor(x), layout)
        values, indices = getattr(tensor, name)(dim)
        judged += [
            ctx.exact(values, want, note="(%s)" % name),
            ctx.exact_integers(indices, first, note="(index of %s)" % name),
            ctx.exact_integers(getattr(torch, "arg" + name)(tensor, dim), first, note="(arg%s)" % name),
            ctx.exact(getattr(torch, "a" + name)(tensor, dim), want, note="(a%s)" % name),
        ]
    return ctx.all_of(*judged)


def _operands(ctx, shape, sign, *words):
    if _count(shape) > 20000:
        x = movement.integers(ctx, shape, 100, *words)
        x[0, -1], x[1, 0] = 120 * sign, 120 * sign  # the last element of the first row, the first of the second
        return (x,)
    few = movement.integers(ctx, shape, 3, "few", *words)
    return ordering.finite(ctx, shape, "finite", *words), ordering.numbers(ctx, shape, *words), few


def first_largest(ctx, x, dim, sign):
    """(values, first indices) along dim; NaN counts as largest and as smallest."""
    torch = ctx.torch
    rank = ordering.ranks(torch, torch.where(torch.isnan(x), x, sign * x))
    top = rank == rank.max(dim, keepdim=True)[0]
    place = torch.arange(x.shape[dim]).reshape([-1] + [1] * (x.dim() - 1 - dim))
    first = torch.where(top, place, torch.full_like(place, x.shape[dim])).min(dim, keepdim=True)[0]
    return x.gather(dim, first).squeeze(dim), first.squeeze(dim)


def gradients(ctx, shape, dim):
    torch, judged = ctx.torch, []
    rows = ordering.distinct(ctx, 1, _count(shape), shape).reshape(shape)
    few = movement.integers(ctx, shape, 3, "few", shape)
    for sign, name in ((1, "max"), (-1, "min")):
        for x in (rows, few):
            g = movement.integers(ctx, first_largest(ctx, x, dim, sign)[0].shape, 100, "g", shape, name)
            place = first_largest(ctx, x, dim, sign)[1].unsqueeze(dim)
            want = torch.zeros_like(x).scatter(dim, place, g.unsqueeze(dim))
            for method in (name, "a" + name) if x is rows else (name,):
                leaf = ctx.tensor(x, grad=True)
                out = getattr(leaf, method)(dim)
                (out[0] if method == name else out).backward(ctx.tensor(g))
                judged.append(ctx.exact(leaf.grad, want, note="(gradient of %s)" % method))
    return ctx.all_of(*judged)


def _count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def whole(ctx):
    torch, judged = ctx.torch, []
    for shape in ((1,), (33,), (7, 129), (3, 5, 2, 11), (2050,), (4, 1025)):
        x = ordering.distinct(ctx, 1, _count(shape), "whole", shape).reshape(shape)
        for sign, name in ((1, "max"), (-1, "min")):
            flat = (sign * x).reshape(-1).tolist()
            place = flat.index(max(flat))
            leaf = ctx.tensor(x, grad=True)
            out = getattr(leaf, name)()
            judged.append(ctx.exact(out, x.reshape(-1)[place], note="(%s of %s)" % (name, shape)))
            place_got = getattr(leaf, "arg" + name)()
            judged.append(ctx.exact_integers(place_got, torch.tensor(place), note="(arg%s of %s)" % (name, shape)))
            out.backward(ctx.tensor(torch.tensor(3)))
            want = torch.zeros(x.numel(), dtype=torch.float64)
            want[place] = 3
            judged.append(ctx.exact(leaf.grad, want.reshape(shape), note="(gradient)"))
    for rows, layout in ((5, "contiguous"), (1025, "transposed"), (5, "contiguous")):
        x = ordering.distinct(ctx, rows, 9, "aminmax", layout, len(judged))
        low, high = torch.aminmax(movement.arranged(ctx, ctx.tensor(x), layout), dim=1)
        judged += [ctx.exact(low, x.amin(1), note="(aminmax)"), ctx.exact(high, x.amax(1), note="(aminmax)")]
    return ctx.all_of(*judged)


def truths(ctx):
    """Rows in which nothing, one element (the last, say) or everything is true; NaN is true."""
    torch, judged = ctx.torch, []
    for size in (1, 7, 33, 129, 1025):
        x = torch.zeros(6, size, dtype=torch.float64)
        x[1, -1], x[2], x[3, 0], x[4] = 1, 5, float("nan"), 2
        x[4, -1] = 0
        for layout in ("contiguous", "transposed"):
            tensor = movement.arranged(ctx, ctx.tensor(x), layout)
            flags = movement.arranged(ctx, (x != 0).to(ctx.device), layout)
            for source in (tensor, flags):
                judged.append(ctx.exact_integers(source.any(1), (x != 0).sum(1) > 0, note="(any of %d)" % size))
                judged.append(ctx.exact_integers(source.all(1), (x != 0).sum(1) == size, note="(all of %d)" % size))
                judged.append(ctx.exact_integers(source.any(0), (x != 0).sum(0) > 0, note="(any over rows)"))
        judged.append(ctx.exact_integers(torch.isnan(tensor), torch.isnan(x), note="(isnan)"))
        judged.append(ctx.exact_integers((tensor[5] != 0).any(), torch.tensor(False), note="(any of nothing)"))
    return ctx.all_of(*judged)
