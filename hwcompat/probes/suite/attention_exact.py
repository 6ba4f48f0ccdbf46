"""Attention whose weights are powers of two: output and gradients are known to the bit.

Hunts: wrong row sums, lost or doubled keys, masks that leak or are read with the wrong stride, wrong tails or heads,
missing scales, a missing maximum, stale blocks, gradients that are NaN for one length
(https://github.com/pytorch/pytorch/issues/196678).
Rule: EXACT. Keys fall into groups of 2**m; the code of a group, in components of +-c, makes the score of every key of a
row's group 0 (or the constant T in all of them) and of every other key at least 256 less, whose weight float32 takes as
zero. Masks leave 2**j keys of that group. So weights are 2**-j in any order, blocked or split, 16 bits or 32; values
and gradients are small integers, and the further components of q and k, which meet zeros on the other side, carry the
gradients of k and q. A sum whose absolute terms stay within 2**p units is exact in any accumulator and is judged bit by
bit; the few longer ones may round once a term in the output's format, at most `steps` times, see attention.py:
(steps + 1) u and gamma(n) of the sum of absolute terms. The scale is a power of 4, since
composed attention multiplies both sides by its root. T = -128 and 128 leave nothing to a missing maximum; the
logarithm of the sum, as far as T, is held in float32, so there float32 gets 2**-21 |T| of the terms.
"""

import math
from collections import namedtuple
from functools import partial

from .. import attention, judge

GROUP = "attention"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.8
VERSION = 1
WORKAROUND = "Choose another attention backend: torch.nn.attention.sdpa_kernel or torch.backends.cuda.enable_*_sdp."

Case = namedtuple("Case", "batch heads kv_heads queries keys depth group mask layout constant scale")
"""group: keys that share a code; mask: none, causal, every, bool, additive, finite, padding; constant: T above."""

_CASES = (
    Case(2, 2, 2, 64, 64, 64, 64, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 64, 64, 64, 2, "every", "rows", -128, 0.0625),
    Case(1, 1, 1, 192, 192, 64, 4, "bool", "plain", -128, 0.25),
    Case(1, 1, 1, 128, 128, 16, 4, "none", "columns", 128, 0.25),
    Case(1, 3, 3, 63, 63, 40, 1, "causal", "fused", 0, 0.25),
    Case(1, 4, 2, 65, 65, 32, 2, "causal", "rows", 0, 0.25),
    Case(1, 2, 2, 127, 127, 80, 4, "additive", "rows", 0, 0.0625),
    Case(2, 1, 1, 129, 129, 24, 4, "padding", "plain", 0, 0.25),
    Case(1, 1, 1, 257, 257, 96, 2, "finite", "rows", 0, 0.25),
    Case(8, 12, 12, 8, 8, 8, 1, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 31, 100, 72, 2, "bool", "sparse", 0, 0.25),
    Case(1, 6, 1, 1, 1024, 16, 64, "none", "plain", 0, 0.25),
    Case(1, 1, 1, 1, 128, 128, 32, "none", "plain", -128, 0.0625),
    Case(1, 1, 1, 20, 1030, 16, 4, "bool", "rows", 0, 0.25),
    Case(1, 1, 1, 778, 33, 16, 1, "causal", "plain", 0, 0.25),
    Case(1, 1, 1, 33, 17, 16, 2, "causal", "plain", 0, 0.25),
    Case(3, 1, 1, 2, 2, 8, 1, "causal", "rows", 0, 0.25),
)
_TWINS = (0, 6, 7)
"""Cases that run again with other numbers, so that an output left over from before shows."""
_LARGE = (
    Case(1, 2, 2, 704, 704, 64, 2, "every", "rows", -128, 0.25),
    Case(2, 4, 4, 1088, 1088, 128, 64, "bool", "rows", 0, 0.25),
    Case(1, 8, 2, 1088, 1088, 64, 1, "causal", "rows", 0, 0.25),
    Case(1, 2, 2, 4096, 4096, 64, 1024, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 320, 320, 256, 2, "every", "rows", 0, 0.0625),
)
_OPTIONS = {"every": "bool", "padding": "bool"}
_GAP = 256.0


def cases(ctx):
    for case in _CASES + (_LARGE if ctx.large else ()):
        for turn in range(2 if case in [_CASES[i] for i in _TWINS] else 1):
            make = attention.remembered(partial(prepared, ctx, case, turn))
            for backend in attention.backends(ctx):
                yield label_of(case, turn, backend), partial(one, ctx, case, backend, make)
    yield "65537 windows of 2 x 2", partial(windows, ctx, 65537)


def label_of(case, turn, backend):
    heads = "%d" % case.heads if case.heads == case.kv_heads else "%d/%d" % (case.heads, case.kv_heads)
    sizes = (case.batch, heads, case.queries, case.keys, case.depth, case.group, case.mask, case.layout, case.constant)
    text = "batch %d, heads %s, %d x %d, D %d, groups of %d, mask %s, %s, scores %+d" % sizes
    return "%s%s, %s" % (text, " again" if turn else "", backend)


def one(ctx, case, backend, make):
    operands, want, terms = make()
    bound = attention.Answer(*[limit(ctx, case, values, sums) for values, sums in zip(want, terms)])
    return attention.judged(ctx, operands, _OPTIONS.get(case.mask, case.mask), case.layout, backend, want, bound)


def limit(ctx, case, values, sums):
    """0 where the sum of absolute terms stays within 2**p of its unit; else what longer sums may lose."""
    if values is None:
        return None
    steps = 0 if ctx.format.bits == 32 else max(case.queries, case.keys) // 32 + case.heads // case.kv_heads + 2
    loss = judge.gamma(1.25 * max(case.queries, case.keys) + 16, 2.0**-23) + steps * 2.0**-ctx.precision
    held = loss * sums
    held = held.masked_fill(sums <= 2.0**ctx.precision * unit_of(ctx.torch, case), 0.0)
    if case.constant and ctx.format.bits == 32:
        held = held + 2.0**-21 * abs(case.constant) * sums
    return held


def unit_of(torch, case):
    """Every term is a multiple of this: weights of 1 / group, twice, the scale, and integers."""
    return case.scale / case.group**2


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
    step = 2.0 ** round(math.log2(_GAP / 2 / case.scale))
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


def windows(ctx, count):
    """More windows than a grid of 65535 blocks holds; the weights are 1/2."""
    torch = ctx.torch
    depth = 8 if ctx.large else 2
    q = ctx.repeated(torch.zeros(1, 1, 1, 1), (count, 1, 2, depth))
    v = ctx.integers((251, 1, 2, depth), -8, 8, "windows").double() * 2
    leaf = ctx.repeated(v, (count, 1, 2, depth)).requires_grad_()
    out = torch.nn.functional.scaled_dot_product_attention(q, q, leaf)
    out.backward(leaf.detach())
    mean = v.mean(2, keepdim=True).expand(v.shape)
    return ctx.all_of(ctx.exact_repeated(out, mean, note="(output)"), ctx.exact_repeated(leaf.grad, mean, note="(v)"))
