"""Averages of weights as trainers keep them: EMA in place, by lerp and over lists, running means, copied buffers.

Hunts: an average that is stale, that loses tails or tensors, that takes the weights in the wrong order (keeps 1 - d
instead of d), buffers that are averaged where they must be copied, counters that stand still; an EMA that holds NaN is
what a user sees as "mAP 0" after a good run (the averaged weights are the ones that are evaluated).
Rule: INTERVAL. d e + (1 - d) w by any formula is wrong by at most 5 u of both shares (roundoff.py, u = 2**-p), from the
average as held before the step: for decay 0.9998 and for the ramp d (1 - exp(-t / 2000)) of YOLO trainers. Where the
decay is 1/2 or 3/4 and the weights are integers nothing rounds in float32, the bound is zero and every bit is judged.
Source: torch.optim.swa_utils (https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema).
"""

import importlib
import math
from functools import partial

from .. import roundoff, tensorlists

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_SHAPES = tensorlists.SHAPES


def cases(ctx):
    for name, update in (("multiply and add", _multiply), ("lerp", _lerp), ("list lerp", _lists), ("lists", _list_ops)):
        for decay in (0.5, 0.75, 0.9998, "ramp"):
            yield "EMA by %s, decay %s" % (name, decay), partial(average, ctx, update, decay)
    yield "AveragedModel, running mean", partial(averaged_model, ctx, False)
    yield "AveragedModel, EMA of lists", partial(averaged_model, ctx, True)


def _multiply(torch, held, weights, decay):
    for e, w in zip(held, weights):
        e.mul_(decay)
        e.add_((1 - decay) * w.detach())


def _lerp(torch, held, weights, decay):
    for e, w in zip(held, weights):
        e.lerp_(w.detach(), 1 - decay)


def _lists(torch, held, weights, decay):
    torch._foreach_lerp_(held, [w.detach() for w in weights], 1 - decay)


def _list_ops(torch, held, weights, decay):
    torch._foreach_mul_(held, decay)
    torch._foreach_add_(held, [w.detach() for w in weights], alpha=1 - decay)


def average(ctx, update, decay):
    """Three updates; each judged from what was held before it."""
    of, count = roundoff.arithmetic(ctx), tensorlists.total(_SHAPES)
    whole = decay in (0.5, 0.75)
    held = tensorlists.cut(ctx, _values(ctx, count, whole, 0), _SHAPES)
    before, judged = tensorlists.joined(ctx, held)[1], []
    for step in range(1, 4):
        values = _values(ctx, count, whole, step)
        now = 0.9999 * (1 - math.exp(-500 * step / 2000)) if decay == "ramp" else decay
        with ctx.torch.no_grad():
            update(ctx.torch, held, tensorlists.cut(ctx, values, _SHAPES), now)
        want = roundoff.Number(of, before).mix(roundoff.Number(of, values), now)
        got, before = tensorlists.joined(ctx, held)
        judged.append(tensorlists.within(ctx, got, before, want.value, want.before, "after step %d" % step))
    return ctx.all_of(*judged)


def _values(ctx, count, whole, *words):
    if whole:
        return ctx.integers((count,), -16, 16, "weights", *words).double() * 4
    return ctx.rounded(ctx.normal((count,), "weights", *words))


def averaged_model(ctx, ema):
    """swa_utils.AveragedModel over a batch norm layer: parameters averaged, buffers and their counter copied."""
    tools = importlib.import_module("torch.optim.swa_utils")
    options = {"multi_avg_fn": tools.get_ema_multi_avg_fn(0.75)} if ema else {}
    model = ctx.torch.nn.BatchNorm1d(37).to(device=ctx.device, dtype=ctx.dtype)
    averaged = tools.AveragedModel(model, **options)
    of, held, judged = roundoff.arithmetic(ctx), None, []
    for n in range(4):
        values = [_filled(ctx, tensor, n, i) for i, tensor in enumerate(model.parameters())]
        buffers = [_filled(ctx, tensor, n, "buffer", i) for i, tensor in enumerate(model.buffers())]
        averaged.update_parameters(model)
        if held is None:  # the first call copies
            wanted = [roundoff.Number(of, v) for v in values]
        else:
            keep = 0.75 if ema else n / (n + 1)
            wanted = [roundoff.Number(of, e).mix(roundoff.Number(of, v), keep) for e, v in zip(held, values)]
        parameters = list(averaged.module.parameters())
        note = "after call %d" % (n + 1)
        judged += [
            ctx.interval(p, w.value, w.before, note="in the average " + note) for p, w in zip(parameters, wanted)
        ]
        held = [ctx.values(p) for p in parameters]
        if hasattr(tools, "get_ema_multi_avg_fn"):  # torch 1.13 and older left buffers to the user
            judged += [_same(ctx, b, v, "in a buffer " + note) for b, v in zip(averaged.module.buffers(), buffers)]
    judged.append(ctx.exact_integers(averaged.n_averaged, ctx.torch.tensor(4), note="calls counted"))
    return ctx.all_of(*judged)


def _filled(ctx, tensor, *words):
    """Fills `tensor` with whole numbers and returns them as float64 (int64 for a counter)."""
    values = ctx.integers(tuple(tensor.shape), -16, 16, "filled", *words)
    with ctx.torch.no_grad():
        if tensor.is_floating_point():
            tensor.copy_(ctx.tensor(values))
            return values.double()
        tensor.copy_(values.to(tensor.device))
    return values


def _same(ctx, got, values, note):
    if got.is_floating_point():
        return ctx.exact(got, values, note=note)
    return ctx.exact_integers(got, values, note=note)
