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

from functools import partial

from .. import attention, attention_codes
from ..attention_codes import Case, label_of

GROUP = "attention"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.6
VERSION = 1
WORKAROUND = "Choose another attention backend: torch.nn.attention.sdpa_kernel or torch.backends.cuda.enable_*_sdp."

_CASES = (
    Case(2, 2, 2, 64, 64, 64, 64, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 64, 64, 64, 2, "every", "rows", -128, 0.0625),
    Case(1, 1, 1, 192, 192, 64, 4, "bool", "plain", -128, 0.25),
    Case(1, 1, 1, 128, 128, 16, 4, "none", "columns", 128, 0.25),
    Case(1, 3, 3, 63, 63, 40, 2, "causal", "fused", 0, 0.25),
    Case(1, 4, 2, 65, 65, 32, 2, "causal", "rows", 0, 0.25),
    Case(1, 2, 2, 127, 127, 80, 4, "additive", "rows", 0, 0.0625),
    Case(2, 1, 1, 129, 129, 24, 4, "padding", "plain", 0, 0.25),
    Case(1, 1, 1, 257, 257, 96, 2, "finite", "rows", 0, 0.25),
    Case(8, 12, 12, 8, 8, 8, 2, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 31, 100, 72, 2, "bool", "sparse", 0, 0.25),
    Case(1, 6, 1, 1, 1024, 16, 64, "none", "plain", 0, 0.25),
    Case(1, 1, 1, 1, 128, 128, 32, "none", "plain", -128, 0.0625),
    Case(1, 1, 1, 20, 1030, 16, 4, "bool", "rows", 0, 0.25),
    Case(1, 1, 1, 778, 33, 16, 2, "causal", "plain", 0, 0.25),
    Case(1, 1, 1, 33, 17, 16, 2, "causal", "plain", 0, 0.25),
    Case(3, 1, 1, 2, 2, 8, 1, "causal", "rows", 0, 0.25),
    Case(2, 3, 3, 9, 11, 9, 2, "none", "rows", 0, 0.25),
)
_TWINS = (0, 6, 7)
"""Cases that run again with other numbers, so that an output left over from before shows."""
_LARGE = (
    Case(1, 2, 2, 704, 704, 64, 2, "every", "rows", -128, 0.25),
    Case(1, 2, 2, 1088, 1088, 128, 2, "bool", "rows", 0, 0.25),
    Case(1, 4, 1, 704, 704, 64, 2, "causal", "rows", 0, 0.25),
    Case(1, 1, 1, 2048, 2048, 64, 512, "none", "fused", 0, 0.25),
    Case(1, 2, 2, 320, 320, 256, 2, "every", "rows", 0, 0.0625),
)
_OPTIONS = {"every": "bool", "padding": "bool"}


def cases(ctx):
    for number, case in enumerate(_CASES + (_LARGE if ctx.large else ())):
        for turn in range(2 if case in [_CASES[i] for i in _TWINS] else 1):
            make = attention.remembered(partial(attention_codes.prepared, ctx, case, turn))
            for backend in attention.backends(ctx, number):
                yield label_of(case, turn, backend), partial(one, ctx, case, backend, make)
    yield "65537 windows of 2 x 2", partial(windows, ctx, 65537)


def one(ctx, case, backend, make):
    operands, want, terms = make()
    bound = attention_codes.limits(ctx, case, operands, terms)
    return attention.judged(ctx, operands, _OPTIONS.get(case.mask, case.mask), case.layout, backend, want, bound)


def windows(ctx, count):
    """More windows than a grid of 65535 blocks holds; the weights are 1/2, gradients through q = k = 0 nothing."""
    torch = ctx.torch
    depth = 8 if ctx.large else 2
    zeros = ctx.torch.zeros(1, 1, 1, 1)
    q, k = (ctx.repeated(zeros, (count, 1, 2, depth)).requires_grad_() for _ in range(2))
    v = ctx.integers((251, 1, 2, depth), -8, 8, "windows").double() * 2
    leaf = ctx.repeated(v, (count, 1, 2, depth)).requires_grad_()
    out = torch.nn.functional.scaled_dot_product_attention(q, k, leaf)
    out.backward(leaf.detach())
    mean = v.mean(2, keepdim=True).expand(v.shape)
    return ctx.all_of(
        ctx.exact_repeated(out, mean, note="(output)"),
        ctx.exact_repeated(leaf.grad, mean, note="(v)"),
        ctx.exact_repeated(q.grad, zeros, note="(q)"),
        ctx.exact_repeated(k.grad, zeros, note="(k)"),
    )
