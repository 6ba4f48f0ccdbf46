"""Batch norm, training and evaluation, forward and backward, 1-D to 3-D, in every layout, with running statistics.

Hunts: 16-bit statistics, NaN or wrong values in channels_last (https://github.com/pytorch/pytorch/issues/147303,
https://github.com/pytorch/pytorch/issues/62594), wrong running statistics (biased variance, momentum the wrong way
round), wrong gradients, odd channel counts, last tiles, a batch of one, one pixel an image, missing parameters.
Rule: INTERVAL with the bounds of normalisation.py. Every channel holds 0, +-1 and +-2 with mean 0 and variance 1, plus
c in {-1, 0, 1}, times a power of two; gamma in {+-1, +-2}, beta never of the size of gamma h. 16-bit inputs run with
parameters of their own dtype and with float32 parameters, as mixed-precision training has them. Running statistics:
(1 - m) old + m mean and (1 - m) old + m var n / (n - 1), inside m times the errors of mean and variance plus six
roundings. Evaluation: mean within 1 of c, variance a power of 4 or any number from 1 to 3.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "quick"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.7
VERSION = 2

_BOTH = ("contiguous", "channels_last")
_QUICK = (((4, 16, 8, 8), 1, _BOTH), ((4, 16, 8, 8), 512, _BOTH), ((4, 8, 16, 32), 1, _BOTH))
_SHAPES = (
    ((1, 16, 8, 8), 1, _BOTH),
    ((8, 17, 1, 1), 1, _BOTH),
    ((2, 3, 17, 19), 1, _BOTH),
    ((3, 65, 3, 5), 1, _BOTH),
    ((2, 257, 2, 3), 1, _BOTH),
    ((2, 1024, 2, 2), 1, _BOTH),
    ((7, 32, 5, 7), 1, _BOTH),
    ((9, 20, 4, 4), 16384, _BOTH),
    ((1, 2, 65, 67), 1, _BOTH),
    ((2, 5, 12, 6), 1, ("swapped", "strided")),
    ((33, 17), 1, ("contiguous", "swapped", "strided")),
    ((2, 7), 1, ("contiguous",)),
    ((40, 256), 1, ("contiguous",)),
    ((4099, 2), 1, ("contiguous",)),
    ((4, 9, 13), 1, ("contiguous", "swapped")),
    ((2, 64, 31), 1, ("contiguous",)),
    ((2, 5, 3, 4, 5), 1, _BOTH),
    ((2, 16, 2, 4, 4), 1, _BOTH),
)
"""(shape, scale, layouts)"""

_EVALUATED = ((5, 17, 3, 7), (9, 33), (1, 64, 1, 1), (1, 3, 33, 31), (4, 6, 3, 4, 5), (1, 8), (3, 7, 10))

_HABITS = (
    ((4, 16, 8, 8), 1e-3, 0.03, 2.0**-5),  # the eps and momentum of YOLO; a variance of the size of eps
    ((4, 6, 5, 5), 1e-5, 0.1, 2.0**-9),
    ((2, 9, 6), 1e-5, 0.1, 1),
    ((16, 33), 1e-5, 1.0, 1),
    ((16, 32), 1e-5, 0.0, 1),
)
"""(shape, eps, momentum, scale)"""


def cases(ctx):
    for kind in kinds(ctx):
        shapes = _SHAPES if kind == "float32" else _SHAPES[::2]
        for shape, scale, layouts in _QUICK + (shapes if ctx.at_least("standard") else ()):
            for layout in layouts:
                label = "%s times %d %s %s parameters" % ("x".join(map(str, shape)), scale, layout, kind)
                yield "training " + label, partial(training, ctx, shape, scale, layout, kind)
        for layout in _BOTH:
            label = "evaluation 4x16x8x8 %s %s parameters" % (layout, kind)
            yield label, partial(evaluation, ctx, (4, 16, 8, 8), layout, kind)
        if ctx.at_least("standard"):
            for case in standard(ctx, kind):
                yield case


def kinds(ctx):
    """Dtypes of the parameters."""
    return ("float32",) if ctx.dtype_name == "float32" else (ctx.dtype_name, "float32")


def standard(ctx, kind):
    for shape, eps, momentum, scale in _HABITS:
        for layout in _BOTH if len(shape) == 4 else ("contiguous",):
            label = "eps %g momentum %g %s %s %s parameters" % (eps, momentum, "x".join(map(str, shape)), layout, kind)
            yield label, partial(training, ctx, shape, scale, layout, kind, eps=eps, momentum=momentum)
    for layout, dy_layout in (("contiguous", "channels_last"), ("channels_last", "contiguous")):
        label = "training 2x10x5x4 %s, gradient %s, %s parameters" % (layout, dy_layout, kind)
        yield label, partial(training, ctx, (2, 10, 5, 4), 1, layout, kind, dy_layout=dy_layout)
    for affine in ("weight", "none"):
        for layout in _BOTH:
            label = "%s %s %s" % ({"weight": "no bias", "none": "no parameters"}[affine], layout, kind)
            yield label, partial(training, ctx, (3, 10, 4, 5), 1, layout, kind, affine=affine)
            yield (
                "no running statistics, " + label,
                partial(training, ctx, (3, 12, 4, 5), 1, layout, kind, affine=affine, track=False),
            )
    for size in _EVALUATED if kind == "float32" else _EVALUATED[:3]:
        for layout in _BOTH if len(size) > 3 else ("contiguous",):
            label = "evaluation %s %s %s parameters" % ("x".join(map(str, size)), layout, kind)
            yield label, partial(evaluation, ctx, size, layout, kind)
        yield label + ", any variance", partial(evaluation, ctx, size, "contiguous", kind, any_variance=True)
    if ctx.large and kind == "float32":
        for layout in _BOTH:
            yield "training 4x64x56x56 %s" % layout, partial(training, ctx, (4, 64, 56, 56), 1, layout, kind)
    for layout in _BOTH + ("swapped",):
        yield (
            "evaluation without parameters %s %s" % (layout, kind),
            partial(evaluation, ctx, (3, 10, 4, 5), layout, kind, affine="none"),
        )


def training(ctx, shape, scale, layout, kind, eps=norm.EPS, momentum=0.5, affine="both", track=True, dy_layout=None):
    dims, params = _axes(shape)
    words = (shape, scale, layout, kind, eps, momentum, affine, track)
    x = norm.sample(ctx, shape, dims, "ladder", scale, 1, *words)
    rough = _roughness(ctx, layout, dy_layout)
    wanted = norm.problem(ctx, x, dims, params, eps, kind, held=True, rough=rough, words=words)
    wanted = norm.reduced(wanted, dims, affine, True, rough)
    old = [
        ctx.integers((shape[1],), -2, 2, "old mean", *words).double(),
        ctx.integers((shape[1],), 1, 3, "old variance", *words).double(),
    ]
    buffers = [ctx.tensor(v, dtype_name=kind) for v in old] if track else [None, None]
    after = norm.running(ctx, old, wanted.stats, x, x.numel() // shape[1], momentum, dims, kind)
    names = ("running mean", "running variance")
    extra = (lambda: zip(names, buffers, after)) if track else None
    function = _function(ctx, buffers, True, momentum, eps)
    return norm.judged(ctx, wanted, shape, (shape[1],), function, layout, kind, extra, dy_layout)


def evaluation(ctx, shape, layout, kind, affine="both", any_variance=False):
    dims, params = _axes(shape)
    words = (shape, layout, kind, affine, any_variance)
    x = norm.sample(ctx, shape, dims, "ladder", 1, 1, *words)
    mean = ctx.integers((shape[1],), -1, 1, "mean", *words).double() + x.mean(dims).round()
    variance = 4.0 ** ctx.integers((shape[1],), -1, 1, "variance", *words).double()
    if any_variance:
        variance = _as_held(ctx, 1 + 2 * ctx.uniform((shape[1],), "variance", *words), kind)
    stats = norm.given(ctx, x, mean.reshape(params), variance.reshape(params), kind=kind)
    wanted = norm.problem(ctx, x, dims, params, kind=kind, stats=stats, words=words)
    buffers = [ctx.tensor(v, dtype_name=kind) for v in (mean, variance)]
    if affine == "none":
        one = 0 * wanted.gamma + 1
        dx = norm.backward_given(stats, one, wanted.dy)
        wanted = wanted._replace(gamma=None, beta=None, y=norm.forward(stats, one, 0 * one), dx=dx)
    kept = [norm.Expected(v, 0 * v) for v in (mean, variance)]
    names = ("running mean, to be left alone,", "running variance, to be left alone,")
    return norm.judged(
        ctx,
        wanted,
        shape,
        (shape[1],),
        _function(ctx, buffers, False, 0.5, norm.EPS),
        layout,
        kind,
        lambda: zip(names, buffers, kept),
    )


def _as_held(ctx, values, kind):
    """`values` as a buffer of dtype `kind` holds them."""
    return ctx.values(ctx.tensor(values, dtype_name=kind))


def _axes(shape):
    """The dimensions that are normalised over, and the shape of the parameters in the view of x."""
    dims = (0,) + tuple(range(2, len(shape)))
    return dims, tuple(size if dim == 1 else 1 for dim, size in enumerate(shape))


def _roughness(ctx, layout, dy_layout):
    """For input (with its gradient) that is neither contiguous nor channels_last a CPU computes dx by whole-tensor
    operations, rounding k = m(d h) r, (x - mu) k, d - m(d) - (x - mu) k and its products with r, gamma to 16 bits."""
    uneven = dy_layout or layout in ("swapped", "strided")
    return 5 * 2.0**-ctx.precision if ctx.format.bits == 16 and uneven else 0.0


def _function(ctx, buffers, training_, momentum, eps):
    def function(x, weight, bias):
        return ctx.torch.nn.functional.batch_norm(
            x, buffers[0], buffers[1], weight, bias, training=training_, momentum=momentum, eps=eps
        )

    return function
