"""Products of random numbers stay inside the rounding error that a float32 accumulator may make.

Hunts: gross errors, sign flips, wrong low bits, output rounded toward zero, 16-bit accumulation (on positive data the
interval is a single number for about half of the fp16 outputs and nearly all bf16 outputs).
Rule: INTERVAL, with S = sum |a_k b_k| and B = gamma(n, 2**-23) * S, n = K + ceil(K / 4) + 2:
products of 16-bit numbers are exact in float32; a unit that adds b products at once aligns them and the accumulator to
the largest of the b + 1 addends and truncates below 24 bits; the largest loses nothing, each other less than 2**-23 of
it; normalising loses less than 2**-23 of the sum: (b + 1) * 2**-23 * S a block, K / b blocks, b >= 4 on every known
unit (models of V100 to B200, https://github.com/north-numerical-computing/MATLAB-tensor-core), so K + K / 4; 2 more for
alpha, beta and the gluing of split sums. A chain of rounding additions (K * 2**-24), float32 operands with rounded
products included (2 K * 2**-24), lies inside. K * 2**-53 * S is the error of the float64 reference. The output is
rounded once (`rn`). Switches that allow 16-bit accumulation are off here; matmul.accumulate says whether they matter.
"""

from functools import partial

from .. import judge

GROUP = "matmul"
LEVEL = "quick"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1


def cases(ctx):
    yield "positive 128x1024x256", partial(product, ctx, "positive", 128, 1024, 256)
    if ctx.at_least("standard"):
        yield "normal 128x1024x256", partial(product, ctx, "normal", 128, 1024, 256)
    if ctx.large:
        yield "positive 4096x4096x4096", partial(large_product, ctx, "positive", 4096)
        yield "normal 4096x4096x4096", partial(large_product, ctx, "normal", 4096)


def product(ctx, kind, rows, depth, columns):
    a, b = draw(ctx, kind, (rows, depth), "a"), draw(ctx, kind, (depth, columns), "b")
    with ctx.strict_accumulation():
        got = ctx.torch.mm(ctx.tensor(a), ctx.tensor(b))
    return ctx.interval(got, *reference(ctx, a, b))


def large_product(ctx, kind, size):
    """One row of every 64 is judged, over all columns: every output tile of every library has such a row."""
    rows, columns, every = 61, 59, 64
    a, b = draw(ctx, kind, (rows, size), "a"), draw(ctx, kind, (size, columns), "b")
    with ctx.strict_accumulation():
        got = ctx.torch.mm(ctx.repeated(a, (size, size)), ctx.repeated(b, (size, size)))
    along, across = ctx.torch.arange(0, size, every) % rows, ctx.torch.arange(size) % columns
    spread = [value[along][:, across] for value in reference(ctx, a, b)]
    return ctx.interval(ctx.host(got)[::every], *spread)


def draw(ctx, kind, shape, name):
    values = ctx.normal(shape, name) if kind == "normal" else ctx.uniform(shape, name)
    return ctx.rounded(values)


def reference(ctx, a, b):
    """(A @ B, its bound B) in float64."""
    depth = a.shape[1]
    total = ctx.torch.mm(a.abs(), b.abs())
    return ctx.torch.mm(a, b), (judge.gamma(depth + -(-depth // 4) + 2, 2.0**-23) + depth * 2.0**-53) * total
