"""Operators in float64 by torch's own decompositions: another way than the kernel, for the hundreds that have one.

A decomposition writes an operator as simpler ones. Run in float64 it is a second referee, and the largest number that
appears on its way (sums and products of matrices taken of magnitudes) certifies that nothing had to leave the range of
the type. Releases of torch without them give None, and then nothing is claimed.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from . import opfacts


class Largest(TorchDispatchMode):
    """The largest magnitude of any result inside; of sums and linear operators, of the same over magnitudes."""

    def __init__(self):
        super().__init__()
        self.magnitude = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = opfacts.name_of(func)
        looked = func(*tree_map(_size, args), **tree_map(_size, kwargs)) if name in _ADDING else out
        for tensor in tree_flatten(looked)[0]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.numel():
                self.magnitude = max(self.magnitude, _top(tensor))
        return out


_ADDING = opfacts.LINEAR | opfacts.ADDING


def run(func, args, kwargs):
    """(outputs, largest magnitude on the way) of the decomposition of `func`; None where it has none, or it fails."""
    maker = _table().get(func)
    if maker is None or opfacts.is_random(func):
        return None
    largest = Largest()
    try:
        with largest:
            made = maker(*args, **kwargs)
    except Exception:
        return None
    inputs = [_top(t) for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor) and t.is_floating_point()]
    return (list(made) if isinstance(made, (tuple, list)) else [made]), max([largest.magnitude, *inputs])


def _table():
    try:
        from torch._decomp import decomposition_table
    except Exception:  # torch before 1.13
        return {}
    return decomposition_table


def _top(tensor):
    """The largest finite magnitude; a mask of -inf is nobody's overflow."""
    values = tensor.detach().abs()
    values = values[torch.isfinite(values)]
    return float(values.max()) if values.numel() else 0.0


def _size(value):
    return value.abs() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
