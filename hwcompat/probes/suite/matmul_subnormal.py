"""Whether the matrix unit keeps subnormal numbers or takes them as zero.

Hunts: subnormal operands or results that come out as something else than themselves or zero. Which of the two it is
gets recorded, since flushed fp16 gradients let a training diverge silently
(https://github.com/pytorch/pytorch/issues/182952).
Rule: FEATURE. Flushing is legal and documented (MI200 flushes subnormal fp16 and bf16 operands and results of matrix
instructions, PyTorch docs/source/notes/numerical_accuracy.rst; the AVX512-BF16 dot product treats them as zero, Intel
SDM VDPBF16PS). Every output is one product plus zeros, so only two values are legal: the exact product, rounded once,
or zero where an operand or the result is subnormal. Anything else is a fault.
Source: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html and
https://rocm.docs.amd.com/projects/MIOpen/en/latest/MI200AlternateImplementation.html.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_WIDTH = 64


def cases(ctx):
    yield "all subnormal numbers through a permutation", partial(passed_through, ctx)
    yield "subnormal operands, normal results", partial(scaled_up, ctx)
    yield "normal operands, subnormal results", partial(scaled_down, ctx)


def passed_through(ctx):
    torch = ctx.torch
    fmt = ctx.format
    magnitude = subnormal_codes(ctx)
    codes = torch.cat([magnitude, magnitude | (1 << (fmt.bits - 1))]).reshape(-1, _WIDTH)
    order = torch.argsort(ctx.uniform((_WIDTH,), "order"))
    one_hot = torch.zeros(_WIDTH, _WIDTH, dtype=torch.int64)
    one_hot[order, torch.arange(_WIDTH)] = 1
    x = ctx.from_codes(codes)
    want = ctx.values(x)[:, order]
    return ctx.exact_or_flushed(torch.mm(x, ctx.tensor(one_hot)), want, torch.zeros_like(want))


def scaled_up(ctx):
    """n * 2**smallest times 2**k is a normal number of the same digits."""
    fmt = ctx.format
    count = min(1 << (fmt.precision - 1), 1024)
    smallest = 2.0 ** (fmt.emin - fmt.precision + 1)
    column = ctx.torch.arange(1, count).double()[:, None] * smallest
    row = ctx.torch.tensor([2.0**k * sign for k in (fmt.precision, fmt.precision + 1) for sign in (1, -1)]).double()
    return outer(ctx, column, row[None, :])


def scaled_down(ctx):
    """(n 2**i) * (m 2**j) = n m 2**smallest, with n m below the smallest normal number."""
    fmt = ctx.format
    exponent = fmt.emin - fmt.precision + 1
    limit = 1 << (fmt.precision - 1)
    digits = ctx.torch.arange(1, 11).double()
    ctx.require(limit > 10 * 10, "the result is subnormal")
    half = exponent // 2
    return outer(ctx, digits[:, None] * 2.0**half, digits[None, :] * 2.0 ** (exponent - half))


def outer(ctx, column, row):
    """column @ row, in matrices of inner dimension 16 whose other entries are zero."""
    torch = ctx.torch
    a = torch.zeros(column.shape[0], 16, dtype=torch.float64)
    b = torch.zeros(16, row.shape[1], dtype=torch.float64)
    a[:, 5:6], b[5:6] = column, row
    exact = column * row
    return ctx.exact_or_flushed(torch.mm(ctx.tensor(a), ctx.tensor(b)), exact, torch.zeros_like(exact))


def subnormal_codes(ctx):
    """All subnormal magnitudes and zero of a 16-bit format; 4096 random ones of float32."""
    top = 1 << (ctx.format.precision - 1)
    return ctx.torch.arange(top) if ctx.format.bits == 16 else ctx.integers((4096,), 0, top - 1, "codes")
