"""Convolutions of roughly normal data, forward and backward, against a derived worst-case bound.

Hunts: faults that small integers hide: rounding toward zero in the output, dropped low significand bits, an accumulator
of 16 bits, wrong exponents.
Rule: INTERVAL. A convolution's output is an inner product of n terms (the bias, if any, included), S its sum of
absolute products. Products of two 16-bit numbers are exact in fp32. A tensor-core step aligns a block of b >= 4
products and the accumulator to the largest of these b + 1 addends and truncates below 24 bits: at most b of them lose
less than 2**-23 of the largest, and normalising the sum loses less than 2**-23 of it, so n terms lose at most (n +
ceil(n/4)) * 2**-23 * S; two more steps for the bias and for joining partial sums: bound = gamma(n + ceil(n/4) + 2,
2**-23) * S, where gamma(m, u) = m*u / (1 - m*u). The same covers rounded fp32 chains and fp32 operands (one rounding of
each product, 2**-24, lies in the two halves of 2**-23 that a rounding addition leaves). The output's own rounding is
the interval's. Block widths: https://github.com/north-numerical-computing/tensor-cores-numerical-behavior. Geometries
that no transform serves (stride or dilation 2, kernel 1), plus a 3x3 judged by the transform bound (see transform.py)
where one may be used. On an accelerator a weight gradient outside the bound, but inside the one for partial sums kept
in 16 bits (gamma(m, 2**-(p-1)), where m * 2**-(p-1) < 1/2), is the FEATURE `acc_reduced`.
"""

from functools import partial

from .. import convolution, judge, transform
from ..convolution import Geometry

GROUP = "conv"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.5
VERSION = 1

_GEOMETRIES = (
    Geometry("3x3 stride 2 32-48", 2, 32, 13, 13, 48, 3, 2, 1),
    Geometry("3x3 dilation 2 16-32", 2, 16, 12, 12, 32, 3, 1, 2, 2),
    Geometry("1x1 64-64", 2, 64, 9, 9, 64, 1, 1, 0),
    Geometry("3x3 32-32", 2, 32, 9, 9, 32, 3, 1, 1),
)


def cases(ctx):
    for geometry in _GEOMETRIES:
        for direction in ("forward", "dgrad", "wgrad"):
            yield "%s %s" % (direction, geometry.name), partial(check, ctx, geometry, direction)


def check(ctx, geometry, direction):
    operands = _operands(ctx, geometry, direction)
    got = convolution.compute(ctx, geometry, direction, "nchw", operands)[0]
    want = convolution.reference(ctx.torch, geometry, direction, operands)[0]
    sums = convolution.reference(ctx.torch, geometry, direction, _absolute(operands))[0]
    bound = _gamma(_steps(geometry, direction), 2.0**-23) * sums
    judgement = ctx.interval(got, want, bound)
    if judgement.status == "pass":
        return judgement
    return _legal_variation(ctx, geometry, direction, operands, got, want, sums) or judgement


def _operands(ctx, geometry, direction):
    """Normal operands as the device will hold them."""
    x, w, y = convolution.shapes(geometry)
    one, two = {"forward": (x, w), "dgrad": (y, w), "wgrad": (x, y)}[direction]
    first, second, bias = (
        ctx.rounded(ctx.normal(shape, name, direction, geometry.name))
        for shape, name in ((one, "first"), (two, "second"), ((geometry.cout,), "bias"))
    )
    return convolution.Operands(first, second, bias, None)


def _absolute(operands):
    return operands._replace(first=operands.first.abs(), second=operands.second.abs(), bias=operands.bias.abs())


def _steps(geometry, direction):
    count = convolution.terms(geometry, direction)
    return count + -(-count // 4) + 2


def _gamma(steps, unit):
    return steps * unit / (1 - steps * unit)


def _legal_variation(ctx, geometry, direction, operands, got, want, sums):
    """A FEATURE for a transform algorithm or for reduced partial sums, else None."""
    if transform.possible(ctx, geometry):
        largest = [float(values.abs().max()) for values in operands[:2]]
        for storage, bound in transform.bounds(ctx, geometry, direction, *largest):
            inside = ctx.interval(got, want, ctx.torch.full_like(want, bound)).status == "pass"
            if inside and transform.most_planes(ctx.values(got) != ctx.rounded(want)):
                return transform.recorded(storage, "inside the transform bound only", want.numel())
    unit = 2.0 ** -(ctx.precision - 1)
    steps = _steps(geometry, direction)
    reducible = ctx.large and direction == "wgrad" and ctx.dtype_name != "float32" and steps * unit < 0.5
    if reducible and ctx.interval(got, want, _gamma(steps, unit) * sums).status == "pass":
        return judge.feature("partial sums of a weight gradient kept in 16 bits", {"acc_reduced": "conv wgrad"})
    return None
