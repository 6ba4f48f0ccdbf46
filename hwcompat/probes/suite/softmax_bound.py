"""Softmax of random scores, forward and backward, inside its derived error; also with all scores shifted by a constant.

Hunts: reduced-precision exp, a missing subtraction of the largest score (shifted scores overflow exp without it), wrong
sums, tails of odd rows, strided rows.
Rule: INTERVAL. Forward, evaluated in float32: d = x - max has relative error 2**-24, which exp turns into |d| * 2**-24;
exp errs by 2 units (2 * 2**-23), n terms are summed with gamma(n, 2**-24), whose terms err likewise; the quotient
rounds once:
  B = y * ((|d| + 1) * 2**-23 + 4 * 2**-23 + gamma(n + 4, 2**-24)).
Backward, dx = y (g - D) with D = sum g y, from the *stored* y, rounded to the dtype (u = 2**-p, and eta, half the
smallest subnormal): E = B + u (y + B) + eta; E_D = sum |g| E + gamma(n + 2, 2**-24) * sum |g| (y + E);
  B = E |g - D| + (y + E) (E_D + 2**-22 (|g| + |D| + E_D)).
PyTorch's CPU kernel for other dimensions than the last keeps exp(d) in the dtype before it divides by the float32 sum
(torch 2.13: emulating just that reproduces its results in 20520 of 20520 bfloat16 and 20518 fp16 cases): u y + eta
more, there only; and its gradient kernels keep D in the dtype in some releases: 2 u |D| more, on the CPU only. 2**-126
covers products below the normal float32 numbers where a device takes those as zero.
Source: a softmax whose rows did not add up to 1 (float64, 517 columns),
https://github.com/pytorch/pytorch/issues/143644; the formula:
https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html.
"""

from functools import partial

from .. import judge

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 2


def cases(ctx):
    rows = 512 if ctx.large else 64
    yield "normal * 6, %dx1000 over dim 1" % rows, partial(random, ctx, (rows, 1000), 1)
    yield "normal * 6, 513x40 over dim 0", partial(random, ctx, (513, 40), 0)
    for shape, dim in (((9, 63), -1), ((3, 17, 65), 1), ((2, 5, 3, 129), 3), ((2, 2050), 1), ((3, 4, 6, 7), 2)):
        label = "x".join(str(size) for size in shape)
        yield "normal * 6, %s over dim %d" % (label, dim), partial(random, ctx, shape, dim)
    yield "normal * 6, 40x129 transposed, over dim 1", partial(random, ctx, (40, 129), 1, True)
    yield "integers shifted by 120", partial(shifted, ctx, 64, 999)


def random(ctx, shape, dim, transposed=False):
    x = ctx.rounded(ctx.normal(shape, "x", dim) * 6)
    g = ctx.rounded(ctx.normal(shape, "g", dim))
    return both_ways(ctx, x, g, dim, transposed)


def shifted(ctx, rows, columns):
    """Scores in 112 .. 128: numbers of every dtype here, and exp(112) is infinite even in float32."""
    x = ctx.integers((rows, columns), 112, 128, "shifted").double()
    return both_ways(ctx, x, ctx.rounded(ctx.normal((rows, columns), "shifted g")), 1)


def both_ways(ctx, x, g, dim, transposed=False):
    """`transposed` (matrices): scores and gradient lie column by column."""
    tensor = ctx.tensor(x.t().contiguous() if transposed else x, grad=True)
    out = ctx.torch.softmax(tensor.t() if transposed else tensor, dim)
    out.backward(ctx.tensor(g.t().contiguous()).t() if transposed else ctx.tensor(g))
    gradient = tensor.grad.t() if transposed else tensor.grad
    y, bound = forward_bound(ctx, x, dim)
    if ctx.kind == "cpu" and (transposed or dim not in (-1, x.dim() - 1)):
        bound = bound + 2.0**-ctx.precision * y + half_smallest(ctx)
    return ctx.all_of(
        ctx.interval(out, y, bound, note="(forward)"),
        ctx.interval(gradient, *backward_bound(ctx, y, bound, g, dim), note="(gradient)"),
    )


def forward_bound(ctx, x, dim):
    distance = (x - x.max(dim, keepdim=True)[0]).abs()
    y = ctx.torch.softmax(x, dim)
    count = x.shape[dim]
    relative = (distance + 1) * 2.0**-23 + 4 * 2.0**-23 + judge.gamma(count + 4, 2.0**-24)
    return y, y * relative + 2.0**-126


def backward_bound(ctx, y, bound, g, dim):
    error = bound + 2.0**-ctx.precision * (y + bound) + half_smallest(ctx)
    total = (g * y).sum(dim, keepdim=True)
    count = y.shape[dim]
    total_error = (g.abs() * error).sum(dim, keepdim=True)
    total_error = total_error + judge.gamma(count + 2, 2.0**-24) * (g.abs() * (y + error)).sum(dim, keepdim=True)
    if ctx.kind == "cpu":
        total_error = total_error + 2 * 2.0**-ctx.precision * total.abs()
    rounding = 2.0**-22 * (g.abs() + total.abs() + total_error)
    return y * (g - total), error * (g - total).abs() + (y + error) * (total_error + rounding) + 2.0**-126


def half_smallest(ctx):
    return 2.0 ** (ctx.format.emin - ctx.format.precision)
