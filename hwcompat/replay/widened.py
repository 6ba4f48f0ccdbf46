"""A run in which nothing is rounded to half precision: casts and new tensors are float32 instead."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

LOW = (torch.float16, torch.bfloat16)


class Widened(TorchDispatchMode):
    """A context. Weights that are kept in half precision stay so, and operators that mix them with float32 fail."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") in LOW:
            kwargs["dtype"] = torch.float32
        return func(*args, **kwargs)
