"""Searching and counting: searchsorted, bucketize, unique, bincount, histc, isin.

Hunts: a neighbour's place on equality, wrong counts or inverse indices, a lost last bin, elements counted twice by
atomic additions.
Rule: EXACT. Places, counts and inverse indices are integers; histogram edges are multiples of powers of two, and the
numbers lie on edges or half-way between. The references are Python's bisect, sorted and a dictionary.
Source: https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html, torch.unique, torch.histc there.
"""

import bisect
from functools import partial

from .. import movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    for size in (1, 7, 64, 129, 1025):
        for right in (False, True):
            label = "searchsorted and bucketize among %d, right %s" % (size, right)
            yield label, partial(search, ctx, size, right)
    for size in (1, 33, 1025, 70001):
        yield "unique of %d" % size, partial(unique, ctx, size)
    yield "unique rows, unique_consecutive", partial(rows, ctx)
    for size in (7, 1030, 70001):
        yield "bincount of %d" % size, partial(bincount, ctx, size)
    yield "histc", partial(histogram, ctx)
    yield "isin", partial(isin, ctx)


def search(ctx, size, right):
    """Boundaries with repetitions; a different row of them for each row of numbers, and one for all."""
    torch, place = ctx.torch, bisect.bisect_right if right else bisect.bisect_left
    edges = [sorted(row) for row in ctx.integers((3, size), -60, 60, "edges", size).tolist()]
    x = ctx.integers((3, 37), -124, 124, "x", size).double() / 2
    x[0, 0], x[1, 1], x[2, -1] = -float("inf"), float("inf"), edges[2][-1]
    table = torch.tensor(edges, dtype=torch.float64)
    want = torch.tensor([[place(row, v) for v in values] for row, values in zip(edges, x.tolist())])
    one = torch.tensor([[place(edges[0], v) for v in values] for values in x.tolist()])
    numbers, rows_of_edges = ctx.tensor(x), ctx.tensor(table)
    return ctx.all_of(
        ctx.exact_integers(torch.searchsorted(rows_of_edges, numbers, right=right), want, note="(rows)"),
        ctx.exact_integers(torch.searchsorted(rows_of_edges[0], numbers, right=right), one, note="(one)"),
        ctx.exact_integers(torch.bucketize(numbers, rows_of_edges[0], right=right), one, note="(bucketize)"),
        ctx.exact_integers(
            torch.bucketize(numbers, rows_of_edges[0], right=right, out_int32=True), one, note="(int32)"
        ),
    )


def unique(ctx, size):
    torch = ctx.torch
    x = ctx.integers((size,), -90, 90, "unique", size)
    listed = x.tolist()
    values = sorted(set(listed))
    where = {value: n for n, value in enumerate(values)}
    counts = [0] * len(values)
    for value in listed:
        counts[where[value]] += 1
    got = torch.unique(ctx.tensor(x), sorted=True, return_inverse=True, return_counts=True)
    return ctx.all_of(
        ctx.exact(got[0], torch.tensor(values), note="(values)"),
        ctx.exact_integers(got[1], torch.tensor([where[value] for value in listed]), note="(inverse)"),
        ctx.exact_integers(got[2], torch.tensor(counts), note="(counts)"),
    )


def rows(ctx):
    torch = ctx.torch
    x = ctx.integers((65, 3), 0, 2, "rows")
    values = sorted({tuple(row) for row in x.tolist()})
    inverse = [values.index(tuple(row)) for row in x.tolist()]
    got, back = torch.unique(ctx.tensor(x), dim=0, return_inverse=True)
    line = ctx.integers((300,), 0, 1, "line")
    runs = [[v, 0] for n, v in enumerate(line.tolist()) if n == 0 or v != int(line[n - 1])]
    at = -1
    for n, v in enumerate(line.tolist()):
        at += n == 0 or v != int(line[n - 1])
        runs[at][1] += 1
    run, count = torch.unique_consecutive(ctx.tensor(line), return_counts=True)
    return ctx.all_of(
        ctx.exact(got, torch.tensor(values), note="(unique rows)"),
        ctx.exact_integers(back, torch.tensor(inverse), note="(inverse of rows)"),
        ctx.exact(run, torch.tensor([r[0] for r in runs]), note="(runs)"),
        ctx.exact_integers(count, torch.tensor([r[1] for r in runs]), note="(lengths of runs)"),
    )


def bincount(ctx, size):
    """Counts; in float32 also sums of weights, which torch makes in the weights' own dtype."""
    torch = ctx.torch
    x = ctx.integers((size,), 0, 99, "bincount", size)
    want, sums = [0] * 130, [0] * 130
    weights = ctx.integers((size,), -5, 5, "weights", size)
    for value, weight in zip(x.tolist(), weights.tolist()):
        want[value] += 1
        sums[value] += weight
    judged = [ctx.exact_integers(torch.bincount(x.to(ctx.device), minlength=130), torch.tensor(want))]
    if ctx.dtype_name == "float32":
        got = torch.bincount(x.to(ctx.device), ctx.tensor(weights), 130)
        judged.append(ctx.exact(got, torch.tensor(sums), note="(weights)"))
    return ctx.all_of(*judged)


def histogram(ctx):
    """Numbers on the edges of bins over [0, 8], half-way between, the upper edge, and some outside."""
    torch, judged = ctx.torch, []
    for bins, size in ((8, 200), (4, 77), (16, 1030)):
        x = ctx.integers((size,), -4, 20, "histogram", bins)
        x[0], x[1], x[-1] = 16, 0, 15
        counts = [0] * bins
        for value in x.tolist():
            if 0 <= value <= 16:
                counts[min(value * bins // 16, bins - 1)] += 1
        got = torch.histc(ctx.tensor(x.double() / 2), bins, 0, 8)
        ctx.require(max(counts) <= 2**ctx.precision, "counts fit p bits")
        judged.append(ctx.exact(got, torch.tensor(counts), note="(%d bins)" % bins))
    return ctx.all_of(*judged)


def isin(ctx):
    torch = ctx.torch
    x, wanted = movement.integers(ctx, (9, 33), 40, "isin"), [-40.0, 3.0, 7.0, 11.0, 39.0]
    want = torch.tensor([[value in wanted for value in row] for row in x.tolist()])
    return ctx.exact_integers(torch.isin(ctx.tensor(x), ctx.tensor(torch.tensor(wanted))), want)
