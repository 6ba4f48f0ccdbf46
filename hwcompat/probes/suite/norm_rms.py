"""RMS norm, forward and backward: torch's own and the formula that language models write out.

Hunts: squares summed or kept in 16 bits (they overflow from 256 on in fp16), a missing or misplaced eps, a mean that
is subtracted after all, wrong weights, the last elements of odd rows, wrong gradients.
Rule: INTERVAL with the bounds of normalisation.py for mu = 0. Rows hold 0, +-1 and +-2 of mean square 1, times a power
of two, or that plus c; the weight is +-1 or +-2, so that rounding to the dtype before or after multiplying by it
is the same. Written out, the input is widened to float32 and the normalised value rounded before the weight, as
https://github.com/huggingface/transformers/blob/main/src/transformers/models/llama/modeling_llama.py does.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1

_ROWS = (
    (3, 1, 1, 0), (5, 2, 1, 0), (4, 7, 1, 1), (9, 8, 1, 0), (3, 16, 512, 0), (6, 31, 1, 1), (5, 64, 1, 0),
    (4, 65, 1, 1), (3, 96, 2.0**-9, 0), (7, 128, 16384, 0), (3, 257, 1, 1), (4, 512, 64, 0), (2, 1025, 1, 0),
    (1, 2048, 1, 0), (2, 4096, 1, 0), (300, 24, 1, 0),
)  # fmt: skip
"""(rows, width, scale, offset)"""


def cases(ctx):
    for name, function in (("torch's", own), ("written out", written)):
        for rows, width, scale, offset in _ROWS:
            label = "%s %dx%d times %g, c up to %d" % (name, rows, width, scale, offset)
            yield label, partial(check, ctx, function, (rows, width), 1, scale, offset)
        yield "%s 5x96 2*randn+3" % name, partial(check, ctx, function, (5, 96), 1, 1, 0, "normal")
        for layout in ("swapped", "strided"):
            yield "%s 6x33 %s" % (name, layout), partial(check, ctx, function, (6, 33), 1, 1, 0, layout=layout)
        yield "%s 4x40 eps 1e-6" % name, partial(check, ctx, function, (4, 40), 1, 2.0**-8, 0, eps=1e-6)
        yield "%s 2x3x5x16" % name, partial(check, ctx, function, (2, 3, 5, 16), 1, 1, 0)
        yield "%s 4x48 without weight" % name, partial(check, ctx, function, (4, 48), 1, 1, 0, affine=False)
    yield "torch's 3x4x6 over 2 dims", partial(check, ctx, own, (3, 4, 6), 2, 1, 0)


def own(ctx, x, shape, weight, eps):
    return ctx.torch.nn.functional.rms_norm(x, shape, weight, eps)


def written(ctx, x, shape, weight, eps):
    wide = x.to(ctx.torch.float32)
    y = (wide * ctx.torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(ctx.dtype)
    return y if weight is None else weight * y


def check(ctx, function, shape, count, scale, offset, data="ladder", eps=norm.EPS, layout="contiguous", affine=True):
    dims = tuple(range(len(shape) - count, len(shape)))
    words = (shape, scale, offset, data, eps, layout)
    x = norm.sample(ctx, shape, dims, data, scale, offset, *words)
    params = tuple(size if dim in dims else 1 for dim, size in enumerate(shape))
    wanted = norm.problem(ctx, x, dims, params, eps, centred=False, words=words)
    wanted = norm.without_bias(wanted) if affine else norm.plain(wanted, dims)
    normalised = tuple(shape[dim] for dim in dims)
    return norm.judged(
        ctx, wanted, shape, normalised, lambda x, weight, bias: function(ctx, x, normalised, weight, eps), layout
    )
