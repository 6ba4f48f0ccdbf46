"""Every operation on NaN, infinities, zeros of both signs, one and the largest number, in all pairs.

Hunts: a NaN swallowed by a comparison or a clamp, an infinity that saturates, lost signs of zero, isnan or isfinite
that lie, nan_to_num with the wrong limits; in every place of a vector.
Rule: EXACT: IEEE 754-2019 (6.1, 6.2, 9.2.1) defines the results; float64 follows it and is the reference, rounded
once to the dtype. maximum and minimum propagate NaN, fmax and fmin do not (PyTorch's documentation). The sign of a
zero is compared for products, quotients, neg and copysign.
Source: https://pytorch.org/docs/stable/generated/torch.maximum.html, .../torch.fmax.html, .../torch.nan_to_num.html.
"""

from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_INF, _NAN = float("inf"), float("nan")
_BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "fmax", "fmin", "copysign")
_SIGNED = ("mul", "div", "copysign", "neg")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY = ("neg", "abs", "sign", "floor", "ceil", "round", "trunc", "sqrt", "rsqrt", "reciprocal")
_FLAGS = ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit")


def cases(ctx):
    for name in _BINARY:
        yield name, partial(pairs, ctx, name)
    for name in _COMPARISONS:
        yield name, partial(compared, ctx, name)
    for name in _UNARY:
        yield name, partial(single, ctx, name)
    for name in _FLAGS:
        yield name, partial(flags, ctx, name)
    yield "functions at their limits", partial(limits, ctx)
    yield "clamp and masks", partial(clamped, ctx)
    yield "nan_to_num", partial(replaced, ctx)


def specials(ctx):
    largest = (2 - 2.0 ** (1 - ctx.precision)) * 2.0**ctx.format.emax
    return ctx.torch.tensor([_NAN, _INF, -_INF, 0.0, -0.0, 1.0, -1.5, largest], dtype=ctx.torch.float64)


def table(ctx):
    """All 64 pairs, seventeen times over in rows of 65 and more: no row begins at the same pair."""
    values = specials(ctx)
    left, right = values.repeat_interleave(8).repeat(17), values.repeat(8 * 17)
    return left, right


def pairs(ctx, name):
    a, b = table(ctx)
    operation = getattr(ctx.torch, name)
    whole = operation(ctx.tensor(a), ctx.tensor(b))
    turned = operation(matrix(ctx.tensor(a)), matrix(ctx.tensor(b)))
    tail = operation(ctx.tensor(a[3:70]), ctx.tensor(b[3:70]))
    want, signed = operation(a, b), name in _SIGNED
    return ctx.all_of(
        ctx.exact(whole, want, signed),
        ctx.exact(turned, matrix(want), signed, note="(transposed)"),
        ctx.exact(tail, want[3:70], signed, note="(67 elements)"),
    )


def matrix(x):
    return x.reshape(64, 17).t()


def compared(ctx, name):
    a, b = table(ctx)
    operation = getattr(ctx.torch, name)
    return ctx.all_of(
        ctx.exact_integers(operation(ctx.tensor(a), ctx.tensor(b)), operation(a, b)),
        ctx.exact_integers(operation(ctx.tensor(a), 0.0), operation(a, 0.0), note="(with a number)"),
        ctx.exact_integers(operation(matrix(ctx.tensor(a)), matrix(ctx.tensor(b))), matrix(operation(a, b))),
    )


def single(ctx, name):
    """The square roots of the largest number are left out: float32 may be a unit off."""
    a, operation = table(ctx)[0], getattr(ctx.torch, name)
    if name in ("sqrt", "rsqrt", "reciprocal"):
        a = a[~(a.abs() > 2) | ~ctx.torch.isfinite(a)]
        a = a[a != -1.5]
    signed = name in _SIGNED
    return ctx.all_of(
        ctx.exact(operation(ctx.tensor(a)), operation(a), signed),
        ctx.exact(operation(ctx.tensor(a.repeat(2))[::2]), operation(a.repeat(2)[::2]), signed, note="(strided)"),
    )


def flags(ctx, name):
    a, operation = table(ctx)[0], getattr(ctx.torch, name)
    return ctx.all_of(
        ctx.exact_integers(operation(ctx.tensor(a)), operation(a)),
        ctx.exact_integers(operation(matrix(ctx.tensor(a))), operation(matrix(a)), note="(transposed)"),
    )


def limits(ctx):
    """Functions of one number where their limit is a number of every dtype; None: left out."""
    x = (_NAN, _INF, -_INF, 0.0, -0.0)
    judged = []
    for name, values in (
        ("exp", (_NAN, _INF, 0.0, 1.0, 1.0)),
        ("exp2", (_NAN, _INF, 0.0, 1.0, 1.0)),
        ("expm1", (_NAN, _INF, -1.0, 0.0, 0.0)),
        ("log", (_NAN, _INF, _NAN, -_INF, -_INF)),
        ("log2", (_NAN, _INF, _NAN, -_INF, -_INF)),
        ("log1p", (_NAN, _INF, _NAN, 0.0, 0.0)),
        ("sin", (_NAN, _NAN, _NAN, 0.0, 0.0)),
        ("cos", (_NAN, _NAN, _NAN, 1.0, 1.0)),
        ("erf", (_NAN, 1.0, -1.0, 0.0, 0.0)),
    ):
        order = ctx.integers((131,), 0, 4, name)
        source, want = (ctx.torch.tensor(v, dtype=ctx.torch.float64)[order] for v in (x, values))
        judged.append(ctx.exact(getattr(ctx.torch, name)(ctx.tensor(source)), want, note="(%s)" % name))
    return ctx.all_of(*judged)


def clamped(ctx):
    """NaN passes clamp; where and masked_fill take NaN and infinity like any number."""
    torch = ctx.torch
    a, b = table(ctx)
    x, mask = ctx.tensor(a), (b > 0).to(ctx.device)
    return ctx.all_of(
        ctx.exact(torch.clamp(x, -1.0, 2.0), torch.clamp(a, -1.0, 2.0), note="(clamp)"),
        ctx.exact(torch.clamp(x, min=0.0), torch.clamp(a, min=0.0), note="(clamp from 0)"),
        ctx.exact(torch.clamp(x, max=0.0), torch.clamp(a, max=0.0), note="(clamp to 0)"),
        ctx.exact(torch.where(mask, x, ctx.tensor(b)), torch.where(b > 0, a, b), note="(where)"),
        ctx.exact(x.masked_fill(mask, -_INF), a.masked_fill(b > 0, -_INF), note="(masked_fill with -inf)"),
    )


def replaced(ctx):
    torch = ctx.torch
    a = table(ctx)[0]
    largest = float(specials(ctx)[-1])
    default = torch.nan_to_num(a, nan=0.0, posinf=largest, neginf=-largest)
    chosen = torch.nan_to_num(a, nan=2.0, posinf=3.0, neginf=-4.0)
    x = ctx.tensor(a)
    return ctx.all_of(
        ctx.exact(torch.nan_to_num(x), default),
        ctx.exact(torch.nan_to_num(x, nan=2.0, posinf=3.0, neginf=-4.0), chosen, note="(chosen values)"),
        ctx.exact(torch.nan_to_num_(matrix(x.clone())), matrix(default), note="(in place, transposed)"),
    )
