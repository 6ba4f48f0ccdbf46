"""Reads which autocast a step runs under, and enters the same one again."""

import contextlib

import torch

DEVICES = ("cuda", "cpu", "mps", "xpu", "npu", "hpu")


def current():
    """((device type, dtype), ...) of every autocast that is on now."""
    return tuple((device, dtype) for device, dtype in map(_of, DEVICES) if dtype is not None)


def _of(device):
    try:
        return device, torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    except (AttributeError, TypeError):  # torch before 2.4 asks in another way
        return device, _of_old_torch(device)
    except RuntimeError:  # a device that this torch does not know
        return device, None


def _of_old_torch(device):
    if device == "cuda":
        return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None
    if device == "cpu":
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return None


@contextlib.contextmanager
def again(state):
    """The autocast that `current()` told of."""
    with contextlib.ExitStack() as stack:
        for device, dtype in state:
            stack.enter_context(torch.autocast(device, dtype=dtype))
        yield
