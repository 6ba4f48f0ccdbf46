"""Resizing of images as matrices: one float64 matrix a dimension, applied to operands and, transposed, to gradients.

The coordinate of output d among the inputs is d (N - 1) / (M - 1) where corners are aligned and (d + 1/2) N / M - 1/2
elsewhere (N inputs, M outputs; N / M is 1 / scale_factor where that is given); nearest takes floor(d N / M), the exact
one floor((d + 1/2) N / M). Linear weights are 1 - t and t, cubic ones Keys' kernel with a = -3/4.
"""

import math
import re
from collections import namedtuple

from . import judge, movement

Axis = namedtuple("Axis", "size mode align scale")
"""Outputs along one dimension, mode (nearest, nearest-exact, linear, cubic), whether corners are aligned, N / M."""


def matrices(torch, spatial, axes):
    """(weights, errors) a dimension, float64, outputs x inputs; errors: by how much a float32 weight may be off.

    A coordinate takes at most four roundings of 2**-24 of its size + 1, a cubic weight changes by less than 3/2 of it
    and takes eight roundings of terms below 5: together less than 32 * 2**-24 (coordinate + 1). The elements beside
    the taps are included, since a coordinate near an integer may fall on its other side.
    """
    return [_axis(torch, count, axis) for count, axis in zip(spatial, axes)]


def _axis(torch, count, axis):
    weights = [[0.0] * count for _ in range(axis.size)]
    errors = [[0.0] * count for _ in range(axis.size)]
    for out in range(axis.size):
        at = _coordinate(out, count, axis)
        for tap, weight in _taps(at, axis.mode):
            weights[out][min(max(tap, 0), count - 1)] += weight
        if "nearest" not in axis.mode:
            reach = 2 if axis.mode == "linear" else 3
            for tap in range(math.floor(at) + 1 - reach, math.floor(at) + 1 + reach):
                errors[out][min(max(tap, 0), count - 1)] += 32 * 2.0**-24 * (abs(at) + 1)
    return torch.tensor(weights, dtype=torch.float64), torch.tensor(errors, dtype=torch.float64)


def _coordinate(out, count, axis):
    ratio = axis.scale if axis.scale else count / axis.size
    if axis.mode == "nearest":
        return min(math.floor(out * ratio), count - 1)
    if axis.mode == "nearest-exact":
        return min(math.floor((out + 0.5) * ratio), count - 1)
    if axis.align:
        return out * (count - 1) / (axis.size - 1) if axis.size > 1 else 0.0
    at = (out + 0.5) * ratio - 0.5
    return max(at, 0.0) if axis.mode == "linear" else at


def _taps(at, mode):
    first = math.floor(at)
    t = at - first
    if "nearest" in mode:
        return ((first, 1.0),)
    if mode == "linear":
        return ((first, 1 - t), (first + 1, t))
    return tuple((first + n, _cubic(abs(t - n))) for n in (-1, 0, 1, 2))


def _cubic(x, a=-0.75):
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def applied(x, factors, transposed=False):
    """`factors` (a matrix a dimension) applied to the last dimensions of x."""
    for dim, factor in enumerate(factors):
        dim += 2
        x = (x.transpose(dim, -1) @ (factor if transposed else factor.t())).transpose(dim, -1)
    return x


def check(ctx, function, axes, x, reach, unit, layout, word=""):
    """`function` resizes x (float64 integers) as `axes` say; gradients within +-reach.

    With `unit` EXACT: weights are multiples of 1 / unit and all sums of absolute values fit 2**p of them. Without,
    INTERVAL: the weights' errors, and a rounding for each of the products and sums (64 at most take part in a gradient
    that is not exact), in 16 bits to the dtype, since gradients may be added atomically in it.
    """
    if _coarse(ctx, axes, unit):
        return judge.skipped(
            "PyTorch before 2.1 computes 16-bit coordinates in 16 bits on the CPU (pull request 83847)"
        )
    scale = 2.0 ** movement.SCALES[layout]
    x = x * scale
    pairs = matrices(ctx.torch, x.shape[2:], axes)
    factors = [w for w, _ in pairs]
    shape = tuple(x.shape[:2]) + tuple(a.size for a in axes)
    drawn = movement.narrow if unit and unit * movement.WIDE > 2**ctx.precision else movement.integers
    g = drawn(ctx, shape, reach, "gradient", word, layout) * scale
    g = g * _lattice(ctx, shape, _spacing(ctx, x, g, unit, reach), word, layout)
    want = movement.Result([applied(x, factors)], [applied(g, factors, True)], [], [])
    ceilings = [f.abs() for f in factors]
    sums = [applied(x.abs(), ceilings), applied(g.abs(), ceilings, True)]
    if unit:
        for total in sums:
            ctx.require_exact_sums(total * unit / scale)
    else:
        wider = [w.abs() + e for w, e in pairs]
        terms = judge.gamma(64, 2.0 ** -min(23, max(ctx.precision, 8)))
        bounds = [
            applied(x.abs(), wider) - sums[0] + judge.gamma(16, 2.0 ** -min(23, ctx.precision)) * sums[0],
            applied(g.abs(), wider, True) - sums[1] + terms * sums[1],
        ]
        want = want._replace(output_bounds=bounds[:1], gradient_bounds=bounds[1:])
    return movement.compare(ctx, function, [ctx.tensor(x)], layout, [g], want)


def _coarse(ctx, axes, unit):
    """Whether this is a CPU kernel known to compute coordinates and weights in the dtype, whose results are anything.

    https://github.com/pytorch/pytorch/pull/83847 and https://github.com/pytorch/pytorch/pull/89210 mended it.
    """
    release = tuple(int(part) for part in re.findall(r"\d+", ctx.torch.__version__)[:2])
    if ctx.kind != "cpu" or ctx.precision == 24:
        return False
    return release < (1, 13) if "nearest" in axes[0].mode else release < (2, 1) and unit is None


def _spacing(ctx, x, g, unit, reach):
    """1, or the power of two by which gradients must be apart so that the sums at one input fit 2**p units.

    On average an input gets the weight `growth`; beside the border it may get up to twice as much.
    """
    growth = g[0, 0].numel() / x[0, 0].numel()
    spacing = 1
    while unit and 2 * unit * reach * growth > 2**ctx.precision * spacing ** (x.dim() - 2):
        spacing *= 2
    return spacing


def _lattice(ctx, shape, spacing, *words):
    """Ones at every `spacing`-th place of each dimension behind the second, from an offset a plane; else zeros."""
    torch = ctx.torch
    kept = torch.ones(shape, dtype=torch.float64)
    for dim, size in enumerate(shape[2:]):
        offset = ctx.integers(tuple(shape[:2]) + (1,), 0, spacing - 1, "lattice", dim, *words)
        hit = ((torch.arange(size) + offset) % spacing == 0).double()
        kept = kept * hit.reshape(tuple(shape[:2]) + (1,) * dim + (size,) + (1,) * (len(shape) - 3 - dim))
    return kept
