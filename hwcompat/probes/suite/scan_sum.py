"""Cumulative sums, products, maxima and logarithms of sums, and differences, forward and backward.

Hunts: a scan that starts anew inside a row (https://github.com/pytorch/pytorch/issues/143486), wrong indices of
cumulative maxima (https://github.com/pytorch/pytorch/issues/42363), block borders at 256, 1024 and 2048, sums kept in
16 bits, a NaN forgotten, the other dimension scanned.
Rule: EXACT. Sums of absolute values of a whole row stay within 2**p, so that blocks may be added in any order; factors
are -1, 1, 2 and 1/2 such that running products stay within 1/16 and 16 (and zeros, after which everything is zero); a
maximum moves bits, its index must point at an equal element at or before its place and the gradient must follow it.
INTERVAL for logcumsumexp: each step has an error of at most 4 units of 2**-23 in exp, logarithm and sums, relative to
the largest absolute value seen plus one (exp and log1p: CUDA C Programming Guide, Mathematical Functions), so n steps
gamma(4 n + 8, u), where a kernel may round each step to the dtype: u = 2**-p, at least 2**-23 (hence short rows).
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

# (shape, dimension)
_SHAPES = (
    ((3, 1), 1),
    ((5, 7), 1),
    ((33, 4), 0),
    ((2, 17, 3, 5), 1),
    ((2, 64, 9), 1),
    ((3, 255), 1),
    ((2, 256), 1),
    ((3, 257), 1),
    ((257, 3), 0),
    ((2, 1023), 1),
    ((1, 1025), 1),
    ((1025, 3), 0),
    ((2, 2049), 1),
    ((1, 4097), 1),
)
_LAYOUTS = ("contiguous", "channels_last", "transposed")


def cases(ctx):
    for shape, dim in _SHAPES:
        for layout in _LAYOUTS:
            if layout == "contiguous" or len(shape) > 3 or (layout == "transposed" and max(shape) < 1000):
                label = "of %s over dim %d %s" % (shape, dim, layout)
                yield "sums " + label, partial(sums, ctx, shape, dim, layout)
                yield "maxima and minima " + label, partial(maxima, ctx, shape, dim, layout)
    for shape, dim in _SHAPES[:12:2]:
        yield "products of %s over dim %d" % (shape, dim), partial(products, ctx, shape, dim)
        yield "differences of %s over dim %d" % (shape, dim), partial(differences, ctx, shape, dim)
    yield "sums of 65537 rows", partial(rows, ctx)
    yield "sums of a line of 70001", partial(line, ctx)
    yield "sums of integers and booleans, and in a wider dtype", partial(kinds, ctx)
    for size in (1, 7, 33, 130) if ctx.precision == 24 else (1, 5, 9):
        yield "logcumsumexp of %d" % size, partial(logarithms, ctx, size)


def scattered(ctx, shape, dim, *words):
    """Integers whose absolute values sum to at most 240 along dim (in float32 to 100 times the length)."""
    size = shape[dim]
    if ctx.precision == 24:
        return movement.narrow(ctx, shape, 100, *words)
    if size <= 30:
        return movement.narrow(ctx, shape, 8, *words)
    every = -(-size // 120)
    turned = list(shape)
    turned[0], turned[dim] = shape[dim], shape[0]
    kept = 2 * movement.spaced(ctx, tuple(turned), every, *words).transpose(0, dim)
    return kept.contiguous() if every > 1 else kept - movement.narrow(ctx, shape, 0, *words)


def sums(ctx, shape, dim, layout):
    """Forward, from the end, without the element itself; the gradient is a scan from the end as well."""
    torch = ctx.torch
    x = scattered(ctx, shape, dim, "x", shape, layout)
    functions = (
        lambda x: torch.cumsum(x, dim),
        lambda x: x.flip(dim).cumsum(dim).flip(dim),
        lambda x: x.cumsum(dim) - x,
        lambda x: x.clone().cumsum_(dim),
    )
    judged = []
    for n, function in enumerate(functions if layout == "contiguous" and x.numel() < 1500 else functions[:1]):
        gradient = [scattered(ctx, shape, dim, "gradient", n, layout)]
        judged.append(movement.check(ctx, function, [x], layout, gradients=gradient))
    return ctx.all_of(*judged)


def products(ctx, shape, dim):
    """Factors 2 and 1/2 in turn with ones between and any sign, from an offset of its own in each row."""
    torch = ctx.torch
    place = torch.arange(shape[dim]).reshape([-1] + [1] * (len(shape) - 1 - dim))
    phase = (place + ctx.integers([1 if d == dim else n for d, n in enumerate(shape)], 0, 3, "phase", shape)) % 4
    x = torch.tensor([2.0, 1.0, 0.5, 1.0], dtype=torch.float64)[phase] * (
        1 - 2 * ctx.integers(shape, 0, 1, "sign", shape)
    )
    gradient = movement.narrow(ctx, shape, 1, "gradient", shape)
    zero = x.clone()
    zero.narrow(dim, shape[dim] // 2, 1).mul_(0)
    judged = []
    for values in (x, zero):
        leaves, outputs = movement.traced(lambda x: torch.cumprod(x, dim), [values])
        pulled = movement.pulled_back(ctx, leaves, outputs, [gradient])
        want = movement.Result([outputs[0].detach()], pulled if _fits(ctx, shape[dim]) else [], [], [])
        judged.append(
            movement.compare(
                ctx,
                lambda x: torch.cumprod(x, dim),
                [ctx.tensor(values)],
                "transposed" if values is zero else "contiguous",
                [gradient] if want.gradients else None,
                want,
            )
        )
    return ctx.all_of(*judged)


def _fits(ctx, count):
    """A gradient sums `count` products of -1, 0 or 1 with 1/2, 1 or 2: multiples of 1/2 below 4 times the count."""
    return 4 * count <= 2**ctx.precision


def differences(ctx, shape, dim):
    torch = ctx.torch
    x = movement.narrow(ctx, shape, 50, "differences", shape)
    edge = movement.narrow(ctx, [2 if d == dim else n for d, n in enumerate(shape)], 50, "edge", shape)
    judged = [movement.check(ctx, lambda x, e: torch.diff(x, 1, dim, e, e), [x, edge], "transposed", unit=2)]
    if shape[dim] > 2:
        judged.append(movement.check(ctx, lambda x: torch.diff(x, 1, dim), [x], unit=2))
    return ctx.all_of(*judged)


def maxima(ctx, shape, dim, layout):
    judged = []
    words = (shape, layout)
    few, many = movement.narrow(ctx, shape, 2, "few", *words), ordering.finite(ctx, shape, *words)
    climbing = ordering.numbers(ctx, shape, "nan", *words)
    for sign, name in ((1, "cummax"), (-1, "cummin")):
        for x in (few, many, climbing):
            leaf = movement.arranged(ctx, ctx.tensor(x), layout).detach().requires_grad_()
            values, indices = getattr(ctx.torch, name)(leaf, dim)
            right = extremes_right(ctx, x, values, indices, dim, sign, "(%s)" % name)
            if right.status != "pass":
                return right
            judged.append(right)
            if x is few:
                judged.append(_followed(ctx, leaf, x, values, indices, dim, shape, name))
    return ctx.all_of(*judged)


def extremes_right(ctx, x, values, indices, dim, sign, note):
    torch, size = ctx.torch, x.shape[dim]
    rank = ordering.ranks(torch, torch.where(torch.isnan(x), x, sign * x))
    place = torch.arange(size).reshape([-1] + [1] * (x.dim() - 1 - dim)).expand(x.shape)
    best, reach = rank, 1
    while reach < size:  # after each step, the largest of the last `reach` elements
        earlier = torch.maximum(best.narrow(dim, reach, size - reach), best.narrow(dim, 0, size - reach))
        best, reach = torch.cat([best.narrow(dim, 0, reach), earlier], dim), 2 * reach
    index = ctx.host(indices).to(torch.int64)
    if tuple(index.shape) != tuple(x.shape) or bool(((index < 0) | (index > place)).any()):
        return judge.failed("an index behind its place, or outside %s" % note, x.numel())
    if not torch.equal(rank.gather(dim, index), best):
        return judge.failed("an index that is not that of the extreme so far %s" % note, x.numel())
    return ctx.exact(values, x.gather(dim, index), note=note)


def _followed(ctx, leaf, x, values, indices, dim, *words):
    g = scattered(ctx, tuple(x.shape), dim, "gradient", *words)
    values.backward(ctx.tensor(g))
    want = ctx.torch.zeros_like(x).scatter_add(dim, ctx.host(indices).to(ctx.torch.int64), g)
    return ctx.exact(leaf.grad, want, note="(gradient)")


def rows(ctx):
    pattern = movement.narrow(ctx, (241, 5), 20, "rows")
    return movement.check_rows(ctx, lambda x: ctx.torch.cumsum(x, 1), pattern, 65537)


def line(ctx):
    """Ones at about every 300th place."""
    x = movement.spaced(ctx, (70001,), 300, "line").abs()
    total, want = 0, []
    for value in x.tolist():
        total += value
        want.append(total)
    return ctx.exact(ctx.torch.cumsum(ctx.tensor(x), 0), ctx.torch.tensor(want, dtype=ctx.torch.float64))


def kinds(ctx):
    """Positions of a mask, offsets of bags, and sums of 16-bit numbers that only float32 holds."""
    torch, judged = ctx.torch, []
    for shape in ((3, 33), (2, 1030)):
        flags = ctx.integers(shape, 0, 1, "flags", *shape)
        want = []
        for values in flags.tolist():
            total, row = 0, []
            for value in values:
                total += value
                row.append(total)
            want.append(row)
        want = torch.tensor(want)
        for dtype in (torch.bool, torch.int32, torch.int64):
            got = flags.to(dtype).to(ctx.device).cumsum(1)
            judged.append(ctx.exact_integers(got, want, note="(%s)" % dtype))
        wide = ctx.tensor(flags * 101).cumsum(1, dtype=torch.float32)
        judged.append(ctx.exact(wide, want * 101, note="(in float32)"))
    return ctx.all_of(*judged)


def logarithms(ctx, size):
    torch = ctx.torch
    x = ctx.rounded(4 * ctx.normal((5, size), "x", size))
    x[0] = -x[0].abs() * 8
    if size > 3:
        x[1, :3] = -float("inf")
    want = torch.logcumsumexp(x, 1)
    unit = judge.gamma(4 * size + 8, 2.0 ** -min(23, ctx.precision))
    finite = torch.where(torch.isfinite(x), x.abs(), torch.zeros_like(x))
    bound = unit * (finite.max(1, keepdim=True)[0] + want.abs().clamp(max=1e3) + 1).expand(x.shape)
    got = torch.logcumsumexp(ctx.tensor(x), 1)
    known = torch.isfinite(want)
    if tuple(got.shape) != tuple(x.shape):
        return judge.failed("shape %s" % (tuple(got.shape),), 0)
    return ctx.all_of(
        ctx.interval(ctx.host(got)[known], want[known], bound[known]),
        ctx.exact(ctx.host(got)[~known], want[~known], note="(-inf)"),
    )
