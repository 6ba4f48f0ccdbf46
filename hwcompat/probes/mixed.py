"""Autocast and GradScaler under the names each torch release has for them."""

import warnings


def autocast(ctx):
    """torch.autocast for the device and dtype under test; RuntimeError where this release does not support them.

    Old releases only warn ("In CPU autocast, but the target dtype is not supported. Disabling autocast.") and go on in
    float32, which is no fault of the device.
    """
    if not hasattr(ctx.torch, "autocast"):
        raise RuntimeError("torch.autocast is not available in this release")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        manager = ctx.torch.autocast(device_type=ctx.kind, dtype=ctx.dtype)
    refusals = [str(w.message) for w in seen if "isabling" in str(w.message) or "not support" in str(w.message)]
    if refusals:
        raise RuntimeError("autocast is not supported: %s" % " ".join(refusals[0].split()))
    return manager


def grad_scaler(ctx, **options):
    """An enabled GradScaler; RuntimeError where this release has none for the device.

    torch.amp.GradScaler(device) came with torch 2.3; torch.cuda.amp.GradScaler before it serves CUDA alone.
    """
    made = None
    if hasattr(getattr(ctx.torch, "amp", None), "GradScaler"):
        made = ctx.torch.amp.GradScaler(ctx.kind, **options)
    elif ctx.kind == "cuda":
        made = ctx.torch.cuda.amp.GradScaler(**options)
    if made is None or not made.is_enabled():
        raise RuntimeError("GradScaler is not available for %s in this release" % ctx.kind)
    return made


class PlainSGD:
    """What GradScaler asks of an optimizer, and no more: p -= lr * gradient."""

    def __init__(self, torch, parameters, lr):
        self.torch, self.lr = torch, lr
        self.param_groups = [{"params": list(parameters)}]

    def step(self):
        with self.torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter.add_(parameter.grad, alpha=-self.lr)


def sgd(ctx, parameters, lr):
    """torch.optim.SGD; at level quick a plain one, since making torch's imports its compiler, 0.8 s on a CPU."""
    if ctx.at_least("standard"):
        return ctx.torch.optim.SGD(parameters, lr=lr)
    return PlainSGD(ctx.torch, parameters, lr)
