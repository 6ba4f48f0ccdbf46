"""Gradient clipping by norm and by value, in a loop and over lists: norms, coefficients and every clipped element.

Hunts: norms that miss tensors or tails (https://github.com/pytorch/pytorch/issues/140066), squares summed in 16 bits, a
coefficient that is applied twice, to some tensors only, or to gradients below the threshold, NaN and infinity that are
swallowed by the norm, wrong clamps.
Rule: EXACT. Four tensors hold 9, 16, 36 and 441 entries of +-1, +-1, +-2 and +-4, the first and last among them, so
their norms are 3, 4, 12 and 84, and 3**2 + 4**2 + 12**2 + 84**2 = 85**2; squares sum to less than 2**24, exact in the
float32 in which torch adds them up. 85 + 1e-6 rounds back to 85, hence a maximum of 85/8 gives the coefficient 2**-3
and no product rounds. Sums (norm 1) are rounded to the dtype a tensor and once more for their sum, maxima never.
Spread gradients are judged by the norm that the device returned: g c with c = max_norm / (norm + 1e-6), which is
rounded four times (INTERVAL, gamma(4, u) with a division as in roundoff.py); the norm itself by Higham's gamma(n + 4,
2**-23) of n positive terms in float32, rounded to the dtype once a tensor and once for all.
Source: torch.nn.utils.clip_grad_norm_
(https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html).
"""

from functools import partial

from .. import judge, roundoff, tensorlists

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1
WORKAROUND = "Clip with foreach=False, or choose another dtype for the gradients."

_SHAPES = ((17, 5), (3, 2, 3, 7), (1023,), (1025,))
_ENTRIES = ((9, 1), (16, 1), (36, 2), (441, 4))
_NORM = 85.0


def cases(ctx):
    for word, options in (("loop", {"foreach": False}), ("foreach", {"foreach": True}), ("default", {})):
        for kind in (2.0, float("inf"), 1.0):
            yield "norm %g, %s" % (kind, word), partial(by_norm, ctx, kind, options)
        for value in (float("nan"), float("inf"), float("-inf")):
            yield "norm with %g in the last element, %s" % (value, word), partial(nonfinite, ctx, value, options)
        for limit in (2.0, 0.5, 100.0):
            yield "by value %g, %s" % (limit, word), partial(by_value, ctx, limit, options)
        yield "norm of spread gradients, %s" % word, partial(spread, ctx, tensorlists.SHAPES, options)
    large = tensorlists.chunked(ctx) if ctx.dtype_name == "float32" or ctx.large else tensorlists.many(ctx)
    yield "norm of many tensors, foreach", partial(spread, ctx, large, {"foreach": True})


def by_norm(ctx, kind, options):
    """Above the threshold (norm 2 only, where the coefficient is a power of two), below it, and zeros."""
    values = [_sparse(ctx, shape, *entry, kind) for shape, entry in zip(_SHAPES, _ENTRIES)]
    norm, clip, judged = _norm(ctx, values, kind), ctx.torch.nn.utils.clip_grad_norm_, []
    steps = [("below the threshold", 1.0, 2.0**14, 1.0), ("of zeros", 0.0, 1.0, 0.0)]
    if kind == 2:
        steps += [("above the threshold", 1.0, norm / 8, 0.125), ("scaled, below it", 0.125, 64.0, 0.125)]
    for note, scale, limit, factor in steps:
        parameters = _with_gradients(ctx, [v * scale for v in values])
        judged.append(_returned(ctx, clip(parameters, limit, norm_type=kind, **options), norm * scale))
        judged.append(_gradients(ctx, parameters, values, factor, note))
    return ctx.all_of(*judged)


def nonfinite(ctx, value, options):
    """One bad element: with NaN all gradients become NaN, with an infinity the others become zero (max / inf)."""
    torch, clip = ctx.torch, ctx.torch.nn.utils.clip_grad_norm_
    values = [_sparse(ctx, shape, *entry, 2.0) for shape, entry in zip(_SHAPES, _ENTRIES)]
    values[-1].view(-1)[-1] = value
    parameters = _with_gradients(ctx, values)
    try:
        clip(parameters, 1.0, error_if_nonfinite=True, **options)
        return judge.failed("a norm of %g raised no error" % value, 1)
    except RuntimeError as error:
        if "non-finite" not in str(error):
            raise
    parameters = _with_gradients(ctx, values)
    returned = clip(parameters, 1.0, **options)
    wanted = [v * float("nan") if value != value else v * 0 for v in values]  # inf * 0 is NaN
    return ctx.all_of(
        _returned(ctx, returned, abs(value)),
        tensorlists.exact(ctx, [p.grad for p in parameters], torch.cat([w.reshape(-1) for w in wanted])),
    )


def by_value(ctx, limit, options):
    torch = ctx.torch
    values = ctx.integers((tensorlists.total(tensorlists.SHAPES),), -8, 8, "by value").double() / 4
    special = torch.tensor([float("inf"), float("-inf"), float("nan")], dtype=torch.float64)
    values[-3:] = special
    parameters = tensorlists.cut(ctx, values * 0, tensorlists.SHAPES)
    for parameter, gradient in zip(parameters, tensorlists.cut(ctx, values, tensorlists.SHAPES)):
        parameter.requires_grad_().grad = gradient
    torch.nn.utils.clip_grad_value_(parameters, limit, **options)
    return tensorlists.exact(ctx, [p.grad for p in parameters], values.clamp(-limit, limit))


def spread(ctx, shapes, options):
    """Normal gradients: the norm by its bound, the elements by the norm as returned."""
    torch, of = ctx.torch, roundoff.arithmetic(ctx)
    values = ctx.rounded(ctx.normal((tensorlists.total(shapes),), "spread", len(shapes)))
    parameters = tensorlists.cut(ctx, values * 0, shapes)
    for parameter, gradient in zip(parameters, tensorlists.cut(ctx, values, shapes)):
        parameter.requires_grad_().grad = gradient
    returned = torch.nn.utils.clip_grad_norm_(parameters, 3.0, **options)
    parts = [float((part**2).sum()) ** 0.5 for part in values.split([tensorlists.size(s) for s in shapes])]
    norm = torch.tensor(parts, dtype=torch.float64).norm()
    share = judge.gamma(values.numel() + len(shapes) + 8, 2.0**-23) + of.unit * 1.01
    judged = [ctx.interval(returned, norm, norm * share, note="in the norm")]
    if judged[0].status != "pass":
        return judged[0]
    held = roundoff.Number(of, ctx.values(returned))
    coefficient = roundoff.scalar(of, 3.0) / (held + 1e-6)
    wanted = roundoff.Number(of, values) * coefficient
    got, have = tensorlists.joined(ctx, [p.grad for p in parameters])
    return ctx.all_of(judged[0], tensorlists.within(ctx, got, have, wanted.value, wanted.before, "in the gradients"))


def _sparse(ctx, shape, count, size, kind):
    """float64: `count` entries of +-size in random places, the first and the last among them; zeros elsewhere."""
    flat = ctx.torch.zeros(tensorlists.size(shape), dtype=ctx.torch.float64)
    places = ctx.uniform((flat.numel() - 2,), "places", count, kind).argsort()[: count - 2] + 1
    ends = ctx.torch.tensor([0, flat.numel() - 1])
    signs = 2 * ctx.integers((count,), 0, 1, "signs", count, kind).double() - 1
    flat[ctx.torch.cat([places, ends])] = signs * size
    return flat.reshape(shape)


def _norm(ctx, values, kind):
    """The norm of each tensor, rounded, then of these norms, rounded; exact before each rounding (asserted for 2)."""
    torch = ctx.torch
    if kind == 2:
        ctx.require(sum(float((v**2).sum()) for v in values) == _NORM**2, "squares sum to 85**2")
        return _NORM
    parts = [v.abs().max() if kind == float("inf") else v.abs().sum() for v in values]
    parts = ctx.rounded(torch.stack(parts))
    return float(parts.max() if kind == float("inf") else parts.sum())


def _with_gradients(ctx, values):
    flat = ctx.torch.cat([v.reshape(-1) for v in values])
    parameters = tensorlists.cut(ctx, flat * 0, _SHAPES)
    for parameter, gradient in zip(parameters, tensorlists.cut(ctx, flat, _SHAPES)):
        parameter.requires_grad_().grad = gradient
    return parameters


def _returned(ctx, returned, norm):
    return ctx.exact(returned, ctx.torch.tensor(norm, dtype=ctx.torch.float64), note="in the norm returned")


def _gradients(ctx, parameters, values, factor, note):
    flat = ctx.torch.cat([v.reshape(-1) for v in values]) * factor
    return tensorlists.exact(ctx, [p.grad for p in parameters], flat, "in gradients %s" % note)
