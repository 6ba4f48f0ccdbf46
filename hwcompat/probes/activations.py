"""The activation functions with their derivatives and error bounds (notation: functions.py).

Bounds of values, E = 2**-23, functions of float32 as the CUDA C Programming Guide documents them (exp and tanh 2 units,
log1p, expm1 and log 1, erf 2):
  sigmoid   exp, add, divide: 6 E y.
  tanh      2 E |y|.
  silu      7 E |y|, and |x| times what its sigmoid loses to flushing.
  gelu      x/2 (1 + erf(x / sqrt 2)): 3 E |x| (erf 2 E, its argument E/2, the sum E; absolute below zero, where the sum
            cancels).
  gelu tanh x/2 (1 + tanh z), z = k (x + c x**3): z is off by 3.5 E |z| (three products, a constant, a sum, a product),
            tanh by (1 - t t) 3.5 E |z| <= 1.6 E and 2 E of its own, the sum by E: 2.3 E |x| and two roundings: 4 E |x|.
  elu       a (exp(x) - 1): 3 E in absolute terms (older releases subtract, newer call expm1), the products by a and
            the scale 2 E |y|; celu's x / a shifts the exponent by 1.5 E |x / a|, which is at most 0.6 E in the result.
  softplus  log1p(exp(b x)) / b: 2 E of exp enter times sigmoid(b x), log1p 1 unit, the product and the division 1:
            (2 E sigmoid(b x) / b + 2 E y); beyond the threshold x itself.
  logsigmoid min(x, 0) - log1p(exp(-|x|)): both terms have one sign: 2 E sigmoid(-|x|) + 2 E |y|.
  mish      x tanh(softplus x): |x| ((1 - t t) (2 E sigmoid(x) + E s) + 2 E t) + E |y|, s = softplus x, t = tanh s.
  softsign  x / (1 + |x|), composed of two operators: two roundings to the dtype, gamma(2, u) |y|.
  hardsigmoid, hardswish  clamp(x + 3, 0, 6) / 6, and x times that: the sum is exact near -3, then one rounding each:
            2 E |y|, 3 E |y|.
Bounds of slopes, each times the incoming gradient:
  sigmoid   (1 - y) y of the stored y: two or three roundings to the dtype and y's own: gamma(5, u) + 12 E in absolute
            terms of y (1 - y) <= 1/4, times y: y (u + 6 E) (1 + y) + 3 u y (1 - y) + lost.
  tanh      1 - y y of the stored y: 2 y y (u + 2 E) + 2 u + lost.
  silu      s (1 + x (1 - s)): s off by 6 E, 1 - s by 7 E, five roundings: 16 E s (1 + |x|).
  gelu      cdf + x pdf: 5 E (derived in elementwise.unary).
  gelu tanh (1 + t)/2 + x/2 (1 - t t) k (1 + 3 c x x): the first term 2.3 E; 1 - t t is off by 7 E |z| (1 - t t), and
            by 5 E absolutely while tanh has not reached 1 (|z| < 10), beyond which it is 0 instead of at most
            4 exp(-2 |z|): times w = |x|/2 k (1 + 3 c x x); three roundings of the second term.
  elu       a exp(x): 4 E, celu's exponent 1.5 E |x / a| more.
  softplus  z / (1 + z), z = exp(b x): 6 E.
  logsigmoid 1 / (1 + z) or z / (1 + z), z = exp(-|x|); kernels may read z from a buffer of the dtype: u z / (1 + z)**2,
            and 4 E, and 1 - z / (1 + z) in float32: 2 E more; a z below the dtype is 0: lost.
  mish      t + x s' (1 - t t), s' = sigmoid(x): 1 - t t is off by twice the error of t, which is
            d = (1 - t t) (2 E s' + E s) + 2 E t: d + |x| s' (2 t d + E + 8 E (1 - t t)) + E |slope|.
  softsign  composed: 1 / d - x sign(x) / (d d) with d = 1 + |x|: each of six operators rounds what is at most 1/d or
            |x| / d**2: 4 u / d + 6 u |x| / (d d) + lost.
  hardsigmoid 1/6 inside: E / 6. hardswish x/3 + 1/2 inside: 1.5 E (|x|/3 + 1/2).
"""

import math

from . import judge
from .functions import TINY, E, Function, lost, u
from .pointwise import Want

_K = math.sqrt(2 / math.pi)
_C = 0.044715
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def common(torch):
    """The activations of today's networks."""
    f = torch.nn.functional
    return (
        Function("relu", torch.relu, _relu, _step, None, None, None, (), torch.relu_),
        _leaky(f, 0.25, "leaky_relu of slope 1/4"),
        _leaky(f, 0.01, "leaky_relu of slope 0.01"),
        Function("sigmoid", torch.sigmoid, _sigmoid, _sigmoid_slope, None, None, None, (), _method("sigmoid_"), True),
        Function("tanh", torch.tanh, _tanh, _tanh_slope, None, None, None, (), _method("tanh_"), True),
        Function("silu", f.silu, _silu, _silu_slope, None, None, None, (), lambda x: f.silu(x, inplace=True)),
        Function("gelu", f.gelu, _gelu, _gelu_slope, -(2.0**126), 2.0**126, None, ()),
        Function("gelu tanh", _gelu_by_tanh(f), _gelu_tanh, _gelu_tanh_slope, -(2.0**126), 2.0**126, 2.0**10, ()),
    )


def rare(torch):
    """Activations that mobile, older and self-normalising networks use."""
    f = torch.nn.functional
    return (
        Function("relu6", f.relu6, _clamped(0, 6), _inside(0, 6), None, None, None, (), _inplace(f.relu6)),
        _hardtanh(f),
        _threshold(f),
        Function(
            "hardsigmoid", f.hardsigmoid, _hardsigmoid, _sixth, None, None, None, (-3, 3), _inplace(f.hardsigmoid)
        ),
        _hardswish(f),
        _elu("elu of alpha 1.5", lambda x, inplace=False: f.elu(x, 1.5, inplace), 1.5, 1.0, 1.0),
        _elu("selu", f.selu, _SELU_ALPHA, _SELU_SCALE, 1.0),
        _elu("celu of alpha 3", lambda x, inplace=False: f.celu(x, 3.0, inplace), 3.0, 1.0, 3.0),
        _softplus(f, 1.0, 20.0),
        _softplus(f, 2.0, 5.0),
        Function("logsigmoid", f.logsigmoid, _logsigmoid, _logsigmoid_slope, None, None, None, ()),
        Function("mish", f.mish, _mish, _mish_slope, None, None, 2.0**10, (), _inplace(f.mish)),
        Function("softsign", f.softsign, _softsign, _softsign_slope, None, None, 2.0**7, ()),
    )


def _method(name):
    return lambda x: getattr(x, name)()


def _inplace(call):
    return lambda x: call(x, inplace=True)


# --- piecewise linear -------------------------------------------------------------------------------------------------


def _relu(ctx, x):
    return Want(ctx.torch.clamp(x, min=0), None)


def _step(ctx, x):
    return Want((x > 0).double(), None)


def _leaky(f, slope, name):
    exact = math.frexp(slope)[0] == 0.5  # a power of two: the product is exact, or rounds once

    def value(ctx, x):
        y = ctx.torch.where(x > 0, x, x * slope)
        return Want(y, None if exact and ctx.format.emin > -126 else y.abs() * E + TINY)

    def derivative(ctx, x):
        y = ctx.torch.where(x > 0, ctx.torch.ones_like(x), ctx.torch.full_like(x, slope))
        return Want(y, None if exact else y * E)

    return Function(
        name,
        lambda x: f.leaky_relu(x, slope),
        value,
        derivative,
        None,
        None,
        None,
        (0,),
        lambda x: f.leaky_relu(x, slope, inplace=True),
    )


def _clamped(low, high):
    return lambda ctx, x: Want(ctx.torch.clamp(x, low, high), None)


def _inside(low, high):
    return lambda ctx, x: Want(((x > low) & (x < high)).double(), None)


def _hardtanh(f):
    def call(x):
        return f.hardtanh(x, -1.5, 2.0)

    def in_place(x):
        return f.hardtanh(x, -1.5, 2.0, inplace=True)

    return Function("hardtanh", call, _clamped(-1.5, 2.0), _inside(-1.5, 2.0), None, None, None, (), in_place)


def _threshold(f):
    def value(ctx, x):
        return Want(ctx.torch.where(x > 0.5, x, ctx.torch.full_like(x, -2.0)), None)

    def derivative(ctx, x):
        return Want((x > 0.5).double(), None)

    def call(x, inplace=False):
        return f.threshold(x, 0.5, -2.0, inplace)

    return Function("threshold", call, value, derivative, None, None, None, (), _inplace(call))


def _hardsigmoid(ctx, x):
    y = ctx.torch.clamp(x + 3, 0, 6) / 6
    return Want(y, 2 * E * y)


def _sixth(ctx, x):
    y = ((x > -3) & (x < 3)).double() / 6
    return Want(y, E * y)


def _hardswish(f):
    def value(ctx, x):
        y = x * ctx.torch.clamp(x + 3, 0, 6) / 6
        return Want(y, 3 * E * y.abs() + TINY)

    def derivative(ctx, x):
        torch = ctx.torch
        y = torch.where(x.abs() < 3, x / 3 + 0.5, (x > 0).double())
        return Want(y, torch.where(x.abs() < 3, 1.5 * E * (x.abs() / 3 + 0.5), torch.zeros_like(x)))

    reach = 2.0**123  # 6 x must not overflow
    return Function("hardswish", f.hardswish, value, derivative, -reach, reach, None, (-3, 3), _inplace(f.hardswish))


# --- smooth -----------------------------------------------------------------------------------------------------------


def _sigmoid(ctx, x):
    y = ctx.torch.sigmoid(x)
    return Want(y, 6 * E * y + TINY)


def _sigmoid_slope(ctx, x):
    y, rest = ctx.torch.sigmoid(x), ctx.torch.sigmoid(-x)
    return Want(y * rest, y * (u(ctx) + 6 * E) * (1 + y) + 3 * u(ctx) * y * rest + lost(ctx))


def _tanh(ctx, x):
    y = ctx.torch.tanh(x)
    return Want(y, 2 * E * y.abs() + TINY)


def _tanh_slope(ctx, x):
    y = ctx.torch.tanh(x)
    return Want(1 - y * y, 2 * y * y * (u(ctx) + 2 * E) + 2 * u(ctx) + lost(ctx))


def _silu(ctx, x):
    y = x * ctx.torch.sigmoid(x)
    return Want(y, 7 * E * y.abs() + TINY * ctx.torch.clamp(x.abs(), min=1))


def _silu_slope(ctx, x):
    s = ctx.torch.sigmoid(x)
    return Want(s * (1 + x * ctx.torch.sigmoid(-x)), (16 * E * s + TINY) * (1 + x.abs()))


def _gelu(ctx, x):
    return Want(x * ctx.torch.erfc(-x / math.sqrt(2)) / 2, 3 * E * x.abs() + TINY)


def _gelu_slope(ctx, x):
    density = ctx.torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return Want(ctx.torch.erfc(-x / math.sqrt(2)) / 2 + x * density, ctx.torch.full_like(x, 5 * E + TINY))


def _gelu_by_tanh(f):
    return lambda x: f.gelu(x, approximate="tanh")


def _inner(ctx, x):
    """z, clamped where tanh is 1 in every format, and 1 + tanh z without cancellation."""
    z = ctx.torch.clamp(_K * (x + _C * x * x * x), -400, 400)
    return z, 2 * ctx.torch.sigmoid(2 * z)


def _gelu_tanh(ctx, x):
    return Want(x * _inner(ctx, x)[1] / 2, 4 * E * x.abs() + TINY)


def _gelu_tanh_slope(ctx, x):
    torch = ctx.torch
    z, one_more = _inner(ctx, x)
    rest = 4 * torch.sigmoid(2 * z) * torch.sigmoid(-2 * z)  # 1 - tanh(z)**2
    weight = x.abs() / 2 * _K * (1 + 3 * _C * x * x)
    missed = torch.where(z.abs() < 10, torch.full_like(x, 5 * E), rest)
    second = weight * (missed + (7 * z.abs() + 3) * E * rest)
    return Want(one_more / 2 + torch.sign(x) * weight * rest, 2.3 * E + second + TINY)


def _elu(name, call, alpha, scale, divisor):
    def value(ctx, x):
        y = scale * ctx.torch.where(x > 0, x, alpha * ctx.torch.expm1(ctx.torch.clamp(x, max=0) / divisor))
        below = scale * alpha * (3 + (0.6 if divisor != 1 else 0)) * E
        return Want(y, ctx.torch.where(x > 0, 0.0 * x, 0 * x + below) + 2 * E * y.abs() + TINY)

    def derivative(ctx, x):
        torch = ctx.torch
        y = torch.exp(torch.clamp(x, max=0) / divisor) * scale * alpha / divisor
        y = torch.where(x > 0, torch.full_like(x, scale), y)
        shift = 1.5 * x.abs() / divisor if divisor != 1 else 0.0 * x
        return Want(y, y * E * (4 + torch.where(x > 0, 0 * x, shift)) + 4 * TINY)

    return Function(name, call, value, derivative, None, 2.0**126, None, (0,), lambda x: call(x, inplace=True))


def _log_of_one_more(ctx, x):
    """log(1 + exp(x)), finite wherever the result is."""
    return ctx.torch.clamp(x, min=0) + ctx.torch.log1p(ctx.torch.exp(-x.abs()))


def _softplus(f, beta, threshold):
    def value(ctx, x):
        y = _log_of_one_more(ctx, beta * x) / beta
        bound = 2 * E * ctx.torch.sigmoid(beta * x) / beta + 2 * E * y + TINY
        linear = x * beta > threshold
        return Want(ctx.torch.where(linear, x, y), ctx.torch.where(linear, 0 * x, bound))

    def derivative(ctx, x):
        y, linear = ctx.torch.sigmoid(beta * x), x * beta > threshold
        bound = ctx.torch.where(linear, 0 * x, 6 * E * y + 2 * TINY)
        return Want(ctx.torch.where(linear, ctx.torch.ones_like(x), y), bound)

    name = "softplus of beta %g, threshold %g" % (beta, threshold)
    return Function(name, lambda x: f.softplus(x, beta, threshold), value, derivative, None, 2.0**125, None, ())


def _logsigmoid(ctx, x):
    z = ctx.torch.exp(-x.abs())
    y = ctx.torch.clamp(x, max=0) - ctx.torch.log1p(z)
    return Want(y, 2 * E * z / (1 + z) + 2 * E * y.abs() + TINY)


def _logsigmoid_slope(ctx, x):
    z = ctx.torch.exp(-x.abs())
    bound = u(ctx) * z / (1 + z) ** 2 + 4 * E * ctx.torch.sigmoid(-x) + 2 * E * (x < 0).double() + lost(ctx)
    return Want(ctx.torch.sigmoid(-x), bound)


def _mish_parts(ctx, x):
    """softplus s, tanh t of it, 1 - t t, sigmoid of x, and the bound of t."""
    torch = ctx.torch
    s = _log_of_one_more(ctx, x)
    t = torch.tanh(s)
    rest = 4 * torch.sigmoid(2 * s) * torch.sigmoid(-2 * s)
    sigmoid = torch.sigmoid(x)
    return s, t, rest, sigmoid, rest * (2 * E * sigmoid + E * s) + 2 * E * t


def _mish(ctx, x):
    _, t, _, _, error = _mish_parts(ctx, x)
    return Want(x * t, x.abs() * error + E * (x * t).abs() + TINY * (1 + x.abs()))


def _mish_slope(ctx, x):
    _, t, rest, sigmoid, error = _mish_parts(ctx, x)
    y = t + x * sigmoid * rest
    bound = error + x.abs() * sigmoid * (2 * t * error + E + 8 * E * rest) + E * y.abs() + TINY * (1 + x.abs())
    return Want(y, bound)


def _softsign(ctx, x):
    y = x / (1 + x.abs())
    return Want(y, judge.gamma(2, u(ctx)) * y.abs() + TINY)


def _softsign_slope(ctx, x):
    d = 1 + x.abs()
    return Want(1 / (d * d), 4 * u(ctx) / d + 6 * u(ctx) * x.abs() / (d * d) + lost(ctx))
