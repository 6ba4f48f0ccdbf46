"""The states of the random generators that a step may use: torch on the CPU and the GPUs, python, NumPy if imported."""

import random
import sys

import torch


def read(devices):
    """The states now; `devices`: the CUDA device indices that the model uses."""
    numpy = sys.modules.get("numpy")
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": numpy.random.get_state(legacy=False) if numpy is not None and hasattr(numpy, "random") else None,
        "cuda": {index: torch.cuda.get_rng_state(index) for index in devices},
    }


def write(states):
    """Puts them back."""
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    if states["numpy"] is not None:
        sys.modules["numpy"].random.set_state(states["numpy"])
    for index, state in states["cuda"].items():
        torch.cuda.set_rng_state(state, index)
