"""Scaled dot product attention from its definition, forward and backward, for every kernel that torch has for it.

The kernels differ in their names, in the order of their arguments and in their by-products; what they are given has the
same names in all of them, so arguments are told apart by the names in the operator's schema.
"""

import torch

MARK = "scaled_dot_product"


def is_attention(name):
    return MARK in name


def is_backward(name):
    return MARK in name and name.endswith("backward")


def named(func, args, kwargs):
    """{argument's name: value} of an operator's call, by its schema; arguments left to their default are left out."""
    names = [a.name for a in func._schema.arguments]
    return dict(zip(names, args), **kwargs)


def written_out(given, product=torch.matmul, softmax=torch.softmax):
    """softmax(q k^T * scale + mask) v, in the type of what it is given. NotImplementedError with dropout."""
    if given.get("dropout_p"):
        raise NotImplementedError("attention with dropout is drawn anew each time")
    query, key, value = given["query"], given["key"], given["value"]
    scale = given.get("scale")
    scores = product(query, key.transpose(-1, -2)) * (scale if scale is not None else query.shape[-1] ** -0.5)
    if given.get("is_causal"):
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, float("-inf"))
    mask = given.get("attn_mask", given.get("attn_bias"))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return product(softmax(scores, -1), value)


def gradients(given, product=torch.matmul, softmax=torch.softmax):
    """[dq, dk, dv] by the derivative of `written_out`."""
    grad = given.get("grad_out", given.get("grad_out_"))
    with torch.enable_grad():
        leaves = [given[name].detach().clone().requires_grad_() for name in ("query", "key", "value")]
        out = written_out(dict(given, query=leaves[0], key=leaves[1], value=leaves[2]), product, softmax)
        return list(torch.autograd.grad(out, leaves, grad))


def outputs(func, name, args, kwargs, product=torch.matmul, softmax=torch.softmax):
    """What counts of an attention operator's outputs: [attention], or [dq, dk, dv]."""
    given = named(func, args, kwargs)
    if is_backward(name):
        return gradients(given, product, softmax)
    return [written_out(given, product, softmax)]


def bound(func, name, args, kwargs, product=torch.matmul):
    """No sane kernel passes this magnitude on its way: every product is taken of magnitudes, every weight as 1."""
    given = named(func, args, kwargs)
    query, key, value = (given[n].abs() for n in ("query", "key", "value"))
    scores, values = product(query, key.transpose(-1, -2)).max(), value.sum(-2).max()
    if not is_backward(name):
        return float(torch.maximum(scores, values))
    grad = given.get("grad_out", given.get("grad_out_")).abs()
    weights = product(grad, value.transpose(-1, -2))
    change = 2.0 * weights.max() * max(1.0, abs(given.get("scale") or 1.0))
    parts = (scores, values, change, change * key.sum(-2).max(), change * query.sum(-2).max(), grad.sum(-2).max())
    return float(max(parts))
