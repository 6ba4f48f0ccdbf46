"""SGD by every rule torch has, in a loop, over lists of tensors and fused: every element of parameters and momentum.

Hunts: elements after the last full vector or chunk that are not updated, momentum that is lost or applied twice, wrong
dampening, Nesterov or weight-decay terms, stale state in the second step, wrong layouts, 16-bit arithmetic inside fused
kernels (the fused SGD of CPUs skips every full vector of 16-bit parameters up to torch 2.13:
https://github.com/pytorch/pytorch/issues/191763; a fault of the software, so it is not run there).
Rule: INTERVAL by running error analysis (roundoff.py) of the documented update
(https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html): g' = g + weight_decay p, b = momentum b +
(1 - dampening) g', p -= lr b (Nesterov: lr (g' + momentum b)); one rounding an operation, u = 2**-p, from the state as
held before the step. On dyadic data (rates and factors powers of two, integers up to 8) no operation rounds in float32,
hence the bound is zero there and every bit is judged.
"""

from functools import partial

from .. import optimizers, tensorlists
from ..optimizers import FOREACH, FUSED, LOOP
from ..updates import sgd

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1
WORKAROUND = "Use the optimizer's plain loop (foreach=False, fused=False)."

_DYADIC = (
    ("plain", {"lr": 0.5}),
    ("momentum", {"lr": 0.5, "momentum": 0.5}),
    ("dampening, decay", {"lr": 0.25, "momentum": 0.5, "dampening": 0.75, "weight_decay": 0.25}),
    ("nesterov, decay", {"lr": 0.25, "momentum": 0.5, "nesterov": True, "weight_decay": 0.5}),
    ("maximize", {"lr": 0.5, "momentum": 0.5, "maximize": True, "weight_decay": 0.5}),
)
_USUAL = {"lr": 0.01, "momentum": 0.937, "nesterov": True, "weight_decay": 5e-4}


def cases(ctx):
    for word, how in optimizers.HOW:
        if how is FUSED and _skips_blocks(ctx):
            continue
        for number, (name, options) in enumerate(_DYADIC):
            if how in [way[1] for way in optimizers.ways(ctx, number)]:
                yield "%s, %s" % (name, word), partial(optimizers.run, ctx, sgd(options), how)
        yield "usual training options, %s" % word, partial(optimizers.run, ctx, sgd(_USUAL, data="spread"), how)
        if how is not LOOP:
            many = sgd({"lr": 0.5, "momentum": 0.5, "weight_decay": 0.5}, steps=2, shapes=tensorlists.chunked(ctx))
            yield "65,537 elements and many tensors, %s" % word, partial(optimizers.run, ctx, many, how)
        if how is not FOREACH:
            slow = sgd({"lr": 0.5, "momentum": 0.5}, tensor_lr=True)
            yield "lr as a tensor, %s" % word, partial(optimizers.run, ctx, slow, how)


def _skips_blocks(ctx):
    """The CPU's fused kernel leaves every full vector of a 16-bit parameter as it was (see Hunts): not run there."""
    return ctx.kind == "cpu" and ctx.dtype_name != "float32"
