"""One mixed-precision training step whose every number is known: forward, loss, backward, unscale, optimizer.

Hunts: a fault anywhere in the chain that users run (`autocast`, `GradScaler`, SGD), among them lost optimizer steps,
wrong gradients behind right outputs, casts between the two dtypes.
Rule: EXACT. The target is the reference output minus d, d in -1, 0, 1, so the loss is mean d**2 and its gradient 2 d /
n with n a power of two; times the scale 2**8 it is a power of two in the low dtype. Linear model: 128 ternary inputs
and a bias of at most 1 sum to at most 129 <= 2**p, weight gradients of 64 rows to at most 64 units. Convolution model:
three entries of +-1 a filter and a bias of 1 give values up to 4 behind ReLU, three entries a row of the linear layer
outputs up to 13; its weight gradient holds at most 4 * 4 units, one image's gradient behind ReLU has a sum of absolute
values of at most 16 * 3, four images' 192 <= 2**8: all sums stay exact in any order and accumulator. Learning rate 1/4,
no momentum; updated float32 parameters are multiples of 2**-13 (linear) and 2**-7 (convolution) below 2**6, exact in 24
bits. bfloat16 trains without a scaler, as is usual.
Source: the step is that of https://docs.pytorch.org/docs/stable/notes/amp_examples.html.
"""

from functools import partial

from .. import convolution, judge, mixed

GROUP = "training"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
FEEDS = "amp"
SECONDS = 0.3
VERSION = 1

_RATE = 0.25
_GEOMETRY = convolution.Geometry(
    "model", 4, 3, 8, 8, 8, 3, 2, 1
)  # stride 2: no library transforms it, and ReLU sees no noise


def cases(ctx):
    yield "linear 64x128x64", partial(linear, ctx)
    yield "conv 3-8, relu, linear 128-16", partial(conv_linear, ctx)


def linear(ctx):
    rows, width, outputs = 64, 128, 64
    ctx.require(width + 1 <= 2**ctx.precision and rows <= 2**ctx.precision, "129 <= 2**p")
    x = ctx.integers((rows, width), -1, 1, "x").double()
    w = ctx.integers((outputs, width), -1, 1, "w").double()
    b = ctx.integers((outputs,), -1, 1, "b").double()
    d = ctx.integers((rows, outputs), -1, 1, "d").double()
    dy = 2 * d / d.numel()
    functional = ctx.torch.nn.functional
    return _step(
        ctx,
        lambda p: functional.linear(ctx.tensor(x, dtype_name="float32"), p[0], p[1]),
        (w, b),
        ctx.torch.mm(x, w.t()) + b,
        d,
        (ctx.torch.mm(dy.t(), x), dy.sum(0)),
    )


def conv_linear(ctx):
    ctx.require(2**ctx.precision >= 4 * 16 * 3, "192 <= 2**p")
    torch = ctx.torch
    x_shape, w_shape, _ = convolution.shapes(_GEOMETRY)
    x = ctx.integers(x_shape, -1, 1, "image").double()
    kernel, weight = _sparse(ctx, w_shape, "kernel"), _sparse(ctx, (16, 128), "weight")
    ones, b = torch.ones(8, dtype=torch.float64), ctx.integers((16,), -1, 1, "bias").double()
    before = convolution.reference(torch, _GEOMETRY, "forward", convolution.Operands(x, kernel, ones, 1))[0]
    hidden = before.clamp(min=0).reshape(4, 128)
    d = ctx.integers((4, 16), -1, 1, "difference").double()
    dy = 2 * d / d.numel()
    behind = torch.mm(dy, weight).reshape(before.shape) * (before > 0)
    kernel_gradients = convolution.reference(torch, _GEOMETRY, "wgrad", convolution.Operands(x, behind, None, 1))
    functional = torch.nn.functional

    def model(p):
        y = functional.relu(functional.conv2d(ctx.tensor(x, dtype_name="float32"), p[0], p[1], stride=2, padding=1))
        return functional.linear(y.flatten(1), p[2], p[3])

    return _step(
        ctx,
        model,
        (kernel, ones, weight, b),
        torch.mm(hidden, weight.t()) + b,
        d,
        tuple(kernel_gradients) + (torch.mm(dy.t(), hidden), dy.sum(0)),
    )


def _sparse(ctx, shape, word):
    """float64 weights with three entries of +-1 in each row."""
    width = 1
    for size in shape[1:]:
        width *= size
    places = ctx.uniform((shape[0], width), "places", word).argsort(1)[:, :3]
    signs = (2 * ctx.integers(places.shape, 0, 1, "signs", word) - 1).double()
    return ctx.torch.zeros(shape[0], width, dtype=ctx.torch.float64).scatter(1, places, signs).reshape(shape)


def _step(ctx, model, values, output, difference, gradients):
    """Run the step on float32 parameters and judge output, loss, gradients, parameters and scale."""
    parameters = [ctx.tensor(v, grad=True, dtype_name="float32") for v in values]
    optimizer = mixed.sgd(ctx, parameters, lr=_RATE)
    scaler = mixed.grad_scaler(ctx, init_scale=2.0**8) if ctx.dtype_name == "float16" else None
    with mixed.autocast(ctx):
        got = model(parameters)
        loss = ctx.torch.nn.functional.mse_loss(got, ctx.tensor(output - difference, dtype_name="float32"))
    if got.dtype != ctx.dtype:
        return judge.failed("autocast gave %s instead of %s" % (got.dtype, ctx.dtype), got.numel())
    _optimise(scaler, optimizer, loss)
    judged = [ctx.exact(got, output, note="in the output"), ctx.exact(loss, (difference**2).mean(), note="in the loss")]
    for n, (parameter, value, gradient) in enumerate(zip(parameters, values, gradients)):
        judged.append(ctx.exact(parameter.grad, gradient, note="in the gradient of parameter %d" % n))
        judged.append(ctx.exact(parameter, value - _RATE * gradient, note="in the updated parameter %d" % n))
    if scaler is not None and scaler.get_scale() != 2.0**8:
        judged.append(judge.failed("scale %r instead of 256" % scaler.get_scale(), 1))
    return ctx.all_of(*judged)


def _optimise(scaler, optimizer, loss):
    if scaler is None:
        loss.backward()
        optimizer.step()
        return
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
