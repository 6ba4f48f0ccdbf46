"""Attention of random data inside its derived error, forward and backward, for every backend, mask and layout.

Hunts: gradients of q that are NaN where the length leaves 64 after division by 128, a mask is given and scores lie far
below zero (https://github.com/pytorch/pytorch/issues/196678); NaN for one query row and negative scores
(https://github.com/NVIDIA/cudnn-frontend/issues/1072); NaN of a memory-efficient kernel with masks
(https://github.com/pytorch/pytorch/issues/109517); wrong scales, masks, tails, strides, shared heads.
Rule: INTERVAL. The bound is derived in attention.py, from the arithmetic of composed, blocked and split kernels, with
weights kept in 16 bits where the operands are. Scores near -120 and +120 come from one component of q and k whose
product is that constant and a power of two, so that no 16-bit format loses any of it. Every backend that takes the
operands is held to the same bound, one at a time; torch's own choice always runs.
"""

from collections import namedtuple
from functools import partial

from .. import attention

GROUP = "attention"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.6
VERSION = 1
WORKAROUND = "Choose another attention backend: torch.nn.attention.sdpa_kernel or torch.backends.cuda.enable_*_sdp."

Case = namedtuple("Case", "batch heads kv_heads queries keys depth mask layout offset")
"""Sizes; mask: none, causal, every (boolean, all true), bool, padding, additive, window, alibi, bias; see attention.py
for the layouts; offset is added to every score."""

_CASES = (
    Case(1, 2, 2, 1, 1, 8, "none", "plain", 0),
    Case(1, 2, 2, 2, 2, 16, "causal", "fused", 0),
    Case(2, 1, 1, 63, 63, 40, "every", "rows", 0),
    Case(1, 2, 2, 64, 64, 64, "every", "fused", -120),
    Case(1, 3, 3, 65, 65, 32, "causal", "fused", 0),
    Case(1, 1, 1, 127, 127, 80, "padding", "plain", 0),
    Case(1, 1, 1, 128, 128, 128, "additive", "columns", 0),
    Case(1, 2, 1, 129, 129, 16, "window", "rows", 120),
    Case(1, 1, 1, 192, 192, 64, "bool", "plain", -120),
    Case(1, 1, 1, 257, 257, 24, "causal", "rows", -120),
    Case(1, 3, 3, 10, 21, 7, "bool", "rows", 0),
    Case(2, 12, 12, 7, 7, 32, "alibi", "fused", 0),
    Case(9, 2, 2, 16, 16, 8, "bias", "rows", 0),
    Case(2, 4, 4, 33, 77, 40, "none", "rows", 0),
    Case(2, 1, 1, 40, 24, 96, "causal", "sparse", 0),
    Case(1, 6, 2, 1, 128, 72, "none", "plain", -120),
    Case(1, 1, 1, 1, 2049, 16, "padding", "plain", 0),
    Case(1, 1, 1, 17, 1100, 8, "bool", "plain", 0),
    Case(1, 1, 1, 800, 31, 8, "causal", "plain", 0),
)
_OPTIONS = {"every": "bool", "padding": "bool", "window": "bool", "alibi": "finite"}
_LARGE = tuple(
    Case(1, heads, kv_heads, length, length, depth, mask, "rows", offset)
    for length, depth, heads, kv_heads, mask, offset in (
        (704, 64, 2, 2, "every", -120),
        (704, 64, 4, 2, "bool", 0),
        (1088, 128, 1, 1, "every", -120),
        (1088, 32, 1, 1, "causal", 0),
        (512, 256, 2, 2, "none", 0),
        (512, 128, 8, 4, "causal", 0),
        (1536, 64, 1, 1, "additive", 120),
    )
)


def cases(ctx):
    for number, case in enumerate(_CASES + (_LARGE if ctx.large else ())):
        make = attention.remembered(partial(prepared, ctx, case))
        for backend in attention.backends(ctx, number):
            yield "%s, %s" % (label_of(case), backend), partial(one, ctx, case, backend, make)


def label_of(case):
    heads = "%d" % case.heads if case.heads == case.kv_heads else "%d/%d" % (case.heads, case.kv_heads)
    sizes = (case.batch, heads, case.queries, case.keys, case.depth, case.mask, case.layout, case.offset)
    return "batch %d, heads %s, %d x %d, D %d, mask %s, %s, scores %+d" % sizes


def one(ctx, case, backend, make):
    operands, found, want = make()
    bound = attention.bounds(ctx, operands, found, want, backend)
    option = _OPTIONS.get(case.mask, case.mask)
    return attention.judged(ctx, operands, option, case.layout, backend, want, bound)


def prepared(ctx, case):
    operands = random(ctx, case)
    found = attention.inside(ctx.torch, operands)
    return operands, found, attention.answer(ctx.torch, operands, found)


def random(ctx, case):
    """q, k, v and g of variance 1; the last component of q and k makes the offset: 2**a times offset / scale / 2**a."""
    scale = case.depth**-0.5
    words = label_of(case)
    shape = (case.batch, case.kv_heads, case.keys, case.depth)
    wide = (case.batch, case.heads, case.queries, case.depth)
    sides = (("q", wide), ("k", shape), ("v", shape), ("g", wide))
    q, k, v, g = ((ctx.uniform(size, name, words) - 0.5) * 3.5 for name, size in sides)
    if case.offset:
        q[..., -1], k[..., -1] = 8.0, case.offset / scale / 8
    q, k, v, g = (ctx.rounded(x) for x in (q, k, v, g))
    return attention.Operands(q, k, v, g, allowed_by(ctx, case), bias_of(ctx, case), scale)


def allowed_by(ctx, case):
    """bool, broadcastable to (B, H, Lq, Lk), each row with at least one True; None where nothing is masked."""
    torch = ctx.torch
    row, column = torch.arange(case.queries)[:, None], torch.arange(case.keys)[None, :]
    if case.mask == "causal":
        return (column <= row)[None, None]
    if case.mask == "every":
        return torch.ones(1, 1, case.queries, case.keys, dtype=torch.bool)
    if case.mask == "window":
        return ((column - row).abs() <= 8)[None, None]
    if case.mask == "padding":  # the last keys of each sequence, another number for each
        kept = case.keys - 1 - torch.arange(case.batch) % case.keys
        return (column < kept[:, None].clamp(min=1))[:, None, None, :]
    if case.mask in ("bool", "additive"):
        kept = ctx.uniform((case.batch, case.heads, case.queries, case.keys), "mask", label_of(case)) < 0.7
        return kept | (column == row % case.keys)
    return None


def bias_of(ctx, case):
    torch = ctx.torch
    if case.mask == "alibi":  # slopes 2**-(h + 1) of the distance
        distance = (torch.arange(case.keys)[None, :] - torch.arange(case.queries)[:, None]).abs().double()
        slopes = 2.0 ** -(1 + torch.arange(case.heads).double() % 8)
        return ctx.rounded(-slopes[None, :, None, None] * distance)
    if case.mask == "bias":
        return ctx.rounded(ctx.uniform((1, case.heads, case.queries, case.keys), "bias", label_of(case)) * 4 - 2)
    return None
