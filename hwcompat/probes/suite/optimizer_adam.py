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

from .. import optimizers, tensorlists
from ..optimizers import FOREACH, FUSED
from ..updates import adam

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 1.1
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
    for name, word, how in (("Adam", "fused", FUSED), ("AdamW", "foreach", FOREACH)):
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
