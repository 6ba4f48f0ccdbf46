"""Autocast runs matrix products and convolutions in the low dtype, and on CUDA keeps sensitive operations in float32.

Hunts: autocast that does nothing (everything stays float32: no speed, no memory saved) or that casts what it must not.
Rule: EXACT. Dtypes by the documented lists (https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference); the
CPU's list of float32 operations differs between releases, so that only mse_loss is judged there. Values on constant
inputs are small integers or powers of two, exact in every format.
"""

from functools import partial

from .. import judge, mixed

GROUP = "training"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = True
FEEDS = "amp"
SECONDS = 0.2
VERSION = 1


def cases(ctx):
    for name, function, value in _low(ctx.torch):
        yield name + " in the low dtype", partial(check, ctx, function, "float32", ctx.dtype_name, value)
    for name, function, value in _wide(ctx.torch):
        if ctx.kind == "cuda" or name == "mse_loss":
            yield name + " in float32", partial(check, ctx, function, ctx.dtype_name, "float32", value)
    for name, function, value in _promoting(ctx.torch):
        yield name + " in the widest dtype", partial(promoting, ctx, function, value)
    yield "mm outside autocast, and where it is switched off", partial(outside, ctx)


def _low(torch):
    """(name, function of a matrix of ones, the value of every element of its result)."""
    functional = torch.nn.functional
    return (
        ("mm", lambda a: torch.mm(a, a), 16),
        ("matmul", lambda a: torch.matmul(a, a), 16),
        ("bmm", lambda a: torch.bmm(a[None], a[None]), 16),
        ("addmm", lambda a: torch.addmm(a, a, a), 17),
        ("baddbmm", lambda a: torch.baddbmm(a[None], a[None], a[None]), 17),
        ("linear", lambda a: functional.linear(a, a, a[0]), 17),
        ("conv2d", lambda a: functional.conv2d(a[None, None], a[None, None, :3, :3]), 9),
    )


def _wide(torch):
    functional = torch.nn.functional
    return (
        ("mse_loss", lambda a: functional.mse_loss(a, a + a + a), 4),
        ("softmax", lambda a: torch.softmax(a, 1), 2.0**-4),
        ("log", torch.log, 0),
        ("exp", lambda a: torch.exp(a - a), 1),
        ("norm", lambda a: torch.norm(a), 16),
        ("sum", lambda a: a.sum(), 256),
    )


def _promoting(torch):
    return (("cat", lambda a, b: torch.cat([a, b]), 1), ("stack", lambda a, b: torch.stack([a, b]), 1))


def check(ctx, function, given, wanted, value):
    """`function` under autocast on ones of dtype `given`: dtype `wanted` and every element `value`."""
    ones = _ones(ctx, given)
    with mixed.autocast(ctx):
        return _judge(ctx, function(ones), wanted, value)


def promoting(ctx, function, value):
    low, wide = _ones(ctx, ctx.dtype_name), _ones(ctx, "float32")
    with mixed.autocast(ctx):
        return _judge(ctx, function(low, wide), "float32", value)


def outside(ctx):
    ones = _ones(ctx, "float32")
    with mixed.autocast(ctx), ctx.torch.autocast(device_type=ctx.kind, enabled=False):
        inner = ctx.torch.mm(ones, ones)
    after = ctx.torch.mm(ones, ones)
    return ctx.all_of(_judge(ctx, inner, "float32", 16), _judge(ctx, after, "float32", 16))


def _ones(ctx, dtype_name):
    return ctx.tensor(ctx.torch.ones(16, 16, dtype=ctx.torch.float64), dtype_name=dtype_name)


def _judge(ctx, got, wanted, value):
    dtype = str(got.dtype).replace("torch.", "")
    if dtype != wanted:
        return judge.failed("result in %s instead of %s" % (dtype, wanted), got.numel())
    return ctx.exact(got, ctx.torch.full(tuple(got.shape), float(value), dtype=ctx.torch.float64))
