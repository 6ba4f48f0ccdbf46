"""What the normalisation probes share: the formula in float64, its error bound, inputs with known statistics.

A normalisation over n elements: mu = mean x, var = mean (x - mu)**2, r = 1 / sqrt(var + eps), h = (x - mu) r,
y = gamma h + beta; backward, with d = gamma dy and m(.) the mean over the same n elements:
dx = r (d - m(d) - h m(d h)), dgamma = sum dy h, dbeta = sum dy.

Bounds for statistics in fp32 by any formula (u = 2**-24, g(n) = n u / (1 - n u)):
  mean      E_m = g(n + 2) m|x|                                  n additions in any order, one division, one product
  variance  E_v = 2 g(2 n) m(x**2)                               Welford's updates as well as m(x**2) - mu**2
  h         e   = E_m r + |h| (0.505 E_v / (var + eps) + 6 u) + 3 u r (|x| + |mu|)
                  d(r)/r = -d(var) / (2 (var + eps)), one per cent for the second order (E_v / (var + eps) < 0.01 is
                  asserted); r, the subtraction and the product round a few times
  y         |gamma| e + 3 u (|gamma h| + |beta|)
  dx        r T (g(n + 8) + 3 e' + 1.5 eps / (var + eps)),       T = |d| + m|d| + H m(|d| H),  H = (|x| + |mu|) r,
            e' = max e: h enters twice and r once, each wrong by at most e', relative to |h| or 1, whichever is more.
            H, not |h|, because some kernels expand (x - mu) inside the sums.
The eps term: mean and r are stored for backward, on some devices in the dtype of the input. The inputs are chosen so
that both are representable except that eps makes r smaller than a power of two by a share of eps / (2 (var + eps));
storing r may round that away, and r enters at most three times. Sums for dgamma and dbeta hold at most 2**p / 4 entries
of +-1, so that every partial sum is exact even in 16 bits where h = +-1; dgamma's bound adds the error of h: sum|dy|
(e' + 0.5 eps / (var + eps)) + g(count) sum|dy h|. Half-precision kernels round the output once; the interval of
judge.py takes that rounding into account.
"""

from collections import namedtuple

EPS = 1e-5
_U = 2.0**-24

Statistics = namedtuple("Statistics", "mean variance r h error")
"""Float64, broadcastable against x: the exact statistics, h, and the bound e on h."""

Expected = namedtuple("Expected", "value bound")
"""A float64 reference and the absolute bound of an INTERVAL."""


def growth(count):
    """Higham's gamma for `count` fp32 roundings."""
    return count * _U / (1 - count * _U)


def statistics(ctx, x, dims):
    """Statistics of float64 `x` over `dims` with their error bound."""
    count = 1
    for dim in dims:
        count *= x.shape[dim]
    mean = x.mean(dims, keepdim=True)
    variance = ((x - mean) ** 2).mean(dims, keepdim=True)
    mean_error = growth(count + 2) * x.abs().mean(dims, keepdim=True)
    variance_error = 2 * growth(2 * count) * (x**2).mean(dims, keepdim=True)
    ctx.require(bool((variance_error < 0.01 * (variance + EPS)).all()), "E_v / (var + eps) < 0.01")
    r = (variance + EPS) ** -0.5
    h = (x - mean) * r
    error = mean_error * r + h.abs() * (0.505 * variance_error / (variance + EPS) + 6 * _U)
    return Statistics(mean, variance, r, h, error + 3 * _U * r * (x.abs() + mean.abs()))


def given(x, mean, variance):
    """Statistics that are inputs, as in evaluation: only r is computed, and perhaps stored in 16 bits."""
    r = (variance + EPS) ** -0.5
    h = (x - mean) * r
    share = 6 * _U + 0.5 * EPS / (variance + EPS)
    return Statistics(mean, variance, r, h, h.abs() * share + 3 * _U * r * (x.abs() + mean.abs()))


def forward(stats, gamma, beta):
    """y and its bound; `gamma` and `beta` broadcast against x."""
    value = gamma * stats.h + beta
    return Expected(value, gamma.abs() * stats.error + 3 * _U * ((gamma * stats.h).abs() + beta.abs()))


def backward(stats, x, gamma, dy, dims):
    """dx and its bound."""
    count = x.numel() // stats.mean.numel()
    d = gamma * dy
    value = stats.r * (d - d.mean(dims, keepdim=True) - stats.h * (d * stats.h).mean(dims, keepdim=True))
    reach = (x.abs() + stats.mean.abs()) * stats.r
    size = d.abs() + d.abs().mean(dims, keepdim=True) + reach * (d.abs() * reach).mean(dims, keepdim=True)
    share = growth(count + 8) + 3 * float(stats.error.max()) + 1.5 * _eps_share(stats)
    return Expected(value, stats.r * size * share)


def backward_given(stats, gamma, dy):
    """dx where the statistics are inputs: r gamma dy."""
    value = stats.r * gamma * dy
    return Expected(value, value.abs() * (8 * _U + _eps_share(stats)))


def parameters(ctx, stats, dy, dims):
    """dgamma and dbeta, summed over `dims`, with their bounds; asserts that partial sums stay exact in 16 bits."""
    weight = dy.abs().sum(dims)
    ctx.require(4 * float(weight.max()) <= 2**ctx.precision, "4 * sum|dy| <= 2**p")
    count = dy.numel() // weight.numel()
    slack = float(stats.error.max()) + 0.5 * _eps_share(stats)
    rounding = growth(count) * (dy * stats.h).abs().sum(dims)
    return Expected((dy * stats.h).sum(dims), weight * slack + rounding), Expected(dy.sum(dims), 0.0 * weight)


def _eps_share(stats):
    return float((EPS / (stats.variance + EPS)).max())


def balanced_signs(ctx, groups, size, *words):
    """int64 (groups, size) of +1 and -1, as many of each in every row, in random places. `size` is even."""
    ranks = ctx.uniform((groups, size), "signs", *words).argsort(1)
    return 2 * (ranks % 2) - 1


def offsets(ctx, shape, *words):
    """float64 -1, 0 or 1: a mean that the statistics must remove."""
    return ctx.integers(shape, -1, 1, "offset", *words).double()


def affine(ctx, count):
    """float64 gamma in {+-1, +-2} and beta in {0, +-1/2, +-4}: |beta| != |gamma|, so that y never cancels to zero."""
    signs = 2 * ctx.integers((count,), 0, 1, "gamma sign") - 1
    gamma = signs * 2 ** ctx.integers((count,), 0, 1, "gamma")
    table = ctx.torch.tensor([0.0, 0.5, -0.5, 4.0, -4.0], dtype=ctx.torch.float64)
    return gamma.double(), table[ctx.integers((count,), 0, 4, "beta")]


def thin_ternary(ctx, shape, sums, *words):
    """float64 entries of -1, 0, 1; `sums` elements meet in one parameter's gradient, so most are zeroed if many.

    2/3 of ternary entries are not zero: on average an eighth of 2**p is used, half of what `parameters` allows.
    """
    dy = ctx.integers(shape, -1, 1, "dy", *words).double()
    keep = 2.0**ctx.precision / (8 * sums) * 1.5
    return dy * (ctx.uniform(shape, "keep", *words) < keep).double() if keep < 1 else dy


def all_within(ctx, triples):
    """One judgement of (name, device tensor, Expected) triples."""
    judged = [ctx.interval(got, want.value, want.bound, note="in %s" % name) for name, got, want in triples]
    data = {"bound_used": max(j.data.get("bound_used", 0.0) for j in judged)}
    judgement = ctx.all_of(*judged)
    return judgement._replace(data=data) if judgement.status == "pass" else judgement
