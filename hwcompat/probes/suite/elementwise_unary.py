"""Exponential, logarithm, tanh, sigmoid, rsqrt and silu over all numbers of a 16-bit format.

Hunts: faults of the special function units, reduced-precision ("fast math") builds, wrong overflow.
Rule: INTERVAL with B = U * ulp32(y) + 2**-126 (for silu |x| times that: its sigmoid may be flushed first), U the
largest error CUDA documents for the float32 function in units of the last place (CUDA C Programming Guide, Mathematical
Functions: exp 2, log 1, tanh 2, erf 2, rsqrt 2; sigmoid = exp, add, divide, so 6; silu one multiplication more); the
output is rounded once. NVIDIA calls its table extensively tested, not guaranteed, so up to two units of the output
format beyond the interval is a FEATURE (approximate_functions), more is a fault. The half and bfloat16 erf of the CPU
loses all relative accuracy near zero (0 for 6e-8), so erf is judged on accelerators.
"""

from functools import partial

from .. import judge, rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.5
VERSION = 1

_ULPS = {"exp": 2, "log": 1, "tanh": 2, "erf": 2, "rsqrt": 2, "sigmoid": 6, "silu": 7}
_POSITIVE = ("log", "rsqrt")
# Stands for infinity in references: beyond every format, yet finite, so that reference - bound is a number.
_HUGE = 2.0**300


def cases(ctx):
    for name in sorted(_ULPS):
        if name != "erf" or ctx.large:
            yield "%s of all numbers" % name, partial(function, ctx, name)


def function(ctx, name):
    codes = finite_codes(ctx, positive=name in _POSITIVE)
    x = rounding.decode(ctx.torch, codes, ctx.format)
    got = operation(ctx, name)(ctx.from_codes(codes))
    reference = ctx.torch.clamp(operation(ctx, name)(x), -_HUGE, _HUGE)
    smallest = 2.0**-126 * ctx.torch.clamp(x.abs(), min=1) if name == "silu" else 2.0**-126
    bound = _ULPS[name] * unit(ctx, reference, 24, -126) + smallest
    strict = ctx.interval(got, reference, bound)
    if strict.status == "pass":
        return strict
    wide = ctx.interval(got, reference, bound + 2 * unit(ctx, reference, ctx.format.precision, ctx.format.emin))
    if wide.status != "pass":
        return wide
    detail = "%s is off by more than its documented error, by at most two units: %s" % (name, strict.detail)
    return judge.feature(detail, {"approximate_functions": True}, strict.checked)


def operation(ctx, name):
    return ctx.torch.nn.functional.silu if name == "silu" else getattr(ctx.torch, name)


def finite_codes(ctx, positive):
    """Every finite normal number (65,536 random ones of float32), without negative ones where `positive`."""
    fmt = ctx.format
    first, end = 1 << (fmt.precision - 1), rounding.infinity(fmt)
    if fmt.bits == 16:
        magnitude = ctx.torch.arange(first, end)
    else:
        magnitude = ctx.integers((1 << 15,), first, end - 1, "codes")
    return magnitude if positive else ctx.torch.cat([magnitude, magnitude | (1 << (fmt.bits - 1))])


def unit(ctx, value, precision, emin):
    """The unit in the last place of `value` in a format of `precision` bits."""
    exponent = ctx.torch.frexp(value)[1].double() - 1
    return 2.0 ** (ctx.torch.clamp(exponent, min=emin) - precision + 1)
