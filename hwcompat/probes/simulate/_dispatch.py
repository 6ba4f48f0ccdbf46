"""Hooks behind torch's operators: the one mechanism by which the fault models here make a healthy machine look
faulty."""

import functools
import importlib
import re
from collections import namedtuple

LOW = ("float16", "bfloat16")
FLOATS = ("float32", "float16", "bfloat16")

Call = namedtuple("Call", "name func args kwargs out")
"""One finished call: `name` without namespace, overload and the underscore of the in-place form; `out` is what it
returned or, where it returns nothing, what it wrote to."""


def after_each(torch, alter):
    """A context manager inside which `alter(name, func, args, kwargs, out)` replaces the result of every ATen call.

    `name` is the operator without namespace and overload ("convolution"); operators that `alter` itself calls are not
    altered. Backward operators are seen as well. RuntimeError before torch 1.13, which has no such hook.
    """
    base = _base(torch)
    names = {}  # type: dict[object, str]

    class AfterEach(base):  # type: ignore[misc, valid-type]  # the class exists at run time only
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            name = names.get(func)
            if name is None:
                name = names[func] = str(func).split(".")[1]
            return alter(name, func, args, kwargs, func(*args, **kwargs))

    return AfterEach()


def on(torch, names, change, dtypes=LOW):
    """A context manager inside which the operators `names` give `change(call)` where it is not None.

    An operator is hit in all its forms (add, add_, add.out) when the first floating-point tensor among its operands is
    of one of `dtypes`. In-place and out= forms are altered in place, so that their callers see it. For those who look
    for a probe that can notice, the attribute `touches` says (names, dtypes) and `hits[0]` how often it altered a
    result.
    """
    wanted, hits = frozenset(names), [0]

    def alter(name, func, args, kwargs, out):
        plain = base_name(name)
        if plain not in wanted or dtype_of(torch, (args, kwargs)) not in dtypes:
            return out
        written = out if out is not None else written_to(func, args)
        changed = change(Call(plain, func, args, kwargs, written))
        if changed is None:
            return out
        hits[0] += 1
        return put(torch, func, written, out, changed)

    mode = after_each(torch, alter)
    mode.touches, mode.hits = (wanted, tuple(dtypes)), hits
    return mode


def put(torch, func, written, out, changed):
    """What the call returns after its result `written` became `changed`: the same tensors where it works in place."""
    if not works_in_place(func):
        return changed
    for old, new in zip(tensors(torch, written), tensors(torch, changed)):
        if new is not old:
            old.copy_(new)
    return out


@functools.lru_cache(maxsize=None)  # a schema is made anew each time it is asked for
def works_in_place(func):
    """True for an operator whose results are operands that it writes to: add_, add.out, _foreach_add_."""
    returned = func._schema.returns
    if not returned:
        return func._schema.is_mutable
    return all(value.alias_info is not None and value.alias_info.is_write for value in returned)


@functools.lru_cache(maxsize=None)
def is_view(func):
    """True for an operator that returns an operand's memory unchanged: view, t, slice, detach."""
    return any(value.alias_info is not None and not value.alias_info.is_write for value in func._schema.returns)


@functools.lru_cache(maxsize=None)
def results_declared(func):
    """How many results an operator has; a list is one."""
    return len(func._schema.returns)


def written_to(func, args):
    """The operands that an operator without results writes to."""
    return [args[place] for place in _written_places(func) if place < len(args)]


@functools.lru_cache(maxsize=None)
def _written_places(func):
    declared = enumerate(func._schema.arguments)
    return [place for place, of in declared if of.alias_info is not None and of.alias_info.is_write]


def base_name(name):
    """`name` without the underscore of the in-place form."""
    return name[:-1] if name.endswith("_") else name


def tensors(torch, tree):
    """The tensors inside nested lists, tuples and dicts, in order."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        return [tensor for value in tree for tensor in tensors(torch, value)]
    return []


def mapped(torch, tree, change):
    """`tree` with every floating-point tensor replaced by change(tensor)."""
    if isinstance(tree, torch.Tensor):
        return change(tree) if tree.is_floating_point() else tree
    if isinstance(tree, (list, tuple)):
        return type(tree)([mapped(torch, value, change) for value in tree])
    return tree


def dtype_of(torch, operands):
    """Name of the dtype of the first floating-point tensor in `operands`; empty where there is none."""
    for tensor in tensors(torch, operands):
        if tensor.is_floating_point():
            return str(tensor.dtype).replace("torch.", "")
    return ""


def _base(torch):
    """torch.utils._python_dispatch.TorchDispatchMode; 1.12 had a class of that name which works otherwise."""
    if _release(torch.__version__) < (1, 13):
        raise RuntimeError("simulating a fault needs torch 1.13 or newer, this is torch %s" % torch.__version__)
    return importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode


def _release(version):
    return tuple(int(part) for part in re.findall(r"\d+", str(version))[:2])
