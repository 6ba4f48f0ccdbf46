"""What the normalisation probes share: the formula in float64, its error bound, inputs with known statistics.

A normalisation over n elements: mu = mean x, var = mean (x - mu)**2, r = 1 / sqrt(var + eps), h = (x - mu) r,
y = gamma h + beta; backward, with d = gamma dy and m(.) the mean over the same n elements:
dx = r (d - m(d) - h m(d h)), dgamma = sum dy h, dbeta = sum dy. RMS norm: the same with mu = 0 and no m(d).

Bounds for statistics in fp32 by any formula (u = 2**-24, g(n) = n u / (1 - n u)):
  mean      E_m = g(n + 2) m|x|                                  n additions in any order, one division, one product
  variance  E_v = 2 g(2 n) m(x**2)                               Welford's updates as well as m(x**2) - mu**2
  h         e   = E_m r + |h| (s + 6 u) + 3 u r (|x| + |mu|),    s = E_v / (2 (var + eps)) (1 - q)**-1.5
                  s is the largest relative change of (var + eps)**-1/2 when var moves by E_v = q (var + eps), q < 0.05
                  asserted; r, the subtraction and the product round a few times
  y         |gamma| e + 3 u (|gamma h| + |beta|)
  dx        r T (g(n + 8) + 3 e'),   T = |d| + m|d| + H m(|d| H),  H = max(1, (|x| + |mu|) r),
            e' = max e / max(|h|, 1) + share of r: h enters twice and r once or (expanded) three times.
            H, not |h|, because some kernels expand (x - mu) inside the sums.
  dgamma    sum |dy| e + g(count + 4) sum |dy| H,   expanded as sum dy x - mu sum dy as well
E_m = E_v = 0 where every formula is exact: one integer, or equal integers whose count is a power of two.

Held statistics: mean and r are stored for backward (and by some batch norm kernels for forward), on some devices in the
dtype of a 16-bit input unless the parameters are float32. What that rounding changes is computed, not bounded: it is
next to nothing where mean and r are numbers of the dtype, as most inputs here are chosen, but for eps, which makes r
smaller than a power of two by a share of eps / (2 (var + eps)). Sums for dgamma and dbeta hold at most 2**p / 4 entries
of -1, 0 or 1, so that every partial sum is exact even in 16 bits where h is an integer; where it is not, partial sums
may round in 16 bits, which adds the number of entries times 2**-p, and a CPU's layer norm gives float32 parameters
sums that were rounded to 16 bits. Half-precision kernels round the output once; the
interval of judge.py takes that rounding into account.
"""

from collections import namedtuple

from . import judge, rounding

EPS = 1e-5
_U = 2.0**-24

Statistics = namedtuple("Statistics", "mean variance r h error held share centred")
"""Float64, broadcastable against x: the exact statistics, h, the bound e on h, the same where mean and r may have been
stored in 16 bits, what that storing changes r by (relative), and whether mu is subtracted at all."""

Expected = namedtuple("Expected", "value bound")
"""A float64 reference and the absolute bound of an INTERVAL."""

Problem = namedtuple("Problem", "x gamma beta dy stats y dx dgamma dbeta")
"""Float64 operands in one view (see `problem`), and what must come out."""


def growth(count):
    """Higham's gamma for `count` fp32 roundings."""
    return count * _U / (1 - count * _U)


# --- the formula and its bounds ---------------------------------------------------------------------------------------
def statistics(ctx, x, dims, eps=EPS, kind=None, centred=True):
    """Statistics of float64 `x` over `dims` with their error bound; `kind`: the parameters' dtype name."""
    count = 1
    for dim in dims:
        count *= x.shape[dim]
    mean = x.mean(dims, keepdim=True) * (1.0 if centred else 0.0)
    variance = ((x - mean) ** 2).mean(dims, keepdim=True)
    inexact = 0.0 if _exact_moments(x, mean, count) else 1.0
    mean_error = inexact * growth(count + 2) * x.abs().mean(dims, keepdim=True) * (1.0 if centred else 0.0)
    variance_error = inexact * 2 * growth(2 * count) * (x**2).mean(dims, keepdim=True)
    part = variance_error / (variance + eps)
    ctx.require(bool((part < 0.05).all()), "E_v / (var + eps) < 0.05")
    r = (variance + eps) ** -0.5
    h = (x - mean) * r
    swing = 0.5 * part * (1 - part) ** -1.5
    error = mean_error * r + h.abs() * (swing + 6 * _U) + 3 * _U * r * (x.abs() + mean.abs())
    share = _stored(ctx, kind, r, r * (swing + 4 * _U)) / r
    held = error + h.abs() * share + _stored(ctx, kind, mean, mean_error) * r
    return Statistics(mean, variance, r, h, error, held, share, centred)


def given(ctx, x, mean, variance, eps=EPS, kind=None):
    """Statistics that are inputs, as in evaluation: only r is computed, and perhaps stored in 16 bits."""
    r = (variance + eps) ** -0.5
    h = (x - mean) * r
    share = _stored(ctx, kind, r, 4 * _U * r) / r
    error = h.abs() * (6 * _U + share) + 3 * _U * r * (x.abs() + mean.abs())
    return Statistics(mean, variance, r, h, error, error, share, True)


def forward(stats, gamma, beta, held=False):
    """y and its bound; `gamma` and `beta` broadcast against x. `held`: the kernel may read stored statistics."""
    value = gamma * stats.h + beta
    error = stats.held if held else stats.error
    return Expected(value, gamma.abs() * error + 3 * _U * ((gamma * stats.h).abs() + beta.abs()))


def backward(stats, x, gamma, dy, dims, rough=0.0):
    """dx and its bound; `rough`: what a kernel's 16-bit intermediates add, relative to T."""
    count = x.numel() // stats.mean.numel()
    d = gamma * dy
    mean = d.mean(dims, keepdim=True) if stats.centred else 0.0
    value = stats.r * (d - mean - stats.h * (d * stats.h).mean(dims, keepdim=True))
    reach = _reach(stats, x)
    size = d.abs() + d.abs().mean(dims, keepdim=True) + reach * (d.abs() * reach).mean(dims, keepdim=True)
    relative = float((stats.held / stats.h.abs().clamp(min=1.0)).max()) + float(stats.share.max())
    return Expected(value, stats.r * size * (growth(count + 8) + 3 * relative + rough))


def backward_given(stats, gamma, dy):
    """dx where the statistics are inputs: r gamma dy."""
    value = stats.r * gamma * dy
    return Expected(value, value.abs() * (8 * _U + stats.share))


def parameters(ctx, stats, x, dy, dims, kind=None):
    """dgamma and dbeta, summed over `dims`, with their bounds; asserts that partial sums stay exact in 16 bits."""
    weight = _summed(dy.abs(), dims)
    ctx.require(4 * float(weight.max()) <= 2**ctx.precision, "4 * sum|dy| <= 2**p")
    count = dy.numel() // weight.numel()
    size = _summed(dy.abs() * _reach(stats, x), dims)
    value = _summed(dy * stats.h, dims)
    bound = _summed(dy.abs() * stats.held, dims) + growth(count + 4) * size
    if ctx.format.bits == 16 and bool(((stats.h - stats.h.round()).abs() > 2.0**-12).any()):
        bound = bound + weight * 2.0**-ctx.precision * size
    if ctx.format.bits == 16 and kind == "float32":
        bound = bound + change(ctx, value, bound)
    return Expected(value, bound), Expected(_summed(dy, dims), 0.0 * weight)


def running(ctx, old, stats, x, count, momentum, dims, kind):
    """Running mean and (unbiased) variance after one step, inside `momentum` times the errors of the statistics and
    six roundings; `old`: the two tensors before, one value a channel. Where they are held in 16 bits, a CPU rounds the
    new statistics and the product with the momentum to 16 bits as well."""
    mean, variance = stats.mean.reshape(-1), stats.variance.reshape(-1) * count / (count - 1)
    after = [(1 - momentum) * before + momentum * new for before, new in zip(old, (mean, variance))]
    mean_error = momentum * growth(count + 2) * x.abs().mean(dims).reshape(-1)
    square = (x**2).mean(dims).reshape(-1) * count / (count - 1)
    errors = (mean_error, momentum * 2 * growth(2 * count) * square)
    sizes = [before.abs() + new.abs() for before, new in zip(old, (mean, variance))]
    rounding_ = growth(6) + (2 * 2.0**-ctx.precision if _coarse(ctx, kind) else 0.0)
    return [Expected(value, error + rounding_ * size) for value, error, size in zip(after, errors, sizes)]


def _reach(stats, x):
    """H: |x - mu| r where a kernel expands the difference, at least 1."""
    return ((x.abs() + stats.mean.abs()) * stats.r).clamp(min=1.0)


def _summed(values, dims):
    return values.sum(dims) if dims else values  # torch sums over everything where no dimension is named


def _exact_moments(x, mean, count):
    """Every formula gives these moments exactly: x is one integer, or equal integers, their count a power of two."""
    equal = count == 1 or (count & (count - 1) == 0 and bool((x == mean).all()))
    return equal and bool((x == x.round()).all()) and float(x.abs().max()) <= 2048


def _coarse(ctx, kind):
    """A 16-bit input with parameters of its own dtype: statistics and partial sums may be 16 bits wide."""
    return ctx.format.bits == 16 and kind != "float32"


def _stored(ctx, kind, value, error):
    """The largest change of `value`, known within `error`, by storing it: rounding is monotonic, so ends decide."""
    return change(ctx, value, error) if _coarse(ctx, kind) else 0 * value


def change(ctx, value, error):
    """As `_stored`, whoever stores it."""
    ends = ctx.rounded(ctx.torch.stack((value - error, value + error)))
    return (ends - value).abs().amax(0)


# --- inputs -----------------------------------------------------------------------------------------------------------
def balanced_signs(ctx, groups, size, *words):
    """int64 (groups, size) of +1 and -1, as many of each in every row, in random places. `size` is even."""
    ranks = ctx.uniform((groups, size), "signs", *words).argsort(1)
    return 2 * (ranks % 2) - 1


def ladder(ctx, groups, size, *words):
    """int64 (groups, size): 0, +-1, +-2 in random places, mean 0; mean square 1, or (size - 1) / size for odd sizes.

    With k pairs in all, b of them +-2, 3 b of them zeros and the rest +-1, the squares sum to 8 b + 2 (k - 4 b) = 2 k.
    """
    pairs = size // 2
    twos = size // 16
    ones = pairs - 4 * twos
    steps = [2, -2] * twos + [1, -1] * ones + [0] * (size - 2 * (twos + ones))
    ranks = ctx.uniform((groups, size), "ladder", *words).argsort(1)
    return ctx.torch.tensor(steps, dtype=ctx.torch.int64)[ranks]


def offsets(ctx, shape, *words):
    """float64 -1, 0 or 1: a mean that the statistics must remove."""
    return ctx.integers(shape, -1, 1, "offset", *words).double()


def affine(ctx, count, *words):
    """float64 gamma in {+-1, +-2} and beta in {0, +-1/2, +-8}: no |gamma h| = |beta| for h = +-1, +-2, so that y never
    cancels to zero."""
    signs = 2 * ctx.integers((count,), 0, 1, "gamma sign", *words) - 1
    gamma = signs * 2 ** ctx.integers((count,), 0, 1, "gamma", *words)
    table = ctx.torch.tensor([0.0, 0.5, -0.5, 8.0, -8.0], dtype=ctx.torch.float64)
    return gamma.double(), table[ctx.integers((count,), 0, 4, "beta", *words)]


def thin_ternary(ctx, shape, sums, *words):
    """float64 entries of -1, 0, 1; `sums` elements meet in one parameter's gradient, so most are zeroed if many.

    2/3 of ternary entries are not zero: on average an eighth of 2**p is used, half of what `parameters` allows.
    """
    dy = ctx.integers(shape, -1, 1, "dy", *words).double()
    keep = 2.0**ctx.precision / (8 * sums) * 1.5
    return dy * (ctx.uniform(shape, "keep", *words) < keep).double() if keep < 1 else dy


def sample(ctx, view, dims, data, scale, offset, *words):
    """float64 x of shape `view`, normalised over `dims`.

    data "ladder" (see there) or "equal" (all elements alike), plus `offset` times -1, 0 or 1 a row, times `scale`;
    "normal": 2 randn + 3, rounded to the dtype.
    """
    if data == "normal":
        return ctx.rounded(scale * (2 * ctx.normal(view, "x", *words) + 3))
    kept = [dim for dim in range(len(view)) if dim not in dims]
    rows, size = 1, 1
    for dim in kept:
        rows *= view[dim]
    for dim in dims:
        size *= view[dim]
    x = ladder(ctx, rows, size, *words).double() if data == "ladder" else ctx.torch.zeros(rows, size).double()
    x = scale * (x + offset * offsets(ctx, (rows, 1), *words))
    order = kept + list(dims)
    return x.reshape([view[dim] for dim in order]).permute([order.index(dim) for dim in range(len(view))]).contiguous()


# --- whole cases ------------------------------------------------------------------------------------------------------
def problem(ctx, x, dims, params, eps=EPS, kind=None, centred=True, held=False, stats=None, rough=0.0, words=()):
    """A Problem for `x` normalised over `dims`; `params`: the parameters' shape, with 1 wherever they are shared."""
    shared = tuple(dim for dim in range(x.dim()) if params[dim] == 1)
    count = 1
    for size in params:
        count *= size
    gamma, beta = (v.reshape(params) for v in affine(ctx, count, *words))
    beta = beta if centred else 0 * beta
    dy = thin_ternary(ctx, tuple(x.shape), max(1, x.numel() // count), *words)
    evaluation = stats is not None
    stats = stats or statistics(ctx, x, dims, eps, kind, centred)
    dgamma, dbeta = parameters(ctx, stats, x, dy, shared, kind)
    dx = backward_given(stats, gamma, dy) if evaluation else backward(stats, x, gamma, dy, dims, rough)
    return Problem(x, gamma, beta, dy, stats, forward(stats, gamma, beta, held), dx, dgamma, dbeta)


def plain(problem_, dims, held=False, rough=0.0):
    """The same problem without gamma and beta."""
    one, zero = 0 * problem_.gamma + 1, 0 * problem_.beta
    dx = backward(problem_.stats, problem_.x, one, problem_.dy, dims, rough)
    y = forward(problem_.stats, one, zero, held)
    return problem_._replace(gamma=None, beta=None, y=y, dx=dx, dgamma=None, dbeta=None)


def without_bias(problem_, held=False):
    """The same problem with gamma and without beta."""
    y = forward(problem_.stats, problem_.gamma, 0 * problem_.beta, held)
    return problem_._replace(beta=None, y=y, dbeta=None)


def reduced(problem_, dims, affine, held=False, rough=0.0):
    """The problem with the parameters that `affine` names: both, weight or none."""
    if affine == "both":
        return problem_
    return plain(problem_, dims, held, rough) if affine == "none" else without_bias(problem_, held)


def judged(ctx, wanted, shape, param_shape, function, layout="contiguous", kind=None, extra=None, dy_layout=None):
    """Run `function(x, weight, bias)` and its gradient on operands of `shape` and `param_shape`; judge what comes out.

    extra: called afterwards, gives more (name, device tensor, Expected) triples, such as running statistics.
    """
    leaf = laid(ctx, ctx.tensor(_whole(wanted.x.reshape(shape))), layout).requires_grad_()
    weight, bias = (
        None if v is None else ctx.tensor(v.reshape(param_shape), grad=True, dtype_name=kind)
        for v in (wanted.gamma, wanted.beta)
    )
    y = function(leaf, weight, bias)
    y.backward(laid(ctx, ctx.tensor(_whole(wanted.dy.reshape(shape))), dy_layout or layout))
    triples = [("output", y, _shaped(wanted.y, shape)), ("input gradient", leaf.grad, _shaped(wanted.dx, shape))]
    if weight is not None:
        triples.append(("weight gradient", weight.grad, _shaped(wanted.dgamma, param_shape)))
    if bias is not None:
        triples.append(("bias gradient", bias.grad, _shaped(wanted.dbeta, param_shape)))
    return all_within(ctx, triples + list(extra() if extra else ()))


def _whole(values):
    """Integers as int64, which are quicker to encode."""
    return values.long() if bool((values == values.round()).all()) else values


def laid(ctx, tensor, layout):
    """The same tensor in another memory layout: contiguous, channels_last, swapped (last two dims) or strided."""
    if layout == "channels_last":
        formats = {4: "channels_last", 5: "channels_last_3d"}
        return tensor.contiguous(memory_format=getattr(ctx.torch, formats[tensor.dim()]))
    if layout == "swapped":
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "strided":
        return ctx.torch.stack((tensor, ctx.torch.full_like(tensor, 9.0)), -1)[..., 0]
    return tensor


def _shaped(expected, shape):
    return Expected(expected.value.reshape(shape), expected.bound.reshape(shape))


def all_within(ctx, triples):
    """One judgement of (name, device tensor, Expected) triples; a gradient that never came is a failure."""
    together = _together(ctx, triples)
    if together.status == "pass":
        return together
    judgements = [within(ctx, got, want, "in %s" % name) for name, got, want in triples]
    return ctx.all_of(*judgements)


def _together(ctx, triples):
    """All outputs judged as one, which is quick; a failure does not say where."""
    if any(got is None or tuple(got.shape) != tuple(want.value.shape) for _, got, want in triples):
        return judge.failed("an output has the wrong shape", 0)
    judgements = []
    for name in sorted({_format(got) for _, got, _ in triples}):
        if name not in rounding.FORMATS:
            return judge.failed("an output is %s" % name, 0)
        fmt, ours = rounding.FORMATS[name], [(got, want) for _, got, want in triples if _format(got) == name]
        bits = [rounding.bits_of(ctx.torch, ctx.host(got), fmt).reshape(-1) for got, _ in ours]
        value, bound = (
            ctx.torch.cat([part.reshape(-1) for part in parts]) for parts in zip(*(want for _, want in ours))
        )
        judgements.append(judge.interval(ctx.torch, ctx.torch.cat(bits).view(getattr(ctx.torch, name)), value, bound))
    used = max(judgement.data.get("bound_used", 0.0) for judgement in judgements)
    return ctx.all_of(*judgements)._replace(data={"bound_used": used})


def _format(tensor):
    return str(tensor.dtype).replace("torch.", "")


def within(ctx, got, want, note):
    """INTERVAL where the output has the reference's shape; anything else is a failure."""
    if got is None:
        return judge.failed("nothing came out " + note, 0)
    if tuple(got.shape) != tuple(want.value.shape):
        return judge.failed("shape %s instead of %s %s" % (tuple(got.shape), tuple(want.value.shape), note), 0)
    if _format(got) not in rounding.FORMATS:
        return judge.failed("%s %s" % (_format(got), note), 0)
    return ctx.interval(got, want.value, want.bound, note=note)
