"""TF32 in convolutions: whether cuDNN uses it when allowed, and whether forward and both gradients are right then.

Hunts: a faulty TF32 path of cuDNN, which matrix products do not share; a switch that outlives its use.
Rule: FEATURE for whether it is used: (1 + 2**-12) * 1 keeps its last bit in float32 and loses it in TF32, which has 11
significand bits. EXACT and INTERVAL for its products, on operands of at most 11 bits, which TF32 takes unchanged: the
integer operands of the other convolution probes (convolution.py: at most 1000 each, sums of absolute products at most
2**24), and normal numbers rounded to 11 bits inside the bound of conv.interval.
Source: https://pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices
"""

import contextlib
from functools import partial

from .. import convolution, judge, rounding

GROUP = "conv"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32",)
CORE = True
FEEDS = "tf32"
DEVICES = ("cuda",)
SECONDS = 0.5
VERSION = 1

_TF32 = rounding.Format("tf32", 19, 11, -126, 127)
_NORMAL = convolution.Geometry("3x3 stride 2 32-48", 2, 32, 13, 13, 48, 3, 2, 1)
_DIRECTIONS = ("forward", "dgrad", "wgrad")


def cases(ctx):
    yield "1 + 2**-12 times 1", partial(detected, ctx)
    for geometry in convolution.GEOMETRIES:
        for direction in _DIRECTIONS:
            for layout in convolution.LAYOUTS:
                label = "tf32 %s %s %s" % (direction, geometry.name, layout)
                yield label, partial(integers, ctx, geometry, direction, layout)
    for direction in _DIRECTIONS:
        yield "tf32 %s %s normal" % (direction, _NORMAL.name), partial(random, ctx, _NORMAL, direction)
    if ctx.large:
        for direction in _DIRECTIONS:
            label = "tf32 %s %s" % (direction, convolution.LARGE[0].name)
            yield label, partial(large, ctx, convolution.LARGE[0], direction)


def detected(ctx):
    used = active(ctx)
    return judge.feature(
        "TF32 is %s" % ("used when allowed" if used else "not used here"), {"tf32_conv_active": used}, 1
    )


def active(ctx):
    """Sixteen channels, which cuDNN's tensor core kernels want."""
    x = ctx.torch.full((2, 16, 8, 8), 1 + 2.0**-12, dtype=ctx.torch.float64)
    w = ctx.torch.eye(16, dtype=ctx.torch.float64).reshape(16, 16, 1, 1)
    with allowed(ctx):
        out = ctx.values(ctx.torch.nn.functional.conv2d(ctx.tensor(x), ctx.tensor(w)))
    return bool((out != x).any())


def integers(ctx, geometry, direction, layout):
    return when_active(ctx, lambda: convolution.check(ctx, geometry, direction, layout))


def large(ctx, geometry, direction):
    return when_active(ctx, lambda: convolution.check_large(ctx, geometry, direction))


def random(ctx, geometry, direction):
    x, w, y = convolution.shapes(geometry)
    one, two = {"forward": (x, w), "dgrad": (y, w), "wgrad": (x, y)}[direction]
    first, second = (
        rounding.rn(ctx.torch, ctx.normal(shape, direction, n), _TF32) for n, shape in enumerate((one, two))
    )
    bias = ctx.torch.zeros(geometry.cout).double()
    operands = convolution.Operands(first, second, bias, None)
    sizes = operands._replace(first=first.abs(), second=second.abs())
    count = convolution.terms(geometry, direction)
    factor = judge.gamma(count + -(-count // 4) + 2, 2.0**-23)
    want, sums = (convolution.reference(ctx.torch, geometry, direction, part)[0] for part in (operands, sizes))
    return when_active(
        ctx,
        lambda: ctx.interval(convolution.compute(ctx, geometry, direction, "nchw", operands)[0], want, factor * sums),
    )


def when_active(ctx, judged):
    if not active(ctx):
        return judge.skipped("TF32 is not used here")
    with allowed(ctx):
        return judged()


@contextlib.contextmanager
def allowed(ctx):
    """TF32 on for convolutions; off again afterwards, as everything else here is judged."""
    ctx.torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        ctx.torch.backends.cudnn.allow_tf32 = False
