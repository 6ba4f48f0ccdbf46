"""Whose numbers an optimizer computes with: every tensor in its step goes back to the parameters it was made from."""

from typing import Any, Dict, FrozenSet

import torch
from torch.utils._pytree import tree_flatten

from .shadow import key_of
from .trees import is_plain

NOBODY: FrozenSet[str] = frozenset()


class Owners:
    """Follows the operators of optimizer steps. `owned`: (name of a module, a parameter of its own)."""

    def __init__(self, owned):
        self.modules = {id(p): frozenset((name,)) for name, p in owned if name}
        self.table: Dict[Any, FrozenSet[str]] = {}
        self.held = []

    def enter(self, optimizer):
        """An optimizer begins its step: parameters, gradients and states belong to the module of the parameter."""
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            owner = self.modules.get(id(parameter), NOBODY)
            state = optimizer.state.get(parameter)
            states = list(state.values()) if isinstance(state, dict) else []
            for tensor in [parameter, parameter.grad, *states]:
                if isinstance(tensor, torch.Tensor) and is_plain(tensor):
                    self._give(tensor, owner)

    def _give(self, tensor, owner):
        self.table[key_of(tensor)] = owner
        self.held.append(tensor)  # keeps the memory, so that its key stays its own

    def of(self, value):
        """The modules whose numbers went into what was given."""
        tensors = [t for t in tree_flatten(value)[0] if isinstance(t, torch.Tensor) and is_plain(t)]
        return frozenset().union(*[self.table.get(key_of(t), NOBODY) for t in tensors])

    def follow(self, args, out):
        """An operator ran: what it gives belongs to those whose numbers it was given, list entry by list entry."""
        for given, gave in _rows(args, out):
            owner = self.of(given)
            for tensor in tree_flatten(gave)[0]:
                if isinstance(tensor, torch.Tensor) and is_plain(tensor) and key_of(tensor) not in self.table:
                    self._give(tensor, owner)

    def of_bad(self, args, out, is_bad):
        """The modules of the first row of an operator whose result is bad; operators in place give their argument."""
        in_place = args and (out is None or (isinstance(out, (list, tuple)) and not out))
        for given, gave in _rows(args, args[0] if in_place else out):
            if any(isinstance(t, torch.Tensor) and is_bad(t) for t in tree_flatten(gave)[0]):
                return self.of(given)
        return NOBODY


def _rows(args, out):
    """(arguments, result) of each entry where an operator works on lists (_foreach_*); of the operator itself else."""
    if not isinstance(out, (list, tuple)) or not args or not isinstance(args[0], (list, tuple)):
        return [(args, out)]
    lists = [a for a in args if isinstance(a, (list, tuple)) and len(a) == len(out)]
    return [([a[n] for a in lists], out[n]) for n in range(len(out))]
