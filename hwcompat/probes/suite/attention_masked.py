"""Rows that a mask closes completely, beside rows that it does not.

Hunts: NaN that spreads from a closed row to its neighbours, or is found where a release promises zeros
(https://github.com/pytorch/pytorch/issues/110213, https://github.com/pytorch/pytorch/issues/109517).
Rule: FEATURE for the closed rows: NaN (the quotient 0 / 0) and zeros (a safe softmax) are both in use; which one is
recorded. EXACT for every other row, whose weights are powers of two as in attention.exact, and, where the closed rows
are zeros, for the gradient of v as well, to which they then give nothing.
"""

from functools import partial

from .. import attention, attention_codes, judge
from ..attention_codes import Case

GROUP = "attention"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_CASES = (
    Case(1, 2, 2, 33, 40, 24, 2, "bool", "plain", 0, 0.25),
    Case(2, 1, 1, 64, 64, 64, 2, "additive", "plain", 0, 0.25),
)


def cases(ctx):
    for case in _CASES:
        make = attention.remembered(partial(attention_codes.prepared, ctx, case, 0))
        for backend in attention.backends(ctx):
            yield attention_codes.label_of(case, 0, backend), partial(one, ctx, case, backend, make)


def one(ctx, case, backend, make):
    """Every third row is closed; its gradient is 0, so that zeros there leave the other gradients as they are."""
    torch = ctx.torch
    operands, _, terms = make()
    bound = attention_codes.limits(ctx, case, operands, terms)
    closed = torch.arange(case.queries) % 3 == 2
    g = operands.g.masked_fill(closed[:, None], 0.0)
    whole = attention.answer(torch, operands._replace(g=g), rounded_inside(ctx, operands._replace(g=g), case))
    shut = operands._replace(g=g, allowed=operands.allowed & ~closed[:, None])
    leaves, (q, k, v) = attention.operands_on_device(ctx, shut, "plain")
    options, _ = attention.mask_options(ctx, shut, case.mask)
    try:
        with attention.forced(ctx, backend):
            out = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=case.scale, **options)
            out.backward(ctx.tensor(g))
    except RuntimeError as error:
        if backend == "default" or not attention.refused(error):
            raise
        return judge.skipped("the %s backend does not take these operands" % backend)
    open_rows = ctx.exact(out[:, :, ~closed], whole.o[:, :, ~closed], note="(open rows)")
    kind = kind_of(torch, ctx.values(out[:, :, closed]))
    if kind is None:
        return judge.failed("rows without keys are neither NaN nor zero", out.numel())
    kept = [side[:, :, ~closed] for side in (leaves[0].grad, whole.dq, bound.dq)]
    judgements = [open_rows, attention.within(ctx, kept[0], kept[1], kept[2], "(q, open rows)")]
    if kind == "zeros":
        judgements.append(attention.within(ctx, leaves[2].grad, whole.dv, bound.dv, note="(v)"))
    return ctx.all_of(*judgements)._replace(data={"closed_rows_%s" % backend: kind})


def rounded_inside(ctx, operands, case):
    found = attention.inside(ctx.torch, operands)
    weights = ctx.torch.round(found.weights * case.group) / case.group
    delta = (weights * found.dp).sum(3, keepdim=True)
    return found._replace(weights=weights, delta=delta, ds=weights * (found.dp - delta))


def kind_of(torch, values):
    if bool(torch.isnan(values).all()):
        return "nan"
    return "zeros" if bool((values == 0).all()) else None
