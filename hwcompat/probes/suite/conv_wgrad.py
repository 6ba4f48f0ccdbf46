"""The gradients of a convolution with respect to weight and bias are exact on thinned integers, in ten geometries and
both layouts.

Hunts: weight-gradient kernels that give NaN or zeros while forward and data gradient are right, so that inference looks
healthy and training does not (https://github.com/pytorch/pytorch/issues/57921 fails in backward only).
Rule: EXACT. Integer operands whose sum of absolute products is at most 2**p for every output, so that any order, split
and accumulator gives the same bits; derivation, precondition and reference in convolution.py. Where a library may
transform its operands (Winograd, FFT), an inexact output is a FEATURE if it meets every condition of transform.py.
"""

from .. import convolution

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 1.0
VERSION = 1


def cases(ctx):
    return convolution.cases(ctx, "wgrad")
