"""Activations of NaN, infinity and zero: what must stay NaN stays NaN, what saturates saturates.

Hunts: a NaN that a comparison swallows (max(NaN, 0) is 0 for many instructions), an infinity that turns into NaN where
the function has a limit, saturation at the largest number; in every place of a vector, so that tails are met as well.
Rule: EXACT. The limits of the functions; NaN in gives NaN out (IEEE 754-2019, 6.2; PyTorch documents relu, hardtanh and
clamp as propagating). Left out are infinities where formulas in use differ (x sigmoid(x) is -inf * 0, and gelu may form
x * x first).
Source: a ReLU that gave 0 for NaN, https://github.com/pytorch/pytorch/issues/7999; a clamp that passed over NaN in its
bounds, https://github.com/pytorch/pytorch/issues/76795.
"""

from functools import partial
from typing import Any

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_INF, _NAN = float("inf"), float("nan")
# name, options, results for NaN, inf, -inf, 0 (None: open, or not exact)
_TABLE: "tuple[tuple[str, dict[str, float], tuple[Any, ...]], ...]" = (
    ("relu", {}, (_NAN, _INF, 0.0, 0.0)),
    ("relu6", {}, (_NAN, 6.0, 0.0, 0.0)),
    ("hardtanh", {}, (_NAN, 1.0, -1.0, 0.0)),
    ("leaky_relu", {"negative_slope": 0.25}, (_NAN, _INF, -_INF, 0.0)),
    ("elu", {}, (_NAN, _INF, -1.0, 0.0)),
    ("silu", {}, (_NAN, _INF, None, 0.0)),
    ("gelu", {}, (_NAN, None, None, 0.0)),
    ("mish", {}, (_NAN, _INF, None, 0.0)),
    ("softplus", {}, (_NAN, _INF, 0.0, None)),
    ("hardsigmoid", {}, (_NAN, 1.0, 0.0, 0.5)),
    ("hardswish", {}, (_NAN, _INF, None, 0.0)),
    ("logsigmoid", {}, (_NAN, 0.0, -_INF, None)),
    ("sigmoid", {}, (_NAN, 1.0, 0.0, 0.5)),
    ("tanh", {}, (_NAN, 1.0, -1.0, 0.0)),
)


def cases(ctx):
    for name, options, results in _TABLE:
        yield name, partial(special, ctx, name, options, results)


def special(ctx, name, options, results):
    """67 x 5 shuffled specials: every place of a vector meets every value."""
    torch = ctx.torch
    source, limits = [_NAN, _INF, -_INF, 0.0], list(results)
    source = [x for x, y in zip(source, limits) if y is not None]
    limits = [y for y in limits if y is not None]
    order = ctx.integers((67, 5), 0, len(source) - 1, name)
    operation = getattr(torch if name in ("sigmoid", "tanh") else torch.nn.functional, name)
    got = operation(ctx.tensor(torch.tensor(source, dtype=torch.float64)[order]), **options)
    return ctx.exact(got, torch.tensor(limits, dtype=torch.float64)[order])
