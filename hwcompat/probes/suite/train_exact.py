"""Two or three steps of two integer networks whose every output, gradient and weight is known to the bit.

Hunts: any fault on the way from input to updated weight, small ones included: a convolution, pooling, upsampling, a
skip, a linear layer and a squared loss, forward and backward, casts of autocast, unscaling, the optimizer; a second
step that is stale, channels_last gradients that are read in the wrong order.
Rule: EXACT. Inputs are -1, 0, 1 (three in four are 0), weights have two entries of +-1 a row. The target is the
reference's output less d, with one entry of +-1, so the loss is mean d**2 = 1 / n and its gradient 2 d / n, n a power
of two. The learning rate n / 2 turns gradients into whole steps, so weights stay integers. exactnet.py runs the network
in float64 and asserts for every layer and direction that the sums of absolute products stay within 2**p units of one
(forward) or 2 / n (backward); weights are asserted to be representable in the dtype under test. Where that
fails from the second step on, training ends before it.
Cases: parameters in the dtype under test; float32 parameters under autocast, float16 with a GradScaler (scale 2**8).
Source: a convolution that failed in the backward pass alone, https://github.com/pytorch/pytorch/issues/57921; the step
under autocast is that of https://docs.pytorch.org/docs/stable/notes/amp_examples.html.
"""

import contextlib
from collections import namedtuple
from functools import partial

from .. import context, exactnet, judge, mixed

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_IMAGES, _OUTPUTS = 4, 16


def cases(ctx):
    for name, network, shapes in (("cnn", cnn, _CNN), ("unet", unet, _UNET)):
        for layout in ("contiguous", "channels_last"):
            yield "%s, %s" % (name, layout), partial(train, ctx, network, shapes, layout, False)
            if ctx.dtype_name != "float32":
                yield "%s under autocast, %s" % (name, layout), partial(train, ctx, network, shapes, layout, True)


_CNN = ((8, 3, 3, 3), (8,), (8, 8, 3, 3), (_OUTPUTS, 72), (_OUTPUTS,))
_UNET = ((8, 3, 3, 3), (8,), (8, 8, 1, 1), (4, 11, 1, 1))


def cnn(op, torch, x, p):
    """Convolution, ReLU, max pooling, convolution, linear: (4, 3, 13, 13) to (4, 16)."""
    f = torch.nn.functional
    h = op(lambda a, w, b: f.conv2d(a, w, b, stride=2, padding=1), x, p[0], p[1], product=True)
    h = op(torch.relu, h)
    h = op(lambda a: f.max_pool2d(a, 3, 2, 1), h)
    h = op(lambda a, w: f.conv2d(a, w, padding=1, stride=2), h, p[2], product=True)
    h = op(lambda a: f.pad(a, (0, 1, 0, 1)).flatten(1), h)
    return op(f.linear, h, p[3], p[4], product=True)


def unet(op, torch, x, p):
    """Down, 1x1, up, concatenated with the input, 1x1: (4, 3, 8, 8) to (4, 4, 8, 8)."""
    f = torch.nn.functional
    h = op(lambda a, w, b: f.conv2d(a, w, b, stride=2, padding=1), x, p[0], p[1], product=True)
    h = op(lambda a: f.leaky_relu(a, 0.0), h)
    h = op(f.conv2d, h, p[2], product=True)
    h = op(lambda a: f.interpolate(a, scale_factor=2, mode="nearest"), h)
    h = op(lambda a, b: torch.cat([a, b], 1), h, x)
    return op(f.conv2d, h, p[3], product=True)


Model = namedtuple("Model", "network layout autocast parameters optimizer scaler")
Known = namedtuple("Known", "x output difference gradients values")


def train(ctx, network, shapes, layout, autocast):
    """As many steps as the format has bits for, every number judged in each."""
    torch, size = ctx.torch, 13 if network is cnn else 8
    values = [_weights(ctx, shape, n) for n, shape in enumerate(shapes)]
    parameters = [_placed(ctx, v, layout, autocast).requires_grad_() for v in values]
    n = _IMAGES * (_OUTPUTS if network is cnn else 4 * size * size)
    scaler = mixed.grad_scaler(ctx, init_scale=2.0**8) if autocast and ctx.dtype_name == "float16" else None
    model = Model(network, layout, autocast, parameters, torch.optim.SGD(parameters, lr=n / 2), scaler)
    judged = []
    for step in range(3):
        try:
            known = _reference(ctx, model, values, n, step)
        except context.PreconditionError:
            if step == 0:
                raise
            break  # the weights have outgrown the format
        note = "in step %d" % step
        judged += _step(ctx, model, known, note)
        for i, (parameter, gradient, value) in enumerate(zip(parameters, known.gradients, known.values)):
            judged.append(ctx.exact(parameter.grad, gradient, note="in gradient %d %s" % (i, note)))
            judged.append(ctx.exact(parameter, value, note="in weight %d %s" % (i, note)))
        if ctx.all_of(*judged).status != "pass":
            break
        values = known.values
    return ctx.all_of(*judged)


def _reference(ctx, model, values, n, step):
    """One step in float64; PreconditionError where a legal evaluation in the dtype under test might round."""
    size = 13 if model.network is cnn else 8
    x = _sparse(ctx, (_IMAGES, 3, size, size), step)
    tape, nodes = exactnet.Tape(ctx, 2.0 / n), [exactnet.Node(v) for v in values]
    output = model.network(tape, ctx.torch, exactnet.Node(x), nodes)
    d = _difference(ctx, output.value.shape, step)
    tape.backward(output, 2 * d / n)
    updated = [v - n / 2 * node.grad for v, node in zip(values, nodes)]
    ctx.require(all(bool((ctx.rounded(v) == v).all()) for v in updated), "weights representable")
    return Known(x, output.value, d, [node.grad for node in nodes], updated)


def _step(ctx, model, known, note):
    """One step on the device; judgements of output and loss."""
    torch = ctx.torch
    given = _placed(ctx, known.x, model.layout, model.autocast)
    target = _placed(ctx, known.output - known.difference, "contiguous", model.autocast)
    model.optimizer.zero_grad()
    with contextlib.ExitStack() as stack:
        if model.autocast:
            stack.enter_context(mixed.autocast(ctx))
        got = model.network(exactnet.plain, torch, given, model.parameters)
        loss = torch.nn.functional.mse_loss(got, target)
    if model.scaler is None:
        loss.backward()
        model.optimizer.step()
    else:
        model.scaler.scale(loss).backward()
        model.scaler.unscale_(model.optimizer)
        model.scaler.step(model.optimizer)
        model.scaler.update()
    if got.dtype != ctx.dtype:
        return [judge.failed("output in %s instead of %s %s" % (got.dtype, ctx.dtype, note), got.numel())]
    return [
        ctx.exact(got, known.output, note="in the output " + note),
        ctx.exact(loss, (known.difference**2).mean(), note="in the loss " + note),
    ]


def _placed(ctx, values, layout, autocast):
    tensor = ctx.tensor(values, dtype_name="float32" if autocast else None)
    if layout == "channels_last" and values.dim() == 4:
        return tensor.contiguous(memory_format=ctx.torch.channels_last)
    return tensor


def _weights(ctx, shape, number):
    """float64: two entries of +-1 in each row; a bias of -1, 0 or 1."""
    if len(shape) == 1:
        return ctx.integers(shape, -1, 1, "bias", number).double()
    width = 1
    for size in shape[1:]:
        width *= size
    places = ctx.uniform((shape[0], width), "places", number).argsort(1)[:, :2]
    signs = 2 * ctx.integers(places.shape, 0, 1, "signs", number).double() - 1
    return ctx.torch.zeros(shape[0], width, dtype=ctx.torch.float64).scatter(1, places, signs).reshape(shape)


def _sparse(ctx, shape, step):
    return ctx.integers(shape, -1, 1, "x", step).double() * (ctx.integers(shape, 0, 3, "kept", step) == 0).double()


def _difference(ctx, shape, step):
    """float64 zeros but for one +1 or -1: at the last place in the first step, then anywhere."""
    flat = ctx.torch.zeros(shape, dtype=ctx.torch.float64).reshape(-1)
    place = flat.numel() - 1 if step == 0 else int(ctx.integers((1,), 0, flat.numel() - 1, "place", step))
    flat[place] = float(2 * ctx.integers((1,), 0, 1, "sign", step) - 1)
    return flat.reshape(shape)
