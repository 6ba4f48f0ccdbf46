"""float64 to the dtype and back, in every layout.

Hunts: truncation, lost exponent range, tails and strides; models that are loaded or made in float64 go through it.
Rule: FEATURE for 16 bits: one correct rounding, or the two of a kernel that goes through float32, which differ near
midpoints (1 + 2**-11 + 2**-40 is 1 + 2**-10 in fp16, but 1 by way of float32); PyTorch's CPU kernel rounds twice. EXACT
for float32 (one rounding) and for the way to float64 (none).
Source: the same rounding by way of float32 was called a fault, and mended, elsewhere:
https://github.com/JuliaLang/julia/pull/57809.
"""

from functools import partial

from .. import judge, pointwise, rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
DEVICES = ("cpu", "cuda", "xpu")
SECONDS = 0.1
VERSION = 1

_WIDE = rounding.FORMATS["float32"]


def cases(ctx):
    yield "float64 to %s" % ctx.dtype_name, partial(narrowed, ctx)
    yield "%s to float64" % ctx.dtype_name, partial(widened, ctx)


def values(ctx):
    """Numbers of all exponents, midpoints of the dtype, and numbers a little off them."""
    torch, fmt = ctx.torch, ctx.format
    exponent = ctx.integers((1 << 12,), fmt.emin + 2, fmt.emax, "exponent").double()
    anything = 2.0**exponent * (1 + ctx.uniform(exponent.shape, "fraction"))
    middle = (
        1 + (2 * ctx.integers((1 << 10,), 0, 2 ** (fmt.precision - 1) - 1, "middle").double() + 1) / 2**fmt.precision
    )
    made = torch.cat([anything, middle, middle + 2.0**-40, middle - 2.0**-40])
    return made * (2 * ctx.integers(made.shape, 0, 1, "sign").double() - 1)


def narrowed(ctx):
    torch = ctx.torch
    x = values(ctx)
    stored = x.to(ctx.device)
    twice = rounding.rn(torch, x, _WIDE)
    square, count = (65, 63), 65 * 63
    judged = []
    for note, got, want, second in (
        ("(in order)", stored.to(ctx.dtype), x, twice),
        ("(strided)", stored[::2].to(ctx.dtype), x[::2], twice[::2]),
        ("(transposed)", stored[:count].reshape(square).t().to(ctx.dtype), _turned(x, square), _turned(twice, square)),
        ("(copy_)", torch.empty(x.shape, dtype=ctx.dtype, device=ctx.device).copy_(stored), x, twice),
        ("(67 elements)", stored[-67:].to(ctx.dtype), x[-67:], twice[-67:]),
    ):
        legal = () if ctx.format is _WIDE else (second,)
        fact = {"double_rounding": True}
        judged.append(judge.one_of(torch, ctx.host(got), want, legal, fact, "rounded twice " + note))
    return ctx.all_of(*judged)


def _turned(x, shape):
    return x[: shape[0] * shape[1]].reshape(shape).t()


def widened(ctx):
    torch = ctx.torch
    x = ctx.rounded(values(ctx))
    pool = pointwise.Pool(ctx, [x], "wide")
    found = []
    for call in (
        lambda t: t.to(torch.float64),
        lambda t: torch.zeros(t.shape, dtype=torch.float64).to(t.device).copy_(t),
    ):
        arrangements = [a for made in (pool.everything, pool.vectors, pool.layouts) for a in made()]
        found += pool.forward(call, arrangements)
    for label, got, places in found:
        if got.dtype != torch.float64 or tuple(got.shape) != tuple(places.shape):
            return judge.failed("%s of shape %s (%s)" % (got.dtype, tuple(got.shape), label), 0)
    have = torch.cat([ctx.host(got).reshape(-1) for _, got, _ in found])
    want = x[torch.cat([places.reshape(-1) for _, _, places in found])]
    return ctx.exact_integers(have.view(torch.int64), want.view(torch.int64), note="(bits of float64)")
