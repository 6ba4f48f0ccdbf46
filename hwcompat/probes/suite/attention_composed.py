"""Attention as models write it themselves: products, scale, mask, softmax, product, forward and backward, to the bit.

Hunts: batched products with a mask as their addend, masks filled in place, softmax in float32 of 16-bit scores, einsum,
and wrong gradients of each; these kernels serve every model that does not use the fused operator.
Rule: EXACT, with operands and bounds as in attention.exact: weights are powers of two however they are made, and so the
written-out forms must agree to the bit, scores kept in 16 bits included (they are multiples of 256 below 2**15).
Fully masked rows are left out, whose value is a matter of convention.
Source: the formula of
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html; scores that were
NaN because beta = 0 read the addend of baddbmm (MPS, https://github.com/pytorch/pytorch/issues/194442).
"""

from functools import partial

from .. import attention, attention_codes
from ..attention_codes import Case

GROUP = "attention"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_CASES = (
    ("matmul", Case(1, 2, 2, 65, 65, 40, 4, "bool", "rows", 0, 0.25)),
    ("matmul", Case(2, 3, 3, 8, 24, 16, 2, "padding", "fused", 0, 0.25)),
    ("baddbmm", Case(1, 2, 2, 64, 96, 32, 2, "additive", "plain", 0, 0.25)),
    ("baddbmm", Case(2, 1, 1, 33, 33, 24, 4, "none", "columns", 0, 0.25)),
    ("einsum", Case(2, 2, 2, 31, 31, 16, 2, "causal", "rows", 0, 0.25)),
    ("einsum", Case(1, 1, 1, 1, 257, 16, 32, "none", "plain", 0, 0.25)),
)
_LARGE = (("matmul", Case(1, 2, 2, 1088, 1088, 64, 2, "causal", "rows", 0, 0.25)),)


def cases(ctx):
    for form, case in _CASES + (_LARGE if ctx.large else ()):
        if case.layout == "fused":  # queries of their own
            case = case._replace(layout="sparse")
        yield attention_codes.label_of(case, 0, form), partial(one, ctx, form, case)


def one(ctx, form, case):
    operands, want, terms = attention_codes.prepared(ctx, case, 0)
    bound = attention_codes.limits(ctx, case, operands, terms)
    leaves, (q, k, v) = attention.operands_on_device(ctx, operands, case.layout)
    out = _FORMS[form](ctx, q, k, v, operands)
    out.backward(ctx.tensor(operands.g))
    wants, limits = ([x.o] + attention.in_layout(ctx, (x.dq, x.dk, x.dv), case.layout) for x in (want, bound))
    names = ("output", "gradient of q", "gradient of k", "gradient of v")
    outs = [out] + [leaf.grad for leaf in leaves]
    found = [
        attention.within(ctx, got, right, limit, "(%s)" % name)
        for name, got, right, limit in zip(names, outs, wants, limits)
    ]
    return ctx.all_of(*found)


def by_matmul(ctx, q, k, v, operands):
    scores = ctx.torch.matmul(q, k.transpose(-2, -1)) * operands.scale
    if operands.allowed is not None:
        scores = scores.masked_fill(~operands.allowed.to(ctx.device), float("-inf"))
    return ctx.torch.matmul(scores.softmax(-1), v)


def by_baddbmm(ctx, q, k, v, operands):
    """The mask is the addend of the product; heads and batch are one dimension."""
    torch = ctx.torch
    flat = [x.reshape((-1,) + tuple(x.shape[2:])) for x in (q, k, v)]
    shape = (flat[0].shape[0], flat[0].shape[1], flat[1].shape[1])
    addend, beta = torch.empty(shape, dtype=q.dtype, device=q.device), 0
    if operands.allowed is not None:
        closed = torch.zeros(operands.allowed.shape, dtype=torch.float64).masked_fill(~operands.allowed, -(2.0**15))
        addend, beta = ctx.tensor(closed).expand(q.shape[:2] + shape[1:]).reshape(shape), 1
    scores = torch.baddbmm(addend, flat[0], flat[1].transpose(1, 2), beta=beta, alpha=operands.scale)
    return torch.bmm(scores.softmax(dim=-1), flat[2]).reshape(tuple(q.shape[:3]) + (v.shape[3],))


def by_einsum(ctx, q, k, v, operands):
    """Scores of 16 bits, softmax in float32."""
    torch = ctx.torch
    scores = torch.einsum("bhid,bhjd->bhij", q, k) * operands.scale
    if operands.allowed is not None:
        closed = torch.zeros(operands.allowed.shape, dtype=torch.float64).masked_fill(~operands.allowed, -(2.0**15))
        scores = scores + ctx.tensor(closed)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
    return torch.einsum("bhij,bhjd->bhid", weights, v)


_FORMS = {"matmul": by_matmul, "baddbmm": by_baddbmm, "einsum": by_einsum}
