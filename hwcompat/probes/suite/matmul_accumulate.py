"""Sums beyond the output format are exact in a float32 accumulator and are rounded once, to nearest even.

Hunts: 16-bit accumulation, lost low bits of the accumulator, output rounded toward zero.
Rule: EXACT. K * a**2 < 2**24, so every partial sum, in any order and in a truncating tensor core (which keeps 24 bits),
is an integer of at most 24 bits; the output is that integer rounded once.
PyTorch may by default reduce split-K partial sums in 16 bits (docs/source/notes/numerical_accuracy.rst), and
`allow_fp16_accumulation` may be on: where the default misses and the same product is right with those switches off, and
an accumulator-free product of the same shape is right with the default, the device is healthy: FEATURE acc_reduced.
Wrong with the switches off: fail.
Source: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html; partial sums that a library kept in bfloat16
by default, https://github.com/modular/modular/issues/7165.
"""

from functools import partial

from .. import judge

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1


def cases(ctx):
    yield "mm 256x1024x256 |a|<=31", partial(integer_product, ctx, 256, 1024, 256, 31)
    yield "mm of ones, sum %d" % _ones(ctx), partial(ones_product, ctx, 33, 65)
    if ctx.large:
        # Few outputs and a long sum: where libraries split K over blocks.
        yield "mm 128x16384x128 |a|<=15", partial(integer_product, ctx, 128, 16384, 128, 15)


def integer_product(ctx, rows, depth, columns, largest):
    ctx.require(depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((rows, depth), -largest, largest, "a", depth)
    b = ctx.integers((depth, columns), -largest, largest, "b", depth)
    return judged(ctx, a, b)


def ones_product(ctx, rows, columns):
    """2**p + 2**(p-1) ones: a p-bit accumulator sticks at 2**p, where adding one rounds back."""
    ones = ctx.torch.ones(rows, _ones(ctx), dtype=ctx.torch.int64)
    return judged(ctx, ones, ones[:1].t().expand(-1, columns))


def _ones(ctx):
    return 3 * 2 ** (ctx.precision - 1)


def judged(ctx, a, b):
    expected = ctx.torch.mm(a.double(), b.double())
    left, right = ctx.tensor(a), ctx.tensor(b)
    default = ctx.exact(ctx.torch.mm(left, right), expected)
    if default.status == "pass":
        return default
    with ctx.strict_accumulation():
        strict = ctx.exact(ctx.torch.mm(left, right), expected, note="with 16-bit accumulation switched off")
    if strict.status != "pass":
        return strict
    plain = accumulator_free(ctx, a.shape[0], a.shape[1], b.shape[1])
    if plain.status != "pass":
        return plain
    detail = "the default switches let sums be kept in 16 bits: " + default.detail
    return judge.feature(detail, {"acc_reduced": True}, default.checked)


def accumulator_free(ctx, rows, depth, columns):
    """The same shape under rule R1: so few operands of a row are not zero that no sum outgrows p bits."""
    step = -(-depth // 2**ctx.precision)
    row, column = ctx.torch.arange(rows)[:, None], ctx.torch.arange(depth)[None, :]
    a = ctx.integers((rows, depth), -1, 1, "thin a", depth) * ((row + column) % step == 0)
    b = ctx.integers((depth, columns), -1, 1, "thin b", depth)
    ctx.require_exact_sums(ctx.torch.mm(a.abs().double(), b.abs().double()))
    got = ctx.torch.mm(ctx.tensor(a), ctx.tensor(b))
    return ctx.exact(got, ctx.torch.mm(a.double(), b.double()), note="in sums that need no wide accumulator")
