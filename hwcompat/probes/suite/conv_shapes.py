"""Convolution shapes that are known to break on some cards, and every batch size that users stumble over.

Hunts: the half-channel NaN of GTX 16xx cards, whose minimal example is three 3x3 convolutions 32-64-128-256 on
1x32x64x64 (https://github.com/pytorch/pytorch/issues/58123); wide ones as in image generators (640 to 640 on
2x640x64x64, on an accelerator); kernels chosen by batch size that are wrong only for some of 1, 2, 4, 6, 7, 8, 16
images: a stack of four convolutions as in a small detector, forward and backward, where each image is checked.
Rule: EXACT on integers. Single convolutions: sum of absolute products <= 2**p, see convolution.py (checksums at the
full sizes). The stack: every filter has f entries of +-1 and a bias of 1, the input is ternary and the output's
gradient has e entries of +-1 an image, so layer l holds values a_l <= f * a_(l-1) + 1 (a_0 = 1) and its gradients have
a sum of absolute values of at most e * f**(4-l) an image; every partial sum of a weight gradient is then at most N * e
* f**(4-l) * a_(l-1), which is asserted to stay within 2**p for all l, as a_4 is.
"""

from functools import partial

from .. import convolution, judge, transform
from ..convolution import Geometry

GROUP = "conv"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 1.0
VERSION = 1

_FAMILY = (
    Geometry("32-64 on 1x32x64x64", 1, 32, 64, 64, 64, 3, 1, 0),
    Geometry("64-128 on 1x64x62x62", 1, 64, 62, 62, 128, 3, 1, 0),
    Geometry("128-256 on 1x128x60x60", 1, 128, 60, 60, 256, 3, 1, 0),
)
_WIDE = Geometry("640-640 on 2x640x64x64", 2, 640, 64, 64, 640, 3, 1, 1)
_BATCHES = (1, 2, 4, 6, 7, 8, 16)
_STACK = (
    Geometry("stem", 16, 3, 24, 24, 16, 3, 2, 1),
    Geometry("down", 16, 16, 12, 12, 32, 3, 2, 1),
    Geometry("mix", 16, 32, 6, 6, 32, 1, 1, 0),
    Geometry("head", 16, 32, 6, 6, 16, 3, 1, 1),
)


def cases(ctx):
    for geometry in _FAMILY:
        if ctx.large:
            yield "forward and backward %s" % geometry.name, partial(joint, ctx, geometry)
        else:
            yield "forward %s" % geometry.name, partial(forward_checksum, ctx, geometry)
        yield from _backward_small(ctx, geometry)
    if ctx.large and (ctx.dtype_name != "float32" or ctx.at_least("standard")):
        yield "forward and backward %s" % _WIDE.name, partial(joint, ctx, _WIDE)
    yield from _stack_cases(ctx)


def forward_checksum(ctx, geometry):
    operands = convolution.integer_operands(ctx, geometry, "forward")
    got = convolution.compute(ctx, geometry, "forward", "nchw", operands)
    return convolution.checksum(ctx, geometry, "forward", operands, got)


def _backward_small(ctx, geometry):
    """The same channels on 6 x 6 pixels: at full size the CPU's 16-bit backward kernels take seconds."""
    small = geometry._replace(name=geometry.name.split()[0] + " on 6x6", height=6, width=6)
    for direction in ("dgrad", "wgrad"):
        yield "%s %s" % (direction, small.name), partial(convolution.check, ctx, small, direction, "nchw")


def joint(ctx, geometry):
    """One forward and one backward pass, every output by checksum."""
    if not convolution.fits(ctx, geometry):
        return judge.skipped("not enough free memory for %s" % geometry.name)
    operands = convolution.joint_operands(ctx, geometry)
    got = convolution.compute_joint(ctx, geometry, "nchw", operands)
    judged = []
    for direction, outputs in got.items():
        judgement = convolution.checksum(ctx, geometry, direction, operands[direction], outputs)
        judged.append(judgement._replace(detail="%s: %s" % (direction, judgement.detail) if judgement.detail else ""))
    return convolution.all_of(ctx, *judged)


# --- batch sizes ------------------------------------------------------------------------------------------------------
def _stack_cases(ctx):
    entries, spikes = (2, 1) if ctx.precision < 11 else (3, 2)
    _require_small(ctx, entries, spikes)
    x = ctx.integers(convolution.shapes(_STACK[0])[0], -1, 1, "stack x")
    weights = [_sparse(ctx, geometry, entries) for geometry in _STACK]
    dy = _spikes(ctx, convolution.shapes(_STACK[-1])[2], spikes)
    for images in _BATCHES:
        # A quick run on a CPU takes channels_last at the one batch that is known to fail on a sick card.
        both = ctx.large or ctx.at_least("standard") or images == 8
        for layout in convolution.LAYOUTS if both else convolution.LAYOUTS[:1]:
            yield (
                "stack of four, batch %d %s" % (images, layout),
                partial(stack, ctx, layout, x[:images], weights, dy[:images]),
            )


def _require_small(ctx, entries, spikes):
    value, limit = 1, 2**ctx.precision
    for layer in range(1, 5):
        ctx.require(max(_BATCHES) * spikes * entries ** (4 - layer) * value <= limit, "N e f**(4-l) a_(l-1) <= 2**p")
        value = entries * value + 1
    ctx.require(value <= limit, "a_4 <= 2**p")


def _sparse(ctx, geometry, entries):
    """int64 weights with `entries` entries of +-1 in each filter."""
    cout, depth, kernel, _ = shape = convolution.shapes(geometry)[1]
    places = ctx.uniform((cout, depth * kernel**2), "stack places", geometry.name).argsort(1)[:, :entries]
    signs = 2 * ctx.integers(places.shape, 0, 1, "stack signs", geometry.name) - 1
    return ctx.torch.zeros(cout, depth * kernel**2, dtype=ctx.torch.int64).scatter(1, places, signs).reshape(shape)


def _spikes(ctx, shape, count):
    """int64 gradients with `count` entries of +-1 in each image."""
    places = ctx.uniform((shape[0], shape[1] * shape[2] * shape[3]), "stack spikes").argsort(1)[:, :count]
    signs = 2 * ctx.integers(places.shape, 0, 1, "stack spike signs") - 1
    flat = ctx.torch.zeros(shape[0], shape[1] * shape[2] * shape[3], dtype=ctx.torch.int64)
    return flat.scatter(1, places, signs).reshape(shape)


def stack(ctx, layout, x, weights, dy):
    """Outputs and every gradient of the stack, image by image."""
    got = _stack_on_device(ctx, layout, x, weights, dy)
    want = _stack_reference(ctx.torch, x, weights, dy)
    return convolution.all_of(ctx, *(_exact_or_nearest(ctx, name, g, w) for (name, g), w in zip(got, want)))


def _exact_or_nearest(ctx, name, got, want):
    """The last layer may be a transform's (see transform.py), whose noise cannot pass a ReLU since none follows it."""
    judgement = ctx.exact(got, want, note="in %s" % name)
    if judgement.status == "pass" or not transform.possible(ctx, _STACK[-1]):
        return judgement
    if transform.nearest(ctx.values(got), want):
        return transform.recorded("float32", "%s inexact, its nearest integers right" % name, want.numel())
    return judgement


def _stack_on_device(ctx, layout, x, weights, dy):
    """(name, tensor) of the output, the input's gradient and, layer by layer, the parameters' gradients."""
    functional = ctx.torch.nn.functional
    leaf = value = convolution.arranged(ctx, ctx.tensor(x), layout).requires_grad_()
    kernels = [convolution.arranged(ctx, ctx.tensor(w), layout).requires_grad_() for w in weights]
    biases = [ctx.tensor(ctx.torch.ones(geometry.cout), grad=True) for geometry in _STACK]
    for geometry, kernel, bias in zip(_STACK, kernels, biases):
        before = functional.conv2d(value, kernel, bias, geometry.stride, geometry.padding)
        value = functional.relu(before)
    before.backward(convolution.arranged(ctx, ctx.tensor(dy), layout))
    named = [("output", before), ("input gradient", leaf.grad)]
    for geometry, kernel, bias in zip(_STACK, kernels, biases):
        named += [
            ("%s, weight gradient" % geometry.name, kernel.grad),
            ("%s, bias gradient" % geometry.name, bias.grad),
        ]
    return named


def _stack_reference(torch, x, weights, dy):
    """float64 tensors in the order of _stack_on_device."""
    inputs, before, value = [], [], x.double()
    for geometry, w in zip(_STACK, weights):
        inputs.append(value)
        bias = torch.ones(geometry.cout, dtype=torch.float64)
        before += convolution.reference(torch, geometry, "forward", convolution.Operands(value, w, bias, 0))
        value = before[-1].clamp(min=0)
    grad, pairs = dy.double(), []
    for layer in reversed(range(len(_STACK))):
        weight_side = convolution.Operands(inputs[layer], grad, None, 0)
        pairs.append(convolution.reference(torch, _STACK[layer], "wgrad", weight_side))
        input_side = convolution.Operands(grad, weights[layer], None, 0)
        grad = convolution.reference(torch, _STACK[layer], "dgrad", input_side)[0]
        if layer:
            grad = grad * (before[layer - 1] > 0)
    return [before[-1], grad] + [g for pair in reversed(pairs) for g in pair]
