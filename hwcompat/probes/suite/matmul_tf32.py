"""TF32: does this device use it for float32 products when allowed, and are its products right?

Hunts: a faulty TF32 path.
Rule: FEATURE for whether it is used: (1 + 2**-12) * 1 keeps its last bit in float32 and loses it in TF32, which has 11
significand bits. EXACT and INTERVAL for its products, on operands of 11 bits, which TF32 takes unchanged: integers with
K * a**2 < 2**24 are exact in a float32 accumulator, and random products obey the bound of matmul.interval. The float32
output shows the low accumulator bits that a 16-bit output hides.
Source: https://pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices
"""

import contextlib
from functools import partial

from .. import judge, rounding

GROUP = "matmul"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32",)
CORE = True
FEEDS = "tf32"
DEVICES = ("cuda",)
SECONDS = 0.3
VERSION = 1

_TF32 = rounding.Format("tf32", 19, 11, -126, 127)


def cases(ctx):
    yield "1 + 2**-12 times 1", partial(detected, ctx)
    for rows, depth, columns in ((256, 1024, 256), (129, 127, 255)):
        yield "tf32 mm %dx%dx%d |a|<=127" % (rows, depth, columns), partial(integers, ctx, rows, depth, columns, 127)
    yield "tf32 mm normal 128x1024x256", partial(random, ctx, 128, 1024, 256)
    if ctx.large:
        yield "tf32 mm 4096x512x4096 |a|<=127", partial(large, ctx, 4096, 512, 127)


def detected(ctx):
    used = active(ctx)
    return judge.feature("TF32 is %s" % ("used when allowed" if used else "not used here"), {"tf32_active": used}, 1)


def active(ctx):
    x = ctx.torch.full((64, 64), 1 + 2.0**-12, dtype=ctx.torch.float64)
    with allowed(ctx):
        out = ctx.values(ctx.torch.mm(ctx.tensor(x), ctx.tensor(ctx.torch.eye(64))))
    return bool((out != x).all())


def integers(ctx, rows, depth, columns, largest):
    ctx.require(depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((rows, depth), -largest, largest, "a", rows)
    b = ctx.integers((depth, columns), -largest, largest, "b", rows)
    return when_active(
        ctx, lambda: ctx.exact(product(ctx, ctx.tensor(a), ctx.tensor(b)), ctx.torch.mm(a.double(), b.double()))
    )


def random(ctx, rows, depth, columns):
    a = rounding.rn(ctx.torch, ctx.normal((rows, depth), "a"), _TF32)
    b = rounding.rn(ctx.torch, ctx.normal((depth, columns), "b"), _TF32)
    factor = judge.gamma(depth + -(-depth // 4) + 2, 2.0**-23) + depth * 2.0**-53
    bound = factor * ctx.torch.mm(a.abs(), b.abs())
    return when_active(ctx, lambda: ctx.interval(product(ctx, ctx.tensor(a), ctx.tensor(b)), ctx.torch.mm(a, b), bound))


def large(ctx, size, depth, largest):
    ctx.require(depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((251, depth), -largest, largest, "a", size)
    b = ctx.integers((depth, 241), -largest, largest, "b", size)
    return when_active(
        ctx,
        lambda: ctx.exact_repeated(
            product(ctx, ctx.repeated(a, (size, depth)), ctx.repeated(b, (depth, size))),
            ctx.torch.mm(a.double(), b.double()),
        ),
    )


def when_active(ctx, judged):
    return judged() if active(ctx) else judge.skipped("TF32 is not used here")


def product(ctx, a, b):
    with allowed(ctx):
        return ctx.torch.mm(a, b)


@contextlib.contextmanager
def allowed(ctx):
    """TF32 on for matrix products; off again afterwards, as everything else here is judged."""
    ctx.torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        ctx.torch.backends.cuda.matmul.allow_tf32 = False
