"""What the convolution probes share: geometries, integer operands, a reference that is no convolution, checksums.

Exactness. Every operand is an integer, thinned where it must be, so that for each output the sum of absolute products
(and the bias) stays within 2**p, p the significand bits of the dtype. Then every partial sum, in any order, split over
any number of blocks and kept in an accumulator as narrow as the output, is an integer of at most p bits: one bit
pattern is right and every other is a fault. The precondition is asserted on each case.

Reference. For each kernel tap a float64 matrix product over a shifted slice; all sums are integers below 2**53 and so
exact. Large shapes are judged by a checksum (Freivalds): contracting the outputs with random integers r over the
channels must equal the same operation on operands contracted with r, which costs one channel. A wrong element changes
the checksum at its place unless several errors cancel there, which random r in 1 .. 2**16 allow with probability 2**-16
at most.
"""

from collections import namedtuple
from functools import partial
from math import isqrt

from . import judge, transform

Geometry = namedtuple(
    "Geometry", "name images cin height width cout kernel stride padding dilation groups", defaults=(1, 1)
)
"""A square two-dimensional convolution; `name` is what a report shows. Sizes in elements."""

Operands = namedtuple("Operands", "first second bias largest")
"""int64 operands of one direction (forward: x, w; dgrad: dy, w; wgrad: x, dy) and the largest absolute entry."""

GEOMETRIES = (
    Geometry("1x1 128-64", 2, 128, 9, 9, 64, 1, 1, 0),
    Geometry("1x1 stride 2 32-64", 2, 32, 13, 13, 64, 1, 2, 0),
    Geometry("3x3 64-64", 2, 64, 9, 9, 64, 3, 1, 1),
    Geometry("3x3 stride 2 32-48", 2, 32, 13, 13, 48, 3, 2, 1),
    Geometry("3x3 5-7", 2, 5, 13, 11, 7, 3, 1, 1),
    Geometry("3x3 dilation 2 16-32", 2, 16, 12, 12, 32, 3, 1, 2, 2),
    Geometry("3x3 groups 2 32-32", 2, 32, 9, 9, 32, 3, 1, 1, 1, 2),
    Geometry("3x3 depthwise 32", 2, 32, 12, 12, 32, 3, 1, 1, 1, 32),
    Geometry("5x5 8-24", 2, 8, 10, 10, 24, 5, 1, 2),
    Geometry("7x7 stride 2 3-32", 2, 3, 20, 20, 32, 7, 2, 3),
)
"""Kernel 1, 3, 5, 7; stride 1 and 2; dilation 2; groups 1, 2 and depthwise; input channels 3 to 128, odd ones too."""

LARGE = (
    Geometry("3x3 128-256", 4, 128, 64, 64, 256, 3, 1, 1),
    Geometry("3x3 stride 2 64-128", 4, 64, 112, 112, 128, 3, 2, 1),
)
"""Only on an accelerator: at least 190 tiles of 128 x 128 outputs or 98 of 128 x 128 at stride 2; by checksums."""

LAYOUTS = ("nchw", "nhwc")
_LARGEST = 1000  # at most 10 bits an operand, which also survives TF32's 11-bit significand


def cases(ctx, direction):
    """(label, function) for every geometry in both layouts, and the large ones on an accelerator."""
    for geometry in GEOMETRIES:
        for layout in LAYOUTS:
            yield "%s %s %s" % (direction, geometry.name, layout), partial(check, ctx, geometry, direction, layout)
    if not ctx.large or not ctx.at_least("standard"):
        return
    for geometry in LARGE if ctx.at_least("full") else LARGE[:1]:
        label = "%s %s %dx%dx%dx%d" % ((direction, geometry.name) + shapes(geometry)[0])
        yield label, partial(check_large, ctx, geometry, direction)


def check(ctx, geometry, direction, layout):
    """Every output element against the reference."""
    operands = integer_operands(ctx, geometry, direction)
    return judged(ctx, geometry, direction, layout, operands, reference(ctx.torch, geometry, direction, operands))


def judged(ctx, geometry, direction, layout, operands, want):
    """The operation on the device against its exact outputs `want`: exact, or a transform's rounding, or a fault."""
    got = compute(ctx, geometry, direction, layout, operands)
    judgement = ctx.all_of(*(ctx.exact(g, w) for g, w in zip(got, want)))
    if judgement.status == "pass" or not transform.possible(ctx, geometry):
        return judgement
    return _settled(ctx, geometry, direction, layout, operands, got, want) or judgement


def _settled(ctx, geometry, direction, layout, operands, got, want):
    """A FEATURE if every condition of transform.py holds, else None."""
    values = ctx.values(got[0])
    flat = _constant(ctx.torch, operands)
    flat_got = compute(ctx, geometry, direction, layout, flat)[0]
    flat_want = reference(ctx.torch, geometry, direction, flat)[0]
    for storage, bound in transform.bounds(ctx, geometry, direction, operands.largest, operands.largest):
        inside = ctx.interval(flat_got, flat_want, ctx.torch.full_like(flat_want, bound)).status == "pass"
        if inside and transform.explains(ctx, storage, bound, values, want[0]):
            judgement = transform.recorded(storage, "inexact as a transform algorithm is", values.numel())
            return all_of(ctx, judgement, *(ctx.exact(g, w) for g, w in zip(got[1:], want[1:])))
    return None


def all_of(ctx, *judgements):
    """As ctx.all_of, but a FEATURE among good judgements is shown: the outputs are not the exact ones."""
    judgement = ctx.all_of(*judgements)
    shown = judgement.status == "pass" and any(j.status == "feature" for j in judgements)
    return judgement._replace(status="feature", digest="") if shown else judgement


def _constant(torch, operands):
    """Operands of the same shapes, every entry the largest, no bias: outputs are sums of equal products."""
    first, second = (torch.full_like(v, operands.largest) for v in (operands.first, operands.second))
    return operands._replace(first=first, second=second, bias=torch.zeros_like(operands.bias))


def check_large(ctx, geometry, direction):
    """Every output element of both layouts, by checksum."""
    if not fits(ctx, geometry):
        return judge.skipped("not enough free memory for %s" % geometry.name)
    operands = integer_operands(ctx, geometry, direction)
    outputs = (compute(ctx, geometry, direction, layout, operands) for layout in LAYOUTS)
    return all_of(ctx, *(checksum(ctx, geometry, direction, operands, got) for got in outputs))


def fits(ctx, geometry):
    """True if eight copies of x and y (gradients, layouts, workspace) fit into the device's memory."""
    x, _, y = shapes(geometry)
    elements = x[0] * x[1] * x[2] * x[3] + y[0] * y[1] * y[2] * y[3]
    return ctx.fits(8 * elements * (4 if ctx.dtype_name == "float32" else 2))


# --- operands ---------------------------------------------------------------------------------------------------------
def out_size(geometry):
    """(height, width) of the output."""
    span = geometry.dilation * (geometry.kernel - 1) + 1
    return tuple(
        (size + 2 * geometry.padding - span) // geometry.stride + 1 for size in (geometry.height, geometry.width)
    )


def shapes(geometry):
    """Shapes of x, w and y."""
    height, width = out_size(geometry)
    return (
        (geometry.images, geometry.cin, geometry.height, geometry.width),
        (geometry.cout, geometry.cin // geometry.groups, geometry.kernel, geometry.kernel),
        (geometry.images, geometry.cout, height, width),
    )


def terms(geometry, direction):
    """The most products that one output element sums (the bias counts as one)."""
    height, width = out_size(geometry)
    channels = {"forward": geometry.cin, "dgrad": geometry.cout}.get(direction, 0) // geometry.groups
    return geometry.images * height * width if direction == "wgrad" else channels * geometry.kernel**2 + 1


def integer_operands(ctx, geometry, direction):
    """Integers that satisfy the precondition, which is asserted: sum of absolute products <= 2**p."""
    limit = 2**ctx.precision
    count = terms(geometry, direction)
    largest = max(1, min(_LARGEST, isqrt(limit // count)))
    x, w, y = shapes(geometry)
    one, two = {"forward": (x, w), "dgrad": (y, w), "wgrad": (x, y)}[direction]
    words = (direction, geometry.name)
    first = ctx.integers(one, -largest, largest, "first", *words)
    second = ctx.integers(two, -largest, largest, "second", *words)
    bias = ctx.integers((geometry.cout,), -largest, largest, "bias", *words)
    if count * largest**2 > limit:
        # 2/3 of ternary entries are not zero, so that half of the limit is used on average and six sigma stay inside.
        second = second * (ctx.uniform(two, "thin", *words) < 0.75 * limit / count).to(second.dtype)
    operands = Operands(first, second, bias, largest)
    _require_exact(ctx, geometry, direction, operands)
    return operands


def joint_operands(ctx, geometry):
    """{direction: Operands} from one x, w, b and dy, so that one forward and one backward pass show every output."""
    limit = 2**ctx.precision
    counts = {direction: terms(geometry, direction) for direction in ("forward", "dgrad", "wgrad")}
    largest = max(1, min(_LARGEST, isqrt(limit // max(counts.values()))))
    sizes = dict(zip(("x", "w", "dy"), shapes(geometry)), b=(geometry.cout,))
    x, w, dy, b = (ctx.integers(sizes[k], -largest, largest, "joint", k, geometry.name) for k in ("x", "w", "dy", "b"))
    if largest == 1:  # 2/3 of ternary entries are not zero: on average half of the limit
        keep = 0.75 * limit / max(counts["forward"], counts["dgrad"])
        w = w * (ctx.uniform(sizes["w"], "joint thin w", geometry.name) < keep).to(w.dtype)
        dy = dy * (ctx.uniform(sizes["dy"], "joint thin dy", geometry.name) < 0.75 * limit / counts["wgrad"]).to(
            w.dtype
        )
    joint = {
        "forward": Operands(x, w, b, largest),
        "dgrad": Operands(dy, w, b, largest),
        "wgrad": Operands(x, dy, b, largest),
    }
    for direction, operands in joint.items():
        _require_exact(ctx, geometry, direction, operands)
    return joint


def _require_exact(ctx, geometry, direction, operands):
    heaviest = int(_absolute_sums(geometry, direction, operands.second).max())
    bias = int(operands.bias.abs().max()) if direction == "forward" else 0
    ctx.require(operands.largest * heaviest + bias <= 2**ctx.precision, "sum of absolute products <= 2**p")


def _absolute_sums(geometry, direction, second):
    """For each output channel of `direction` (forward, wgrad: cout; dgrad: cin): the sum of |second| it meets."""
    if direction == "forward":
        return second.abs().sum((1, 2, 3))
    if direction == "wgrad":
        return second.abs().sum((0, 2, 3))
    grouped = second.abs().reshape(geometry.groups, -1, geometry.cin // geometry.groups, geometry.kernel**2)
    return grouped.sum((1, 3)).reshape(-1)


# --- the operation under test -----------------------------------------------------------------------------------------
def compute(ctx, geometry, direction, layout, operands):
    """The outputs on the device: [y], [dx] or [dw, db]."""
    first, second = (arranged(ctx, ctx.tensor(v), layout) for v in (operands.first, operands.second))
    if direction == "forward":
        return [_conv2d(ctx, geometry, first, second, ctx.tensor(operands.bias))]
    if direction == "dgrad":
        x = arranged(ctx, ctx.tensor(ctx.torch.ones(shapes(geometry)[0])), layout).requires_grad_()
        _conv2d(ctx, geometry, x, second, None).backward(first)
        return [x.grad]
    w = arranged(ctx, ctx.tensor(ctx.torch.ones(shapes(geometry)[1])), layout).requires_grad_()
    b = ctx.tensor(operands.bias, grad=True)
    _conv2d(ctx, geometry, first, w, b).backward(second)
    return [w.grad, b.grad]


def compute_joint(ctx, geometry, layout, joint):
    """{direction: outputs on the device} of one forward and one backward pass."""
    x, w = (arranged(ctx, ctx.tensor(v), layout).requires_grad_() for v in joint["forward"][:2])
    b = ctx.tensor(joint["forward"].bias, grad=True)
    y = _conv2d(ctx, geometry, x, w, b)
    y.backward(arranged(ctx, ctx.tensor(joint["dgrad"].first), layout))
    return {"forward": [y], "dgrad": [x.grad], "wgrad": [w.grad, b.grad]}


def arranged(ctx, tensor, layout):
    """The same tensor in the memory format `layout`."""
    if layout == "nchw":
        return tensor
    return tensor.contiguous(memory_format=ctx.torch.channels_last)


def _conv2d(ctx, geometry, x, w, b):
    return ctx.torch.nn.functional.conv2d(
        x, w, b, geometry.stride, geometry.padding, geometry.dilation, geometry.groups
    )


# --- the reference ----------------------------------------------------------------------------------------------------
def reference(torch, geometry, direction, operands):
    """The exact outputs in float64: [y], [dx] or [dw, db]. `operands` are int64 or float64."""
    first, second = operands.first.double(), operands.second.double()
    if direction == "forward":
        return [_forward(torch, geometry, first, second) + operands.bias.double().reshape(1, -1, 1, 1)]
    if direction == "dgrad":
        return [_dgrad(torch, geometry, first, second)]
    return [_wgrad(torch, geometry, first, second), second.sum((0, 2, 3))]


def _taps(padded, geometry):
    """(i, j, view): the part of `padded` (N, C, H, W) that kernel element (i, j) meets."""
    height, width = out_size(geometry)
    step = geometry.stride
    for i in range(geometry.kernel):
        for j in range(geometry.kernel):
            top, left = i * geometry.dilation, j * geometry.dilation
            yield (
                i,
                j,
                padded[:, :, top : top + step * (height - 1) + 1 : step, left : left + step * (width - 1) + 1 : step],
            )


def _padded(torch, x, geometry):
    pad = geometry.padding
    wide = torch.zeros(x.shape[0], x.shape[1], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad, dtype=torch.float64)
    wide[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]] = x
    return wide


def _forward(torch, geometry, x, w):
    height, width = out_size(geometry)
    n, g = x.shape[0], geometry.groups
    out = torch.zeros(n, g, w.shape[0] // g, height * width, dtype=torch.float64)
    for i, j, view in _taps(_padded(torch, x, geometry), geometry):
        out += torch.matmul(w[:, :, i, j].reshape(g, -1, w.shape[1]), view.reshape(n, g, w.shape[1], -1))
    return out.reshape(n, w.shape[0], height, width)


def _dgrad(torch, geometry, dy, w):
    n, g, pad = dy.shape[0], geometry.groups, geometry.padding
    channels = w.shape[1] * g
    wide = torch.zeros(n, channels, geometry.height + 2 * pad, geometry.width + 2 * pad, dtype=torch.float64)
    grad = dy.reshape(n, g, dy.shape[1] // g, -1)
    for i, j, view in _taps(wide, geometry):
        tap = w[:, :, i, j].reshape(g, -1, w.shape[1]).transpose(1, 2)
        view += torch.matmul(tap, grad).reshape(view.shape)
    return wide[:, :, pad : pad + geometry.height, pad : pad + geometry.width]


def _wgrad(torch, geometry, x, dy):
    n, g = x.shape[0], geometry.groups
    depth = x.shape[1] // g
    grad = dy.reshape(n, g, dy.shape[1] // g, -1)
    out = torch.zeros(dy.shape[1], depth, geometry.kernel, geometry.kernel, dtype=torch.float64)
    for i, j, view in _taps(_padded(torch, x, geometry), geometry):
        tap = torch.matmul(grad, view.reshape(n, g, depth, -1).transpose(2, 3))
        out[:, :, i, j] = tap.sum(0).reshape(-1, depth)
    return out


# --- checksums --------------------------------------------------------------------------------------------------------
def checksum(ctx, geometry, direction, operands, got):
    """Judge `got` (of an ungrouped geometry) by its contraction over channels; the bias gradient in full."""
    torch = ctx.torch
    values = ctx.values(got[0])
    nonfinite = int((~torch.isfinite(values)).sum())
    if nonfinite:
        return judge.failed("%d of %d non-finite" % (nonfinite, values.numel()), values.numel())
    axis = 0 if direction == "wgrad" else 1
    weights = ctx.integers((values.shape[axis],), 1, 2**16, "checksum", direction, geometry.name).double()
    have = torch.tensordot(weights, values, dims=([0], [axis]))
    want = reference(torch, geometry, direction, _contracted(torch, direction, operands, weights))[0]
    want = want.squeeze(0 if direction == "wgrad" else 1)
    wrong = have != want
    if bool(wrong.any()):
        return _inexact(ctx, geometry, direction, operands, values, weights, have - want)
    rest = [ctx.exact(g, w) for g, w in zip(got[1:], (operands.second.double().sum((0, 2, 3)),))]
    return ctx.all_of(judge.passed(values.numel()), *rest)._replace(digest="")


def _contracted(torch, direction, operands, weights):
    """Operands whose result is the checksum of the result."""
    second = operands.second.double()
    axis = {"forward": 0, "dgrad": 1, "wgrad": 1}[direction]
    bias = (operands.bias.double() * weights).sum().reshape(1) if direction == "forward" else operands.bias[:1]
    return operands._replace(second=torch.tensordot(weights, second, dims=([0], [axis])).unsqueeze(axis), bias=bias)


def _inexact(ctx, geometry, direction, operands, values, weights, error):
    """A transform algorithm's rounding, as far as a checksum can tell, or a failure."""
    text = "checksum over channels wrong at %d of %d places; first at %s" % (
        int((error != 0).sum()),
        error.numel(),
        ctx.torch.nonzero(error)[0].tolist(),
    )
    if transform.possible(ctx, geometry):
        axis = 0 if direction == "wgrad" else 1
        rounding = ctx.torch.tensordot(weights, values - values.round(), dims=([0], [axis]))
        for storage, bound in transform.bounds(ctx, geometry, direction, operands.largest, operands.largest):
            if storage == "float32" and ctx.dtype_name != "float32":
                explained = bool((error - rounding).abs().max() < 0.5)  # the nearest integers have the right checksum
            else:
                # Half an ulp of the output's own rounding is at most 2**-p of the value.
                allowed = float(weights.sum()) * (bound + 2.0**-ctx.precision * (float(values.abs().max()) + bound))
                explained = float(error.abs().max()) <= allowed
            if explained:
                return transform.recorded(storage, "checksum as of a transform algorithm", values.numel())
    return judge.failed(text, values.numel())
