"""Softmax and its logarithm: shifts, ranges, sums."""

from . import _dispatch

FAULTS = {
    "no_shift": "softmax does not subtract the maximum first and overflows: what keeps NaN out of "
    "https://github.com/pytorch/pytorch/issues/119131",
    "wide_range_nan": "softmax gives NaN where its inputs lie far apart, "
    "https://github.com/pytorch/pytorch/issues/119131",
    "masked_row_nan": "softmax of a row with -inf in it gives NaN, https://github.com/pytorch/pytorch/issues/124877",
    "log_of_rounded": "log_softmax is the logarithm of a rounded softmax and reaches -inf: what is documented is "
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html",
}

_SOFTMAX = ("_softmax",)


def no_shift(torch):
    def change(call):
        raised = call.args[0].float().exp()
        return (raised / raised.sum(call.args[1], keepdim=True)).to(call.out.dtype)

    return _dispatch.on(torch, _SOFTMAX, change, _dispatch.FLOATS)


def _rows_spoilt(torch, call, bad):
    """Rows for which bad(inputs, dim) holds become NaN."""
    source = call.args[0]
    if not source.numel() or not source.dim():
        return None
    hit = bad(source.float(), call.args[1])
    return torch.where(hit, torch.full_like(call.out, float("nan")), call.out)


def wide_range_nan(torch):
    def bad(source, dim):
        finite = torch.where(torch.isinf(source), source.amax(dim, keepdim=True), source)
        return finite.amax(dim, keepdim=True) - finite.amin(dim, keepdim=True) > 1000.0

    return _dispatch.on(torch, _SOFTMAX, lambda call: _rows_spoilt(torch, call, bad))


def masked_row_nan(torch):
    def bad(source, dim):
        return torch.isneginf(source).any(dim, keepdim=True)

    return _dispatch.on(torch, _SOFTMAX, lambda call: _rows_spoilt(torch, call, bad))


def log_of_rounded(torch):
    def change(call):
        source = call.args[0].float()
        raised = (source - source.amax(call.args[1], keepdim=True)).exp()
        share = (raised / raised.sum(call.args[1], keepdim=True)).half()
        return share.float().log().to(call.out.dtype)

    return _dispatch.on(torch, ("_log_softmax",), change, _dispatch.FLOATS)
