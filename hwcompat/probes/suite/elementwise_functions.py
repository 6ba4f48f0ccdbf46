"""sqrt, rsqrt, reciprocal, powers, sin, cos, atan, exp, log and their variants, forward and backward, in every layout.

Hunts: coarse function units, wrong argument reduction, a wrong power or base, gradients of the wrong function, lanes,
tails, layouts, in-place and out= variants, second calls.
Rule: INTERVAL; e = 2**-23, u = 2**-p; arrangements: pointwise.py. Values: the larger of what the CUDA C Programming
Guide (Mathematical Functions) documents and what the vector library of the CPU promises, in units of the last place
(at most e |y| each): sin and cos 4 (SLEEF's fast variants 3.5), atan 2, exp, exp2 and log10 2, log, log1p, log2 and
expm1 1, rsqrt 2, pow 8; sqrt and reciprocal 1 (16-bit ones are correctly rounded, see elementwise.binary). Integer
powers may be products that round to the dtype: 2 u |y|. rsqrt may be 1 / sqrt(x) whose root rounds to the dtype: u |y|
(the 16-bit kernel of the CPU does so where it does not use vectors).
Slopes are composed of operators that round to the dtype, each result at most its own size: as many u of the slope as
there are operators and stored results (gamma(n, u)), and the units of the functions inside:
  sin, cos   g cos x: 1 u, 4 e.                     atan    g / (x x + 1): 3 u.
  exp        g y: u, 2 e.   exp2  g y ln 2: 3 u, 2 e.   expm1  g (y + 1): y (u + e) absolutely, 2 u of y + 1.
  log        g / x: 1 u.    log1p g / (1 + x): 2 u.  log2, log10  g / (x ln b): 3 u.
  sqrt       g / (2 y): 2 u, e.   rsqrt  -g y**3 / 2: three times y (u + 2 e), 5 operators: 8 u, 6 e.
  reciprocal -g y y: twice y (u + e), 3 operators: 5 u, 2 e.
  x**k       g (k x**(k - 1)): the power 8 e or 2 u, two products: 4 u, 8 e.   2**x: g (y ln 2): 4 u, 8 e.
What underflows in the dtype on the way loses at most `lost` (functions.py). Operands keep intermediates finite.
Source: https://docs.rs/crate/sleef-sys/latest/source/sleef/doc/html/x86.xhtml (3.5 units for the fast sine).
"""

import math

from .. import functions, judge
from ..functions import TINY, E, Function, lost, u
from ..pointwise import Want

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.7
VERSION = 1


def cases(ctx):
    return functions.both(ctx, tuple(table(ctx.torch)), every=3)


def table(torch):
    yield _entry(torch, "sin", 4, torch.cos, 1, 4, -30000.0, 30000.0)
    yield _entry(torch, "cos", 4, lambda x: -torch.sin(x), 2, 4, -30000.0, 30000.0)
    yield _entry(torch, "atan", 2, lambda x: 1 / (x * x + 1), 3, 0, None, None, 2.0**7)
    yield _entry(torch, "exp", 2, torch.exp, 2, 2, -80.0, 80.0, 10.0)
    yield _entry(torch, "exp2", 2, lambda x: torch.exp2(x) * math.log(2), 3, 2, -100.0, 100.0, 14.0)
    yield _expm1(torch)
    yield _entry(torch, "log", 1, lambda x: 1 / x, 1, 0, 2.0**-10, None)
    yield _entry(torch, "log1p", 1, lambda x: 1 / (1 + x), 2, 0, -0.998, None)
    yield _entry(torch, "log2", 1, lambda x: 1 / (x * math.log(2)), 3, 0, 2.0**-10, None)
    yield _entry(torch, "log10", 2, lambda x: 1 / (x * math.log(10)), 3, 0, 2.0**-10, None, 2.0**13)
    yield _entry(torch, "sqrt", 1, lambda x: 0.5 * x**-0.5, 2, 1, 2.0**-14, None)
    yield _entry(torch, "rsqrt", 2, lambda x: -0.5 * x**-1.5, 8, 6, 2.0**-8, 2.0**10)
    yield _entry(torch, "reciprocal", 1, lambda x: -1 / (x * x), 5, 2, 2.0**-6, 2.0**12)
    yield _entry(torch, "reciprocal", 1, lambda x: -1 / (x * x), 5, 2, -(2.0**12), -(2.0**-6))
    yield _power(torch, 2, None, None, 2.0**13)
    yield _power(torch, 3, None, None, 2.0**6)
    yield _power(torch, 0.5, 2.0**-14, None, None)
    yield _power(torch, 1.5, 2.0**-8, None, 2.0**9)
    yield _power_of_two(torch)


def _entry(torch, name, ulps, slope, roundings, inside, low, high, steep=None):
    """A function that torch has by `name`, in place as `name`_ and with out=."""
    call = getattr(torch, name)

    def value(ctx, x):
        y = call(x)
        return Want(y, (ulps * E + (u(ctx) if name == "rsqrt" else 0.0)) * y.abs() + TINY)

    def derivative(ctx, x):
        y = slope(x)
        return Want(y, y.abs() * (judge.gamma(roundings, u(ctx)) + inside * E) + lost(ctx))

    label = name if low is None or high is None else "%s between %.3g and %.3g" % (name, low, high)
    return Function(label, call, value, derivative, low, high, steep, (), getattr(torch, name + "_"), True)


def _expm1(torch):
    def value(ctx, x):
        y = torch.expm1(x)
        return Want(y, E * y.abs() + TINY)

    def derivative(ctx, x):
        y = torch.expm1(x)
        return Want(y + 1, y.abs() * (u(ctx) + E) + judge.gamma(2, u(ctx)) * (y + 1) + lost(ctx))

    return Function("expm1", torch.expm1, value, derivative, None, 80.0, 10.0, (), torch.expm1_, True)


def _power(torch, exponent, low, high, steep):
    whole = exponent == int(exponent)

    def value(ctx, x):
        y = x**exponent
        rounded = judge.gamma(2, u(ctx)) if whole and exponent > 2 else 0.0
        return Want(y, (8 * E + rounded) * y.abs() + (lost(ctx) if whole and exponent > 2 else TINY))

    def derivative(ctx, x):
        y = exponent * x ** (exponent - 1)
        return Want(y, y.abs() * (judge.gamma(4, u(ctx)) + 8 * E) + lost(ctx))

    return Function(
        "power %g" % exponent,
        lambda x, **out: torch.pow(x, exponent, **out),
        value,
        derivative,
        low,
        high,
        steep,
        (),
        lambda x: x.pow_(exponent),
        True,
    )


def _power_of_two(torch):
    def value(ctx, x):
        y = 2.0**x
        return Want(y, 8 * E * y + TINY)

    def derivative(ctx, x):
        y = 2.0**x * math.log(2)
        return Want(y, y * (judge.gamma(4, u(ctx)) + 8 * E) + lost(ctx))

    def call(x, **out):
        return torch.pow(2.0, x, **out)

    return Function("2 to the power", call, value, derivative, -100.0, 100.0, 14.0, (), None, True)
