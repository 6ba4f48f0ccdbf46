"""What an operator should have given: float64 by torch on the CPU, an independent float64, and the magnitude bound.

The bound is the certificate: for a sum of products no order of additions can leave +-B where B = sum |a||b|
(Higham 2002, section 3.1), so with B below the largest number of the type nothing may come out non-finite.
"""

import contextlib

import torch
import torch.utils._python_dispatch
from torch.utils._pytree import tree_flatten, tree_map

from . import attention, decomposed, independent, opfacts

LIMIT = {torch.float16: 65504.0, torch.bfloat16: 3.3895e38, torch.float32: 3.4028234e38, torch.float64: 1.7e308}
MARGIN = 100.0
"""Convolutions may go through transforms that keep scaled intermediates; for them the bound must hold with this."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def quiet(device_type):
    """No autograd and no autocast around a replayed operator."""
    stack = contextlib.ExitStack()
    stack.enter_context(torch.no_grad())
    for kind in {"cpu", device_type} & {"cpu", "cuda", "xpu"}:
        stack.enter_context(torch.autocast(kind, enabled=False))
    return stack


def alone():
    """No dispatch mode takes part: a referee is asked directly."""
    disable = getattr(torch.utils._python_dispatch, "_disable_current_modes", None)
    return disable() if disable is not None else contextlib.nullcontext()


def upcast(value):
    """A float tensor as float64 on the CPU; other tensors on the CPU; dtypes as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.to(torch.float64) if value.dtype in FLOATS else value
    if isinstance(value, torch.dtype) and value in FLOATS:
        return torch.float64
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value


def arguments(name, args, kwargs):
    """The arguments for a float64 run."""
    args, kwargs = list(tree_map(upcast, list(args))), dict(tree_map(upcast, kwargs))
    if name in ("_softmax", "_log_softmax"):
        args = args[:2] + [False]
    return args, kwargs


def truth(func, name, args, kwargs):
    """The outputs in float64 by torch's own CPU kernels, or None where that cannot be computed."""
    args, kwargs = arguments(name, args, kwargs)
    try:
        with quiet("cpu"), alone():
            # A kernel's backward is given its rounded forward result; the definition is not.
            return (
                attention.outputs(func, name, args, kwargs) if attention.is_attention(name) else func(*args, **kwargs)
            )
    except Exception:
        return None


def second(func, name, args, kwargs, dtype):
    """(outputs in float64 by another way, largest magnitude on it), either of them None where that is not known.

    The way is the definition written out (module `independent`), else torch's decomposition (module `decomposed`).
    Where something is divided by what may round to 0 in `dtype`, there is no such magnitude.
    """
    args, kwargs = arguments(name, args, kwargs)
    try:
        with quiet("cpu"), alone():
            if attention.is_attention(name):
                made = attention.outputs(func, name, args, kwargs, independent.product, independent.softmax)
                return made, attention.bound(func, name, args, kwargs, independent.product)
            made = independent.outputs(name, args, kwargs)
            way = decomposed.way(func, args, kwargs)
            if way is None:
                return made, independent.envelope(name, args, kwargs) if made is not None else None
            safe = way.known and way.smallest > MARGIN * torch.finfo(dtype).tiny
            return made if made is not None else way.outputs, way.largest if safe else None
    except Exception:
        return None, None


def bound(func, name, args, kwargs):
    """sum |a||b| (+|bias|) for every element of a linear operator's outputs, sum |x| for a sum's or a mean's, in
    float64; None for other operators."""
    if name not in opfacts.LINEAR and name not in opfacts.ADDING:
        return None
    args, kwargs = arguments(name, args, kwargs)
    made = truth(func, name, *opfacts.magnitudes(args, kwargs))
    if name == "mean" and made is not None:
        return made * (args[0].numel() / max(1, made.numel()))
    return made


def terms(name, args):
    """The number of products that a linear operator adds for one output element."""
    if name in opfacts.MATRIX:
        first = args[1] if name.startswith("add") or name == "baddbmm" else args[0]
        return int(first.shape[-1]) + 1
    if name in opfacts.CONVOLUTION:
        weight = args[1]
        return int(weight[0].numel()) + 1
    grad, _inputs, weight = args[:3]
    return max(int(weight[:, 0].numel()), int(grad.numel() // max(1, grad.shape[1]))) + 1


def flat(outputs):
    """The float tensors among an operator's inputs or outputs, in order; of sparse ones their values."""
    floats = [t for t in tree_flatten(outputs)[0] if isinstance(t, torch.Tensor) and t.dtype in FLOATS]
    return [t.detach()._values() if t.layout == torch.sparse_coo else t for t in floats]


def finite(outputs):
    """Whether outputs are known and all finite."""
    return outputs is not None and all(bool(torch.isfinite(t).all()) for t in flat(outputs))


def largest(outputs):
    """The largest magnitude, infinity where something is not finite; 0.0 for nothing."""
    sizes = [float(t.detach().abs().max()) for t in ([] if outputs is None else flat(outputs)) if t.numel()]
    return max([float("inf") if size != size else size for size in sizes] or [0.0])


def agree(one, other):
    """Whether two float64 answers tell the same story, up to rounding of sums."""
    pairs = list(zip(flat(one), flat(other)))
    return bool(pairs) and all(
        a.shape == b.shape and bool(torch.allclose(a, b.to(a.dtype), rtol=1e-6, atol=1e-9 * (1.0 + largest([a]))))
        for a, b in pairs
    )
