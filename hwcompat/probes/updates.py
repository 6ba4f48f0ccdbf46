"""The update rules of torch.optim written once, as they are documented, on numbers that carry their error bounds.

https://docs.pytorch.org/docs/stable/optim.html; each function takes options, parameters, gradient, state and the number
of the step, and gives the new parameters and state (optimizers.py). Where implementations order their operations
differently, the rule takes the worst (roundoff.py).
"""

from functools import partial

from . import judge, roundoff
from .optimizers import plan
from .roundoff import decayed, scalar, scaled_quotient


def regularised(p, g, options):
    """The gradient with `maximize` and coupled weight decay applied."""
    g = -g if options.get("maximize") else g
    return g + p * options["weight_decay"] if options.get("weight_decay") else g


def correction(of, beta, t):
    """1 - beta**t: computed in double on CPU and CUDA, elsewhere perhaps in float32 (two roundings of beta**t)."""
    return scalar(of, 1 - beta**t, 2.0**-21 * beta**t if of.loose else 0.0)


def sgd(options, **more):
    keys = {"momentum_buffer": 0.0} if options.get("momentum") else {}
    return plan("SGD", options, partial(sgd_update, options), keys, **more)


def sgd_update(o, p, g, state, t):
    g = regularised(p, g, o)
    if not o.get("momentum"):
        return p - g * o["lr"], {}
    # The first step takes the gradient itself as buffer, undampened.
    buffer = g if t == 1 else state["momentum_buffer"] * o["momentum"] + g * (1 - o.get("dampening", 0))
    ahead = g + buffer * o["momentum"] if o.get("nesterov") else buffer
    return p - ahead * o["lr"], {"momentum_buffer": buffer}


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
    return (decayed(p, o["lr"] * o["weight_decay"]) if o.get("weight_decay") else p), g


def _moments(o, g, state):
    first = state["exp_avg"].mix(g, o["betas"][0])
    return first, state["exp_avg_sq"] * o["betas"][1] + squared(g, 1 - o["betas"][1])


def squared(g, factor):
    """factor * g * g, in any order."""
    return scaled_quotient(g, scalar(g.of, 1.0), g * factor)


def adam_update(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first, second = _moments(o, g, state)
    states = {"exp_avg": first, "exp_avg_sq": second}
    if o.get("amsgrad"):
        second = states["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(second)
    bottom = second.sqrt() / correction(p.of, o["betas"][1], t).sqrt() + o["eps"]
    rate = scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    return p - scaled_quotient(first, bottom, rate), states


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
    now = scalar(of, now, now * drift / (1 - product) * 1.01)
    ahead = scalar(of, ahead, ahead * drift / (1 - product) * 1.01)
    p = p - scaled_quotient(g, bottom, now) - scaled_quotient(first, bottom, ahead)
    return p, {"exp_avg": first, "exp_avg_sq": second}


def radam(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first, second = _moments(o, g, state)
    beta = o["betas"][1]
    longest = 2 / (1 - beta) - 1
    length = longest - 2 * t * beta**t / (1 - beta**t)
    rate = scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    states = {"exp_avg": first, "exp_avg_sq": second}
    if length <= 5:
        return p - first * rate, states
    share = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
    rate = rate * share * correction(p.of, beta, t).sqrt()
    return p - scaled_quotient(first, second.sqrt() + o["eps"], rate), states


def adamax(o, p, g, state, t):
    p, g = _decay(o, p, g)
    first = state["exp_avg"].mix(g, o["betas"][0])
    largest = (state["exp_inf"] * o["betas"][1]).maximum(g.abs() + o["eps"])
    rate = scalar(p.of, o["lr"]) / correction(p.of, o["betas"][0], t)
    return p - scaled_quotient(first, largest, rate), {"exp_avg": first, "exp_inf": largest}


def adaptive(name, options, **more):
    keys = {
        "RMSprop": {"square_avg": 0.0},
        "Adagrad": {"sum": options.get("initial_accumulator_value", 0.0)},
        "Adadelta": {"square_avg": 0.0, "acc_delta": 0.0},
        "Rprop": {"prev": 0.0, "step_size": options["lr"]},
    }[name]
    if options.get("centered"):
        keys["grad_avg"] = 0.0
    if options.get("momentum"):
        keys["momentum_buffer"] = 0.0
    update = {"RMSprop": rmsprop, "Adagrad": adagrad, "Adadelta": adadelta, "Rprop": rprop}[name]
    return plan(name, options, partial(update, options), keys, **more)


def rmsprop(o, p, g, state, t):
    g = regularised(p, g, o)
    square = state["square_avg"] * o["alpha"] + squared(g, 1 - o["alpha"])
    states, spread = {"square_avg": square}, square
    if o.get("centered"):
        mean = states["grad_avg"] = state["grad_avg"].mix(g, o["alpha"])
        spread = square - mean * mean
    bottom = spread.sqrt() + o["eps"]
    if not o.get("momentum"):
        return p - scaled_quotient(g, bottom, scalar(p.of, o["lr"])), states
    buffer = states["momentum_buffer"] = state["momentum_buffer"] * o["momentum"] + g / bottom
    return p - buffer * o["lr"], states


def adagrad(o, p, g, state, t):
    g = regularised(p, g, o)
    total = state["sum"] + g * g
    rate = scalar(p.of, o["lr"] / (1 + (t - 1) * o.get("lr_decay", 0)), 0.0)
    return p - scaled_quotient(g, total.sqrt() + o["eps"], rate), {"sum": total}


def adadelta(o, p, g, state, t):
    g = regularised(p, g, o)
    square = state["square_avg"] * o["rho"] + squared(g, 1 - o["rho"])
    root = (state["acc_delta"] + o["eps"]).sqrt()
    delta = scaled_quotient(root, (square + o["eps"]).sqrt(), g)
    moved = state["acc_delta"] * o["rho"] + squared(delta, 1 - o["rho"])
    return p - delta * o["lr"], {"square_avg": square, "acc_delta": moved}


def rprop(o, p, g, state, t):
    """The step size grows where the sign stays and shrinks where it turns, and there the parameter rests.

    Signs are compared by a product, which may underflow to zero: then neither happens, and both outcomes are legal.
    """
    torch = p.of.torch
    product = g.value * state["prev"].value
    turn = torch.sign(product)
    lost = (product != 0) & (product.abs() <= roundoff.tiny(p.of))
    smaller, larger = o["etas"]
    factor = torch.where(turn > 0, larger * torch.ones_like(turn), torch.where(turn < 0, smaller, 1.0).double())
    size = state["step_size"] * _either(p.of, lost, factor, torch.ones_like(factor))
    low, high = (scalar(p.of, end) for end in o["step_sizes"])
    size = -((-size.maximum(low)).maximum(-high))
    kept = torch.where(turn < 0, torch.zeros_like(turn), g.value)
    direction = _either(p.of, lost, torch.sign(kept), torch.sign(g.value))
    return p - size * direction, {"prev": _either(p.of, lost, kept, g.value), "step_size": size}


def _either(of, unsure, value, other):
    """`value`, and where `unsure` it or `other`: what lies between them."""
    middle, half = (value + other) / 2, (value - other).abs() / 2
    torch = of.torch
    return roundoff.Number(of, torch.where(unsure, middle, value), torch.where(unsure, half, torch.zeros_like(half)))
