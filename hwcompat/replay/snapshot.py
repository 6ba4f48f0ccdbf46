"""The state of a training at the start of a step, in buffers that are allocated once, and its exact restoration."""

from typing import Any, Dict

import torch

from . import rng, trees

READ_EVERY = 8

REFRESH = 64
"""After so many steps the list of modules is read anew."""


class State:
    """What a training consists of: modules, optimizers, scaler, other objects with a state_dict."""

    def __init__(self, modules, optimizers, scaler, stateful):
        self.roots, self.optimizers, self.scaler, self.stateful = list(modules), list(optimizers), scaler, stateful
        self.modules, self.age, self.known = [], 0, None
        self.refresh()
        self.cuda = sorted({t.device.index or 0 for t in self.tensors() if t.device.type == "cuda"})

    def refresh(self):
        """Reads the modules anew: they may have been replaced."""
        seen = {}
        for root in self.roots:
            for module in root.modules():
                seen[id(module)] = module
        self.modules, self.age, self.known = list(seen.values()), 0, None

    def parameters(self):
        """Every parameter once: of the modules, then those that only an optimizer knows."""
        seen = {}
        for module in self.modules:
            for parameter in module._parameters.values():
                if parameter is not None:
                    seen[id(parameter)] = parameter
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    seen[id(parameter)] = parameter
        return [p for p in seen.values() if not type(p).__name__.startswith("Uninitialized")]

    def buffers(self):
        """Every buffer once."""
        seen = {}
        for module in self.modules:
            for buffer in module._buffers.values():
                if buffer is not None:
                    seen[id(buffer)] = buffer
        return list(seen.values())

    def tensors(self, parameters=None):
        """All tensors that a snapshot copies, each once."""
        found = (self.parameters() if parameters is None else parameters) + self.buffers()
        for optimizer in self.optimizers:
            for state in optimizer.state.values():
                if isinstance(state, dict):
                    found += [value for value in state.values() if isinstance(value, torch.Tensor)]
        return [t for t in found if trees.is_plain(t)]

    def current(self):
        """(parameters, tensors), read anew now and then and whenever an optimizer gained state.

        Reading them costs as much as copying them in a small net; a tensor that was replaced by another one since the
        last reading is noticed at a trip (`unchanged`).
        """
        size = sum(len(optimizer.state) for optimizer in self.optimizers)
        if self.known is None or self.age % READ_EVERY == 0 or size != self.known[0] or self.age < READ_EVERY:
            parameters = self.parameters()
            self.known = (size, parameters, self.tensors(parameters))
        return self.known[1:]

    def unchanged(self):
        """Whether the tensors are still those of the last reading."""
        known, now = self.current()[1], self.tensors()
        return len(known) == len(now) and all(a is b for a, b in zip(known, now))

    def bytes(self):
        """Size of one snapshot, counting the optimizer state that is still to come as twice the parameters."""
        own = sum(t.numel() * t.element_size() for t in self.tensors())
        if any(len(optimizer.state) for optimizer in self.optimizers) or not self.optimizers:
            return own
        return own + 2 * sum(t.numel() * t.element_size() for t in self.parameters())


class Slot:
    """One snapshot. `take` copies, `put_back` restores every bit of it in place."""

    def __init__(self, state):
        self.state, self.saved, self.live, self.filled = state, [], [], False
        self.grads, self.grad_copies, self.rest = [], {}, {}

    def take(self, copy_grads=True):
        """Copies the state as it is now."""
        state = self.state
        parameters, live = state.current()
        if live is not self.live and (len(live) != len(self.live) or any(a is not b for a, b in zip(live, self.live))):
            self.saved = _buffers_like(live, self.saved)
            self.live, self.rest = live, {}
        _copy(self.saved, live)
        self._take_grads(copy_grads, parameters)
        # Where no tensor is another one than last time, the tables that hold them are still right.
        old = self.rest
        self.rest = {
            "tables": old["tables"] if old else [(m, dict(m._parameters), dict(m._buffers)) for m in state.modules],
            "modes": [m.training for m in state.modules],
            "trained": [(p, p.requires_grad) for p in parameters],
            "optimizers": [_optimizer_states(optimizer, old, n) for n, optimizer in enumerate(state.optimizers)],
            "groups": [_optimizer_groups(optimizer) for optimizer in state.optimizers],
            "scaler": _scaler_values(state.scaler),
            "stateful": [(thing, trees.mapped(thing.state_dict(), torch.clone)) for thing in state.stateful],
            "rng": rng.read(state.cuda),
        }
        self.filled = True

    def _take_grads(self, copy_grads, parameters):
        """Gradients at the start matter only to a step that adds to them; `copy_grads` says whether this one may."""
        if not copy_grads:
            self.grad_copies, self.grads = {}, [(p, None) for p in parameters]
            return
        self.grads = [(p, p.grad) for p in parameters]
        there = [(p, g) for p, g in self.grads if g is not None and trees.is_plain(g)]
        old = [self.grad_copies.get(id(p)) for p, _g in there]
        copies = _buffers_like([g for _p, g in there], old)
        _copy(copies, [g.detach() for _p, g in there])
        self.grad_copies = {id(p): copied for (p, _g), copied in zip(there, copies)}

    def put_back(self):
        """Makes the training what it was when `take` was called."""
        with torch.no_grad():
            for (module, parameters, buffers), training in zip(self.rest["tables"], self.rest["modes"]):
                _replace(module._parameters, parameters)
                _replace(module._buffers, buffers)
                module.training = training
            for parameter, trained in self.rest["trained"]:
                if parameter.requires_grad != trained and parameter.is_leaf:
                    parameter.requires_grad_(trained)
            for saved in zip(self.state.optimizers, self.rest["optimizers"], self.rest["groups"]):
                _restore_optimizer(*saved)
            _copy([t.detach() for t in self.live], self.saved)
            for parameter, grad in self.grads:
                _restore_grad(parameter, grad, self.grad_copies.get(id(parameter)))
        _restore_scaler(self.state.scaler, self.rest["scaler"])
        for thing, values in self.rest["stateful"]:
            thing.load_state_dict(trees.mapped(values, torch.clone))
        rng.write(self.rest["rng"])

    def value(self, tensor):
        """The saved content of a live tensor, or None."""
        for live, saved in zip(self.live, self.saved):
            if live is tensor:
                return saved
        return None


def _replace(table, wanted):
    if list(table.items()) != list(wanted.items()) if len(table) != len(wanted) else _differs(table, wanted):
        table.clear()
        table.update(wanted)


def _differs(table, wanted):
    return any(table.get(key, table) is not item for key, item in wanted.items())


def _restore_grad(parameter, grad, copied):
    if copied is None:
        parameter.grad = None if grad is None or trees.is_plain(grad) else grad
        return
    grad.detach().copy_(copied)
    parameter.grad = grad


def _buffers_like(tensors, old):
    """Buffers of the same form; those of `old` that fit are used again."""
    fitting = []
    for index, tensor in enumerate(tensors):
        candidate = old[index] if index < len(old) else None
        same = candidate is not None and (candidate.shape, candidate.dtype, candidate.device, candidate.stride()) == (
            tensor.shape,
            tensor.dtype,
            tensor.device,
            tensor.stride(),
        )
        fitting.append(candidate if same else torch.empty_like(tensor, requires_grad=False))
    return fitting


def _copy(targets, sources):
    if not targets:
        return
    with torch.no_grad():
        if hasattr(torch, "_foreach_copy_"):
            torch._foreach_copy_(list(targets), list(sources))
        else:
            for target, source in zip(targets, sources):
                target.copy_(source)


def _optimizer_states(optimizer, old, number):
    """(references to the state's tensors, whose content lies in the slot; whether the state holds nothing else)."""
    if old and old["optimizers"][number][1]:
        return old["optimizers"][number]
    states = {key: _shallow(value) for key, value in optimizer.state.items()}
    tensors = all(isinstance(value, dict) and all(map(_is_tensor, value.values())) for value in states.values())
    return states, tensors


def _shallow(value):
    """The state of one parameter, its lists copied: LBFGS appends to them in place, and replaces what is in them."""
    if not isinstance(value, dict):
        return value
    return {key: list(item) if isinstance(item, list) else item for key, item in value.items()}


def _is_tensor(value):
    return isinstance(value, torch.Tensor)


def _optimizer_groups(optimizer):
    """The settings of the parameter groups."""
    return [
        {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in group.items() if k != "params"}
        for group in optimizer.param_groups
    ]


def _restore_optimizer(optimizer, states, groups):
    states = states[0]
    for key in [key for key in optimizer.state if key not in states]:
        del optimizer.state[key]
    for key, value in states.items():
        optimizer.state[key] = _shallow(value)
    for group, wanted in zip(optimizer.param_groups, groups):
        for key, value in wanted.items():
            group[key] = value.clone() if isinstance(value, torch.Tensor) else value


SCALER_KEYS = ("_scale", "_growth_tracker", "_per_optimizer_states", "_growth_factor", "_backoff_factor")


def _scaler_values(scaler):
    if scaler is None:
        return None
    if not hasattr(scaler, "_per_optimizer_states"):
        return trees.mapped(scaler.state_dict(), torch.clone) if hasattr(scaler, "state_dict") else None
    values: Dict[str, Any] = {key: getattr(scaler, key, None) for key in SCALER_KEYS}
    values["_per_optimizer_states"] = {k: dict(v) for k, v in values["_per_optimizer_states"].items()}
    return {key: v.clone() if isinstance(v, torch.Tensor) else v for key, v in values.items()}


def _restore_scaler(scaler, values):
    if scaler is None or values is None:
        return
    if not hasattr(scaler, "_per_optimizer_states"):
        scaler.load_state_dict(values)
        return
    for key, value in values.items():
        if key == "_per_optimizer_states":
            scaler._per_optimizer_states.clear()
            scaler._per_optimizer_states.update({k: dict(v) for k, v in value.items()})
        else:
            setattr(scaler, key, value.clone() if isinstance(value, torch.Tensor) else value)
