"""Integer matrix products are exact in any accumulator, any order, any split.

Hunts: dead or stale tiles, flipped bits, wrong tails, stale outputs, NaN blocks.
Rule: EXACT. Operands are integers with K * a**2 <= 2**p (p: significand bits of the dtype), so that every partial sum,
in any order and in an accumulator as narrow as the output, is an integer of at most p bits and therefore exact.
On an accelerator a product of 4096 x 4096 outputs puts work on every multiprocessor; its operands repeat with periods
that are no multiple of any tile, so that the whole output is checked against a small reference bit by bit.
Source: the precondition is the one CUTLASS's unit tests use (small integer operands, TensorEquals); a suite that let
K * a**2 outgrow 2**11 reported healthy fp16 GEMM as wrong, https://github.com/NVIDIA/cutlass/issues/1412.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1

# (largest |operand|, K) for each precision: K * a**2 <= 2**p.
_OPERANDS = {11: ((2, 512), (1, 2048)), 8: ((1, 256), (2, 64)), 24: ((15, 512), (63, 4096))}
_ROW_PERIOD, _COLUMN_PERIOD = 251, 241


def cases(ctx):
    for largest, depth in _OPERANDS[ctx.precision]:
        for rows, columns in ((256, 256), (129, 255)):
            yield (
                "mm %dx%dx%d |a|<=%d" % (rows, depth, columns, largest),
                partial(product, ctx, rows, depth, columns, largest),
            )
    if ctx.large:
        largest, depth = _OPERANDS[ctx.precision][0]
        yield "mm 4096x%dx4096 |a|<=%d" % (depth, largest), partial(large_product, ctx, 4096, depth, 4096, largest)


def product(ctx, rows, depth, columns, largest):
    a, b = operands(ctx, rows, depth, columns, largest)
    got = ctx.torch.mm(ctx.tensor(a), ctx.tensor(b))
    return ctx.exact(got, ctx.torch.mm(a.double(), b.double()))


def large_product(ctx, rows, depth, columns, largest):
    a, b = operands(ctx, _ROW_PERIOD, depth, _COLUMN_PERIOD, largest)
    got = ctx.torch.mm(ctx.repeated(a, (rows, depth)), ctx.repeated(b, (depth, columns)))
    return ctx.exact_repeated(got, ctx.torch.mm(a.double(), b.double()))


def operands(ctx, rows, depth, columns, largest):
    ctx.require(depth * largest**2 <= 2**ctx.precision, "K * a**2 <= 2**p")
    a = ctx.integers((rows, depth), -largest, largest, "a", rows, depth, columns)
    b = ctx.integers((depth, columns), -largest, largest, "b", rows, depth, columns)
    return a, b
