"""TF32: whether this device uses it for float32 products when allowed, and whether its products are right.

Hunts: a faulty TF32 path of the matrix units.
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
VERSION = 2

_TF32 = rounding.Format("tf32", 19, 11, -126, 127)


def cases(ctx):
    yield "1 + 2**-12 times 1", partial(detected, ctx)
    for rows, depth, columns in ((256, 1024, 256), (129, 127, 255)):
        yield "tf32 mm %dx%dx%d |a|<=127" % (rows, depth, columns), partial(integers, ctx, rows, depth, columns, 127)
    yield "tf32 mm normal 128x1024x256", partial(random, ctx, 128, 1024, 256)
    for transposed in ("a", "b", "both"):
        yield "tf32 mm 65x257x63, %s transposed" % transposed, partial(turned, ctx, 65, 257, 63, 127, transposed)
    yield "tf32 bmm 3x33x100x65", partial(batched, ctx, 3, 33, 100, 65, 127)
    yield "tf32 linear and its gradients", partial(linear, ctx, 64, 96, 80, 63)
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


def turned(ctx, rows, depth, columns, largest, transposed):
    """Operands that lie transposed in memory, as the gradients of a linear layer see them."""
    ctx.require(depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((rows, depth), -largest, largest, "a", transposed)
    b = ctx.integers((depth, columns), -largest, largest, "b", transposed)
    left = ctx.tensor(a.t().contiguous()).t() if transposed in ("a", "both") else ctx.tensor(a)
    right = ctx.tensor(b.t().contiguous()).t() if transposed in ("b", "both") else ctx.tensor(b)
    return when_active(ctx, lambda: ctx.exact(product(ctx, left, right), ctx.torch.mm(a.double(), b.double())))


def batched(ctx, batch, rows, depth, columns, largest):
    ctx.require(depth * largest**2 < 2**24, "K * a**2 < 2**24")
    a = ctx.integers((batch, rows, depth), -largest, largest, "a", batch)
    b = ctx.integers((batch, depth, columns), -largest, largest, "b", batch)

    def judged():
        with allowed(ctx):
            got = ctx.torch.bmm(ctx.tensor(a), ctx.tensor(b))
        return ctx.exact(got, ctx.torch.bmm(a.double(), b.double()))

    return when_active(ctx, judged)


def linear(ctx, rows, depth, columns, largest):
    """y = x w' + b, dx = dy w, dw = dy' x, db = sum dy: integers of at most 6 bits, exact in all four."""
    ctx.require((max(rows, depth, columns) + 1) * largest**2 < 2**24, "(K + 1) * a**2 < 2**24")
    x, w, b, dy = (
        ctx.integers(shape, -largest, largest, name, "linear")
        for name, shape in (("x", (rows, depth)), ("w", (columns, depth)), ("b", (columns,)), ("dy", (rows, columns)))
    )
    wide_x, wide_w, wide_dy = x.double(), w.double(), dy.double()

    def judged():
        leaves = [ctx.tensor(v, grad=True) for v in (x, w, b)]
        with allowed(ctx):
            y = ctx.torch.nn.functional.linear(*leaves)
            y.backward(ctx.tensor(dy))
        return ctx.all_of(
            ctx.exact(y, ctx.torch.mm(wide_x, wide_w.t()) + b.double(), note="(output)"),
            ctx.exact(leaves[0].grad, ctx.torch.mm(wide_dy, wide_w), note="(input gradient)"),
            ctx.exact(leaves[1].grad, ctx.torch.mm(wide_dy.t(), wide_x), note="(weight gradient)"),
            ctx.exact(leaves[2].grad, wide_dy.sum(0), note="(bias gradient)"),
        )

    return when_active(ctx, judged)


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
