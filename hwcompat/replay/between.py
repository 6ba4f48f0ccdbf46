"""What a loop does between its steps: clears gradients, sets learning rates and modes, freezes layers, draws numbers.

None of that is in the step that is watched. Where several steps run again in a row it is done again, or the replay
would be of another training: one whose gradients pile up, or whose learning rate nobody changed.
"""

from dataclasses import dataclass
from typing import Any, List

import torch

from . import rng
from .entry import parameters_of

SETTINGS = ("lr", "weight_decay", "momentum", "betas", "eps")
"""Settings of parameter groups that loops and schedulers change; what else lies there may be an optimizer's memory."""

LOOKED_AT = 256
"""Elements of a gradient that are looked at: a loop clears all of it, or nothing."""


@dataclass
class Between:
    """How a step found the training. `bare`: for each optimizer whether its gradients were None, or for some of them a
    tensor that is true where they were not 0; the others are those of the snapshot (see Slot.rest)."""

    modes: Any
    trained: Any
    groups: Any
    rng: Any
    bare: List[Any]


def seen(slot, optimizers):
    """How the step that begins finds the training; nothing is read from a device."""
    rest = slot.rest
    bare = [_bare(optimizer) for optimizer in optimizers]
    return Between(rest["modes"], rest["trained"], rest["groups"], rest["rng"], bare)


def _bare(optimizer):
    parameters = parameters_of(optimizer)
    some = parameters[:: max(1, len(parameters) // 3)]
    grads = [p.grad.detach() for p in some if p.grad is not None and p.grad.layout == torch.strided]
    if not grads:
        return all(p.grad is None for p in some)
    # One flag for each: parameters of one optimizer may lie on several devices.
    return [(g.reshape(-1)[:LOOKED_AT] if g.is_contiguous() else g).any() for g in grads]


def redo(between, state, modes=True):
    """Brings a training to where the live step found it, as far as the loop had done it; `modes`: these too."""
    rng.write(between.rng)
    if modes:
        for module, training in zip(state.modules, between.modes):
            module.training = training
    for parameter, trained in between.trained:
        if parameter.requires_grad != trained and parameter.is_leaf:
            parameter.requires_grad_(trained)
    for optimizer, groups, bare in zip(state.optimizers, between.groups, between.bare):
        for group, wanted in zip(optimizer.param_groups, groups):
            _set(group, wanted)
        if bare is True:
            for parameter in parameters_of(optimizer):
                parameter.grad = None
        elif bare and not any(bool(flag) for flag in bare):
            for parameter in parameters_of(optimizer):
                if parameter.grad is not None:
                    parameter.grad.detach().zero_()


def _set(group, wanted):
    for key in SETTINGS:
        if key in group and key in wanted:
            value = wanted[key]
            if isinstance(group[key], torch.Tensor) and isinstance(value, torch.Tensor):
                group[key].copy_(value)
            else:
                group[key] = value
