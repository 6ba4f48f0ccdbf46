"""GradScaler in front of SGD, Adam, AdamW and Adagrad by loop, lists and fused kernels, with overflow at every tail.

Hunts: a fused step that ignores found_inf or grad_scale (https://github.com/pytorch/pytorch/pull/95847), or unscales
twice after unscale_ (https://github.com/pytorch/pytorch/pull/94060); an infinity that is missed in the last parameter,
the last element or the second chunk of 65,536; moments or step counts that move in a skipped step; a scale that never
grows; clipping of gradients that are still scaled.
Rule: EXACT for skipped steps: after an infinity or NaN in one element, parameters, state and step counts are bit for
bit as before and the scale halved; after two good steps in a row it doubles. Good steps are judged by running error
bounds (roundoff.py, updates.py): scaled gradients are 0, +-1, +-3, +-7 times a power of two and options are dyadic, so
that unscaling never rounds, SGD not at all, Adam only where a bias correction is no power of two. Clipping multiplies
by 2**-3 (norm 85, maximum 85/8, as in gradient.clip).
"""

from functools import partial

from .. import judge, mixed, optimizers, roundoff, tensorlists, updates

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16",)
CORE = False
FEEDS = "amp"
SECONDS = 0.8
VERSION = 1
WORKAROUND = "Use the optimizer's plain loop (foreach=False, fused=False)."

_EXPONENT = 8
_SHAPES = ((3,), (17, 5), (1023,), (1025,), (2, 3, 4, 5), (1,))
_LARGE = ((5,), (65537,), (7,))
_BAD = ((-1, -1, float("inf")), (3, -1, float("nan")), (2, 0, float("-inf")), (1, 42, float("inf")))
"""(parameter, element, value) of the elements that overflow, one a skipped step."""


def cases(ctx):
    for name, one in _plans():
        for word, how in optimizers.HOW:
            for explicit in (False, True):
                label = "%s, %s%s" % (name, word, ", unscale_ called" if explicit else "")
                yield label, partial(machine, ctx, one, how, explicit)
    sgd = updates.sgd({"lr": 0.5}, shapes=_LARGE)
    adam = updates.adam("AdamW", _ADAM, shapes=_LARGE)
    for name, one, how in (("SGD loop", sgd, optimizers.LOOP), ("AdamW fused", adam, optimizers.FUSED)):
        yield "infinity in element 65,536, %s" % name, partial(machine, ctx, one, how, False)
    yield "unscale_, clip, step", partial(clipped, ctx)
    yield "unscale_ twice is refused", partial(refused, ctx)


_ADAM = {"lr": 0.5, "betas": (0.5, 0.0), "eps": 1.0, "weight_decay": 0.5}


def _plans():
    return (
        ("SGD", updates.sgd({"lr": 0.5, "momentum": 0.5}, shapes=_SHAPES)),
        ("Adam", updates.adam("Adam", {"lr": 0.5, "betas": (0.5, 0.0), "eps": 1.0}, shapes=_SHAPES)),
        ("AdamW", updates.adam("AdamW", _ADAM, shapes=_SHAPES)),
        ("Adagrad", updates.adaptive("Adagrad", {"lr": 0.5, "eps": 1.0}, shapes=_SHAPES)),
    )


def machine(ctx, one, how, explicit):
    """Good steps and overflowing ones in turn, two good ones in a row so that the scale grows."""
    of, count = roundoff.arithmetic(ctx, "float32"), tensorlists.total(one.shapes)
    scaler = _scaler(ctx)
    parameters = _leaves(ctx, ctx.integers((count,), -8, 8, "parameter").double(), one.shapes)
    optimizer = optimizers.make(ctx, parameters, one, how)
    exponent, good, t, judged = _EXPONENT, 0, 0, []
    held = {"": tensorlists.joined(ctx, parameters, "float32")[1]}
    held.update({key: held[""] * 0 + first for key, first in one.keys.items()})
    for number, bad in enumerate(_steps(len(one.shapes))):
        note = "in step %d%s" % (
            number,
            "" if bad is None else " (%g at %d of parameter %d)" % (bad[2], bad[1], bad[0]),
        )
        gradient = optimizers.gradient_values(ctx, "dyadic", (count,), number)
        _give(ctx, parameters, one.shapes, gradient * 2.0**exponent, bad)
        if explicit:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        wanted = {key: roundoff.Number(of, value) for key, value in held.items()}
        if bad is None:
            t += 1
            new, states = one.update(wanted[""], roundoff.Number(of, gradient), wanted, t)
            wanted = dict(states, **{"": new})
        exponent, good = _next(exponent, good, bad is None)
        found, held = _judge_all(ctx, optimizer, parameters, wanted, note)
        judged += [found, optimizers.counted(optimizer, parameters, t)]
        if scaler.get_scale() != 2.0**exponent:
            judged.append(judge.failed("scale %r instead of %r %s" % (scaler.get_scale(), 2.0**exponent, note), 1))
        if ctx.all_of(*judged).status != "pass":
            break
    return ctx.all_of(*judged)


def _scaler(ctx):
    """A scaler that has seen a loss, as GradScaler demands before it steps."""
    scaler = mixed.grad_scaler(ctx, init_scale=2.0**_EXPONENT, growth_factor=2.0, backoff_factor=0.5, growth_interval=2)
    scaler.scale(ctx.tensor(ctx.torch.ones(1, dtype=ctx.torch.float64), dtype_name="float32"))
    return scaler


def _judge_all(ctx, optimizer, parameters, wanted, note):
    """(judgement of parameters and state, what they hold as float64 by key)."""
    judged, held = [], {}
    for key, want in wanted.items():
        found = [optimizer.state.get(p, {}).get(key) for p in parameters] if key else parameters
        if any(f is None for f in found):
            return judge.failed("no %s %s" % (key, note), 0), wanted
        got, held[key] = tensorlists.joined(ctx, found, "float32")
        where = "in %s %s" % (key or "the parameters", note)
        judged.append(tensorlists.within(ctx, got, held[key], want.value, want.before, where))
    return ctx.all_of(*judged), held


def _steps(parameters):
    """A good step first: fused SGD takes what it never wrote as momentum if its first step overflows (torch 2.13)."""
    if parameters < 4:
        return (None, (1, 65536, float("inf")), None)
    return (None, _BAD[0], None, _BAD[1], _BAD[2], None, None, _BAD[3], None)


def _next(exponent, good, finite):
    if not finite:
        return exponent - 1, 0
    return (exponent + 1, 0) if good == 1 else (exponent, good + 1)


def _leaves(ctx, values, shapes):
    return [p.requires_grad_() for p in tensorlists.cut(ctx, values, shapes, "float32")]


def _give(ctx, parameters, shapes, scaled, bad):
    """Sets scaled gradients, one element of them spoilt."""
    if bad is not None:
        start = tensorlists.total(shapes[: bad[0]]) + bad[1] % tensorlists.size(shapes[bad[0]])
        scaled = scaled.clone()
        scaled[start] = bad[2]
    for parameter, gradient in zip(parameters, tensorlists.cut(ctx, scaled, shapes, "float32")):
        parameter.grad = gradient


def clipped(ctx):
    """unscale_ first, then clip: gradients of norm 85 against 85/8 shrink by 2**-3, and the step uses them so."""
    torch = ctx.torch
    scaler = _scaler(ctx)
    values = [torch.tensor(v, dtype=torch.float64) for v in ([3.0, -4, 0], [12.0], [0, 0, 0, -84.0])]
    flat, shapes = torch.cat(values), ((3,), (1,), (4,))
    parameters = _leaves(ctx, flat * 0 + 5, shapes)
    optimizer = mixed.sgd(ctx, parameters, lr=0.5)
    _give(ctx, parameters, shapes, flat * 2.0**_EXPONENT, None)
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(parameters, 85 / 8)
    scaler.step(optimizer)
    scaler.update()
    return ctx.all_of(
        ctx.exact(norm, torch.tensor(85.0, dtype=torch.float64), note="in the norm"),
        tensorlists.exact(ctx, parameters, 5 - flat / 16, "in the parameters", "float32"),
    )


def refused(ctx):
    """A second unscale_ between steps must raise, or gradients would be divided by the scale twice."""
    scaler = _scaler(ctx)
    parameters = _leaves(ctx, ctx.torch.ones(3, dtype=ctx.torch.float64), ((3,),))
    optimizer = mixed.sgd(ctx, parameters, lr=0.5)
    _give(ctx, parameters, ((3,),), ctx.torch.ones(3, dtype=ctx.torch.float64), None)
    scaler.unscale_(optimizer)
    try:
        scaler.unscale_(optimizer)
    except RuntimeError:
        return tensorlists.exact(ctx, [p.grad for p in parameters], ctx.torch.ones(3).double() / 256, "", "float32")
    return judge.failed("a second unscale_ was accepted", 1)
