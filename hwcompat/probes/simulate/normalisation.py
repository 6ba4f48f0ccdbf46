"""Batch, layer and group norm: variance formulas, statistics in 16 bits, layouts."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "batch_channels_last_nan": "16-bit batch norm in channels_last gives NaN, "
    "https://github.com/pytorch/pytorch/issues/147303",
    "batch_channels_last_wrong": "fp16 batch norm in channels_last is wrong, "
    "https://github.com/pytorch/pytorch/issues/62594",
    "batch_backward_channels_last": "the gradient of 16-bit batch norm is wrong in channels_last, "
    "https://github.com/pytorch/pytorch/issues/62594",
    "variance_overflow": "16-bit norms square in 16 bits and overflow, "
    "https://github.com/microsoft/onnxruntime/issues/29043",
    "variance_cancels": "norms take the variance as the mean of squares less the square of the mean in 16 bits, "
    "https://github.com/pytorch/pytorch/issues/195701",
    "variance_unbiased": "norms divide the sum of squares by n-1: another variance than the one documented in "
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html",
    "running_statistics": "batch norm gives the right output and leaves wrong statistics behind: what is documented is "
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html",
}

_BATCH = ("native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update", "cudnn_batch_norm")
_LAYER = ("native_layer_norm",)
_GROUP = ("native_group_norm",)


def _with_first(out, value):
    return type(out)([value, *list(out)[1:]])


def _batch(torch, damage, dtypes, names=_BATCH):
    """Batch norms of images in channels_last have damage(output) for their first output."""

    def change(call):
        images = [t for t in call.args[:2] if isinstance(t, torch.Tensor)]
        if not any(_shapes.is_channels_last(torch, tensor) for tensor in images):
            return None
        return _with_first(call.out, damage(call.out[0]))

    return _dispatch.on(torch, names, change, dtypes)


def batch_channels_last_nan(torch):
    return _batch(torch, lambda out: out * float("nan"), _dispatch.LOW)


def batch_channels_last_wrong(torch):
    return _batch(torch, lambda out: _alter.with_slice(out, 1, 0, 2, 0.0), ("float16",))


def batch_backward_channels_last(torch):
    names = ("native_batch_norm_backward", "cudnn_batch_norm_backward", "batch_norm_backward")
    return _batch(torch, lambda out: _alter.with_slice(out, 1, 0, 2, 0.0), _dispatch.LOW, names)


def _statistics(torch, call):
    """(values in rows of one statistic each, number of values a row) of a layer or group norm in float64."""
    source = call.args[0].double()
    if call.name == "native_group_norm":
        rows = source.reshape(source.shape[0] * int(call.args[6]), -1)
    else:
        width = 1
        for size in call.args[1]:
            width *= size
        rows = source.reshape(-1, width)
    return rows


def _rescaled(torch, call, variance):
    """The output as if each row had been divided by the root of `variance(rows)` instead."""
    grouped = call.name == "native_group_norm"
    weight, bias = call.args[1:3] if grouped else call.args[2:4]
    rows, eps = _statistics(torch, call), call.args[-1]
    if not rows.numel():
        return None
    mean = rows.mean(1, keepdim=True)
    wrong = ((rows - mean) / (variance(rows) + eps).sqrt()).reshape(call.out[0].shape)
    channels = [1, -1] + [1] * (wrong.dim() - 2)
    if weight is not None:
        wrong = wrong * (weight.double().reshape(channels) if grouped else weight.double())
    if bias is not None:
        wrong = wrong + (bias.double().reshape(channels) if grouped else bias.double())
    return _with_first(call.out, wrong.to(call.out[0].dtype))


def _squared(rows):
    return (rows - rows.mean(1, keepdim=True)).pow(2).mean(1, keepdim=True)


def variance_overflow(torch):
    def change(call):
        rows = call.args[0].detach().abs().double()
        if not rows.numel() or rows.max() < 256.0:
            return None
        return _with_first(call.out, call.out[0] * 0)

    return _dispatch.on(torch, _LAYER + _GROUP + _BATCH, change, ("float16",))


def variance_cancels(torch):
    def change(call):
        dtype = call.args[0].dtype

        def formula(rows):
            square = rows.pow(2).mean(1, keepdim=True).to(dtype).double()
            return (square - rows.mean(1, keepdim=True).to(dtype).double().pow(2)).clamp(min=0.0)

        return _rescaled(torch, call, formula)

    return _dispatch.on(torch, _LAYER + _GROUP, change)


def variance_unbiased(torch):
    def change(call):
        return _rescaled(torch, call, lambda rows: _squared(rows) * rows.shape[1] / max(1, rows.shape[1] - 1))

    return _dispatch.on(torch, _LAYER + _GROUP, change, _dispatch.FLOATS)


def running_statistics(torch):
    def change(call):
        running, training = call.args[4], call.args[5]
        if running is None or not training:
            return None
        running.mul_(2.0)
        return call.out

    return _dispatch.on(torch, _BATCH[:2], change, _dispatch.FLOATS)
