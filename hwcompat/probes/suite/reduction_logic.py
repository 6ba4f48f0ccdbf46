"""any, all, count_nonzero and sums of comparisons, over every dimension.

Hunts: a lost last element, NaN or -0 taken for the other truth value, wrong strides, counters that wrap at 8 bits or
stop at 2**11.
Rule: EXACT: truth values and counts. NaN, infinity and any number but zero are true; -0 is false.
Source: https://pytorch.org/docs/stable/generated/torch.any.html
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_SIZES = (1, 2, 7, 8, 9, 16, 31, 32, 33, 63, 65, 128, 255, 257, 1025, 4097)


def cases(ctx):
    for start in range(0, len(_SIZES), 8):
        sizes = _SIZES[start : start + 8]
        yield "rows of %d to %d" % (sizes[0], sizes[-1]), partial(rows, ctx, sizes)
    for layout in ("contiguous", "channels_last", "swapped", "strided"):
        yield "over every dimension, %s" % layout, partial(dimensions, ctx, layout)
    yield "65537 elements", partial(long, ctx, 65537)
    yield "NaN, infinity and zeros", partial(special, ctx)


def rows(ctx, sizes):
    """Four rows: none, the last element alone, all, all but the last."""
    judgements = []
    for size in sizes:
        x = ctx.torch.zeros(4, size, dtype=ctx.torch.int64)
        x[1, -1], x[2], x[3] = -3, 2, 5
        x[3, -1] = 0
        judgements += _every(ctx, ctx.tensor(x), x != 0, (1,), "of %d" % size)
        judgements += _every(ctx, ctx.tensor(x.t().contiguous()), x.t() != 0, (0,), "of %d down" % size)
    return ctx.all_of(*judgements)


def _every(ctx, tensor, truth, dims, note):
    """any, all, and two ways to count, over `dims`. The reference counts integers, which the device is not asked to."""
    torch, numbers = ctx.torch, truth.long()
    count = numbers.sum(dims)
    judgements = [
        ctx.exact_integers(torch.count_nonzero(tensor, dims).cpu(), count, note="(count %s)" % note),
        ctx.exact_integers((tensor != 0).sum(dims).cpu(), count, note="(sum of truths %s)" % note),
    ]
    if len(dims) == 1:
        dim = dims[0]
        judgements += [
            ctx.exact_integers(tensor.any(dim).cpu(), numbers.amax(dim), note="(any %s)" % note),
            ctx.exact_integers(tensor.all(dim).cpu(), numbers.amin(dim), note="(all %s)" % note),
            ctx.exact_integers(
                (tensor != 0).any(dim, keepdim=True).cpu(), numbers.amax(dim, True), note="(any %s)" % note
            ),
            ctx.exact_integers((tensor != 0).all(dim).cpu(), numbers.amin(dim), note="(all %s)" % note),
        ]
    return judgements


def dimensions(ctx, layout):
    x = ctx.integers((3, 5, 6, 9), 0, 8, "x", layout)
    x = x * (x < 5).long() - (x == 2).long()
    tensor, judgements = norm.laid(ctx, ctx.tensor(x), layout), []
    for dims in ((0,), (1,), (2,), (3,), (0, 2, 3), (1, 3), (0, 1, 2, 3)):
        judgements += _every(ctx, tensor, x != 0, dims, "over %s" % (dims,))
    judgements.append(ctx.exact_integers(tensor.any().cpu(), ctx.torch.tensor(1), note="(any at all)"))
    judgements.append(ctx.exact_integers(tensor.all().cpu(), ctx.torch.tensor(0), note="(all of all)"))
    return ctx.all_of(*judgements)


def long(ctx, size):
    x = ctx.torch.zeros(size, dtype=ctx.torch.int64)
    full, last = ctx.tensor(x + 1), x.clone()
    last[-1] = 1
    lone, empty = ctx.tensor(last), ctx.tensor(x)
    torch = ctx.torch
    found = [torch.count_nonzero(full), (full != 0).sum(), lone.any(), lone.all(), empty.any(), full.all()]
    found += [(lone == 0).all(), torch.count_nonzero(lone), torch.isnan(full).sum(), torch.isfinite(full).sum()]
    want = [size, size, 1, 0, 0, 1, 0, 1, 0, size]
    return ctx.all_of(
        *(
            ctx.exact_integers(ctx.host(got), torch.tensor(value), note="(number %d)" % number)
            for number, (got, value) in enumerate(zip(found, want))
        )
    )


def special(ctx):
    inf, nan, torch = float("inf"), float("nan"), ctx.torch
    x = torch.tensor(
        [[nan, 0.0, -0.0], [-0.0, -0.0, 0.0], [inf, -inf, nan], [1.0, -0.0, 0.0], [2.0, -1.0, nan]]
    ).double()
    tensor = ctx.tensor(x)
    truth = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]]).bool()
    bad = torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1], [1, 1, 0]]).bool()
    return ctx.all_of(
        *_every(ctx, tensor, truth, (1,), "with NaN"),
        ctx.exact_integers(torch.isfinite(tensor).cpu(), bad, note="(isfinite)"),
        ctx.exact_integers(torch.isfinite(tensor).all(1).cpu(), bad.long().amin(1), note="(all finite)"),
        ctx.exact_integers(torch.isnan(tensor).any(1).cpu(), torch.tensor([1, 0, 1, 0, 1]), note="(any NaN)"),
        ctx.exact_integers(torch.isinf(tensor).any(0).cpu(), torch.tensor([1, 1, 0]), note="(any infinity)"),
    )
