"""Layer norm, forward and backward, over rows of 1 to 5120 elements whose statistics are known exactly.

Hunts: statistics kept in 16 bits (a sum of squares that stops growing at 2**p, or overflows for inputs of 300 to
32768), a cancelling variance formula, a biased or missing eps, wrong affine terms, wrong gradients, the last elements
of odd rows, the last rows of many, strided input, faults of one row (fp16 overflow in a fused kernel:
https://github.com/microsoft/onnxruntime/issues/29043).
Rule: INTERVAL. Rows hold 0, +-1 and +-2 with mean 0 and variance 1 (normalisation.ladder), plus c, times a power of
two. The derived bounds (normalisation.py) leave a single 16-bit value for most elements. gamma in {+-1, +-2}, beta
never of the size of gamma h: otherwise y = gamma h + beta cancels to nearly zero and the relative margin is gone.
Rows of mean 16 and variance 1 are inside the bound for the formula mean x**2 - mu**2 in float32, and far outside it for
16-bit statistics. Rows of 2**-9 have a variance below eps. Normal data (2 randn + 3) is judged as well.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "quick"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.4
VERSION = 2

_QUICK = ((64, 64, 1, 1), (64, 64, 512, 1), (16, 4096, 1, 1), (5, 65, 1, 1))
_WIDTHS = (
    (3, 1), (9, 2), (7, 3), (5, 7), (4, 8), (3, 9), (6, 15), (7, 16), (5, 17), (4, 31), (9, 32), (3, 33), (5, 63),
    (3, 100), (5, 127), (7, 128), (3, 129), (4, 255), (5, 256), (3, 257), (3, 511), (4, 513), (5, 768), (2, 1023),
    (3, 1024), (2, 1025), (2, 1536), (2, 2049), (1, 5120), (700, 5), (4099, 2), (1, 48), (8, 40),
)  # fmt: skip
"""(rows, width): every residue of the usual vector widths, one row, many rows, widths of transformers."""

_SCALED = ((8, 64, 16384, 1), (9, 128, 2.0**-9, 1), (7, 64, 1, 16), (5, 300, 64, 1), (6, 96, 2.0**-4, 3))
"""(rows, width, scale, offset): near fp16's largest, variance below eps, mean 16, values of 100 to 200."""

_SHAPES = (((2, 3, 5), 1), ((2, 3, 4, 5), 2), ((2, 3, 2, 5), 3), ((3, 7), 2), ((2, 4, 8, 16), 1), ((1, 1, 9), 1))
"""(shape, number of trailing dimensions normalised)."""


def cases(ctx):
    for rows, width, scale, offset in _QUICK:
        yield "%dx%d times %d" % (rows, width, scale), partial(rowwise, ctx, rows, width, scale, offset)
    if ctx.large:
        yield "1024x512", partial(rowwise, ctx, 1024, 512, 1, 1)
    yield "64x256 2*randn+3", partial(rowwise, ctx, 64, 256, 1, 0, "normal")
    if ctx.at_least("standard"):
        for case in standard(ctx):
            yield case


def standard(ctx):
    for rows, width in _WIDTHS:
        yield "%dx%d" % (rows, width), partial(rowwise, ctx, rows, width, 1, 1)
    for rows, width, scale, offset in _SCALED:
        yield (
            "%dx%d times %g, c up to %g" % (rows, width, scale, offset),
            partial(rowwise, ctx, rows, width, scale, offset),
        )
    yield "5x64 equal elements", partial(rowwise, ctx, 5, 64, 1, 1, "equal")
    for eps in (1e-3, 1e-6, 1e-12, 0.5):
        yield "4x96 eps %g" % eps, partial(rowwise, ctx, 4, 96, 2.0**-6, 1, eps=eps)
    for shape, count in _SHAPES:
        yield "%s over %d dims" % ("x".join(map(str, shape)), count), partial(trailing, ctx, shape, count)
    for affine in ("weight", "none"):
        for rows, width in ((6, 64), (5, 33)):
            label = "%dx%d %s" % (rows, width, {"weight": "without bias", "none": "without parameters"}[affine])
            yield label, partial(rowwise, ctx, rows, width, 1, 1, affine=affine)
    for layout in ("swapped", "strided"):
        for rows, width in ((6, 64), (7, 33)):
            yield "%dx%d %s" % (rows, width, layout), partial(rowwise, ctx, rows, width, 1, 1, layout=layout)
    if ctx.dtype_name != "float32":
        for rows, width in ((6, 64), (5, 257)):
            yield "%dx%d float32 parameters" % (rows, width), partial(rowwise, ctx, rows, width, 1, 1, kind="float32")
    yield "5x33 2*randn+3", partial(rowwise, ctx, 5, 33, 1, 0, "normal")


def rowwise(ctx, rows, width, scale, offset, data="ladder", **options):
    return check(ctx, (rows, width), (1,), scale, offset, data, **options)


def trailing(ctx, shape, count):
    return check(ctx, shape, tuple(range(len(shape) - count, len(shape))), 1, 1)


def check(ctx, shape, dims, scale, offset, data="ladder", eps=norm.EPS, affine="both", layout="contiguous", kind=None):
    words = (shape, dims, scale, offset, data, eps, layout)
    x = norm.sample(ctx, shape, dims, data, scale, offset, *words)
    params = tuple(size if dim in dims else 1 for dim, size in enumerate(shape))
    wanted = norm.problem(ctx, x, dims, params, eps, kind, words=words)
    wanted = norm.reduced(wanted, dims, affine)
    normalised = tuple(shape[dim] for dim in dims)
    layer_norm = ctx.torch.nn.functional.layer_norm
    return norm.judged(
        ctx,
        wanted,
        shape,
        normalised,
        lambda x, weight, bias: layer_norm(x, normalised, weight, bias, eps),
        layout,
        kind,
    )
