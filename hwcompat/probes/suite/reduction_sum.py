"""Sums, means and largest values.

Hunts: 16-bit accumulators (which stop at 2048 in fp16 and 256 in bf16), a mean that overflows on the way, tree errors,
a wrong largest value, wrong gradients of sum and mean.
Rule: EXACT. The sum of 32,768 ones, sums of integers below 2**24 and means over powers of two are exact in a float32
accumulator in any order; the output is rounded once. PyTorch reduces 16-bit tensors in float32 on every device.
"""

from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1


def cases(ctx):
    yield "sum and mean of 32768 ones", partial(ones, ctx)
    for dim in (0, 1):
        yield "sum of integers over dim %d" % dim, partial(integers, ctx, dim)
        yield "largest and smallest over dim %d" % dim, partial(extremes, ctx, dim)
    yield "mean of 4096 large numbers", partial(large_mean, ctx)
    yield "gradient of sum and mean", partial(gradients, ctx)


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


def extremes(ctx, dim):
    x = ctx.rounded(ctx.normal((129, 513), "x") * 1000)
    tensor = ctx.tensor(x)
    return ctx.all_of(
        ctx.exact(ctx.torch.amax(tensor, dim), x.max(dim)[0], note="(largest)"),
        ctx.exact(ctx.torch.amin(tensor, dim), x.min(dim)[0], note="(smallest)"),
    )


def large_mean(ctx):
    """59904 = 117 * 2**9 is a number of all three formats; 4096 of them sum to 117 * 2**21, far above the largest
    fp16."""
    x = ctx.torch.full((8, 4096), 59904, dtype=ctx.torch.int64)
    ctx.require(117 * 4096 < 2**24, "partial sums are multiples of 2**9 with less than 24 bits")
    return ctx.exact(ctx.tensor(x).mean(1), x[:, 0])


def gradients(ctx):
    x, y = (ctx.tensor(ctx.integers((32, 256), -3, 3, name), grad=True) for name in ("x", "y"))
    g = ctx.integers((32,), -100, 100, "g")
    x.sum(1).backward(ctx.tensor(g))
    y.mean(1).backward(ctx.tensor(g))
    spread = g.double()[:, None].expand(32, 256)
    return ctx.all_of(ctx.exact(x.grad, spread, note="(sum)"), ctx.exact(y.grad, spread / 256, note="(mean)"))
