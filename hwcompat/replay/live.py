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


def bad_tables(roots):
    """Name -> copy of each buffer that is not finite and belongs to no layer of torch: tables that a net looks up."""
    found = {}
    for module_name, module in [pair for root in roots for pair in root.named_modules()]:
        if not type(module).__module__.startswith("torch."):
            for name, buffer in module._buffers.items():
                if buffer is not None and _is_bad(buffer.detach()):
                    found[".".join(filter(None, (module_name, name)))] = buffer.detach().clone()
    return found


def same(one, other):
    """Whether two tensors hold the same numbers, and NaN at the same places."""
    return (
        other is not None
        and one.shape == other.shape
        and bool(((one == other) | ((one != one) & (other != other))).all())
    )


def _named(roots):
    return [pair for root in roots for pair in root.named_parameters()]


def _is_bad(tensor):
    numbers = tensor.is_floating_point() or tensor.is_complex()
    return tensor.layout == torch.strided and numbers and not all_finite(tensor)
