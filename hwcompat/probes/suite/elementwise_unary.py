"""Exponential, logarithm, tanh, sigmoid, rsqrt, silu and gelu over all numbers of a 16-bit format, and gradients.

Hunts: faults of the special function units, reduced-precision ("fast math") builds, wrong overflow.
Rule: INTERVAL with B = U * ulp32(y) + 2**-126 (for silu |x| times that: its sigmoid may be flushed first), U the
largest error CUDA documents for the float32 function in units of the last place (CUDA C Programming Guide, Mathematical
Functions: exp 2, log 1, tanh 2, erf 2, rsqrt 2; sigmoid = exp, add, divide, so 6; silu one multiplication more); the
output is rounded once. NVIDIA calls its table extensively tested, not guaranteed, so up to two units of the output
format beyond the interval is a FEATURE (approximate_functions), more is a fault. The half and bfloat16 erf of the CPU
loses all relative accuracy near zero (0 for 6e-8), so erf is judged on accelerators.
gelu = x/2 (1 + erf(x / sqrt 2)), e = 2**-23: erf is off by 2e, the rounded argument moves it by e max(z erf'(z)) < e/2,
the sum rounds by e; x/2 times that, and two roundings of y, are B = 3 e |x| (the sum cancels below zero, so this is
absolute there; the CPU kernel with an erf of absolute error 1.5e-7 = 1.3 e fits too). Its numbers stay below 2**126:
a kernel may form x (1 + erf) before it halves, which overflows beyond (oneDNN on the CPU does).
Gradients, each times the incoming |g|; where they use the output y, y is taken as the device stored it:
  exp      g y, one rounding: 0;
  tanh     g (1 - y y): u (y y + 2 |1 - y y|) <= 2 u, second order included: gamma(3, u);
  sigmoid  g (1 - y) y, three roundings: gamma(3, u) |(1 - y) y|;
  silu     g s (1 + x (1 - s)), s off by 6e relatively, 1 - s by 7e, five roundings: 16 e s (1 + |x|);
  gelu     g (cdf + x pdf): cdf off by 2e (above), x pdf <= 0.25 by e (exp 2e, constants and products 1.5e, the square
           (|x|**3 / 2) pdf e/2 < 0.12 e), sum and product by 1.2 e: 5 e.
u is 2**-24 for float32 and 2**-p for 16 bits, where tanh and sigmoid gradients may round every step to the dtype
(measured in the half kernel of the CPU; PyTorch, aten/src/ATen/native/cuda/BinaryMiscBackwardOpsKernels.cu) and
underflow loses up to four smallest subnormal numbers. Elsewhere 2**-126 (1 + |x| for silu) covers flushing.
Source: NVIDIA's table of errors,
https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/mathematical-functions.html.
"""

import math
from functools import partial

from .. import judge, rounding

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 2

_ULPS = {"exp": 2, "log": 1, "tanh": 2, "erf": 2, "rsqrt": 2, "sigmoid": 6, "silu": 7}
_GRADIENTS = ("exp", "gelu", "sigmoid", "silu", "tanh")
_POSITIVE = ("log", "rsqrt")
# Stands for infinity in references: beyond every format, yet finite, so that reference - bound is a number.
_HUGE = 2.0**300
_E = 2.0**-23


def cases(ctx):
    for name in sorted(_ULPS) + ["gelu"]:
        if name != "erf" or ctx.large:
            yield "%s of all numbers" % name, partial(function, ctx, name)
    for name in _GRADIENTS:
        yield "gradient of %s" % name, partial(gradient, ctx, name)


def function(ctx, name):
    codes = finite_codes(ctx, positive=name in _POSITIVE)
    x = rounding.decode(ctx.torch, codes, ctx.format)
    if name == "gelu":
        codes, x = codes[x.abs() < 2.0**126], x[x.abs() < 2.0**126]
    got = operation(ctx, name)(ctx.from_codes(codes))
    reference = ctx.torch.clamp(operation(ctx, name)(x), -_HUGE, _HUGE)
    return judged(ctx, name, got, reference, forward_bound(ctx, name, x, reference))


def forward_bound(ctx, name, x, reference):
    if name == "gelu":
        return 3 * _E * x.abs() + 2.0**-126
    smallest = 2.0**-126 * ctx.torch.clamp(x.abs(), min=1) if name == "silu" else 2.0**-126
    return _ULPS[name] * unit(ctx, reference, 24, -126) + smallest


def gradient(ctx, name):
    """Every seventh number, so that all exponents and signs occur; incoming gradients are quarters up to 7/4."""
    codes = finite_codes(ctx, positive=False)[::7]
    incoming = (2 * ctx.integers(codes.shape, -4, 3, name).double() + 1) / 4
    x = ctx.from_codes(codes).requires_grad_()
    y = operation(ctx, name)(x)
    y.backward(ctx.tensor(incoming))
    derivative, bound = derived(ctx, name, rounding.decode(ctx.torch, codes, ctx.format), ctx.values(y))
    reference = ctx.torch.clamp(incoming * derivative, -_HUGE, _HUGE)
    return judged(ctx, "gradient of " + name, x.grad, reference, incoming.abs() * bound)


def derived(ctx, name, x, y):
    """(derivative, its bound) of `name` at x, float64, where the device's output is y."""
    torch, tiny = ctx.torch, 2.0**-126
    if name == "exp":
        return y, torch.full_like(y, tiny)
    if name == "silu":
        s = torch.sigmoid(x)
        return s * (1 + x * torch.sigmoid(-x)), (16 * _E * s + tiny) * (1 + x.abs())
    if name == "gelu":
        density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return torch.erfc(-x / math.sqrt(2)) / 2 + x * density, torch.full_like(x, 5 * _E + tiny)
    relative = judge.gamma(3, 2.0**-ctx.precision)
    lost = 4 * 2.0 ** (ctx.format.emin - ctx.precision + 1) if ctx.format.bits == 16 else tiny
    if name == "tanh":
        return 1 - y * y, torch.full_like(y, relative + lost)
    return (1 - y) * y, relative * ((1 - y) * y).abs() + lost


def judged(ctx, name, got, reference, bound):
    """INTERVAL; up to two units of the output format beyond it are a FEATURE."""
    strict = ctx.interval(got, reference, bound)
    if strict.status == "pass":
        return strict
    wide = ctx.interval(got, reference, bound + 2 * unit(ctx, reference, ctx.format.precision, ctx.format.emin))
    if wide.status != "pass":
        return wide
    detail = "%s is off by more than its documented error, by at most two units: %s" % (name, strict.detail)
    return judge.feature(detail, {"approximate_functions": True}, strict.checked)


def operation(ctx, name):
    return getattr(ctx.torch.nn.functional if name in ("silu", "gelu") else ctx.torch, name)


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
