"""Hooks behind torch's operators: the one mechanism by which the fault models here make a healthy machine look
faulty."""

import importlib
import re


def after_each(torch, alter):
    """A context manager inside which `alter(name, func, args, kwargs, out)` replaces the result of every ATen call.

    `name` is the operator without namespace and overload ("convolution"); operators that `alter` itself calls are not
    altered. Backward operators are seen as well. RuntimeError before torch 1.13, which has no such hook.
    """
    base = _base(torch)

    class AfterEach(base):  # type: ignore[misc, valid-type]  # the class exists at run time only
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            return alter(str(func).split(".")[1], func, args, kwargs, func(*args, **kwargs))

    return AfterEach()


def _base(torch):
    """torch.utils._python_dispatch.TorchDispatchMode; 1.12 had a class of that name which works otherwise."""
    if _release(torch.__version__) < (1, 13):
        raise RuntimeError("simulating a fault needs torch 1.13 or newer, this is torch %s" % torch.__version__)
    return importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode


def _release(version):
    return tuple(int(part) for part in re.findall(r"\d+", str(version))[:2])
