"""ReLU6, Hardtanh, Hardswish, ELU, SELU, CELU, Softplus, Mish and their like, forward and backward, in every layout.

Hunts: wrong branches and constants, alpha, beta or threshold ignored, exp that overflows where the linear part takes
over, a gradient taken from the wrong tensor; lanes, tails and layouts as in activation.common.
Rule: INTERVAL; the bounds of values and slopes, each factor explained, stand in activations.py, the arrangements in
pointwise.py. What only compares and selects is exact. Operands at which releases differ in the subgradient (hardswish
and hardsigmoid at -3 and 3, elu at 0) are left out of the gradients.
Source: CUDA C Programming Guide, Mathematical Functions, for the float32 functions inside; an ELU that was wrong for
inputs that are not contiguous (MPS, https://github.com/pytorch/pytorch/issues/124834); the gradient of hardswish at -3
and 3, https://github.com/pytorch/pytorch/issues/147801.
"""

from .. import activations, functions

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.8
VERSION = 1


def cases(ctx):
    return functions.both(ctx, activations.rare(ctx.torch), every=3)
