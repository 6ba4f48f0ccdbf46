"""The same operation on the same input gives the same bits, eight times (32 on an accelerator).

Hunts: intermittent faults (heat, power, overclock, failing memory) and kernels that read what they never wrote. The
arithmetic itself is judged elsewhere: here only equality counts, so that random data may be used.
Rule: EXACT equality of codes with the first run. cuBLAS promises it for one stream, version and device
(https://docs.nvidia.com/cuda/cublas/#results-reproducibility), cuDNN for its deterministic algorithms, which are asked
for.
"""

from functools import partial

from .. import convolution, judge

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
    yield "mm %d" % size, partial(product, ctx, size)
    yield "conv %s forward and backward" % geometry.name, partial(conv, ctx, geometry)


def product(ctx, size):
    a, b = (_random(ctx, (size, size), word) for word in ("a", "b"))
    return repeated(ctx, lambda: [ctx.torch.mm(a, b)])


def conv(ctx, geometry):
    """With cuDNN's deterministic algorithms."""
    x, w, dy = (_random(ctx, shape, word) for shape, word in zip(convolution.shapes(geometry), ("x", "w", "dy")))
    module = ctx.torch.backends.cudnn
    before = module.deterministic
    module.deterministic = True
    try:
        return repeated(ctx, partial(_forward_backward, ctx, geometry, x, w, dy))
    finally:
        module.deterministic = before


def repeated(ctx, function):
    """Bits of each output of every run against the first run's."""
    first, checked = [_bits(ctx, t) for t in function()], 0
    for number in range(2, 33 if ctx.large else 9):
        for place, (before, tensor) in enumerate(zip(first, function())):
            wrong = int((_bits(ctx, tensor) != before).sum())
            checked += before.numel()
            if wrong:
                return judge.failed(
                    "run %d differs from the first in %d of %d elements of output %d"
                    % (number, wrong, before.numel(), place),
                    checked,
                )
    return judge.passed(checked)


def _bits(ctx, tensor):
    """The tensor's bytes on the CPU as integers: equality of NaN with itself, and of nothing else."""
    return ctx.host(tensor).contiguous().view(ctx.torch.int32 if ctx.format.bits == 32 else ctx.torch.int16)


def _random(ctx, shape, word):
    return ctx.tensor(2 * ctx.uniform(shape, word) - 1)


def _forward_backward(ctx, geometry, x, w, dy):
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    y = ctx.torch.nn.functional.conv2d(x, w, None, geometry.stride, geometry.padding)
    y.backward(dy)
    return [y, x.grad, w.grad]
