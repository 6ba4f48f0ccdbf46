"""The same operation on the same input gives the same bits, eight times (32 on an accelerator).

Hunts: intermittent faults (heat, power, overclock, failing memory) and kernels that read what they never wrote. The
arithmetic itself is judged elsewhere: here only equality counts, so that random data may be used.
Rule: EXACT equality of codes with the first run. cuBLAS promises it for one stream, version and device
(https://docs.nvidia.com/cuda/cublas/#results-reproducibility), cuDNN for its deterministic algorithms, which are asked
for.
"""

from functools import partial

from .. import convolution, judge, rounding

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.5
VERSION = 1

_GEOMETRY = convolution.Geometry("3x3 32-32", 2, 32, 10, 10, 32, 3, 1, 1)


def cases(ctx):
    size = 2048 if ctx.large else 192
    geometry = _GEOMETRY._replace(images=8, cin=128, cout=128, height=56, width=56) if ctx.large else _GEOMETRY
    yield (
        "mm %d" % size,
        partial(
            repeated, ctx, partial(_product, ctx, _normal(ctx, (size, size), "a"), _normal(ctx, (size, size), "b"))
        ),
    )
    x, w, y = convolution.shapes(geometry)
    yield (
        "conv %s forward and backward" % geometry.name,
        partial(
            _deterministic,
            ctx,
            partial(
                repeated,
                ctx,
                partial(_convolution, ctx, geometry, _normal(ctx, x, "x"), _normal(ctx, w, "w"), _normal(ctx, y, "dy")),
            ),
        ),
    )


def repeated(ctx, function):
    """Bits of each output of every run against the first run's."""
    first, checked = [_codes(ctx, t) for t in function()], 0
    for number in range(2, 33 if ctx.large else 9):
        for place, (before, tensor) in enumerate(zip(first, function())):
            wrong = int((_codes(ctx, tensor) != before).sum())
            checked += before.numel()
            if wrong:
                return judge.failed(
                    "run %d differs from the first in %d of %d elements of output %d"
                    % (number, wrong, before.numel(), place),
                    checked,
                )
    return judge.passed(checked)


def _codes(ctx, tensor):
    return rounding.codes_of(ctx.torch, ctx.host(tensor), ctx.format)


def _normal(ctx, shape, word):
    return ctx.tensor(ctx.normal(shape, word))


def _product(ctx, a, b):
    return [ctx.torch.mm(a, b)]


def _convolution(ctx, geometry, x, w, dy):
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    y = ctx.torch.nn.functional.conv2d(x, w, None, geometry.stride, geometry.padding)
    y.backward(dy)
    return [y, x.grad, w.grad]


def _deterministic(ctx, function):
    """`function` with cuDNN's deterministic algorithms."""
    module = ctx.torch.backends.cudnn
    before = module.deterministic
    module.deterministic = True
    try:
        return function()
    finally:
        module.deterministic = before
