"""Batch norm as a module over several steps: running statistics, the count of batches, then evaluation with them.

Hunts: running statistics that stop moving, are overwritten instead of blended, take the biased variance or the wrong
momentum on a later step; a cumulative average (momentum None) gone wrong; evaluation that uses the batch's statistics
or training that uses the running ones; instance norm with running statistics.
Rule: INTERVAL. Statistics as in normalisation.py; each step adds m times the errors of the batch's mean and variance
and six roundings, and multiplies the error so far by 1 - m; in float32, as mixed precision keeps them. In evaluation
mean and variance lie within that error of the reference, which changes h by E_mean r + |h| E_var / (2 (var + eps)) (one
per cent more for the second order). The count of batches is EXACT. Every channel holds 0, +-1 and +-2 plus c; steps
have different offsets and scales.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html; the biased variance normalises, the
unbiased one is kept: https://github.com/pytorch/pytorch/issues/19902.
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.2
VERSION = 1

_STEPS = ((1, 1), (4, 1), (0.5, 3))
"""(scale, offset) of each step."""


def cases(ctx):
    for momentum in (0.1, 0.25, None):
        for shape, layout in (((4, 9, 5, 7), "channels_last"), ((3, 16, 4, 4), "contiguous"), ((17, 6), "contiguous")):
            label = "momentum %s %s %s" % (momentum, "x".join(map(str, shape)), layout)
            yield label, partial(steps, ctx, shape, momentum, layout)
    for size in ((3, 5, 4, 6), (2, 6, 12)):
        yield "instance norm %s" % "x".join(map(str, size)), partial(instance, ctx, size)


def steps(ctx, shape, momentum, layout):
    nn = ctx.torch.nn
    kind = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    module = kind(shape[1], momentum=momentum).to(ctx.device)  # parameters stay float32
    dims = (0,) + tuple(range(2, len(shape)))
    params = tuple(size if dim == 1 else 1 for dim, size in enumerate(shape))
    state = [ctx.torch.zeros(shape[1]).double(), ctx.torch.ones(shape[1]).double()]
    errors = [0 * state[0], 0 * state[1]]
    judgements, x = [], None
    for number, (scale, offset) in enumerate(_STEPS, 1):
        x = norm.sample(ctx, shape, dims, "ladder", scale, offset, shape, number, momentum)
        share = 1 / number if momentum is None else momentum
        stats = norm.statistics(ctx, x, dims, kind="float32")
        after = norm.running(ctx, state, stats, x, x.numel() // shape[1], share, dims, "float32")
        errors = [(1 - share) * old + new.bound for old, new in zip(errors, after)]
        state = [new.value for new in after]
        y = module(norm.laid(ctx, ctx.tensor(x), layout))
        judgements.append(
            norm.all_within(
                ctx,
                (
                    ("output", y, norm.forward(stats, 0 * x + 1, 0 * x, True)),
                    ("running mean", module.running_mean, norm.Expected(state[0], errors[0])),
                    ("running variance", module.running_var, norm.Expected(state[1], errors[1])),
                ),
            )
        )
        judgements.append(_counted(ctx, module, number))
    judgements.append(_evaluated(ctx, module, x, [v.reshape(params) for v in state + errors], layout))
    return ctx.all_of(*judgements)


def _counted(ctx, module, number):
    want = ctx.torch.tensor(number, dtype=ctx.torch.int64)
    return ctx.exact_integers(module.num_batches_tracked, want, note="(batches tracked)")


def _evaluated(ctx, module, x, state, layout):
    module.eval()
    mean, variance, mean_error, variance_error = state
    stats = norm.given(ctx, x, mean, variance, kind="float32")
    ctx.require(bool((variance_error < 0.01 * variance).all()), "E_var < 0.01 var")
    shift = mean_error * stats.r + stats.h.abs() * 0.505 * variance_error / (variance + norm.EPS)
    stats = stats._replace(error=stats.error + shift)
    y = module(norm.laid(ctx, ctx.tensor(x), layout))
    return norm.all_within(ctx, (("output of evaluation", y, norm.forward(stats, 0 * x + 1, 0 * x)),))


def instance(ctx, shape):
    """Running statistics of instance norm are blended with the mean of the images' own; a CPU passes them through the
    dtype of a 16-bit input."""
    dims = tuple(range(2, len(shape)))
    x = norm.sample(ctx, shape, dims, "ladder", 1, 1, shape, "instance")
    stats = norm.statistics(ctx, x, dims, kind="float32")
    old = [ctx.torch.zeros(shape[1]).double() - 1, ctx.torch.ones(shape[1]).double() + 2]
    buffers = [ctx.tensor(v, dtype_name="float32") for v in old]
    y = ctx.torch.nn.functional.instance_norm(
        ctx.tensor(x), buffers[0], buffers[1], use_input_stats=True, momentum=0.25, eps=norm.EPS
    )
    pixels = x.numel() // (shape[0] * shape[1])
    flat = x.reshape((1, -1) + tuple(shape[2:]))
    wide = [v.repeat(shape[0]) for v in old]
    each = norm.running(ctx, wide, stats, flat, pixels, 0.25, (0,) + dims, "float32")
    shaped = [[part.reshape(shape[0], shape[1]) for part in expected] for expected in each]
    rounding = norm.growth(shape[0] + 2) + (2 * 2.0**-ctx.precision if ctx.format.bits == 16 else 0.0)
    after = [norm.Expected(v.mean(0), e.mean(0) + rounding * v.abs().mean(0)) for v, e in shaped]
    return norm.all_within(
        ctx,
        (
            ("output", y, norm.forward(stats, 0 * x + 1, 0 * x, True)),
            ("running mean", buffers[0], after[0]),
            ("running variance", buffers[1], after[1]),
        ),
    )
