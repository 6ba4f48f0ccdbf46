"""Products of 8-bit matrices by torch._scaled_mm: exact integers in every output dtype, scaled and with a bias.

Hunts: wrong or dead fp8 units, flipped bits, wrong tails, an ignored or doubled scale, a bias of the wrong column, an
output rounded twice.
Rule: EXACT. Operands are integers with K * a**2 <= 2**13. Units that keep only 13 fraction bits while they add, as Ada
and Hopper do (models validated against hardware: https://github.com/north-numerical-computing/MATLAB-tensor-core), lose
nothing then: whatever the order, each partial sum is an integer of at most 14 bits, those of 14 being 2**13 alone.
Scales are powers of two, so that the product is scaled exactly and rounded once. With a bias, product and bias are
integers within 2**8, so that rounding before adding changes nothing. e5m2 is multiplied by e4m3 in both orders, since
cuBLASLt has no product of two e5m2 matrices (https://github.com/pytorch/pytorch/issues/132005); sizes are multiples of
16, which CUDA asks for. FEATURE, on CUDA: whether sums up to 2**16 are exact with fast accumulation and without it.
"""

from functools import partial

from .. import judge

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float8_e4m3fn", "float8_e5m2")
CORE = True
SECONDS = 0.2
VERSION = 1

_SHAPES = ((16, 16, 16, 8), (48, 128, 80, 8), (16, 512, 48, 4), (112, 32, 48, 8), (16, 2048, 16, 2))
_BIG = ((256, 512, 256, 4), (144, 512, 2064, 4))
"""(rows, depth, columns, largest operand); the big ones on accelerators, as a CPU takes seconds."""

_OUTPUTS = ("float32", "bfloat16", "float16")
_PARTNER = "float8_e4m3fn"


def cases(ctx):
    for left, right in orders(ctx):
        for rows, depth, columns, largest in _SHAPES + (_BIG if ctx.large else ()):
            for out in _OUTPUTS:
                label = "%s x %s to %s, %dx%dx%d |a|<=%d" % (left, right, out, rows, depth, columns, largest)
                yield label, partial(product, ctx, left, right, out, (rows, depth, columns), largest)
        yield "%s x %s, sums up to 2**13" % (left, right), partial(positive, ctx, left, right, (16, 512, 48), 4)
        for scales in ((4.0, 0.125), (2.0**-10, 1.0), (1.0, 2.0**5)):
            label = "%s x %s scaled by %g and %g" % ((left, right) + scales)
            yield label, partial(product, ctx, left, right, "float32", (32, 64, 48), 8, scales)
            yield label + " to bfloat16", partial(product, ctx, left, right, "bfloat16", (32, 64, 48), 8, scales)
        for out in _OUTPUTS[1:]:
            yield "%s x %s plus bias to %s" % (left, right, out), partial(biased, ctx, left, right, out, (48, 64, 32))
    if ctx.large:
        yield "4096x512x4096", partial(large, ctx, 4096, 512, 4)
    if ctx.kind == "cuda":
        yield "wide sums", partial(wide, ctx, 64, 2048, 64)


def orders(ctx):
    """Dtype names of the operands."""
    if ctx.dtype_name == _PARTNER:
        return ((_PARTNER, _PARTNER),)
    return ((ctx.dtype_name, _PARTNER), (_PARTNER, ctx.dtype_name))


def multiplied(ctx, a, b, out, scales=(1.0, 1.0), bias=None, fast=False):
    """a (rows, depth) times b (columns, depth) transposed, both fp8 tensors."""
    scale_a, scale_b = (ctx.tensor(ctx.torch.tensor(s).double(), dtype_name="float32") for s in scales)
    got = ctx.torch._scaled_mm(
        a,
        b.t(),
        bias=bias,
        out_dtype=getattr(ctx.torch, out),
        scale_a=scale_a,
        scale_b=scale_b,
        use_fast_accum=fast,
    )
    return got[0] if isinstance(got, tuple) else got  # before torch 2.5 with the largest value beside it


def operands(ctx, shape, largest, *words):
    rows, depth, columns = shape
    ctx.require(depth * largest**2 <= 2**13, "K * a**2 <= 2**13")
    a = ctx.integers((rows, depth), -largest, largest, "a", shape, *words)
    return a, ctx.integers((columns, depth), -largest, largest, "b", shape, *words)


def product(ctx, left, right, out, shape, largest, scales=(1.0, 1.0)):
    a, b = operands(ctx, shape, largest, left, out)
    got = multiplied(ctx, ctx.tensor(a, dtype_name=left), ctx.tensor(b, dtype_name=right), out, scales)
    return typed(ctx, got, out, ctx.torch.mm(a.double(), b.double().t()) * scales[0] * scales[1])


def positive(ctx, left, right, shape, largest):
    """Operands of one sign: sums of 11 to 13 bits, which a float32 output must show in full."""
    a, b = (v.abs().clamp(min=1) for v in operands(ctx, shape, largest, left, "positive"))
    got = multiplied(ctx, ctx.tensor(a, dtype_name=left), ctx.tensor(b, dtype_name=right), "float32")
    return typed(ctx, got, "float32", ctx.torch.mm(a.double(), b.double().t()))


def typed(ctx, got, out, expected):
    """EXACT, in the dtype that was asked for."""
    if got.dtype != getattr(ctx.torch, out):
        return judge.failed("%s came out" % got.dtype, 0)
    return ctx.exact(got, expected)


def biased(ctx, left, right, out, shape):
    rows, depth, columns = shape
    a = ctx.integers((rows, depth), -1, 1, "a", "bias", left)
    b = ctx.integers((columns, depth), -1, 1, "b", "bias", left)
    bias = ctx.integers((columns,), -128, 128, "bias", left)
    ctx.require(depth + 128 <= 2**8, "K + largest bias <= 2**8")
    got = multiplied(
        ctx,
        ctx.tensor(a, dtype_name=left),
        ctx.tensor(b, dtype_name=right),
        out,
        bias=ctx.tensor(bias, dtype_name=out),
    )
    return typed(ctx, got, out, ctx.torch.mm(a.double(), b.double().t()) + bias.double())


def large(ctx, size, depth, largest):
    """Work for every multiprocessor; operands repeat with periods that are no multiple of a tile."""
    a, b = operands(ctx, (251, depth, 241), largest, "large")
    torch = ctx.torch
    tall, broad = (
        ctx.tensor(v.index_select(0, torch.arange(size) % v.shape[0]), dtype_name=name)
        for v, name in ((a, orders(ctx)[0][0]), (b, orders(ctx)[0][1]))
    )
    return ctx.exact_repeated(multiplied(ctx, tall, broad, "float32"), torch.mm(a.double(), b.double().t()))


def wide(ctx, rows, depth, columns):
    """Odd sums that need 16 bits and more: narrow accumulators lose their last bits."""
    a = ctx.integers((rows, depth), 1, 7, "a", "wide")
    b = ctx.integers((columns, depth), 1, 7, "b", "wide")
    want, found = ctx.torch.mm(a.double(), b.double().t()), {}
    left, right = orders(ctx)[0]
    pair = ctx.tensor(a, dtype_name=left), ctx.tensor(b, dtype_name=right)
    for name, fast in (("fp8_wide_sums_exact", False), ("fp8_fast_sums_exact", True)):
        got = ctx.values(multiplied(ctx, pair[0], pair[1], "float32", fast=fast))
        found[name] = bool((got == want).all())
    return judge.feature("sums beyond 2**13 (%s)" % found, found, want.numel())
