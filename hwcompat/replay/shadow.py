"""The same step in float64 beside the real one: every storage has a shadow, every operator runs on both.

Decisions (masks, indices, `.item()`, dropout) are those of the real run; values in the shadow never were rounded to the
type of the tensor, so a shadow that is finite, or not zero, where the tensor is not shows that the type was too narrow
somewhere upstream, which no replay of a single operator on its rounded inputs can show.
"""

import time
from typing import Any, List

import torch
from torch.utils._pytree import tree_flatten, tree_map

from . import opfacts
from .trees import is_plain

LOW = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def storage_of(tensor):
    """The memory of a tensor, by the name that this release of torch has for it (1.13: untyped(), then a property)."""
    if hasattr(tensor, "untyped_storage"):
        return tensor.untyped_storage()
    storage = tensor.storage()
    return storage.untyped() if hasattr(storage, "untyped") else storage._untyped()


def key_of(tensor):
    """Stands for the memory of a tensor as long as somebody holds its storage."""
    return storage_of(tensor)._cdata


def is_float(value):
    return isinstance(value, torch.Tensor) and value.dtype in LOW and is_plain(value)


class Shadows:
    """float64 shadows of storages. `alive` turns False when time or memory ran out; then nothing more is claimed."""

    def __init__(self, seconds=60.0):
        self.table, self.alive, self.why = {}, True, ""
        self.deadline = time.monotonic() + seconds

    def gap(self, tensor):
        """|tensor - shadow| / |shadow| in the 2-norm; 0.0 where nothing can be compared."""
        if not self.alive or not is_float(tensor) or not self.known(tensor):
            return 0.0
        wide = self.of(tensor)
        size = float(wide.norm())
        return float((tensor.detach().double() - wide).norm()) / size if 0.0 < size < float("inf") else 0.0

    def give_up(self, why):
        self.alive, self.why = False, why
        self.table.clear()

    def of(self, tensor):
        """The shadow of a float tensor: same size and strides, made from its present content if there is none."""
        key = (key_of(tensor), tensor.dtype)
        if key not in self.table:
            storage = storage_of(tensor)
            flat = torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(storage)
            self.table[key] = (storage, flat.to(torch.float64, copy=True))
        flat = self.table[key][1]
        return flat.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())

    def known(self, tensor):
        return (key_of(tensor), tensor.dtype) in self.table

    def before(self, args, kwargs):
        """The arguments as shadows, taken before the real operator runs; None where that is not possible."""
        if not self.alive:
            return None
        if time.monotonic() > self.deadline:
            self.give_up("the step in float64 took too long")
            return None
        try:
            change = self._argument
            return tree_map(change, list(args)), tree_map(change, kwargs)
        except RuntimeError as error:
            self.give_up("no float64 shadow: %s" % str(error).splitlines()[0][:80])
            return None

    def _argument(self, value):
        if is_float(value):
            return self.of(value)
        if isinstance(value, torch.dtype) and value in LOW:
            return torch.float64
        return value

    def after(self, func, name, given, out, real_args):
        """Runs the operator on the shadows and files what comes out under the storages of the real outputs."""
        if given is None or not self.alive:
            return
        aliases = {key_of(t) for t in tree_flatten(real_args)[0] if isinstance(t, torch.Tensor) and is_plain(t)}
        try:
            shadow_out = self._run(func, name, given)
        except Exception:
            shadow_out = None
        self._file(out, shadow_out, aliases)

    def _run(self, func, name, given):
        args, kwargs = tree_map(_spared, given) if opfacts.written(func) else given
        if opfacts.is_random(func) or name in opfacts.UNFILLED:
            return None
        if name == "_amp_foreach_non_finite_check_and_unscale_":
            for grad in args[0]:
                grad.mul_(args[2].to(grad.device))
            return ()
        if name in ("_softmax", "_log_softmax"):
            args = args[:2] + [False]
        return func(*args, **kwargs)

    def _file(self, out, shadow_out, aliases):
        real = [t for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor)]
        shadows: List[Any] = [t for t in tree_flatten(shadow_out)[0] if isinstance(t, torch.Tensor)]
        if len(shadows) != len(real):
            shadows = [None] * len(real)
        for tensor, shadow in zip(real, shadows):
            if not is_float(tensor):
                continue
            if key_of(tensor) in aliases:
                if shadow is None:  # changed in place by something that has no float64 form
                    self.of(tensor).copy_(tensor)
                continue
            self._put(tensor, shadow)

    def _put(self, tensor, shadow):
        self.table.pop((key_of(tensor), tensor.dtype), None)
        target = self.of(tensor)
        if shadow is not None and shadow.shape == tensor.shape and shadow.dtype == torch.float64:
            target.copy_(shadow)


def _spared(value):
    """Integers and masks have no shadow: an operator in place must not change the real ones a second time."""
    return value.clone() if isinstance(value, torch.Tensor) and not is_float(value) else value
