"""The states of the random generators that a step may use: torch on the CPU and the GPUs, python, NumPy if imported."""

import ctypes
import random
import sys
from typing import Any, Dict

import torch

TWISTER = 624 * 4 + 4
"""Bytes of a Mersenne twister in memory: its words and the position in them."""

_last: Dict[str, Any] = {}


def read(devices):
    """The states now; `devices`: the CUDA device indices that the model uses."""
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": _numpy(),
        "cuda": {index: torch.cuda.get_rng_state(index) for index in devices},
    }


def _numpy():
    """NumPy's global state. Asking for it is slow, so its memory is compared with that of the last answer first.

    A normal number may be drawn from a value kept beside the twister without moving it; hence the test of has_gauss.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "random"):
        return None
    memory = _memory(numpy)
    if memory is None or memory != _last.get("memory") or _last["state"].get("has_gauss"):
        _last["memory"], _last["state"] = memory, numpy.random.get_state(legacy=False)
    return _last["state"]


def _memory(numpy):
    try:
        generator = numpy.random.mtrand._rand._bit_generator
        if type(generator).__name__ != "MT19937":
            return None
        return id(generator), ctypes.string_at(generator.ctypes.state_address, TWISTER)
    except Exception:  # private names of NumPy; without them the state is simply read each time
        return None


def write(states):
    """Puts them back."""
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    if states["numpy"] is not None:
        sys.modules["numpy"].random.set_state(states["numpy"])
    for index, state in states["cuda"].items():
        torch.cuda.set_rng_state(state, index)
