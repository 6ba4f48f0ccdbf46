"""Where an operation belongs: the module on top of the call stack, the phase, the line of the user's own code."""

import bisect
import contextlib
import os
import sys
from typing import Any, Dict

import torch

from . import referee, trees
from .entry import wrapped_steps
from .finding import DATA, LOSS, OPTIMIZER
from .owners import Owners

NO_SEQUENCE = 1 << 60
OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


class Places:
    """Follows the modules of a model while a step runs. A context; at its end no hook is left."""

    def __init__(self, roots, optimizers):
        self.names, self.optimizers = names_of(roots), optimizers
        self.top = {id(root) for root in roots}
        self.owners = Owners(_owned(roots, self.names))
        self.stack, self.entered, self.in_optimizer = [], False, 0
        self.known, self.forward = [], {}
        self.calls, self.top_inputs, self.gains, self.sizes = {}, [], {}, {}
        self._handles, self._steps = [], contextlib.ExitStack()

    def __enter__(self):
        modules = torch.nn.modules.module
        self._handles = [
            modules.register_module_forward_pre_hook(self._enter),
            modules.register_module_forward_hook(self._leave),
        ]
        self._steps.enter_context(wrapped_steps(self.optimizers, self._inside))
        return self

    def __exit__(self, *error):
        for handle in self._handles:
            handle.remove()
        self._steps.close()

    def _inside(self, optimizer, original):
        def step(*args, **kwargs):
            self.in_optimizer += 1
            self.owners.enter(optimizer)
            try:
                return original(*args, **kwargs)
            finally:
                self.in_optimizer -= 1

        return step

    # A hook that returned something would replace the module's output: both give None.
    def _enter(self, module, args):
        name = self.names.get(id(module))
        if name is None:
            return
        if id(module) in self.top:
            self.top_inputs += [t for _path, t in trees.leaves(args)]
        self.entered = True
        self.stack.append((id(module), name))
        self.calls[name] = self.calls.get(name, 0) + 1

    def _leave(self, module, args, output):
        if id(module) not in self.names:
            return
        self._gain(self.names[id(module)], args, output)
        while self.stack:  # a forward that raised inside a try block left its name behind
            if self.stack.pop()[0] == id(module):
                return

    def _gain(self, name, args, output):
        """Keeps how many times larger than its input the module's output was, in its largest call."""
        with referee.alone(), torch.no_grad():
            sizes = [referee.largest([t for _path, t in trees.leaves(given)]) for given in (args, output)]
        if all(0.0 < size < float("inf") for size in sizes):
            self.gains[name] = max(self.gains.get(name, 0.0), sizes[1] / sizes[0])
            self.sizes[name] = (self.sizes.get(name, sizes)[0], sizes[1])

    def here(self):
        """(module, phase, source) of the operation that is dispatched now."""
        node = current_node()
        source = user_line()
        if node is None and not in_backward():
            return self._forward_place(source)
        if self.stack:  # activation checkpointing computes forward operations again
            return self.stack[-1][1] or LOSS, "backward", source
        found = self._of_node(node)
        return (found[0], "backward", found[1]) if found else (LOSS, "backward", source)

    def _forward_place(self, source):
        if self.in_optimizer:
            return OPTIMIZER, "optimizer", source
        if self.stack:
            place = (self.stack[-1][1], "forward", source)
        elif self.entered:
            place = (LOSS, "loss", source)
        else:
            place = (DATA, "data", source)
        self._remember(place)
        return place

    def _remember(self, place):
        """The autograd node of a forward operation exists already when the operation is dispatched."""
        number = sequence_number() - 1
        if number not in self.forward:
            self.forward[number] = (place[0], place[2])
            if not self.known or number > self.known[-1]:
                self.known.append(number)
            else:
                bisect.insort(self.known, number)

    def _of_node(self, node):
        number = node._sequence_nr() if node is not None and hasattr(node, "_sequence_nr") else NO_SEQUENCE
        if number >= NO_SEQUENCE:
            return None
        if number in self.forward:
            return self.forward[number]
        at = bisect.bisect_right(self.known, number)
        return self.forward[self.known[at - 1]] if at else None


def names_of(roots):
    """id(module) -> dotted name, for every module below the roots; several roots are told apart by their number."""
    names: Dict[int, str] = {}
    for index, root in enumerate(roots):
        prefix = "" if len(roots) == 1 else "model%d" % index
        for name, module in root.named_modules():
            names.setdefault(id(module), clean_name(".".join(part for part in (prefix, name) if part)))
    return names


def _owned(roots, names):
    """(name of a module, a parameter of its own), for all parameters below the roots."""
    for module in (module for root in roots for module in root.modules()):
        for parameter in module._parameters.values():
            if parameter is not None:
                yield names[id(module)], parameter


WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module")


def clean_name(name):
    """Without the names that torch.compile and checkpoint wrappers put in between."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def current_node():
    return torch._C._current_autograd_node() if hasattr(torch._C, "_current_autograd_node") else None


def in_backward():
    return hasattr(torch._C, "_current_graph_task_id") and torch._C._current_graph_task_id() != -1


def sequence_number():
    read = getattr(torch._C._autograd, "_get_sequence_nr", None)
    return read() if read else 0


def user_line():
    """file:line of the innermost frame that is neither torch's, nor python's, nor this folder's."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((OWN, TORCH, LIBRARY, "<")):
            return "%s:%d" % (name, frame.f_lineno)
        frame = frame.f_back
    return ""


def hooks_of_others(roots):
    """Hooks that neither torch nor this folder set, as lines: each may hold a state that no snapshot covers, and answer
    otherwise when the step runs again."""
    found = []
    for root in roots:
        for name, module in root.named_modules():
            if any(_foreign(hook) for table in _TABLES for hook in (getattr(module, table, None) or {}).values()):
                found.append("a hook on %s runs in this step" % (name or "the model"))
        for name, parameter in root.named_parameters():
            if any(
                _foreign(hook)
                for table in _GRADIENT_TABLES
                for hook in (getattr(parameter, table, None) or {}).values()
            ):
                found.append("a hook on the gradient of %s runs in this step" % name)
    return tuple(found[:3])


_TABLES = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GRADIENT_TABLES = ("_backward_hooks", "_post_accumulate_grad_hooks")
_OURS = __name__.rpartition(".")[0]


def _foreign(hook):
    where = getattr(getattr(hook, "func", hook), "__module__", None) or ""
    return where.partition(".")[0] != "torch" and not where.startswith(_OURS)
