"""A matrix of every normal number times a permutation comes back permuted, bit for bit.

Hunts: faults of single datapath bits, a shortened exponent range, inputs rounded on the way in, early overflow.
Rule: EXACT. Each output is one product x * 1 plus zeros: no order, accumulator or truncation can change it. The sign of
zero is free (-0 + 0 is +0). Subnormal numbers have their own probe, since some matrix units take them as zero.
Source: Dixit et al., Silent Data Corruptions at Scale, https://arxiv.org/abs/2102.11245 (processors that compute
wrongly and say nothing).
"""

from functools import partial

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1

_WIDTH = 256


def cases(ctx):
    yield "X @ P", partial(permuted, ctx, "right", False)
    yield "X @ P.t()", partial(permuted, ctx, "right", True)
    yield "P @ X.t()", partial(permuted, ctx, "left", False)


def permuted(ctx, side, transposed):
    torch = ctx.torch
    codes = normal_codes(ctx)
    order = torch.argsort(ctx.uniform((_WIDTH,), "order"))
    one_hot = torch.zeros(_WIDTH, _WIDTH, dtype=torch.int64)
    one_hot[order, torch.arange(_WIDTH)] = 1  # (X @ one_hot)[:, j] is X[:, order[j]]
    x, p = ctx.from_codes(codes), ctx.tensor(one_hot.t().contiguous() if transposed else one_hot)
    values = ctx.values(x)
    if side == "left":
        return ctx.exact(torch.mm(p.t(), x.t()), values.t()[order])
    return ctx.exact(torch.mm(x, p.t() if transposed else p), values[:, order])


def normal_codes(ctx):
    """All finite normal codes of a 16-bit format in rows of 256, both signs; as many random ones of float32."""
    fmt = ctx.format
    steps = 1 << (fmt.precision - 1)
    first, end = steps, (fmt.emax - fmt.emin + 2) * steps  # smallest normal, and infinity
    if fmt.bits == 16:
        magnitude = ctx.torch.arange(first, end)
    else:
        magnitude = ctx.integers((1 << 15,), first, end - 1, "codes")
    sign = 1 << (fmt.bits - 1)
    both = ctx.torch.cat([magnitude, magnitude | sign])
    return both[: both.numel() // _WIDTH * _WIDTH].reshape(-1, _WIDTH)
