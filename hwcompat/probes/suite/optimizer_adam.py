"""Adam, AdamW, NAdam, RAdam and Adamax in a loop, over lists of tensors and fused: every element of all they hold.

Hunts: list kernels that leave tensors out (a foreach addition of eps that missed some, so that Adam divided by zero:
https://github.com/pytorch/pytorch/issues/119885), elements behind the last full vector or chunk, moments or step counts
that are stale, bias corrections and weight decay that are wrong or left out, moments in 16 bits inside fused
kernels, amsgrad's maximum lost (https://github.com/pytorch/pytorch/issues/78807).
Rule: INTERVAL by running error analysis (roundoff.py) of the updates as documented
(https://docs.pytorch.org/docs/stable/optim.html): one rounding an operation, u = 2**-p, in the worst of the orders in
use, from the state as held before the step. Bias corrections come from Python or C double and are rounded once. NAdam
keeps its product of momentum factors in float32: t products of rounded factors err by gamma(2 t, 2**-24). Dyadic data:
gradients 0, +-1, +-3, +-7 with eps 1 and beta2 0 give denominators 1, 2, 4, 8, so that Adam, AdamW and Adamax have
bound 0 in float32 over two steps. Spread data: usual options, normal gradients times 2**-10 .. 2**10.
"""

from functools import partial

from .. import judge, optimizers, roundoff, tensorlists
from ..optimizers import FOREACH, FUSED, correction, plan, regularised

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.8
VERSION = 1
WORKAROUND = "Use the optimizer's plain loop (foreach=False, fused=False)."

_UNFUSED = ("NAdam", "RAdam", "Adamax")
_MANY = {"lr": 0.5, "betas": (0.5, 0.75), "eps": 1.0, "weight_decay": 0.25}
_EXACT = {"lr": 0.5, "betas": (0.5, 0.0), "eps": 1.0}


def cases(ctx):
    for number, (name, options, data) in enumerate(plans(ctx)):
        for word, how in optimizers.ways(ctx, number, name not in _UNFUSED):
            one = adam(name, options, data=data, steps=7 if name == "RAdam" else 3)
            yield "%s %s, %s" % (name, _listed(options), word), partial(optimizers.run, ctx, one, how)
    for name in ("Adam", "AdamW"):
        slow = adam(name, _MANY, tensor_lr=True)
        for word, how in (optimizers.HOW[0], optimizers.HOW[2]):
            yield "%s lr as a tensor, %s" % (name, word), partial(optimizers.run, ctx, slow, how)
    for name, word, how in (("Adam", "fused", FUSED), ("AdamW", "foreach", FOREACH), ("NAdam", "foreach", FOREACH)):
        if ctx.dtype_name == "float32" or how is FUSED or ctx.large:
            many = adam(name, _MANY, steps=2, shapes=tensorlists.chunked(ctx))
            yield "%s of 65,537 elements and many tensors, %s" % (name, word), partial(optimizers.run, ctx, many, how)


def plans(ctx):
    """(name, options, data). eps of 1e-8 is zero in float16 and would divide zeros by zero: see optimizer.epsilon."""
    eps = 2.0**-10 if ctx.dtype_name == "float16" else 1e-8
    usual = {"lr": 0.002, "betas": (0.9, 0.999), "eps": eps}
    return (
        ("Adam", _EXACT, "dyadic"),
        ("Adam", dict(_EXACT, weight_decay=0.5, betas=(0.0, 0.5), maximize=True), "dyadic"),
        ("Adam", dict(usual, weight_decay=0.01, amsgrad=True), "spread"),
        ("AdamW", dict(_EXACT, weight_decay=0.5), "dyadic"),
        ("AdamW", dict(usual, weight_decay=0.05), "spread"),
        ("AdamW", dict(usual, weight_decay=0.0, amsgrad=True, maximize=True, betas=(0.5, 0.5)), "spread"),
        ("NAdam", dict(usual, weight_decay=0.01), "spread"),
        ("NAdam", dict(usual, weight_decay=0.5, decoupled_weight_decay=True, betas=(0.75, 0.9)), "spread"),
        ("RAdam", dict(usual, betas=(0.9, 0.9)), "spread"),
        ("Adamax", dict(_EXACT, betas=(0.5, 0.5)), "dyadic"),
        ("Adamax", dict(usual, weight_decay=0.01), "spread"),
    )


def _listed(options):
    """Names what sets one plan apart in its label."""
    words = [word for word in ("amsgrad", "maximize", "decoupled_weight_decay") if options.get(word)]
    return "betas %g %g decay %g%s" % (
        options["betas"] + (options.get("weight_decay", 0), "".join(" " + w for w in words))
    )


def adam(name, options, **more):
    keys = {"exp_avg": 0.0, ("exp_inf" if name == "Adamax" else "exp_avg_sq"): 0.0}
    if options.get("amsgrad"):
        keys["max_exp_avg_sq"] = 0.0
    update = {"Adam": adam_update, "AdamW": adam_update, "NAdam": nadam, "RAdam": radam, "Adamax": adamax}[name]
    decoupled = name == "AdamW" or bool(options.get("decoupled_weight_decay"))
    return plan(name, options, partial(update, dict(options, decoupled=decoupled)), keys, **more)


def _decay(o, p, g):
    """(parameters, gradient) with maximize and either kind of weight decay applied."""
    if not o["decoupled"]:
        return p, regularised(p, g, o)
    g = -g if o.get("maximize") else g
    return (roundoff.decayed(p, o["lr"] * o["weight_decay"]) if o.get("weight_decay") else p), g


def _moments(o, g, state):
    first = state["exp_avg"].mix(g, o["betas"][0])
    return first, state["exp_avg_sq"] * o["betas"][1] + squared(g, 1 - o["betas"][1])


def squared(g, factor):
    """factor * g * g, in any order."""
    return roundoff.scaled_quotient(g, roundoff.scalar(g.of, 1.0), g * factor)


def adam_update(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first, second = _moments(o, g, state)
    states = {"exp_avg": first, "exp_avg_sq": second}
    if o.get("amsgrad"):
        second = states["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(second)
    bottom = second.sqrt() / correction(p.of, o["betas"][1], t).sqrt() + o["eps"]
    rate = roundoff.scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    return p - roundoff.scaled_quotient(first, bottom, rate), states


def nadam(o, p, g, state, t):
    of, beta = p.of, o["betas"][0]
    p, g = _decay(o, p, g)
    first, second = _moments(o, g, state)
    factors = [beta * (1 - 0.5 * 0.96 ** (step * 0.004)) for step in range(1, t + 2)]
    product = 1.0
    for factor in factors[:t]:
        product *= factor
    drift = product * judge.gamma(2 * t + 2, 2.0**-24)
    bottom = (second / correction(of, o["betas"][1], t)).sqrt() + o["eps"]
    now, ahead = o["lr"] * (1 - factors[-2]) / (1 - product), o["lr"] * factors[-1] / (1 - product * factors[-1])
    now = roundoff.scalar(of, now, now * drift / (1 - product) * 1.01)
    ahead = roundoff.scalar(of, ahead, ahead * drift / (1 - product) * 1.01)
    p = p - roundoff.scaled_quotient(g, bottom, now) - roundoff.scaled_quotient(first, bottom, ahead)
    return p, {"exp_avg": first, "exp_avg_sq": second}


def radam(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first, second = _moments(o, g, state)
    beta = o["betas"][1]
    longest = 2 / (1 - beta) - 1
    length = longest - 2 * t * beta**t / (1 - beta**t)
    rate = roundoff.scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    states = {"exp_avg": first, "exp_avg_sq": second}
    if length <= 5:
        return p - first * rate, states
    share = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
    rate = rate * share * correction(p.of, beta, t).sqrt()
    return p - roundoff.scaled_quotient(first, second.sqrt() + o["eps"], rate), states


def adamax(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first = state["exp_avg"].mix(g, o["betas"][0])
    largest = (state["exp_inf"] * o["betas"][1]).maximum(g.abs() + o["eps"])
    rate = roundoff.scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    return p - roundoff.scaled_quotient(first, largest, rate), {"exp_avg": first, "exp_inf": largest}
