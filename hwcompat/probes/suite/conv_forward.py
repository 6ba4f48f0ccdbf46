"""The forward convolution with bias is exact on thinned integers, in ten geometries and both layouts.

Hunts: whole planes of NaN beside planes that hold only the bias (half the channels on GTX 16xx cards,
https://github.com/pytorch/pytorch/issues/58123), zeros, stale outputs, kernels that are wrong only for one stride,
dilation, group count, channel count that is no multiple of 8, or only in channels_last.
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
    return convolution.cases(ctx, "forward")
