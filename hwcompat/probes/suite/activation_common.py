"""ReLU, LeakyReLU, sigmoid, tanh, SiLU and GELU, forward and backward, in every layout, length and place.

Hunts: a lane, a tail or a layout that a kernel forgets; wrong slopes and branches; sigmoid or tanh from a coarse table;
in-place variants that differ or touch what lies between; the second call that answers with the first one's result.
Rule: INTERVAL; the bounds of values and slopes, each factor explained, stand in activations.py, the arrangements in
pointwise.py. ReLU and slopes of a power of two are exact: one correct rounding. Float32 functions as the CUDA C
Programming Guide (Mathematical Functions) documents their largest error; up to two units of the output format beyond is
a FEATURE (approximate_functions) if the same number is off wherever it occurs, else a fault.
Source: wrong values for inputs that are not contiguous were reported of GELU and LeakyReLU
(https://github.com/pytorch/pytorch/pull/123049) and of SiLU (https://github.com/pytorch/pytorch/pull/139006), both on
MPS.
"""

from .. import activations, functions

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.6
VERSION = 1


def cases(ctx):
    return functions.both(ctx, activations.common(ctx.torch), big=True)
