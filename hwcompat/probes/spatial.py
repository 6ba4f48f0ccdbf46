"""Convolutions of one, two and three dimensions, ordinary and transposed: operands, the operation, its exact outputs.

What convolution.py is for square two-dimensional kernels, this is for every other shape and for a whole training step:
one forward and one backward pass give the output and the gradients of input, weight and bias, and all four are judged.

Exactness. Operands are integers, thinned where they must be, so that for every element of the four outputs the sum of
absolute products (the bias, if any, included) stays within 2**p, p the significand bits of the dtype: every partial
sum, in any order and in an accumulator as narrow as the output, is then an integer of at most p bits. The sums are
computed from the operands themselves and asserted. A second backward pass into the same gradients doubles them, which
is exact.

Reference. A transposed convolution is the adjoint of an ordinary one: forward, data gradient and weight gradient of
both are three float64 functions (`correlate`, `adjoint_of_input`, `adjoint_of_weight`), each a matrix product for every
kernel tap over a shifted slice.
"""

from collections import namedtuple
from functools import partial
from itertools import product
from math import isqrt

from . import outputs, transform

Layer = namedtuple("Layer", "name images cin size cout kernel stride padding dilation groups transposed extra")
"""A convolution; `size`, `kernel`, `stride`, `padding`, `dilation`, `extra` (output_padding) are tuples, one entry a
dimension."""

Way = namedtuple("Way", "bias layout view twice ones", defaults=(True, "plain", "whole", False, False))
"""How a layer is run. layout: plain or last (channels last). view: whole, chunk (operands are slices of channels of
larger tensors), swapped (the last two dimensions lie exchanged in memory). twice: a second step adds to the gradients.
ones: the output's gradient is an expanded one, as after `y.sum().backward()`."""

Operands = namedtuple("Operands", "x w b dy largest")
"""int64 operands of one step and their largest absolute entry."""

NAMES = ("(output)", "(input gradient)", "(weight gradient)", "(bias gradient)")
_LARGEST = 1000  # at most 10 bits an operand, which also survives TF32's 11-bit significand
_ATTEMPTS = 12


def layer(name, images, cin, size, cout, kernel, **options):
    """A Layer; a number stands for the same in every dimension. Options: stride, padding, dilation, groups, transposed,
    extra."""
    given = {"stride": 1, "padding": 0, "dilation": 1, "extra": 0, "groups": 1, "transposed": False, **options}
    each = {"kernel": kernel}
    each.update((word, given.pop(word)) for word in ("stride", "padding", "dilation", "extra"))
    tuples = {k: v if isinstance(v, tuple) else (v,) * len(size) for k, v in each.items()}
    return Layer(name=name, images=images, cin=cin, size=tuple(size), cout=cout, **tuples, **given)


# --- shapes -----------------------------------------------------------------------------------------------------------
def out_size(lay):
    spans = [d * (k - 1) + 1 for d, k in zip(lay.dilation, lay.kernel)]
    if lay.transposed:
        rows = zip(lay.size, lay.stride, lay.padding, spans, lay.extra)
        return tuple((n - 1) * s - 2 * p + span + extra for n, s, p, span, extra in rows)
    return tuple((n + 2 * p - span) // s + 1 for n, s, p, span in zip(lay.size, lay.stride, lay.padding, spans))


def shapes(lay):
    """Shapes of x, w and y."""
    inner, outer = (lay.cin, lay.cout // lay.groups) if lay.transposed else (lay.cout, lay.cin // lay.groups)
    return (
        (lay.images, lay.cin) + lay.size,
        (inner, outer) + lay.kernel,
        (lay.images, lay.cout) + out_size(lay),
    )


def forward_layer(lay):
    """The ordinary convolution that `lay` is, or whose adjoint it is."""
    if not lay.transposed:
        return lay
    return lay._replace(cin=lay.cout, cout=lay.cin, size=out_size(lay), transposed=False)


# --- the reference ----------------------------------------------------------------------------------------------------
def expected(torch, lay, operands):
    """(y, dx, dw, db) in float64."""
    x, w, dy = operands.x.double(), operands.w.double(), operands.dy.double()
    base = forward_layer(lay)
    if lay.transposed:
        y, dx, dw = adjoint_of_input(torch, base, x, w), correlate(torch, base, dy, w), None
        dw = adjoint_of_weight(torch, base, dy, x)
    else:
        y, dx = correlate(torch, base, x, w), adjoint_of_input(torch, base, dy, w)
        dw = adjoint_of_weight(torch, base, x, dy)
    if operands.b is not None:
        y = y + operands.b.double().reshape((1, -1) + (1,) * len(lay.size))
    return y, dx, dw, dy.transpose(0, 1).flatten(1).sum(1)


def correlate(torch, base, x, w):
    n, g, out = x.shape[0], base.groups, out_size(base)
    y = torch.zeros((n, g, w.shape[0] // g, _count(out)), dtype=torch.float64)
    for at, view in _taps(padded(torch, x, base), base):
        y += torch.matmul(_tap(w, at).reshape(g, -1, w.shape[1]), view.reshape(n, g, w.shape[1], -1))
    return y.reshape((n, w.shape[0]) + out)


def adjoint_of_input(torch, base, dy, w):
    n, g = dy.shape[0], base.groups
    wide = torch.zeros((n, base.cin) + padded_size(base), dtype=torch.float64)
    grad = dy.reshape(n, g, dy.shape[1] // g, -1)
    for at, view in _taps(wide, base):
        view += torch.matmul(_tap(w, at).reshape(g, -1, w.shape[1]).transpose(1, 2), grad).reshape(view.shape)
    return wide[inside(base)]


def adjoint_of_weight(torch, base, x, dy):
    n, g = x.shape[0], base.groups
    depth = x.shape[1] // g
    grad = dy.reshape(n, g, dy.shape[1] // g, -1)
    dw = torch.zeros((dy.shape[1], depth) + base.kernel, dtype=torch.float64)
    for at, view in _taps(padded(torch, x, base), base):
        tap = torch.matmul(grad, view.reshape(n, g, depth, -1).transpose(2, 3))
        dw[(slice(None), slice(None)) + at] = tap.sum(0).reshape(-1, depth)
    return dw


def _tap(w, at):
    return w[(slice(None), slice(None)) + at]


def _taps(wide, base):
    """(index of the kernel element, the part of padded `wide` that it meets) for every kernel element."""
    out = out_size(base)
    for at in product(*[range(k) for k in base.kernel]):
        starts = [i * d for i, d in zip(at, base.dilation)]
        window = tuple(slice(t, t + s * (n - 1) + 1, s) for t, s, n in zip(starts, base.stride, out))
        yield at, wide[(slice(None), slice(None)) + window]


def padded_size(base):
    return tuple(n + 2 * p for n, p in zip(base.size, base.padding))


def inside(base):
    return (slice(None), slice(None)) + tuple(slice(p, p + n) for n, p in zip(base.size, base.padding))


def padded(torch, x, base):
    wide = torch.zeros(tuple(x.shape[:2]) + padded_size(base), dtype=torch.float64)
    wide[inside(base)] = x
    return wide


def _count(sizes):
    total = 1
    for size in sizes:
        total *= size
    return total


# --- operands ---------------------------------------------------------------------------------------------------------
def terms(lay):
    """The most products that one element sums: (of y with its bias, or of dx; of dw or db)."""
    taps = _count(lay.kernel)
    return max(lay.cin // lay.groups * taps + 1, lay.cout // lay.groups * taps), lay.images * _count(out_size(lay))


def integer_operands(ctx, lay, ones=False):
    """(Operands, (y, dx, dw, db) in float64): integers that keep every sum of absolute products within 2**p."""
    limit = 2**ctx.precision
    largest = max(1, min(_LARGEST, isqrt(limit // max(terms(lay)))))
    share = 0.75 if max(terms(lay)) > limit else 1.0
    for attempt in range(_ATTEMPTS):
        operands = _drawn(ctx, lay, ones, largest, share * 0.8**attempt)
        sums = expected(ctx.torch, lay, absolute(operands))
        if max(float(part.max()) for part in sums) <= limit:
            break
    for part in sums:
        ctx.require_exact_sums(part)
    return operands, expected(ctx.torch, lay, operands)


def _drawn(ctx, lay, ones, largest, share):
    """2/3 of ternary entries are not zero, so that a share of 0.75 uses half of the limit on average."""
    limit = 2**ctx.precision / largest**2
    sizes = dict(zip(("x", "w", "dy"), shapes(lay)))
    values = {k: ctx.integers(size, -largest, largest, k, lay.name) for k, size in sizes.items()}
    if ones:
        values["dy"] = ctx.torch.ones_like(values["dy"])
    for k, count in (("w", terms(lay)[0]), ("x" if ones else "dy", terms(lay)[1])):
        if share * limit < count:
            kept = ctx.uniform(sizes[k], "thin", k, lay.name) < share * limit / count
            values[k] = values[k] * kept.to(ctx.torch.int64)
    b = ctx.integers((lay.cout,), -largest, largest, "b", lay.name)
    return Operands(values["x"], values["w"], b, values["dy"], largest)


def without_bias(operands, want):
    """The same for a layer that has none."""
    b = operands.b.double().reshape((1, -1) + (1,) * (want[0].dim() - 2))
    return operands._replace(b=None), (want[0] - b,) + tuple(want[1:])


def absolute(operands):
    return operands._replace(**{k: v.abs() for k, v in zip(Operands._fields, operands[:4]) if v is not None})


# --- the operation under test -----------------------------------------------------------------------------------------
def cases_of(ctx, rows):
    """(label, function) of every layer in every way; `rows` are (Layer, Way, Way ...)."""
    for lay, *ways in rows:
        drawn = {}  # type: dict[bool, object]
        for way in ways:
            yield "%s, %s" % (lay.name, described(way)), partial(_check, ctx, lay, way, drawn)


def _check(ctx, lay, way, drawn):
    """`drawn` keeps the operands of a layer for all its ways."""
    if way.ones not in drawn:
        drawn[way.ones] = integer_operands(ctx, lay, way.ones)
    operands, want = drawn[way.ones]
    return judged(ctx, lay, way, *((operands, want) if way.bias else without_bias(operands, want)))


def described(way):
    """The way in words, for a label."""
    words = ["with bias" if way.bias else "no bias", {"plain": "", "last": "channels last"}[way.layout]]
    words += [{"whole": "", "chunk": "slices of channels", "swapped": "transposed"}[way.view]]
    return ", ".join(w for w in words + ["two steps" * way.twice, "gradient of ones" * way.ones] if w)


def judged(ctx, lay, way, operands, want):
    step = _Step(ctx, lay, way, operands)
    judgement = step.judged(operands, want)
    if judgement.status != "pass":
        return _settled(ctx, lay, way, operands, step, want) or judgement
    if not way.twice:
        return judgement
    turned, wanted = _turned(operands, want)
    again = step.judged(turned, wanted)
    return ctx.all_of(judgement, again._replace(detail=again.detail and "in the second step: " + again.detail))


def _turned(operands, want):
    """The images in the opposite order, and what a second step on them adds up to in the gradients of weight and bias.

    Their sums over all images are the same, in another order, so that these gradients double.
    """
    turned = operands._replace(x=operands.x.flip(0), dy=operands.dy.flip(0))
    y, dx, dw, db = want
    return turned, (y.flip(0), dx.flip(0), 2 * dw, 2 * db)


class _Step:
    """The parameters of a layer on the device and what the latest step left there."""

    def __init__(self, ctx, lay, way, operands):
        self.ctx, self.lay, self.way = ctx, lay, way
        self.w = arranged(ctx, operands.w, way._replace(view="whole")).requires_grad_()
        self.b = None if operands.b is None else ctx.tensor(operands.b, grad=True)
        self.got = ()

    def judged(self, operands, want):
        ctx = self.ctx
        x = arranged(ctx, operands.x, self.way).requires_grad_()
        y = apply(ctx.torch, self.lay, x, self.w, self.b)
        bad = outputs.misshapen(ctx, y, want[0].shape, NAMES[0])
        if bad:
            return bad
        y.backward(self.gradient(operands))
        self.got = (y, x.grad, self.w.grad) + (() if self.b is None else (self.b.grad,))
        return outputs.all_exact(ctx, zip(NAMES, self.got, want))

    def gradient(self, operands):
        if self.way.ones:
            return self.ctx.tensor(operands.dy[(0,) * operands.dy.dim()]).expand(operands.dy.shape)
        return arranged(self.ctx, operands.dy, self.way)


def apply(torch, lay, x, w, b):
    """The function of torch that `lay` stands for."""
    name = "conv%s%dd" % ("_transpose" if lay.transposed else "", len(lay.size))
    function = getattr(torch.nn.functional, name)
    if lay.transposed:
        return function(x, w, b, lay.stride, lay.padding, lay.extra, lay.groups, lay.dilation)
    return function(x, w, b, lay.stride, lay.padding, lay.dilation, lay.groups)


def arranged(ctx, values, way):
    """int64 `values` as a leaf on the device that lies in memory as `way` says."""
    if way.view == "chunk":
        margin = ctx.torch.ones_like(values[:, :1])
        wide = arranged(ctx, ctx.torch.cat([margin, values, margin, margin], 1), way._replace(view="whole"))
        return wide[:, 1 : 1 + values.shape[1]]
    if way.view == "swapped":
        return ctx.tensor(values.transpose(-1, -2).contiguous()).transpose(-1, -2)
    tensor = ctx.tensor(values)
    if way.layout == "plain":
        return tensor
    if tensor.dim() == 3:  # no memory format, but what x.transpose(1, 2) of a sequence of feature vectors gives
        return tensor.transpose(1, 2).contiguous().transpose(1, 2)
    formats = {4: "channels_last", 5: "channels_last_3d"}
    return tensor.contiguous(memory_format=getattr(ctx.torch, formats[tensor.dim()]))


# --- transform algorithms ---------------------------------------------------------------------------------------------
def _settled(ctx, lay, way, operands, step, want):
    """A FEATURE if every output that is not exact meets every condition of transform.py, else None."""
    base = forward_layer(lay)
    if len(step.got) < 3 or not transform.possible(ctx, base):
        return None
    flat = operands._replace(b=None, **{k: ctx.torch.full_like(getattr(operands, k), operands.largest) for k in _OPEN})
    flat_want = expected(ctx.torch, lay, flat)
    flat_step = _Step(ctx, lay, way._replace(bias=False), flat)
    flat_step.judged(flat, flat_want)
    roles = ("dgrad", "forward", "wgrad") if lay.transposed else ("forward", "dgrad", "wgrad")
    judgements = [outputs.exact(ctx, got, right, note) for note, got, right in zip(NAMES, step.got, want)]
    for n, role in enumerate(roles):
        if judgements[n].status != "pass":
            found = (step.got[n], want[n], flat_step.got[n], flat_want[n])
            judgements[n] = _explained(ctx, base, role, operands.largest, found) or judgements[n]
    judgement = ctx.all_of(*judgements)
    if judgement.status not in ("pass", "feature"):
        return None
    return judgement._replace(status="feature", digest="")


_OPEN = ("x", "w", "dy")


def _explained(ctx, base, role, largest, found):
    got, want, flat, flat_want = found
    values = ctx.values(got)
    for storage, bound in transform.bounds(ctx, base, role, largest, largest):
        inside = ctx.interval(flat, flat_want, ctx.torch.full_like(flat_want, bound)).status == "pass"
        if inside and transform.explains(ctx, storage, bound, values, want):
            return transform.recorded(storage, "inexact as a transform algorithm is", values.numel())
    return None
