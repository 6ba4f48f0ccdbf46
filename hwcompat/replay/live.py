"""What the live step left behind that is not finite: the names of gradients and of weights."""

import torch

from .recorder import all_finite


def bad_gradients(roots):
    """Names of the parameters whose gradient is not finite."""
    return [name for name, p in _named(roots) if p.grad is not None and _is_bad(p.grad)]


def bad_weights(roots):
    """Names of the parameters that are not finite themselves."""
    return [name for name, p in _named(roots) if _is_bad(p.detach())]


def _named(roots):
    return [pair for root in roots for pair in root.named_parameters()]


def _is_bad(tensor):
    return tensor.layout == torch.strided and tensor.is_floating_point() and not all_finite(tensor)
