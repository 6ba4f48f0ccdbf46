"""IoU, GIoU, DIoU and CIoU of boxes as detectors compose them, smooth L1 of anchors, triplet margins and CTC.

Hunts: minimum and maximum exchanged at a corner, overlaps below zero that are not clamped, an arc tangent or a division
that is coarse, the enclosing box or the aspect term left out, a wrong gradient of one coordinate.
Rule: INTERVAL for random boxes: every operation carries its error along (running error analysis, Higham 2002, section
3.3): a sum adds the errors of its terms, a product |a| E_b + |b| E_a + E_a E_b, a quotient (E_a + |a/b| E_b) / (|b| -
E_b), minimum and maximum the larger error, the arc tangent (3 units, CUDA C Programming Guide) passes its argument's
error on, and each rounds to the dtype, u |y|. EXACT for values and gradients in float32 of nested, equal and touching
squares whose sides are powers of two: all areas, ratios and their derivatives are multiples of 2**-20 of few bits; the
reference is float64 autograd, the aspect term is 0. CTC against the sum over all alignments, in float32: T steps each
add three logarithms of sums, T (8 e |a| + 8 e) for the largest exponent |a|, e = 2**-23; gradients (softmax minus the
share of alignments) err relatively by three times that.
Source: https://arxiv.org/abs/1911.08287 (DIoU and CIoU).
"""

import itertools
import math
from functools import partial

from ..functions import E

GROUP = "elementwise"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_KINDS = ("iou", "giou", "diou", "ciou")


def cases(ctx):
    for kind in _KINDS:
        yield "%s of random boxes" % kind, partial(random, ctx, kind)
    if ctx.dtype_name == "float32":
        for kind in _KINDS:
            yield "%s of squares and its gradient" % kind, partial(squares, ctx, kind)
        yield "CTC", partial(alignments, ctx, 5)
        yield "CTC again", partial(alignments, ctx, 5, "again")
        yield "CTC of four steps", partial(alignments, ctx, 4)
    yield "triplet margin", partial(triplet, ctx)


class Torch:
    """The operations of a box loss on tensors."""

    def __init__(self, torch):
        self.torch = torch
        self.minimum, self.maximum, self.atan = torch.minimum, torch.maximum, torch.atan

    def positive(self, x):
        return self.torch.clamp(x, min=0)

    def columns(self, boxes):
        return boxes.unbind(-1)


class Bounded:
    """A float64 value and the bound of its error, through the operations of a box loss."""

    def __init__(self, torch, value, error, unit):
        self.torch, self.value, self.error, self.unit = torch, value, error, unit

    def _rounded(self, value, error):
        return Bounded(self.torch, value, error + self.unit * (value.abs() + error), self.unit)

    def _of(self, other):
        if isinstance(other, Bounded):
            return other
        constant = self.torch.full_like(self.value, float(other))
        return Bounded(self.torch, constant, constant.abs() * self.unit, self.unit)

    def __add__(self, other):
        other = self._of(other)
        return self._rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other):
        other = self._of(other)
        return self._rounded(self.value - other.value, self.error + other.error)

    def __mul__(self, other):
        other = self._of(other)
        error = self.value.abs() * other.error + other.value.abs() * self.error + self.error * other.error
        return self._rounded(self.value * other.value, error)

    __rmul__ = __mul__

    def __truediv__(self, other):
        other = self._of(other)
        quotient = self.value / other.value
        error = (self.error + quotient.abs() * other.error) / (other.value.abs() - other.error)
        return self._rounded(quotient, error)


class Bounds:
    """The same operations on Bounded values."""

    def __init__(self, torch, unit):
        self.torch, self.unit = torch, unit

    def _merged(self, value, a, b):
        return Bounded(self.torch, value, self.torch.maximum(a.error, b.error), self.unit)

    def minimum(self, a, b):
        return self._merged(self.torch.minimum(a.value, b.value), a, b)

    def maximum(self, a, b):
        return self._merged(self.torch.maximum(a.value, b.value), a, b)

    def positive(self, x):
        return Bounded(self.torch, self.torch.clamp(x.value, min=0), x.error, self.unit)

    def atan(self, x):
        value = self.torch.atan(x.value)
        return Bounded(self.torch, value, x.error + (3 * E + self.unit) * value.abs(), self.unit)

    def columns(self, boxes):
        nothing = self.torch.zeros_like(boxes[..., 0])
        return [Bounded(self.torch, column, nothing, self.unit) for column in boxes.unbind(-1)]


def overlap(ops, kind, first, second):
    """The measure `kind` of boxes given as corners; 2**-10 keeps the aspect term's weight finite for equal boxes."""
    a1, b1, a2, b2 = ops.columns(first)
    c1, d1, c2, d2 = ops.columns(second)
    w, h, v, z = a2 - a1, b2 - b1, c2 - c1, d2 - d1
    inside = ops.positive(ops.minimum(a2, c2) - ops.maximum(a1, c1)) * ops.positive(
        ops.minimum(b2, d2) - ops.maximum(b1, d1)
    )
    union = w * h + v * z - inside
    iou = inside / union
    if kind == "iou":
        return iou
    wide = ops.maximum(a2, c2) - ops.minimum(a1, c1)
    high = ops.maximum(b2, d2) - ops.minimum(b1, d1)
    if kind == "giou":
        area = wide * high
        return iou - (area - union) / area
    x, y = c1 + c2 - a1 - a2, d1 + d2 - b1 - b2
    distance = (x * x + y * y) * 0.25 / (wide * wide + high * high)
    if kind == "diou":
        return iou - distance
    angle = ops.atan(v / z) - ops.atan(w / h)
    aspect = angle * angle * (4 / math.pi**2)
    return iou - (distance + aspect * aspect / (aspect - iou + (1 + 2.0**-10)))


def random(ctx, kind):
    """Boxes with sides of 8 to 40 whose corners differ by up to 16."""
    torch = ctx.torch
    corner = ctx.integers((515, 2), 0, 64, "corner").double()
    first = torch.cat([corner, corner + ctx.integers((515, 2), 8, 40, "size")], 1)
    corner = corner + ctx.integers((515, 2), -16, 16, "shift")
    second = torch.cat([corner, corner + ctx.integers((515, 2), 8, 40, "other size")], 1)
    want = overlap(Bounds(torch, 2.0**-ctx.precision), kind, first, second)
    judged = []
    for columns in (False, True):
        a, b = (boxes.t().contiguous() if columns else boxes for boxes in (first, second))
        a, b = (ctx.tensor(boxes).t() if columns else ctx.tensor(boxes) for boxes in (a, b))
        judged.append(ctx.interval(overlap(Torch(torch), kind, a, b), want.value, want.error))
    return ctx.all_of(*judged)


def squares(ctx, kind):
    """Squares of side 4 or 8 in one of 16, equal ones of 16, and ones of 16 that touch at a corner."""
    torch = ctx.torch
    count = 129
    corner = ctx.integers((count, 1), 0, 32, "corner").double().repeat(1, 2)
    outer = torch.cat([corner, corner + 16], 1)
    side = 4.0 * 2 ** ctx.integers((count, 1), 0, 1, "side").double()
    place = corner + 1 + ctx.integers((count, 2), 0, 6, "place").double()
    inner = torch.cat([place, place + side], 1)
    touching = outer + 16
    which = ctx.integers((count, 1), 0, 3, "which")
    second = torch.where(which == 0, outer, torch.where(which == 1, touching, inner))
    wanted = [boxes.clone().requires_grad_() for boxes in (outer, second)]
    reference = overlap(Torch(torch), kind, wanted[0], wanted[1])
    slopes = torch.autograd.grad(reference.sum(), wanted)
    leaves = [ctx.tensor(boxes, grad=True) for boxes in (outer, second)]
    got = overlap(Torch(torch), kind, leaves[0], leaves[1])
    gradients = torch.autograd.grad(got, leaves, torch.ones_like(got))
    for exact in (reference.detach(),) + slopes:
        ctx.require(bool((torch.round(exact * 2**20) == exact * 2**20).all()), "multiples of 2**-20")
    return ctx.all_of(
        ctx.exact(got, reference.detach()),
        ctx.exact(gradients[0], slopes[0], note="(gradient of the first boxes)"),
        ctx.exact(gradients[1], slopes[1], note="(gradient of the second boxes)"),
    )


def triplet(ctx):
    """Distances of vectors of 3 to 300 with PyTorch's own 1e-6 added to differences."""
    torch = ctx.torch
    judged = []
    for shape in ((33, 3), (16, 64), (7, 300)):
        a, p, n = (ctx.integers(shape, -3, 3, name, shape).double() for name in "apn")
        got = torch.nn.functional.triplet_margin_loss(
            ctx.tensor(a), ctx.tensor(p), ctx.tensor(n), margin=1.5, reduction="none"
        )
        near, far = ((a - x + 1e-6).norm(dim=1) for x in (p, n))
        unit = 2.0**-ctx.precision
        # Differences round (u), squares are summed in float32 (n + 2 roundings, half of it in the root), the distances
        # and their difference round again; 1e-6 may be lost beside a difference: sqrt(n) 1e-6.
        growth = (shape[1] + 4) * E
        bound = (near + far) * (3 * unit + growth) + 2 * unit * (near - far + 1.5).abs() + 2e-6 * shape[1] ** 0.5
        judged.append(ctx.interval(got, torch.clamp(near - far + 1.5, min=0), bound))
    return ctx.all_of(*judged)


def alignments(ctx, steps, *words):
    """Four or five steps, four classes, targets of two letters (equal ones too): 1,024 alignments at most."""
    torch = ctx.torch
    classes, batch = 4, 6
    x = ctx.rounded(ctx.normal((steps, batch, classes), "ctc", *words) * 2)
    target = torch.tensor([[1, 2], [2, 1], [3, 3], [1, 1], [2, 3], [3, 1]])
    wanted = x.clone().requires_grad_()
    y = torch.log_softmax(wanted, 2)
    losses = []
    for at in range(batch):
        paths = [p for p in itertools.product(range(classes), repeat=steps) if collapsed(p) == target[at].tolist()]
        index = torch.tensor(paths)
        losses.append(-torch.logsumexp(y[torch.arange(steps), at][torch.arange(steps), index].sum(1), 0))
    reference = torch.stack(losses)
    (slope,) = torch.autograd.grad(reference.sum(), wanted)
    leaf = ctx.tensor(x, grad=True)
    lengths = torch.full((batch,), steps), torch.full((batch,), 2)
    scores = torch.log_softmax(leaf, 2)
    got = torch.nn.functional.ctc_loss(scores, target.to(ctx.device), *lengths, reduction="none")
    (gradient,) = torch.autograd.grad(got.sum(), leaf)
    largest = float(reference.detach().max()) + float(-y.detach().min()) * steps
    bound = steps * (8 * E * largest + 8 * E)
    p = torch.exp(y.detach())
    return ctx.all_of(
        ctx.interval(got, reference.detach(), torch.full_like(reference.detach(), bound)),
        ctx.interval(gradient, slope, 3 * bound * (p + (p - slope).abs()) + 4 * E, note="(gradient)"),
    )


def collapsed(path):
    """The letters of an alignment: repetitions merged, then blanks (0) removed."""
    return [letter for letter, _ in itertools.groupby(path) if letter]
