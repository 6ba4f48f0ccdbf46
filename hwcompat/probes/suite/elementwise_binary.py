"""Add, subtract, multiply, divide and square root are correctly rounded, as IEEE 754 demands.

Hunts: wrong rounding, approximate division, swallowed NaN or infinity, a wrong relu or its gradient.
Rule: EXACT. A device may evaluate 16-bit operands in float32 and round once more: 24 >= 2 p + 2, so the second rounding
changes nothing (Figueroa, When is double rounding innocuous?, SIGNUM Newsletter 30(3), 1995); the float64 reference
serves float32 for the same reason, 53 >= 2 * 24 + 2. CUDA documents 0 ulp for these float32 operations.
The CPU build of PyTorch hands float32 square roots to Intel's vector mathematics, whose default mode promises less than
one unit of error, not correct rounding (oneMKL, VM accuracy modes: 1 in 370 is one unit off): FEATURE for float32.
Where an operand or the exact result is subnormal the rule is FEATURE: exact, or the subnormal taken as zero.
Source: NVIDIA, Floating Point and IEEE 754, https://docs.nvidia.com/cuda/floating-point/index.html.
"""

from functools import partial

from .. import judge, rounding

GROUP = "elementwise"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1

_OPERATIONS = ("add", "sub", "mul", "div")


def cases(ctx):
    count = 1 << (18 if ctx.large else 16)
    for name in _OPERATIONS:
        yield "%s of %d random pairs" % (name, count), partial(normal_pairs, ctx, name, count)
        yield "%s with subnormal numbers" % name, partial(subnormal_pairs, ctx, name, 1 << 14)
    for name in ("neg", "abs"):
        yield "%s of all codes" % name, partial(unary, ctx, name)
    yield "sqrt of all codes", partial(square_root, ctx)
    yield "relu of all codes, forward and backward", partial(relu, ctx)


def normal_pairs(ctx, name, count):
    a_codes, b_codes = pairs(ctx, name, count)
    keep = ~touches_subnormal(ctx, name, values(ctx, a_codes), values(ctx, b_codes))
    a_codes, b_codes = a_codes[keep], b_codes[keep]
    operation = getattr(ctx.torch, name)
    got = operation(ctx.from_codes(a_codes), ctx.from_codes(b_codes))
    return ctx.exact(got, operation(values(ctx, a_codes), values(ctx, b_codes)))


def subnormal_pairs(ctx, name, count):
    """First operands are subnormal, second ones anything; all four ways to flush are legal."""
    torch = ctx.torch
    sign = 1 << (ctx.format.bits - 1)
    magnitude = ctx.integers((count,), 0, (1 << (ctx.format.precision - 1)) - 1, name, "small")
    a_codes = magnitude | (ctx.integers((count,), 0, 1, name, "sign") * sign)
    b_codes = pairs(ctx, name + " other", count)[0]
    b_codes = torch.where(torch.arange(count) % 4 == 0, a_codes.flip(0), b_codes)
    operation = getattr(torch, name)
    got = operation(ctx.from_codes(a_codes), ctx.from_codes(b_codes))
    a, b = values(ctx, a_codes), values(ctx, b_codes)
    exact, from_flushed = operation(a, b), operation(flushed(ctx, a), flushed(ctx, b))
    return ctx.exact_or_flushed(got, exact, flushed(ctx, exact), from_flushed, flushed(ctx, from_flushed))


def unary(ctx, name):
    codes = all_codes(ctx)
    x = values(ctx, codes)
    codes = codes[~is_subnormal(ctx, x)]
    operation = getattr(ctx.torch, name)
    return ctx.exact(operation(ctx.from_codes(codes)), operation(values(ctx, codes)))


def square_root(ctx):
    """float32 may miss by one unit (see above); 16-bit results, and what is not an ordinary number, must be right."""
    strict = unary(ctx, "sqrt")
    if strict.status == "pass" or ctx.dtype_name != "float32":
        return strict
    torch, value = ctx.torch, values(ctx, all_codes(ctx))
    ordinary = (value >= 2.0**ctx.format.emin) & (value < float("inf"))
    special = value[~ordinary & ~is_subnormal(ctx, value)]
    root = torch.sqrt(value[ordinary])
    loose = ctx.all_of(
        ctx.interval(torch.sqrt(ctx.tensor(value[ordinary])), root, root * 2.0**-23),
        ctx.exact(torch.sqrt(ctx.tensor(special)), torch.sqrt(special)),
    )
    if loose.status != "pass":
        return loose
    return judge.feature("float32 square roots one unit off: " + strict.detail, {"sqrt_rounded_correctly": False})


def relu(ctx):
    torch = ctx.torch
    codes = all_codes(ctx)
    codes = codes[~torch.isnan(values(ctx, codes)) & ~is_subnormal(ctx, values(ctx, codes))]
    x, value = ctx.from_codes(codes).requires_grad_(), values(ctx, codes)
    g = ctx.integers(codes.shape, 1, 100, "g")
    out = torch.relu(x)
    out.backward(ctx.tensor(g))
    zero = torch.zeros_like(value)
    return ctx.all_of(
        ctx.exact(out, torch.where(value > 0, value, zero), note="(forward)"),
        ctx.exact(x.grad, torch.where(value > 0, g.double(), zero), note="(gradient)"),
    )


def pairs(ctx, name, count):
    """Codes of `count` pairs: half of them anything, half with exponents so close that sums round."""
    torch, fmt = ctx.torch, ctx.format
    a = ctx.integers((count,), 0, 2**fmt.bits - 1, name, "a")
    b = ctx.integers((count,), 0, 2**fmt.bits - 1, name, "b")
    sign = 1 << (fmt.bits - 1)
    reach = (fmt.precision + 2) << (fmt.precision - 1)
    near = (a & (sign - 1)) + ctx.integers((count,), -reach, reach, name, "distance")
    near = torch.clamp(near, 0, rounding.infinity(fmt)) | (b & sign)
    return a, torch.where(torch.arange(count) % 2 == 0, b, near)


def all_codes(ctx):
    fmt = ctx.format
    return ctx.torch.arange(1 << 16) if fmt.bits == 16 else ctx.integers((1 << 16,), 0, 2**fmt.bits - 1, "codes")


def values(ctx, codes):
    return rounding.decode(ctx.torch, codes, ctx.format)


def touches_subnormal(ctx, name, a, b):
    result = getattr(ctx.torch, name)(a, b)
    return is_subnormal(ctx, a) | is_subnormal(ctx, b) | is_subnormal(ctx, result)


def is_subnormal(ctx, value):
    return (value != 0) & (value.abs() < 2.0**ctx.format.emin)


def flushed(ctx, value):
    """Subnormal numbers as zero of their sign, which decides the sign of x / 0."""
    return ctx.torch.where(is_subnormal(ctx, value), value * 0.0, value)
