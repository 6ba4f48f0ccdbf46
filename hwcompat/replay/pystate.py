"""Python values that a train_step changes besides the model: counters, lists, schedulers, iterators it closes over.

A step can only be re-run truthfully when these are as they were. What can be read is saved at the start of each step;
what cannot (a generator, the workers of a DataLoader) is named, and weakens what a replay may claim.
"""

import copy
import types

import torch

from . import trees

PLAIN = (int, float, bool, str, bytes, complex, type(None))
LIMIT = 64
"""Longer lists and dictionaries are not copied each step."""


class PythonState:
    """Finds once what a train_step can reach; `save()` each step is cheap, `restore()` puts the values back."""

    def __init__(self, function, known=(), models=()):
        self.known = {id(thing) for thing in known}
        self.cells, self.objects, self.stateful, self.modules = [], [], [], []
        self.optimizers, self.scalers = [], []
        self.function, self.models = function, models
        self.not_replayable = []
        self.compiled = False
        for place, value, cell in reachable(function):
            self._sort(place, value, cell)
        self.objects += [(m, "attributes") for model in models for m in model.modules() if _own_class(m)]

    def _sort(self, place, value, cell):
        if hasattr(value, "_torchdynamo_orig_callable") or type(value).__name__ == "OptimizedModule":
            self.compiled = True
        if id(value) in self.known or isinstance(value, (torch.Tensor, types.ModuleType, type)):
            return
        if isinstance(value, torch.optim.Optimizer):
            self.optimizers.append(value)
            return
        if is_scaler(value):
            self.scalers.append(value)
            return
        if isinstance(value, torch.nn.Module):
            self.modules.append(value)
        elif isinstance(value, (list, dict, set)):
            self.objects.append((value, "container"))
        elif isinstance(value, PLAIN):
            if cell is not None:
                self.cells.append(cell)
        elif hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            self.stateful.append(value)
        elif hasattr(value, "__next__"):
            self._iterator(place, value, cell)
        elif hasattr(value, "__dict__") and (place == "self" or not callable(value)):
            self.objects.append((value, "attributes"))

    def _iterator(self, place, value, cell):
        try:
            copy.copy(value)
        except Exception:
            copied = False
        else:
            copied = cell is not None and type(value).__module__ == "builtins"
        if copied:
            self.cells.append(cell)
        else:
            self.not_replayable.append("%s is an iterator (%s)" % (place, type(value).__name__))

    def tables(self):
        """(name, tensor) of what the step takes from outside: what it closes over, what modules keep unregistered."""
        found = []
        for place, value, _cell in reachable(self.function):
            if isinstance(value, torch.Tensor):
                found.append((place, value))
            elif isinstance(value, (list, dict)) and id(value) not in self.known:
                found += [(place + path, t) for path, t in trees.leaves(_few(value))]
        return found + [table for model in self.models for table in _plain_tensors(model)]

    def scaler_now(self):
        """The one scaler that the step holds now; None where there is not exactly one."""
        found = {id(value): value for _place, value, _cell in reachable(self.function) if is_scaler(value)}
        return next(iter(found.values())) if len(found) == 1 else None

    def save(self):
        """The values now."""
        return {
            "cells": [(cell, _kept(cell.cell_contents)) for cell in self.cells],
            "objects": [(thing, kind, _inside(thing, kind)) for thing, kind in self.objects],
        }

    @staticmethod
    def restore(saved):
        """Puts saved values back, in place."""
        for cell, value in saved["cells"]:
            cell.cell_contents = _kept(value)
        for thing, kind, inside in saved["objects"]:
            if inside is not None:
                _put(thing, kind, inside)


def is_scaler(value):
    """Whether this is a GradScaler, of whatever device or release."""
    return any(kind.__name__ == "GradScaler" and kind.__module__.startswith("torch.") for kind in type(value).__mro__)


def _few(value):
    """The first items of a list or dictionary: a data set need not be read whole."""
    return value[:LIMIT] if isinstance(value, list) else dict(list(value.items())[:LIMIT])


def _plain_tensors(model):
    """(name, tensor) of the tensors that modules keep as plain attributes, neither parameter nor buffer."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                yield ".".join(part for part in (name, key) if part), value


def _own_class(module):
    """Whether a module is the user's own and keeps plain values of its own, such as a counter of calls."""
    if type(module).__module__.split(".")[0] == "torch":
        return False
    return any(isinstance(v, PLAIN) and k != "training" and not k.startswith("_") for k, v in vars(module).items())


def _kept(value):
    return copy.copy(value) if hasattr(value, "__next__") else value


def _inside(thing, kind):
    """A shallow copy of a short container, or the plain attributes of an object."""
    if kind == "attributes":
        return {key: item for key, item in list(vars(thing).items())[:LIMIT] if isinstance(item, PLAIN)}
    if len(thing) <= LIMIT:
        return copy.copy(thing) if not isinstance(thing, dict) else dict(thing)
    # A log that only grows: its length is enough to take back what a re-run appends.
    return len(thing) if isinstance(thing, list) else None


def _put(thing, kind, inside):
    if kind == "attributes":  # what holds an object by now keeps it: nobody could give that back
        now = vars(thing)
        now.update((key, item) for key, item in inside.items() if isinstance(now.get(key), PLAIN))
    elif isinstance(inside, int):
        del thing[inside:]
    elif isinstance(thing, list):
        thing[:] = inside
    else:
        thing.clear()
        thing.update(inside)


def reachable(function):
    """(name, value, closure cell or None) of what a callable closes over, is bound to, or uses as a global."""
    found = []
    if hasattr(function, "func") and hasattr(function, "args"):  # functools.partial
        found += [("argument", value, None) for value in function.args]
        function = function.func
    call = getattr(type(function), "__call__", None)  # noqa: B004
    if not hasattr(function, "__code__") and isinstance(call, types.FunctionType):
        function = types.MethodType(call, function)  # an object that is called: what it holds is what it uses
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, (torch.nn.Module, types.ModuleType)):
        found.append(("self", owner, None))
        found += [("self." + name, value, None) for name, value in list(getattr(owner, "__dict__", {}).items())[:LIMIT]]
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return found
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            found.append((name, cell.cell_contents, cell))
        except ValueError:  # not bound yet
            continue
    for name in code.co_names:
        if name in function.__globals__:
            found.append((name, function.__globals__[name], None))
    return found
