"""An honest probe: integer addition on the device."""

from functools import partial

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32", "float16", "bfloat16", "float64", "int32", "int64")
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    for size in (4, 1000):
        yield "add %d" % size, partial(add, ctx, size)


def add(ctx, size):
    numbers = ctx.torch.arange(size, dtype=ctx.torch.int32)
    return ctx.exact_integers(numbers.to(ctx.device) + 1, numbers.to(ctx.torch.int64) + 1)
