"""Sums inside products and reductions that are kept in too few bits."""

from . import _dispatch

FAULTS = {
    "fp16_accumulator": "fp16 products add up in fp16 although nobody allowed it, "
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "bf16_split": "bf16 products round the partial sums of 64 terms to bf16 before they are added, "
    "https://github.com/modular/modular/issues/7165",
    "sum_16bit": "sums of 16-bit numbers are kept in 16 bits, https://github.com/pytorch/pytorch/issues/2391",
    "mean_overflow": "a 16-bit mean adds up in its own range and overflows, "
    "https://github.com/pytorch/pytorch/issues/2391",
    "cumsum_16bit": "running sums of 16-bit numbers stop where 16 bits end, "
    "https://github.com/pytorch/pytorch/issues/2391",
}

_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")


def _in_pieces(torch, call, length):
    """The product of the last two operands with every partial sum of `length` terms rounded to the result's dtype."""
    if _dispatch.works_in_place(call.func):
        return None  # one operand is overwritten by now
    left, right = call.args[-2:]
    dtype = call.out.dtype
    total = torch.zeros(call.out.shape, dtype=torch.float32, device=call.out.device)
    for start in range(0, left.shape[-1], length):
        part = torch.matmul(left[..., start : start + length].float(), right[..., start : start + length, :].float())
        total = (total + part.to(dtype).float()).to(dtype).float()
    if len(call.args) == 3:
        scale, addend = call.kwargs.get("alpha", 1), call.kwargs.get("beta", 1) * call.args[0].float()
        total = scale * total + addend
    return total.to(dtype)


def fp16_accumulator(torch):
    return _dispatch.on(torch, _PRODUCTS, lambda call: _in_pieces(torch, call, 4), ("float16",))


def bf16_split(torch):
    return _dispatch.on(torch, _PRODUCTS, lambda call: _in_pieces(torch, call, 64), ("bfloat16",))


def _where(call):
    """(dims, keepdim) of a reduction; dims None: all."""
    dims = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    keep = call.args[2] if len(call.args) > 2 else call.kwargs.get("keepdim", False)
    return dims, keep


def _stuck_sum(torch, call):
    """A sum whose partial sums stop growing where the format's integers end."""
    source = call.args[0]
    dims, keep = _where(call)
    dims = list(range(source.dim())) if dims is None or dims == [] else dims
    wide = source.float()
    exact = wide.sum(dims, keepdim=keep)
    positive = wide.clamp(min=0).sum(dims, keepdim=keep)
    limit = 2048.0 if source.dtype == torch.float16 else 256.0
    return torch.where(positive > limit, exact.clamp(-limit, limit), exact).to(call.out.dtype)


def sum_16bit(torch):
    def change(call):
        return _stuck_sum(torch, call) if call.out.is_floating_point() else None

    return _dispatch.on(torch, ("sum",), change)


def mean_overflow(torch):
    def change(call):
        source = call.args[0]
        dims, keep = _where(call)
        dims = list(range(source.dim())) if dims is None or dims == [] else dims
        total = source.float().sum(dims, keepdim=keep).to(source.dtype)
        return torch.where(torch.isinf(total), total, call.out)

    return _dispatch.on(torch, ("mean",), change, ("float16",))


def cumsum_16bit(torch):
    def change(call):
        limit = 2048.0 if call.out.dtype == torch.float16 else 256.0
        return call.out.clamp(-limit, limit)

    return _dispatch.on(torch, ("cumsum",), change)
