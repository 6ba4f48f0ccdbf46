"""What counterfactuals change: tensors of a batch, the mode of modules, the size of what layers give."""

import contextlib
from typing import Dict, Set

import torch

from . import observing, trees


def changed(saved, change):
    """The first argument with change(path, tensor) in place of every tensor."""
    if not saved.args:
        return None
    paths = paths_of(saved.args[0])
    return trees.mapped(saved.args[0], lambda t: change(min(paths.get(id(t), {""})), t))


def paths_of(batch):
    """id of a tensor -> its paths: one tensor may be what goes in and what is to come out."""
    found: Dict[int, Set[str]] = {}
    for path, tensor in trees.leaves(batch):
        found.setdefault(id(tensor), set()).add("batch[0]" + path)
    return found


@contextlib.contextmanager
def modes_kept():
    """train() and eval() change nothing."""
    original = torch.nn.Module.train
    setattr(torch.nn.Module, "train", lambda self, mode=True: self)  # noqa: B010
    try:
        yield
    finally:
        setattr(torch.nn.Module, "train", original)  # noqa: B010


def multiplies(module):
    weight = getattr(module, "weight", None)
    return isinstance(weight, torch.nn.Parameter) and weight.dim() > 1 and not isinstance(module, torch.nn.Embedding)


def evened(module, _args, output):
    size = observing.typical(output) if isinstance(output, torch.Tensor) and output.is_floating_point() else 0.0
    if not 0.0 < size < float("inf"):
        return None
    with torch.no_grad():
        module.weight.div_(size)
    return output / size
