"""RMSprop, Adagrad, Adadelta, Rprop and a sign-of-momentum rule: parameters and state, every element of every step.

Hunts: list kernels that miss tensors or tails, square averages, accumulated sums or step sizes that are stale or wrong
in the second step, a root or quotient of reduced precision, boolean masks written to wrong places (Rprop), a centred
variance without the mean removed, weight decay, momentum and maximize left out.
Rule: INTERVAL by running error analysis (roundoff.py) of the updates as documented
(https://docs.pytorch.org/docs/stable/optim.html), one rounding an operation, u = 2**-p, from the state as held before
the step. Dyadic data (gradients 0, +-1, +-3, +-7; eps 1, alpha 0, factors powers of two) leaves RMSprop, Rprop and the
sign rule, and Adagrad's first step and sums, with bound 0 in float32. RMSprop's centred variance is a difference that
cancels: its error e goes through the root as e / (sqrt(v) + sqrt(v - e)), exactly.
"""

from functools import partial

from .. import optimizers, roundoff, tensorlists
from ..optimizers import FOREACH, FUSED, plan
from ..updates import adaptive

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.6
VERSION = 1
WORKAROUND = "Use the optimizer's plain loop (foreach=False, fused=False)."


def cases(ctx):
    for number, (name, options, data) in enumerate(plans(ctx)):
        for word, how in optimizers.ways(ctx, number, name == "Adagrad"):
            label = ", ".join(["%s %s" % (name, data)] + sorted(k for k in options if k in _TELLING) + [word])
            yield label, partial(optimizers.run, ctx, adaptive(name, options, data=data), how)
    many = (("RMSprop", {"lr": 0.5, "alpha": 0.0, "eps": 1.0, "momentum": 0.5}, FOREACH), ("Adagrad", _SUMS, FUSED))
    for name, options, how in many if ctx.dtype_name == "float32" or ctx.large else ():
        one = adaptive(name, options, steps=2, shapes=tensorlists.chunked(ctx))
        yield "%s of 65,537 elements and many tensors" % name, partial(optimizers.run, ctx, one, how)
    yield "sign of the momentum, as Lion", partial(optimizers.run, ctx, lion(), {})


_TELLING = ("weight_decay", "momentum", "centered", "maximize", "lr_decay", "initial_accumulator_value")
_SUMS = {"lr": 0.5, "eps": 1.0}


def plans(ctx):
    eps = 2.0**-10 if ctx.dtype_name == "float16" else 1e-8
    started = {"weight_decay": 0.01, "initial_accumulator_value": 0.25}
    return (
        ("RMSprop", {"lr": 0.5, "alpha": 0.0, "eps": 1.0}, "dyadic"),
        (
            "RMSprop",
            {"lr": 0.5, "alpha": 0.0, "eps": 1.0, "momentum": 0.5, "weight_decay": 0.0, "maximize": True},
            "dyadic",
        ),
        ("RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": eps, "momentum": 0.9, "weight_decay": 0.01}, "spread"),
        ("RMSprop", {"lr": 0.01, "alpha": 0.75, "eps": 0.125, "centered": True}, "spread"),
        ("Adagrad", _SUMS, "dyadic"),
        ("Adagrad", dict(started, lr=0.01, eps=eps, lr_decay=0.5), "spread"),
        ("Adadelta", {"lr": 1.0, "rho": 0.9, "eps": 2.0**-10 if eps > 1e-6 else 1e-6, "weight_decay": 0.01}, "spread"),
        ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 0.25, "maximize": True}, "dyadic"),
        ("Rprop", {"lr": 0.5, "etas": (0.5, 2.0), "step_sizes": (0.25, 2.0)}, "dyadic"),
        ("Rprop", {"lr": 0.01, "etas": (0.5, 1.25), "step_sizes": (2.0**-8, 0.015)}, "spread"),
    )


class Lion:
    """sign(beta1 m + (1 - beta1) g) as the direction, decoupled decay, m averaged with beta2; written out in torch."""

    def __init__(self, parameters, torch=None, lr=0.5, beta=0.5, decay=0.5):
        self.parameters, self.torch, self.lr, self.beta, self.decay = list(parameters), torch, lr, beta, decay
        self.state = {}

    def step(self):
        with self.torch.no_grad():
            for p in self.parameters:
                if p.grad is None:
                    continue
                own = self.state.setdefault(p, {"exp_avg": self.torch.zeros_like(p)})
                direction = own["exp_avg"].mul(self.beta).add_(p.grad, alpha=1 - self.beta).sign_()
                p.mul_(1 - self.lr * self.decay).add_(direction, alpha=-self.lr)
                own["exp_avg"].lerp_(p.grad, 0.25)


def lion():
    return plan(Lion, {}, lion_update, {"exp_avg": 0.0})


def lion_update(p, g, state, t):
    torch = p.of.torch
    mean = state["exp_avg"]
    direction = torch.sign(mean.value + g.value)
    return p * 0.75 - roundoff.Number(p.of, direction * 0.5), {"exp_avg": mean.mix(g, 0.75)}
