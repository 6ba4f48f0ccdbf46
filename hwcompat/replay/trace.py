"""A light trace of the live step: one sum for each call of a module with weights, read only if the step goes bad.

A fault that does not come back leaves nothing else behind. The sums are computed beside the training and never read
while it is healthy, so they cost no synchronisation. One global hook, present only while a step runs, so that a model
that is saved, copied or compiled carries nothing of it.
"""

import torch

CALLS = 8
"""Calls of one module in one step that are traced; a cell that runs hundreds of times costs no more."""


class Trace:
    """A context around the live step. `sums`: (module name, input sum or None, output sum), in order of calls."""

    def __init__(self, names, traced):
        self.names, self.traced = names, traced
        self.sums, self.counts, self.handle = [], {}, None

    def __enter__(self):
        self.handle = torch.nn.modules.module.register_module_forward_hook(self._after)
        return self

    def __exit__(self, *error):
        self.handle.remove()

    def _after(self, module, args, output):
        key = id(module)
        if key not in self.traced:
            return
        seen = self.counts.get(key, 0)
        self.counts[key] = seen + 1
        if seen < CALLS:
            given = None if self.sums else checksum(args)
            self.sums.append((self.names[key], given, checksum(output)))

    def read(self):
        """[(module, input sum, output sum)] as Python numbers."""
        return [(name, _number(given), _number(gave)) for name, given, gave in self.sums]


def checksum(value):
    """The sum of a tensor, or of the first tensor in a tuple, as a scalar tensor; None for anything else."""
    while isinstance(value, (tuple, list)) and value:
        value = value[0]
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.layout != torch.strided:
        return None
    return value.detach().sum(dtype=torch.float32)


def _number(value):
    return None if value is None else float(value)


def traced(roots):
    """The ids of the modules worth tracing: those with weights of their own, and custom ones without parts."""
    return {id(m) for root in roots for m in root.modules() if m._parameters or _custom(m)}


def _custom(module):
    return not type(module).__module__.startswith("torch.") and not module._modules
