"""What optimizers find when their step begins: gradients that were cleared, an infinity that the scaler had found, or
gradients that depend on the loss scale."""

import contextlib
import functools

import torch

from . import referee

DECAYS = ("weight_decay", "lambd")
"""What optimizers call their decay; lambd is that of ASGD."""


def decay_of(group):
    """The decay of a parameter group, by whatever name; 0.0 without one."""
    return max(float(group.get(name) or 0.0) for name in DECAYS)


@contextlib.contextmanager
def wrapped(things, name, wrap):
    """The method `name` of each thing is `wrap(thing, method)` inside; afterwards it is what it was."""
    replaced = []
    for thing in things:
        original = getattr(thing, name)
        replaced.append((thing, vars(thing).get(name)))
        setattr(thing, name, functools.wraps(original)(wrap(thing, original)))
    try:
        yield
    finally:
        for thing, old in replaced:
            if old is None:
                delattr(thing, name)
            else:
                setattr(thing, name, old)


def wrapped_steps(optimizers, wrap):
    """optimizer.step is `wrap(optimizer, step)` inside; afterwards it is what it was."""
    return wrapped(optimizers, "step", wrap)


def before_steps(optimizers, action):
    """`action(optimizer)` before each optimizer step inside."""

    def wrap(optimizer, original):
        def step(*args, **kwargs):
            action(optimizer)
            return original(*args, **kwargs)

        return step

    return wrapped_steps(optimizers, wrap)


def parameters_of(optimizer):
    """The parameters of all groups of an optimizer."""
    return [p for group in optimizer.param_groups for p in group["params"]]


class Entry:
    """A context around one run of a step.

    `stale`: ids of parameters whose gradient still held what was left before another optimizer's step when backward
    added to it. `inherited`: backward added to a gradient from before the step; `reused`: to one with which its own
    optimizer had stepped. `dropped`: a gradient of the same step had been cleared before any optimizer saw it.
    `cleared`: backward gave gradients that were not 0, and the optimizer found none. `past_infinity`: it stepped
    although the scaler had found a gradient that is not finite. `gradients`: what each step found, through `read` (a
    float64 shadow for instance), if that is given. `kept`: how long the gradients were that the last optimizer
    found, as a share of what backward had made them; 0.0 where that is not known.
    """

    def __init__(self, optimizers, scaler=None, read=None):
        self.optimizers, self.scaler, self.read = optimizers, scaler, read
        self.cleared, self.past_infinity, self.gradients = False, False, []
        self.stale, self._left = set(), set()
        self.reused, self._used = False, set()
        self.inherited, self._met = False, set()
        self.dropped, self._versions = False, {}
        self._alive, self._stack = set(), contextlib.ExitStack()
        self.kept, self._lengths = 0.0, {}

    def __enter__(self):
        self._stack.enter_context(wrapped_steps(self.optimizers, self._wrapped))
        for parameter in (p for optimizer in self.optimizers for p in parameters_of(optimizer)):
            if parameter.requires_grad and parameter.is_leaf:
                self._stack.callback(parameter.register_hook(self._computed(parameter)).remove)
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _computed(self, parameter):
        key = id(parameter)

        def hook(grad):
            if key not in self._met:
                self._met.add(key)
                self.inherited = self.inherited or is_alive(parameter)
            if key in self._left and is_alive(parameter):
                self.stale.add(key)
            self.reused = self.reused or (key in self._used and is_alive(parameter))
            # Between two looks at different weights (sharpness-aware steps) gradients are cleared for good reason.
            moved = self._versions.get(key) != parameter._version
            self.dropped = self.dropped or (key in self._alive and not is_alive(parameter) and not moved)
            self._versions[key] = parameter._version
            with referee.alone(), torch.no_grad():
                dense = grad.layout == torch.strided
                self._lengths.setdefault(key, []).append(_length([grad]) if dense else 0.0)
                if key not in self._alive and dense and bool(grad.any()):
                    self._alive.add(key)

        return hook

    def _wrapped(self, optimizer, original):
        def step(*args, **kwargs):
            if not args and not kwargs.get("closure"):
                with referee.alone(), torch.no_grad():
                    self._look(optimizer)
            done = original(*args, **kwargs)
            self._leaves(optimizer)
            return done

        return step

    def _leaves(self, optimizer):
        """After a step of one optimizer: the gradients that lie on its own parameters and on those of the others."""
        own = {id(p) for p in parameters_of(optimizer)}
        self._used |= own
        others = [p for other in self.optimizers for p in parameters_of(other) if id(p) not in own]
        self._left |= {id(p) for p in others if is_alive(p)}

    def _look(self, optimizer):
        parameters = parameters_of(optimizer)
        grads = [p.grad for p in parameters if p.grad is not None]
        dense = [g for g in grads if g.layout == torch.strided]
        once = [p for p in parameters if len(self._lengths.get(id(p), ())) == 1 and p.grad is not None]
        given = sum(self._lengths[id(p)][0] ** 2 for p in once) ** 0.5
        self.kept = _length([p.grad for p in once]) / given if 0.0 < given < float("inf") else 0.0
        lived = self._alive & {id(p) for p in parameters}
        self.cleared = bool(lived) and len(dense) == len(grads) and not any(bool(g.any()) for g in dense)
        self.dropped = self.dropped or any(id(p) in lived and not is_alive(p) for p in parameters)
        self._alive -= lived
        self.past_infinity = self.past_infinity or _found_infinity(self.scaler, optimizer)
        if self.read is not None and not takes_scaled(optimizer):
            self.gradients += [self.read(grad).clone() for grad in dense]


def is_alive(parameter):
    """Whether a gradient that is not 0 lies on a parameter."""
    grad = parameter.grad
    with referee.alone(), torch.no_grad():
        return grad is not None and grad.layout == torch.strided and bool(grad.any())


def takes_scaled(optimizer):
    """Fused optimizers are handed scaled gradients, the scale, and whether to skip: all in good order."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def _found_infinity(scaler, optimizer):
    states = getattr(scaler, "_per_optimizer_states", None)
    if not states or takes_scaled(optimizer) or id(optimizer) not in states:
        return False
    found = states[id(optimizer)].get("found_inf_per_device") or {}
    return any(float(value) > 0.0 for value in found.values())


def apart(first, second):
    """|a - b| / max(|a|, |b|) of two lists of gradients; 1.0 where just one of them is 0; or None."""
    if not _comparable(first, second):
        return None
    if (_length(first) == 0.0) != (_length(second) == 0.0):
        return 1.0
    found = shift(first, second)
    return found[0] if found else None


def shift(first, second):
    """(|a - b| / max(|a|, |b|), |a| / |b|) of two lists of gradients; () where they cannot be compared."""
    if not _comparable(first, second):
        return ()
    one, other, gap = (_length(parts) for parts in (first, second, [a - b for a, b in zip(first, second)]))
    if not (one > 0.0 and other > 0.0 and max(one, other) < float("inf")):
        return ()
    return gap / max(one, other), one / other


def _comparable(first, second):
    return bool(first) and len(first) == len(second) and all(a.shape == b.shape for a, b in zip(first, second))


def _length(parts):
    return sum(float(part.double().norm()) ** 2 for part in parts) ** 0.5
