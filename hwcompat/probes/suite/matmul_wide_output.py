"""16-bit operands, float32 output: the accumulator bits that a 16-bit output hides.

Hunts: wrong low bits of the accumulator. Rounding to fp16 hides its last twelve bits, rounding to bf16 fourteen.
Rule: EXACT. K * a**2 < 2**24, so the float32 output is the exact integer in any order and in truncating tensor cores.
Only CUDA has the operation (`torch.mm(..., out_dtype=torch.float32)`, torch 2.8 and newer).
Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html; added by
https://github.com/pytorch/pytorch/pull/150812.
"""

from functools import partial

from .. import judge

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = False
DEVICES = ("cuda",)
SECONDS = 0.3
VERSION = 1


def cases(ctx):
    for rows, depth, columns in ((256, 1024, 256), (128, 1000, 264)):
        yield (
            "mm %dx%dx%d |a|<=127, float32 output" % (rows, depth, columns),
            partial(product, ctx, rows, depth, columns, 127),
        )


def product(ctx, rows, depth, columns, largest):
    ctx.require(largest < 2**ctx.precision and depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((rows, depth), -largest, largest, "a", rows)
    b = ctx.integers((depth, columns), -largest, largest, "b", rows)
    try:
        got = ctx.torch.mm(ctx.tensor(a), ctx.tensor(b), out_dtype=ctx.torch.float32)
    except TypeError:
        return judge.skipped("this release has no mm with a float32 output")
    return ctx.exact(got, ctx.torch.mm(a.double(), b.double()))
