"""A light trace of the live step: one sum for each call of a module with weights, read only if the step goes bad.

A fault that does not come back leaves nothing else behind. The sums are computed beside the training and never read
while it is healthy, so they cost no synchronisation. The hooks are there only while a step runs, so that a model saved
or copied between steps carries nothing of them.
"""

import torch

CALLS = 8
"""Calls of one module in one step that are traced; a cell that runs hundreds of times costs no more."""


KEY = "hwcompat watch"


class Trace:
    """A context around the live step. `sums`: (module name, input sum or None, output sum), in order of calls.

    `traced`: the modules. Of the first one the input is summed too: it tells bad data from a bad device.
    """

    def __init__(self, names, traced):
        self.names, self.traced = names, traced
        self.sums, self.counts = [], {}

    # One entry in the hooks of a few modules, there only while the step runs: a global hook would slow every module.
    def __enter__(self):
        after = self._after
        for module in self.traced:
            module._forward_hooks[KEY] = after
        return self

    def __exit__(self, *error):
        for module in self.traced:
            module._forward_hooks.pop(KEY, None)

    def _after(self, module, args, output):
        key = id(module)
        seen = self.counts.get(key, 0)
        self.counts[key] = seen + 1
        if seen < CALLS and key in self.names:
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
    """The modules worth tracing: those that multiply by weights, and custom ones without parts."""
    found = {id(m): m for root in roots for m in root.modules() if _multiplies(m) or _custom(m)}
    return [m for m in found.values() if not isinstance(m, torch.jit.ScriptModule)]


def _multiplies(module):
    """Norms only rescale what such a module gave; they are left out, for they cost as much to look at."""
    return any(p is not None and p.dim() > 1 for p in module._parameters.values())


def _custom(module):
    return not type(module).__module__.startswith("torch.") and not module._modules
