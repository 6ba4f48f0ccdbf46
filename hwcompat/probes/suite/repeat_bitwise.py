"""The same operation on the same input gives the same bits, eight times or more (32 on an accelerator).

Hunts: intermittent faults (heat, power, overclock, failing memory), every n-th call wrong, kernels that read what they
never wrote. The arithmetic itself is judged elsewhere: here only equality counts, so that random data may be used.
Rule: EXACT equality of codes with the first run, for operations that promise it. cuBLAS does for one stream, version
and device (https://docs.nvidia.com/cuda/cublas/#results-reproducibility), cuDNN for its deterministic algorithms, which
are asked for; elementwise operations, softmax, layer norm and sums over a dimension add in a fixed order. A small
elementwise operation runs 70 times, so that faults of every 64th call show.
"""

from functools import partial

from .. import convolution, judge

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 2
WORKAROUND = "suspect heat, power supply, overclocking or undervolting before anything else; repeat after checking them"

_GEOMETRY = convolution.Geometry("3x3 32-32", 2, 32, 10, 10, 32, 3, 1, 1)
_OTHERS = (
    convolution.Geometry("1x1 17-9", 2, 17, 7, 7, 9, 1, 1, 0),
    convolution.Geometry("3x3 stride 2 groups 2 8-12", 1, 8, 9, 9, 12, 3, 2, 1, 1, 2),
    convolution.Geometry("3x3 depthwise 12", 2, 12, 8, 8, 12, 3, 1, 1, 1, 12),
)
_PRODUCTS = ((64, 257, 33), (1, 300, 65), (128, 64, 128))


def cases(ctx):
    size = 2048 if ctx.large else 192
    geometry = _GEOMETRY._replace(images=8, cin=128, cout=128, height=56, width=56) if ctx.large else _GEOMETRY
    yield "mm %d" % size, partial(product, ctx, (size, size, size))
    for shape in _PRODUCTS:
        yield "mm %dx%dx%d" % shape, partial(product, ctx, shape)
    for one in (geometry,) + _OTHERS:
        yield "conv %s forward and backward" % one.name, partial(conv, ctx, one)
    for name in ("layer norm", "batch norm", "softmax", "sums", "elementwise", "linear", "bmm"):
        yield name, partial(plain, ctx, name)
    yield "a small addition, 70 times", partial(often, ctx, 70)


def product(ctx, shape):
    rows, depth, columns = shape
    a, b = _random(ctx, (rows, depth), "a"), _random(ctx, (depth, columns), "b")
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


def plain(ctx, name):
    """An operation and the gradient of its input."""
    torch = ctx.torch
    functional = torch.nn.functional
    shape = (3, 64, 128) if ctx.large else (3, 17, 65)
    x, other, dy = (_random(ctx, shape, word) for word in ("x", "other", "dy"))
    weight = _random(ctx, (33, shape[-1]), "weight")
    right = _random(ctx, (3, shape[-1], 9), "right")
    channels = _random(ctx, (shape[1],), "channels")
    function = {
        "layer norm": lambda v: functional.layer_norm(v, shape[-1:], other[0, 0], dy[0, 0]),
        "batch norm": lambda v: functional.batch_norm(v, None, None, channels, channels, training=True),
        "softmax": lambda v: functional.softmax(v, -1),
        "sums": lambda v: v.sum(1),
        "elementwise": lambda v: v * other + v / (2 + other) - functional.relu(v),
        "linear": lambda v: functional.linear(v, weight),
        "bmm": lambda v: torch.bmm(v, right),
    }[name]
    slope = _random(ctx, tuple(function(x).shape), "slope")

    def run():
        leaf = x.detach().requires_grad_()
        y = function(leaf)
        y.backward(slope)
        return [y, leaf.grad]

    return repeated(ctx, run)


def often(ctx, count):
    a, b = _random(ctx, (33,), "a"), _random(ctx, (33,), "b")
    return repeated(ctx, lambda: [a + b, a * b], count)


def repeated(ctx, function, count=None):
    """Bits of each output of every run against the first run's."""
    first, checked = [_bits(ctx, t) for t in function()], 0
    for number in range(2, 1 + max(count or 8, 32 if ctx.large else 8)):
        for place, (before, tensor) in enumerate(zip(first, function())):
            after = _bits(ctx, tensor)
            if after.shape != before.shape:
                return judge.failed("run %d gives another shape in output %d" % (number, place), checked)
            wrong = 0 if ctx.torch.equal(after, before) else int((after != before).sum())
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
    y = ctx.torch.nn.functional.conv2d(
        x, w, None, geometry.stride, geometry.padding, geometry.dilation, geometry.groups
    )
    y.backward(dy)
    return [y, x.grad, w.grad]
