"""Attention operands whose weights are powers of two, their answers, and where those are exact.

Keys fall into groups that share a code; the code of a row's group, in components of +-c, makes the score of that group
0 (or a constant) and of every other key at least 256 less. See the attention probes for the rule.
"""

import math
from collections import namedtuple

from . import attention, judge

Case = namedtuple("Case", "batch heads kv_heads queries keys depth group mask layout constant scale")
"""group: keys that share a code; mask: none, causal, every, bool, additive, finite, padding; constant: T above."""

GAP = 256.0


def label_of(case, turn, backend):
    heads = "%d" % case.heads if case.heads == case.kv_heads else "%d/%d" % (case.heads, case.kv_heads)
    sizes = (case.batch, heads, case.queries, case.keys, case.depth, case.group, case.mask, case.layout, case.constant)
    text = "batch %d, heads %s, %d x %d, D %d, groups of %d, mask %s, %s, scores %+d" % sizes
    return "%s%s, %s" % (text, " again" if turn else "", backend)


def limits(ctx, case, operands, terms):
    """Answer of the bounds: 0 where a sum of absolute terms stays within 2**p of its unit; else what it may lose."""
    torch, weight = ctx.torch, 1.0 / case.group
    slope = case.scale * weight**2
    units = attention.Answer(
        weight,
        slope * step_of(torch, operands.k),
        slope * step_of(torch, operands.q),
        weight,
        weight**2,
    )
    return attention.Answer(*[limit(ctx, case, sums, unit) for sums, unit in zip(terms, units)])


def limit(ctx, case, sums, unit):
    if sums is None:
        return None
    steps = 0 if ctx.format.bits == 32 else max(case.queries, case.keys) // 32 + case.heads // case.kv_heads + 2
    loss = judge.gamma(1.25 * max(case.queries, case.keys) + 16, 2.0**-23) + steps * 2.0**-ctx.precision
    held = (loss * sums).masked_fill(sums <= 2.0**ctx.precision * unit, 0.0)
    if case.constant and ctx.format.bits == 32:
        held = held + 2.0**-21 * abs(case.constant) * sums
    return held


def step_of(torch, x):
    """The power of two that every number of a column (last dimension) of integers is a multiple of; 1 for zeros."""
    whole = x.abs().to(torch.int64).flatten(0, -2)
    lowest = torch.where(whole == 0, torch.full_like(whole, 2**40), whole & -whole).min(0)[0]
    return torch.where(lowest == 2**40, torch.ones_like(lowest), lowest).double()


def prepared(ctx, case, turn):
    """(Operands, Answer, Answer of the sums of absolute terms), float64."""
    torch = ctx.torch
    operands = coded(ctx, case, turn)
    for part in (operands.q, operands.k, operands.v, operands.g):
        ctx.require(bool((ctx.rounded(part) == part).all()), "operands are numbers of the dtype")
    found = attention.inside(torch, operands)
    weights = torch.round(found.weights * case.group) / case.group
    ctx.require(bool(((weights - found.weights).abs() < 2.0**-50).all()), "weights are powers of two or nothing")
    kept = (weights * case.group).round().to(torch.int64)
    ctx.require(bool(((kept & (kept - 1)) == 0).all()), "weights are powers of two")
    delta = (weights * found.dp).sum(3, keepdim=True)
    ds = weights * (found.dp - delta)
    exact = found._replace(weights=weights, delta=delta, ds=ds)
    k, v = found.k.abs(), found.v.abs()
    dp = torch.matmul(operands.g.abs(), v.transpose(2, 3))
    size = weights * (dp + (weights * dp).sum(3, keepdim=True))
    bare = operands._replace(q=operands.q.abs(), g=operands.g.abs())
    terms = attention.answer(torch, bare, exact._replace(k=k, v=v, ds=size))
    return operands, attention.answer(torch, operands, exact), terms


def coded(ctx, case, turn):
    """Operands as the docstring says: components for the code, its length, T, and two halves for the gradients."""
    torch, key = ctx.torch, label_of(case, turn, "")
    groups = (case.keys + case.group - 1) // case.group
    bits = max(1, (groups - 1).bit_length())
    ctx.require(case.depth >= bits + 4, "the head has room for the code")
    order = ctx.uniform((case.batch, case.kv_heads, case.keys), "order", key).argsort(2)
    group = order.argsort(2) // case.group  # of each key
    allowed = allowed_by(ctx, case, group, key)
    target = targets(ctx, case, group, allowed, key)
    step = 2.0 ** round(math.log2(GAP / 2 / case.scale))
    q = ctx.integers((case.batch, case.heads, case.queries, case.depth), -2, 2, "q", key).double()
    k = ctx.integers((case.batch, case.kv_heads, case.keys, case.depth), -2, 2, "k", key).double()
    v = ctx.integers(tuple(k.shape), -2, 2, "v", key).double()
    q[..., :bits], k[..., :bits] = step * code(torch, target, bits), code(torch, group, bits)
    q[..., bits], k[..., bits] = -step * bits, 1.0
    q[..., bits + 1], k[..., bits + 1] = case.constant / case.scale, 1.0
    middle = (bits + 2 + case.depth) // 2
    q[..., bits + 2 : middle], k[..., middle:] = 0.0, 0.0
    g = sparse(ctx, tuple(q.shape), key)
    causal = case.mask == "causal"
    bias = None
    if case.mask == "finite":  # a large negative number instead of -inf
        bias = torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -(2.0**15))
    hidden = None if case.mask in ("none", "finite") else allowed
    ctx.require(not causal or hidden is not None, "a causal mask is known")
    return attention.Operands(q, k, v, g, hidden, bias, case.scale)


def sparse(ctx, shape, key):
    """Gradients of the output: +-1 in a few components a row, so that products with values stay small integers."""
    few = 16 if ctx.precision > 8 else 4
    shown = ctx.uniform(shape, "places", key) * shape[3] < few
    return (2 * ctx.integers(shape, 0, 1, "signs", key) - 1).double() * shown


def code(torch, number, bits):
    """The binary digits of `number` as -1 and 1, in a new last dimension."""
    return ((number[..., None] >> torch.arange(bits)) & 1).double() * 2 - 1


def allowed_by(ctx, case, group, key):
    """bool, broadcastable to (B, H, Lq, Lk), or None; the first key of each group is kept by the random masks."""
    torch = ctx.torch
    row, column = torch.arange(case.queries)[:, None], torch.arange(case.keys)[None, :]
    if case.mask == "causal":
        return (column <= row)[None, None]
    if case.mask == "every":
        return torch.ones(1, 1, case.queries, case.keys, dtype=torch.bool)
    if case.mask == "padding":
        return (column < case.keys - 1 - torch.arange(case.batch)[:, None])[:, None, None, :]
    if case.mask in ("bool", "additive", "finite"):
        kept = ctx.uniform((case.batch, 1, case.queries, case.keys), "mask", key) < 0.7
        return kept | (column == row % case.keys)
    return None


def targets(ctx, case, group, allowed, key):
    """The group that each row selects: one of those of which the mask leaves 2**j keys. (B, H, Lq) int64."""
    torch = ctx.torch
    groups = int(group.max()) + 1
    member = (group[..., None] == torch.arange(groups)).double()  # (B, Hkv, Lk, groups)
    member = attention.shared(torch, member, case.heads)
    everything = torch.ones(1, 1, case.queries, case.keys, dtype=torch.float64)
    count = torch.matmul(everything if allowed is None else allowed.double(), member).to(torch.int64)
    usable = (count > 0) & ((count & (count - 1)) == 0)
    ctx.require(bool(usable.any(3).all()), "every row has a group of which 2**j keys are left")
    return (ctx.uniform(tuple(count.shape), "target", key) * usable).argmax(3)
