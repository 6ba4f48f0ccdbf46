"""The tape of a step in a program that nobody edited: what was computed, in an order in which it can be done again.

A step goes from the first call of a model (with gradients) to the end of the optimizer's step. Recorded are: calls of
outermost modules, torch functions outside modules that make a differentiable result, backward(), the scaler's methods,
zero_grad, gradient clipping and optimizer.step. What a recorded call was given is kept as it is if it is data or a
weight, and as a reference to the call that made it otherwise, so that the tape keeps no graph alive. Anything else the
program does between two steps (reading data, printing, scheduling, validation) is not on the tape and not repeated.
"""

import weakref
from typing import Any, Dict, List

import torch

from .. import rng
from ..adapters import autocasting

CALLS = 4096
"""More recorded calls in one step than this, and the step is given up: something runs without ever stepping."""


class Ref:
    """Stands for a tensor that call number `call` of the tape made, at `path` in what it gave."""

    __slots__ = ("call", "path")

    def __init__(self, call, path):
        self.call, self.path = call, path


class Data:
    """Stands for a tensor that is neither a weight nor a result: an entry of Tape.data."""

    __slots__ = ("key",)

    def __init__(self, key):
        self.key = key


class Call:
    """One recorded call. `kind`: module, function, scale, backward or other. `gap`: it was given what nobody knows."""

    __slots__ = ("args", "autocast", "function", "gap", "kind", "kwargs", "rng")

    def __init__(self, kind, function, generators):
        self.kind, self.function, self.rng, self.gap = kind, function, generators, False
        self.args: Any = ()
        self.kwargs: Any = {}
        self.autocast = autocasting.current()

    def name(self):
        """Who was called, for a person."""
        if self.kind == "module":
            return "input of " + type(self.function).__name__
        return "argument of " + str(getattr(self.function, "__name__", self.kind))


class Tape:
    """What one step did. `data`: name -> tensor; `versions`: what they were; `last`: the last scalar, detached."""

    def __init__(self):
        self.calls: List[Any] = []
        self.losses: List[Any] = []
        self.versions: List[Any] = []
        self.made: Dict[int, Any] = {}
        self.data: Dict[str, Any] = {}
        self.last, self.full = None, False
        self.trained = self.stepped = False
        self._keys: Dict[int, str] = {}

    def add(self, kind, function, args, kwargs, generators=None):
        """Records a call; gives its number, or None where the tape is full."""
        if len(self.calls) >= CALLS:
            self.full = True
            return None
        call = Call(kind, function, generators)
        call.args, call.kwargs = (
            changed(args, lambda t: self._kept(t, call)),
            changed(kwargs, lambda t: self._kept(t, call)),
        )
        self.calls.append(call)
        return len(self.calls) - 1

    def gave(self, number, output):
        """Files the tensors that a call gave."""
        if number is None:
            return
        for path, tensor in parts(output):
            if tensor.requires_grad and not tensor.is_leaf:
                self.made[id(tensor)] = (weakref.ref(tensor), Ref(number, path))
            if tensor.numel() == 1 and tensor.is_floating_point():
                self.last = tensor.detach()

    def known(self, tensor):
        found = self.made.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def _kept(self, tensor, call):
        if tensor.requires_grad and tensor.is_leaf:
            return tensor
        if tensor.requires_grad:
            found = self.known(tensor)
            call.gap = call.gap or found is None
            return tensor.detach() if found is None else found
        key = self._keys.get(id(tensor))
        if key is None:
            key = self._keys[id(tensor)] = "%s, tensor %d" % (call.name(), len(self.data))
            self.data[key] = tensor
            self.versions.append((tensor, tensor._version))
        return Data(key)

    def backward(self, loss):
        """Notes what backward() was called on: the loss before a scaler multiplied it."""
        found = self.known(loss)
        if found is not None and self.calls[found.call].kind == "scale":
            return
        self.losses.append(loss.detach())

    @property
    def loss(self):
        return total(self.losses) if self.losses else self.last

    def gap(self):
        """Why the step cannot be done again, or empty. Calls that no backward() needs are dropped."""
        if self.full:
            return "more than %d calls in one step" % CALLS
        needed = self._needed()
        if any(self.calls[number].gap for number in needed):
            return "it uses the result of code that could not be recorded"
        if not needed:
            return "no model was seen in it"
        self.calls = [call if number in needed else None for number, call in enumerate(self.calls)]
        return ""

    def _needed(self):
        found = {n for n, call in enumerate(self.calls) if call.kind in ("backward", "other")}
        if not any(call.kind == "backward" for call in self.calls) and self.calls:
            found.add(len(self.calls) - 1)  # the program ended, or raised, before backward()
        waiting = list(found)
        while waiting:
            call = self.calls[waiting.pop()]
            for ref in refs((call.args, call.kwargs)):
                if ref.call not in found:
                    found.add(ref.call)
                    waiting.append(ref.call)
        return found

    def play(self, data):
        """Does the step again with the tensors of `data`; gives the loss, or the sum of several."""
        made: List[Any] = []
        losses: List[Any] = []
        last = None
        for call in self.calls:
            if call is None:
                made.append(None)
                continue
            args, kwargs = changed(call.args, None, (made, data)), changed(call.kwargs, None, (made, data))
            if call.rng is not None:
                rng.write(call.rng)
            if call.kind == "scale" or (call.kind == "backward" and not self._scaled(call)):
                losses.append(args[0])
            with autocasting.again(call.autocast):
                made.append(call.function(*args, **kwargs))
            last = next((t for _path, t in parts(made[-1]) if t.numel() == 1 and t.is_floating_point()), last)
        return total(losses) if losses else last

    def _scaled(self, call):
        ref = call.args[0]
        return isinstance(ref, Ref) and self.calls[ref.call] is not None and self.calls[ref.call].kind == "scale"


def total(losses):
    """The loss of a step: one, or the sum of those that backward() was called on."""
    if len(losses) == 1:
        return losses[0].detach()
    return torch.stack([loss.detach().float().sum() for loss in losses]).sum()


def refs(value, depth=0):
    """Every Ref in nested containers."""
    if isinstance(value, Ref):
        return [value]
    if depth > 6 or not isinstance(value, (list, tuple, dict)):
        return []
    items = value.values() if isinstance(value, dict) else value
    return [ref for item in items for ref in refs(item, depth + 1)]


def parts(value, path=(), depth=0):
    """(path, tensor) in nested containers and in the attributes of plain result objects."""
    if isinstance(value, torch.Tensor):
        return [(path, value)]
    if depth > 5:
        return []
    found = []
    for key, item in inside(value):
        found += parts(item, path + (key,), depth + 1)
    return found


def inside(value):
    """(key, item): an index, a key, or ".name" of an attribute."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, dict):
        return list(value.items())
    if hasattr(value, "__dict__") and not isinstance(value, (torch.nn.Module, type)) and not callable(value):
        return [("." + name, item) for name, item in list(vars(value).items())[:64]]
    return []


def at(value, path):
    """The item at `path`, as parts() names it."""
    for key in path:
        value = getattr(value, key[1:]) if isinstance(key, str) and key[:1] == "." else value[key]
    return value


def changed(value, one, made=None, depth=0):
    """`value` with tensors replaced by one(tensor); or, given `made` = (results, data), what stands for them."""
    if isinstance(value, Ref):
        return at(made[0][value.call], value.path)
    if isinstance(value, Data):
        return made[1][value.key]
    if isinstance(value, torch.Tensor):
        return value if one is None else one(value)
    if depth > 5:
        return value
    if isinstance(value, tuple):
        items = [changed(item, one, made, depth + 1) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if type(value) is list:
        return [changed(item, one, made, depth + 1) for item in value]
    if type(value) is dict:
        return {key: changed(item, one, made, depth + 1) for key, item in value.items()}
    return value
