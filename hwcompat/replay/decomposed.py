"""Operators in float64 by torch's own decompositions: another way than the kernel, for the hundreds that have one.

A decomposition writes an operator as simpler ones. Run in float64 it is a second referee. What appears on its way
certifies that nothing had to leave the range of the type: the largest number (of sums, products of matrices and norms:
of the magnitudes or squares that they add), and the smallest number that anything was divided by, or that a logarithm
was taken of, which must not round to 0. Both only where every step is one of those known here. Releases of torch
without decompositions give nothing, and then nothing is claimed.
"""

from dataclasses import dataclass
from typing import Any, List

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from . import opfacts

ADDING = opfacts.LINEAR | opfacts.words("sum cumsum outer scatter_add index_add index_put index_put_ _unsafe_index_put")
SQUARING = opfacts.words("norm linalg_vector_norm var var_mean std std_mean hypot")
DIVIDING = opfacts.words("div true_divide reciprocal rsqrt fmod remainder floor_divide log log2 log10 log1p pow atan2")
PLAIN = opfacts.words(
    """
    abs acos acosh add amax amin asin asinh atan atanh ceil clamp clamp_min clamp_max cos cosh div erf erfc exp exp2
    expm1 floor fmax fmin fmod leaky_relu log_sigmoid max maximum mean min minimum mul neg pow relu relu6 round rsub
    sigmoid sign signbit sin sinh softmax softplus sub tan tanh sqrt threshold trunc hardtanh true_divide

    all any argmax argmin bitwise_and bitwise_not bitwise_or bitwise_xor eq ge gt isfinite isinf isnan isneginf isposinf
    le logical_and logical_not logical_or logical_xor lt ne __and__ __or__ __xor__

    _to_copy _unsafe_index _unsafe_masked_index _unsafe_view alias arange as_strided as_strided_scatter broadcast_in_dim
    broadcast_tensors broadcast_to cat clone constant_pad_nd contiguous convert_element_type copy copy_ copy_strided
    copy_to detach diag diagonal diagonal_scatter embedding empty empty_like empty_permuted empty_strided expand
    expand_as fill fill_ flatten flip full full_like gather index index_copy index_select iota item lift_fresh linspace
    masked_fill movedim narrow new_empty new_full new_zeros numpy_T ones ones_like pad permute repeat reshape rev roll
    scalar_tensor scatter select select_scatter slice slice_scatter sort split split_with_sizes squeeze squeeze_copy
    stack t tensor_split to topk transpose tril triu type_as unbind unfold unsqueeze view where zeros zeros_like
    """
)
"""Operators that meet nothing larger on their way than what goes in and comes out."""


@dataclass(frozen=True)
class Way:
    """`outputs` in float64; `largest` magnitude met; `smallest` magnitude divided by (infinity: nothing was divided).

    `known`: whether both of them tell of every step.
    """

    outputs: List[Any]
    largest: float
    smallest: float
    known: bool


class Extremes(TorchDispatchMode):
    """What a Way tells, for the operators inside."""

    def __init__(self):
        super().__init__()
        self.largest, self.smallest, self.known = 0.0, float("inf"), True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = opfacts.name_of(func)
        self.known = self.known and name in _KNOWN
        if name in ADDING:
            sizes, options = opfacts.magnitudes(args, kwargs)
            self._met(func(*sizes, **options))
        elif name in SQUARING:
            self._met([t.double().square().sum() for t in _floats(args)])
        elif name == "mean":
            self._met([t.abs().sum() for t in _floats(args)])
        self._met(out)
        if name in DIVIDING:
            self._divided(name, args)
        return out

    def _met(self, values):
        self.largest = max([self.largest, *(_top(t) for t in _floats(values))])

    def _divided(self, name, args):
        operands = args[1:2] if name in ("div", "true_divide", "fmod", "remainder", "floor_divide") else args[:1]
        for value in operands:
            size = _least(value) if isinstance(value, torch.Tensor) else abs(float(value))
            self.smallest = min(self.smallest, size)


_KNOWN = ADDING | SQUARING | DIVIDING | PLAIN


def way(func, args, kwargs):
    """The Way of the decomposition of `func`; None where it has none, or it fails. Arguments are in float64."""
    maker = _table().get(func)
    if maker is None or opfacts.is_random(func):
        return None
    met = Extremes()
    try:
        with met:
            made = maker(*args, **kwargs)
    except Exception:
        return None
    largest = max([met.largest, *(_top(t) for t in _floats((args, kwargs)))])
    return Way(list(made) if isinstance(made, (tuple, list)) else [made], largest, met.smallest, met.known)


def _table():
    try:
        from torch._decomp import decomposition_table
    except Exception:  # torch before 1.13
        return {}
    return decomposition_table


def _floats(values):
    return [
        t for t in tree_flatten(values)[0] if isinstance(t, torch.Tensor) and t.is_floating_point() and t.numel() > 0
    ]


def _top(tensor):
    """The largest finite magnitude; a mask of -inf is nobody's overflow."""
    values = tensor.detach().abs()
    values = values[torch.isfinite(values)]
    return float(values.max()) if values.numel() else 0.0


def _least(tensor):
    """The smallest magnitude that is not 0: a 0 is a 0 in every type."""
    values = tensor.detach().abs()
    values = values[values > 0]
    return float(values.min()) if values.numel() else float("inf")
