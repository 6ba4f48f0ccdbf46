"""What the live step left behind that is not finite: the names of gradients and of weights."""

import torch

from .recorder import all_finite


def bad_gradients(roots):
    """Names of the parameters whose gradient is not finite."""
    return [name for name, p in _named(roots) if p.grad is not None and _is_bad(p.grad)]


def bad_weights(roots, buffers=False):
    """Names of the parameters, and of the buffers if asked, that are not finite themselves."""
    named = _named(roots) + [pair for root in roots for pair in root.named_buffers() if buffers]
    return [name for name, tensor in named if _is_bad(tensor.detach())]


def _named(roots):
    return [pair for root in roots for pair in root.named_parameters()]


def _is_bad(tensor):
    numbers = tensor.is_floating_point() or tensor.is_complex()
    return tensor.layout == torch.strided and numbers and not all_finite(tensor)
