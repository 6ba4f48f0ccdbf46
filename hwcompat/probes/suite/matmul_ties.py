"""Products whose exact sum lies on or beside the middle of two numbers, and at the edge of overflow.

Hunts: rounding toward zero or away from it, a lost sticky bit, operands shortened on the way in, saturation instead of
infinity, overflow of 16-bit partial sums, infinity too early.
Rule: EXACT. Four products a sum. Ties: every x of p bits in [1, 2), times powers of two, plus or minus half a unit of
its last place, plus or minus 2**-22: all multiples of 2**-22 below 2, so at most 23 bits, exact in a float32
accumulator in any order and in units that truncate below 24 bits; the output rounds once, to nearest even. 2**-22 is
made as 2**-11 * 2**-11, so that no operand is subnormal. Overflow: from the largest number plus half a unit on the
result is infinity (IEEE 754-2019, 4.3.1). Switches that allow 16-bit accumulation are off.
Source: how tensor cores round inside, https://github.com/north-numerical-computing/tensor-cores-numerical-behavior.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
SECONDS = 0.2
VERSION = 1


def cases(ctx):
    yield "ties", partial(ties, ctx)
    yield "overflow edge", partial(overflow, ctx)
    if ctx.format.emax < 100:
        yield "large partial sums that cancel", partial(cancelling, ctx)


def ties(ctx):
    torch = ctx.torch
    last = ctx.precision - 1
    x = 1 + torch.arange(1 << last).double() * 2.0**-last
    rows = [
        torch.stack(
            [
                sign * x,
                torch.full_like(x, half * 2.0 ** -(last + 1)),
                torch.full_like(x, tiny * 2.0**-11),
                torch.zeros_like(x),
            ],
            1,
        )
        for sign in (1.0, -1.0)
        for half in (1.0, -1.0)
        for tiny in (1.0, 0.0, -1.0)
    ]
    a = torch.cat(rows)
    scales = 2.0 ** torch.arange(-3, 5).double()
    b = torch.stack([scales, scales, scales * 2.0**-11, scales])
    ctx.require(bool((ctx.rounded(a) == a).all()) and bool((ctx.rounded(b) == b).all()), "operands are representable")
    ctx.require(float(torch.mm(a.abs(), b.abs()).max()) < 2.0**6, "sums of at most 24 bits")
    return product(ctx, a, b)


def overflow(ctx):
    """The largest number plus a little less than half a unit, exactly half, and more; both signs."""
    largest = (2 - 2.0 ** (1 - ctx.precision)) * 2.0**ctx.format.emax
    unit = 2.0 ** (ctx.format.emax - ctx.precision + 1)
    addends = [0.0, unit / 2 - unit * 2.0**-ctx.precision, unit / 2, unit / 2 + unit / 32, unit]
    rows = [[sign * largest, 0.0, sign * addend, 0.0] for sign in (1.0, -1.0) for addend in addends]
    a = ctx.torch.tensor(rows, dtype=ctx.torch.float64)
    ctx.require(bool((ctx.rounded(a) == a).all()), "operands are representable")
    return product(ctx, a, ctx.torch.ones(4, 8, dtype=ctx.torch.float64))


def cancelling(ctx):
    """Partial sums reach four times the largest fp16; the sum is small. float32 holds all of them exactly."""
    rows = [
        [60000, 60000, -60000, -59968],
        [60000, -60000, 60000, -60000],
        [-65504, -65504, 65504, 65472],
        [60000, 60000, 60000, -60000],
        [60000, 60000, -60000, 5504],
    ]
    a = ctx.torch.tensor(rows, dtype=ctx.torch.float64)
    ctx.require(bool((ctx.rounded(a) == a).all()), "operands are representable")
    return product(ctx, a, ctx.torch.ones(4, 8, dtype=ctx.torch.float64))


def product(ctx, a, b):
    with ctx.strict_accumulation():
        got = ctx.torch.mm(ctx.tensor(a), ctx.tensor(b))
    return ctx.exact(got, ctx.torch.mm(a, b))
