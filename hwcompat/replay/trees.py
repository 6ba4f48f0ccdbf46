"""Nested batches: the tensors in tuples, lists, mappings and plain objects."""

import copy

import torch

DEPTH = 6


def leaves(value, path="", depth=0):
    """(path, tensor) of every tensor in `value`, in a fixed order."""
    if isinstance(value, torch.Tensor):
        return [(path, value)]
    if depth >= DEPTH:
        return []
    found = []
    for key, item in items(value):
        found += leaves(item, "%s[%s]" % (path, key), depth + 1)
    return found


def items(value):
    """The (key, item) pairs inside a container or a plain object that carries tensors."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        try:
            return [(repr(key), value[key]) for key in list(value.keys())]
        except Exception:  # a mapping of somebody else may do as it likes
            return []
    return []


def mapped(value, change, depth=0):
    """`value` with every tensor replaced by change(tensor); containers that cannot be rebuilt stay as they are."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if depth >= DEPTH or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, tuple):
        parts = [mapped(item, change, depth + 1) for item in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [mapped(item, change, depth + 1) for item in value]
    if isinstance(value, dict):
        return _same_kind(value, {key: mapped(item, change, depth + 1) for key, item in value.items()})
    return value


def _same_kind(value, items):
    """A dictionary of the kind of `value` with these items; a plain one where that cannot be made."""
    if type(value) is dict:
        return items
    try:
        made = copy.copy(value)  # no constructor: a Counter would count, a defaultdict wants its factory
        for key, item in items.items():
            made[key] = item
    except Exception:  # a mapping of somebody else may do as it likes
        return items
    return made


def first_loss(value):
    """The loss in what a train_step returned: a tensor of one element, or a number; None where there is none.

    Of several losses in a container, such as a dict of the terms of one, the sum of those that have a gradient: what is
    only kept for a log may be anything.
    """
    found = losses(value)
    if len(found) < 2:
        return found[0] if found else None
    return sum(term.detach().float() for term in found)


def losses(value):
    """The tensors that stand for the loss in what a train_step returned, in order."""
    if isinstance(value, torch.Tensor):
        return [value] if value.numel() >= 1 else []
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, (int, float)):
        return [torch.tensor(float(value))]
    if hasattr(value, "get") and hasattr(value, "keys") and value.get("loss") is not None:
        return losses(value["loss"])
    if hasattr(value, "loss"):
        return losses(value.loss)
    found = [term for _key, item in items(value) for term in losses(item) if term.numel() == 1]
    trained = [term for term in found if term.requires_grad]
    return trained if isinstance(value, dict) and trained else found[:1]


def is_plain(tensor):
    """Whether it is an ordinary dense tensor with memory of its own.

    Sparse and meta tensors are not; nor are the zeros that the derivative of sign(), round() and the like is made of:
    they have no memory, are not to be written to, and end the process when they are read below a dispatch mode.
    """
    zeros = getattr(tensor, "_is_zerotensor", None)
    return tensor.layout == torch.strided and tensor.device.type != "meta" and not (zeros is not None and zeros())
