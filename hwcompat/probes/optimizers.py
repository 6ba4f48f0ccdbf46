"""Runs an optimizer for some steps and judges parameters and state after each by a formula with running error bounds.

After each step the next reference starts from what the device really holds, decoded from its bits, so bounds never grow
with the number of steps. One formula serves every implementation (a loop over tensors, foreach, fused): these differ in
the order and number of roundings, all of which roundoff.py covers.
"""

import warnings
from collections import namedtuple

from . import judge, rounding, roundoff, tensorlists
from .tensorlists import cut, joined, within

LOOP, FOREACH, FUSED = {"foreach": False}, {"foreach": True}, {"fused": True}
HOW = (("loop", LOOP), ("foreach", FOREACH), ("fused", FUSED))

Plan = namedtuple("Plan", "name options update keys steps data tensor_lr shapes")
"""An optimizer of torch.optim by name with its options (or a class made with the parameters and torch);
`update(p, g, state, t)`; the state's `keys` with their initial values; `data`: "dyadic" (few bits: mostly free of
rounding) or "spread" (all bits, many exponents)."""


def plan(name, options, update, keys, steps=3, data="dyadic", tensor_lr=False, shapes=tensorlists.SHAPES):
    return Plan(name, options, update, keys, steps, data, tensor_lr, shapes)


def ways(ctx, number, fused=True):
    """The implementations to try for the plan `number`: all in float32; in 16 bits fused ones and, in turn, one of the
    two that call operators one by one."""
    chosen = HOW if ctx.dtype_name == "float32" or ctx.large else (HOW[number % 2], HOW[2])
    return [one for one in chosen if fused or one[1] is not FUSED]


def make(ctx, parameters, one, how):
    """The optimizer; RuntimeError ("is not available") where this release or device has no such implementation."""
    options = dict(one.options)
    if one.tensor_lr:
        options["lr"] = ctx.tensor(ctx.torch.tensor(options["lr"], dtype=ctx.torch.float64), dtype_name="float32")
    if not isinstance(one.name, str):
        return one.name(parameters, torch=ctx.torch)
    kind = getattr(ctx.torch.optim, one.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind(parameters, **options, **how)
    except TypeError:
        if how != LOOP:
            raise
        return kind(parameters, **options)  # before foreach there was only the loop
    except RuntimeError as error:
        if how == FUSED:
            raise RuntimeError("the fused implementation is not available: %s" % error) from error
        raise


def run(ctx, one, how):
    """Judge `one.steps` steps of the optimizer; one parameter without a gradient must stay as it is."""
    torch, of = ctx.torch, roundoff.arithmetic(ctx)
    count = tensorlists.total(one.shapes)
    parameters = [p.requires_grad_() for p in cut(ctx, parameter_values(ctx, one.data, (count,)), one.shapes)]
    idle = ctx.tensor(ctx.integers((5,), -8, 8, "idle").double(), grad=True)
    idle_bits = rounding.codes_of(torch, ctx.host(idle), ctx.format)
    optimizer = make(ctx, [idle] + parameters, one, how)
    held, state = joined(ctx, parameters)[1], dict.fromkeys(one.keys)
    results = []
    for t in range(1, one.steps + 1):
        gradient = gradient_values(ctx, one.data, (count,), t)
        for parameter, values in zip(parameters, cut(ctx, gradient, one.shapes)):
            parameter.grad = values
        optimizer.step()
        numbers = {k: roundoff.Number(of, _initial(one, k, held) if v is None else v) for k, v in state.items()}
        wanted, states = one.update(roundoff.Number(of, held), roundoff.Number(of, gradient), numbers, t)
        note = "after step %d" % t
        got, held = joined(ctx, parameters)
        results.append(within(ctx, got, held, wanted.value, wanted.before, "in the parameters " + note))
        for key in state:
            missing, got, state[key] = _state(ctx, optimizer, parameters, key)
            if missing:
                return judge.failed("%s: %s %s" % (key, missing, note), 0)
            want = states[key]
            results.append(within(ctx, got, state[key], want.value, want.before, "in %s %s" % (key, note)))
        results.append(counted(optimizer, parameters, t))
    if not torch.equal(idle_bits, rounding.codes_of(torch, ctx.host(idle), ctx.format)):
        results.append(judge.failed("a parameter without gradient was changed", 5))
    return ctx.all_of(*results)


def _initial(one, key, like):
    return like * 0 + one.keys[key]


def parameter_values(ctx, data, shape, *words):
    if data == "dyadic":
        return ctx.integers(shape, -8, 8, "parameter", *words).double()
    return ctx.rounded(ctx.normal(shape, "parameter", *words))


def gradient_values(ctx, data, shape, *words):
    """Dyadic: 0, +-1, +-3, +-7 (squares of few bits; with eps 1 Adam divides by powers of two). Spread: normal numbers
    times powers of two, every 16th of them zero."""
    if data == "dyadic":
        table = ctx.torch.tensor([0.0, 1, -1, 3, -3, 7, -7], dtype=ctx.torch.float64)
        return table[ctx.integers(shape, 0, 6, "gradient", *words)]
    reach = 2 if ctx.dtype_name == "float16" else 10
    powers = 2.0 ** ctx.integers(shape, -reach, reach, "power", *words).double()
    kept = (ctx.integers(shape, 0, 15, "kept", *words) > 0).double()
    return ctx.rounded(ctx.normal(shape, "gradient", *words) * powers * kept)


def _state(ctx, optimizer, parameters, key):
    """(what is wrong or "", joined tensor, float64 values) of one entry of the state."""
    found = [optimizer.state.get(p, {}).get(key) for p in parameters]
    for parameter, tensor in zip(parameters, found):
        if tensor is None:
            return "missing", None, None
        if tensor.dtype != parameter.dtype or tensor.shape != parameter.shape:
            return "%s of shape %s" % (tensor.dtype, tuple(tensor.shape)), None, None
    return ("",) + joined(ctx, found)


def counted(optimizer, parameters, t):
    """Every step counter the optimizer keeps says t."""
    for parameter in parameters:
        count = optimizer.state.get(parameter, {}).get("step", t)
        if float(count) != t:
            return judge.failed("a step counter says %r after step %d" % (float(count), t), 1)
    return judge.passed(len(parameters))
