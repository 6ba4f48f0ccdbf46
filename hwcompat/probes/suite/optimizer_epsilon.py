"""Adam on 16-bit parameters: with eps 1e-8 and zero gradients float16 divides zero by zero, on healthy hardware too.

Hunts: a configuration that users take for a fault of the card: eps = 1e-8 is below half the smallest float16 number,
rounds to zero, and 0 / (0 + 0) turns every parameter without a gradient into NaN in the first step. eps = 2**-13, or
float32 parameters under autocast, do not.
Rule: FEATURE for float16 with eps = 1e-8: NaN or not (kernels that compute in float32 and round once survive), recorded
as adam_eps_underflow, never a failure. EXACT for what must hold anywhere: with eps = 2**-13 parameters with zero
gradient stay as they are, with eps = 1e-8 they do in bfloat16 and float32, whose exponents reach 2**-126.
Source: the update of https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html.
"""

from functools import partial

from .. import judge, optimizers

GROUP = "training"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_COUNT = 37


def cases(ctx):
    for word, how in optimizers.HOW:
        for eps in (2.0**-13, 1e-8):
            yield "Adam, eps %g, %s" % (eps, word), partial(check, ctx, eps, how)


def check(ctx, eps, how):
    torch = ctx.torch
    values = ctx.integers((_COUNT,), 1, 9, "values").double()
    parameter = ctx.tensor(values, grad=True)
    parameter.grad = ctx.tensor(values * 0)
    one = optimizers.plan("Adam", {"lr": 0.5, "eps": eps}, None, {})
    optimizers.make(ctx, [parameter], one, how).step()
    held = ctx.values(parameter)
    if ctx.dtype_name == "float16" and eps < 2.0**-25:
        if bool(torch.isnan(held).all()):
            return judge.feature(
                "eps 1e-8 is zero in float16: parameters without gradient become NaN", _UNDERFLOW, _COUNT
            )
        if not bool((held == values).all()):
            return judge.failed("neither NaN nor unchanged", _COUNT)
        return judge.passed(_COUNT)
    return ctx.exact(parameter, values)


_UNDERFLOW = {"adam_eps_underflow": True}
