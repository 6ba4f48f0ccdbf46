"""Sums and means: of 1 to a million elements, over every dimension, in every layout, with their gradients.

Hunts: 16-bit accumulators (which stop at 2048 in fp16 and 256 in bf16), a mean that overflows on the way, tree errors,
lost last elements of odd rows, wrong strides, swallowed or invented NaN and infinity, sums of many rows (the gradient
of a bias), `dtype=`, `keepdim=` and `out=` that are ignored, wrong gradients.
Rule: EXACT. The sum of 32,768 ones, sums of integers below 2**24 and means over powers of two are exact in a float32
accumulator in any order; the output is rounded once. PyTorch reduces 16-bit tensors in float32 on every device. Other
means are INTERVAL: the exact sum is divided, or multiplied by a rounded 1 / n: 3 u |mean| with u = 2**-24 (a rounding
of 1 / n, of the product, and one to spare). Sums with NaN or infinity follow IEEE 754.
Source: sums and means of halves that overflowed on the way, https://github.com/pytorch/pytorch/issues/2391,
https://github.com/pytorch/pytorch/issues/12115, https://github.com/pytorch/pytorch/issues/91597.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 2
WORKAROUND = "sum in float32: x.sum(dtype=torch.float32)"

_SIZES = tuple(range(1, 34)) + (63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1023, 1024, 1025, 4095, 4096, 4097)
_DIMS = ((0,), (1,), (2,), (3,), (-1,), (0, 2, 3), (1, 3), (2, 3), (0, 1), (1, 2, 3), (0, 1, 2, 3))
_LONG = ((65537,), (2**20 + 1,), (3, 65537), (65537, 3), (8193, 33), (2049, 129), (5, 1000, 7))
_LAYOUTS = ("contiguous", "channels_last", "swapped", "strided")


def cases(ctx):
    yield "sum and mean of 32768 ones", partial(ones, ctx)
    for dim in (0, 1):
        yield "sum of integers over dim %d" % dim, partial(integers, ctx, dim)
    yield "mean of 4096 large numbers", partial(large_mean, ctx)
    yield "gradient of sum and mean", partial(gradients, ctx)
    for start in range(0, len(_SIZES), 10):
        sizes = _SIZES[start : start + 10]
        yield "rows of %d to %d" % (sizes[0], sizes[-1]), partial(rows, ctx, sizes)
    for layout in _LAYOUTS:
        yield "over every dimension, %s" % layout, partial(dimensions, ctx, layout)
    for shape in _LONG:
        yield "sums of %s" % "x".join(map(str, shape)), partial(long, ctx, shape)
    if ctx.large:
        yield "sum of 2**24 ones", partial(long, ctx, (2**24,), 1)
    yield "NaN and infinity", partial(special, ctx)
    yield "nansum", partial(nansum, ctx)
    yield "into a given tensor, from a scalar and from nothing", partial(corners, ctx)


def ones(ctx):
    x = ctx.tensor(ctx.torch.ones(64, 512, dtype=ctx.torch.int64))
    wide = ctx.tensor(ctx.torch.ones(64, 4096, dtype=ctx.torch.int64))
    constant = constants(ctx)
    return ctx.all_of(
        ctx.exact(x.sum(), constant((), 32768), note="(sum)"),
        ctx.exact(x.mean(), constant((), 1), note="(mean)"),
        ctx.exact(wide.sum(1), constant((64,), 4096), note="(rows)"),
        ctx.exact(wide.t().contiguous().sum(0), constant((64,), 4096), note="(columns)"),
        ctx.exact(wide.mean(1), constant((64,), 1), note="(mean of rows)"),
    )


def constants(ctx):
    return lambda shape, value: ctx.torch.full(shape, float(value), dtype=ctx.torch.float64)


def integers(ctx, dim):
    x = ctx.integers((513, 1000), -15, 15, "x")
    ctx.require(1000 * 15 < 2**24, "sums below 2**24")
    return ctx.exact(ctx.tensor(x).sum(dim), x.sum(dim))


def large_mean(ctx):
    """59904 = 117 * 2**9 is a number of all three formats; 4096 of them sum to 117 * 2**21, far above the largest
    fp16."""
    x = ctx.torch.full((8, 4096), 59904, dtype=ctx.torch.int64)
    ctx.require(117 * 4096 < 2**24, "partial sums are multiples of 2**9 with less than 24 bits")
    return ctx.exact(ctx.tensor(x).mean(1), x[:, 0])


def gradients(ctx):
    """Spread over rows, columns, everything; twice as often for means, whose counts are powers of two."""
    x = ctx.integers((32, 256), -3, 3, "x")
    judgements = []
    for dims, keep in (((1,), False), ((0,), True), ((0, 1), False)):
        kept = tuple(1 if dim in dims else size for dim, size in enumerate((32, 256)))
        g = ctx.integers(kept, -100, 100, "g", dims)
        count = x.numel() // g.numel()
        for name, part in (("sum", 1), ("mean", count)):
            leaf = ctx.tensor(x, grad=True)
            y = getattr(leaf, name)(dims, keepdim=keep)
            y.backward(ctx.tensor(g.reshape(y.shape)))
            want = g.double().expand(32, 256) / part
            judgements.append(ctx.exact(leaf.grad, want, note="(%s over %s)" % (name, dims)))
    whole = ctx.tensor(x, grad=True)
    whole.sum().backward()
    return ctx.all_of(ctx.exact(whole.grad, constants(ctx)((32, 256), 1), note="(whole sum)"), *judgements)


def rows(ctx, sizes):
    judgements = []
    for size in sizes:
        x = ctx.integers((5, size), -15, 15, "x", size)
        x[:, -1] = 15  # a lost last element shows
        tensor, total = ctx.tensor(x), x.sum(1)
        mean = total.double() / size
        judgements += [
            ctx.exact(tensor.sum(1), total, note="(rows of %d)" % size),
            ctx.exact(tensor.t().contiguous().sum(0), total, note="(columns of %d)" % size),
            ctx.exact(tensor[0].sum(), total[0], note="(all of %d)" % size),
            _mean(ctx, tensor.mean(1), mean, size),
        ]
    return ctx.all_of(*judgements)


def _mean(ctx, got, mean, count):
    if count & (count - 1) == 0:
        return ctx.exact(got, mean, note="(mean of %d)" % count)
    return norm.within(ctx, got, norm.Expected(mean, 3 * 2.0**-24 * mean.abs()), "(mean of %d)" % count)


def dimensions(ctx, layout):
    x = ctx.integers((4, 5, 6, 9), -15, 15, "x")
    tensor = norm.laid(ctx, ctx.tensor(x), layout)
    judgements = []
    for dims in _DIMS:
        for keep in (False, True):
            note = "over %s" % (dims,)
            total = x.sum(dims, keepdim=keep)
            judgements.append(ctx.exact(tensor.sum(dims, keepdim=keep), total, note="(sum %s)" % note))
            wide = tensor.sum(dims, keepdim=keep, dtype=ctx.torch.float32)
            judgements.append(ctx.exact(wide, total, note="(float32 sum %s)" % note))
            mean = tensor.mean(dims, keepdim=keep)
            judgements.append(_mean(ctx, mean, total.double() * total.numel() / x.numel(), x.numel() // total.numel()))
    return ctx.all_of(*judgements)


def long(ctx, shape, high=2):
    """Sums up to 2**22, as float32; the operand repeats with odd periods."""
    pattern = ctx.integers([min(size, period) for size, period in zip(shape, (251, 241, 13))], -1, high, "p", shape)
    if high == 1:
        pattern = pattern.abs() * 0 + 1
    x, tensor = pattern, ctx.repeated(pattern, shape)
    for dim, size in enumerate(shape):
        x = x.index_select(dim, ctx.torch.arange(size) % x.shape[dim])
    ctx.require(float(x.abs().sum()) <= 2**24, "sums of absolute values <= 2**24")
    wide = ctx.torch.float32
    judgements = [ctx.exact(tensor.sum(dtype=wide), x.sum(), note="(all)")]
    for dim in range(len(shape)):
        judgements.append(ctx.exact(tensor.sum(dim, dtype=wide), x.sum(dim), note="(over dim %d)" % dim))
        judgements.append(ctx.exact(tensor.sum(dim), x.sum(dim), note="(over dim %d, own dtype)" % dim))
    return ctx.all_of(*judgements)


def special(ctx):
    """Every row of 40 has what its label says at its place; sums follow."""
    inf, nan = float("inf"), float("nan")
    x = ctx.integers((6, 40), -5, 5, "x").double()
    for row, place, value in ((0, 39, inf), (1, 0, -inf), (2, 7, nan), (3, 3, inf), (3, 38, -inf), (4, 20, nan)):
        x[row, place] = value
    tensor = ctx.tensor(x)
    return ctx.all_of(
        ctx.exact(tensor.sum(1), x.sum(1), note="(rows)"),
        ctx.exact(tensor.mean(1) * 40 - tensor.mean(1) * 40, _gone(ctx, x), note="(mean of rows minus itself)"),
        ctx.exact(tensor.t().contiguous().sum(0), x.sum(1), note="(columns)"),
        ctx.exact(tensor.sum(), x.sum(), note="(all)"),
    )


def _gone(ctx, x):
    """0 where the sum is finite, NaN elsewhere."""
    total = x.sum(1)
    return total - total


def nansum(ctx):
    x = ctx.integers((7, 33), -15, 15, "x").double()
    x[ctx.uniform((7, 33), "nan") < 0.3] = float("nan")
    kept = ctx.torch.where(ctx.torch.isnan(x), 0 * x.nan_to_num(), x.nan_to_num())
    tensor = ctx.tensor(x)
    return ctx.all_of(
        ctx.exact(ctx.torch.nansum(tensor, 1), kept.sum(1), note="(rows)"),
        ctx.exact(ctx.torch.nansum(tensor, 0), kept.sum(0), note="(columns)"),
        ctx.exact(ctx.torch.nansum(tensor), kept.sum(), note="(all)"),
    )


def corners(ctx):
    x = ctx.integers((9, 17), -15, 15, "x")
    tensor = ctx.tensor(x)
    given = ctx.tensor(ctx.torch.full((17,), 99, dtype=ctx.torch.int64))
    ctx.torch.sum(tensor, 0, out=given)
    empty = ctx.tensor(ctx.torch.zeros(0, 4).double())
    return ctx.all_of(
        ctx.exact(given, x.sum(0), note="(out=)"),
        ctx.exact(ctx.tensor(x[0, 0]).sum(), x[0, 0], note="(a scalar)"),
        ctx.exact(empty.sum(0), constants(ctx)((4,), 0), note="(nothing)"),
        ctx.exact(tensor[:, 3].sum(), x[:, 3].sum(), note="(a strided column)"),
        ctx.exact(tensor.flip(1)[:, :5].sum(1), x.flip(1)[:, :5].sum(1), note="(a slice)"),
        ctx.exact(tensor[:, :1].expand(9, 300).sum(1), x[:, 0] * 300, note="(an expanded column)"),
    )
