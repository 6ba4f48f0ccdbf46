"""Fault models: what a sick card looks like to the operators of torch, simulated on a healthy machine.

A file is a family of faults; `convolution.wgrad_nan` is the function `wgrad_nan(torch)` of convolution.py, which
returns the context manager that makes the fault. The literal FAULTS at the top of a family maps the names of its faults
to one line each: what is wrong, then the report it stands for. A family that is one fault (gtx16xx) has `mode`.
Listing them needs no torch and imports no family.
"""

import ast
import importlib
import os

NEEDS_PROCESS = ("environment.hang", "environment.crash", "environment.crash_convolution")
"""Faults that would end or stop the caller's own process."""

_HERE = os.path.dirname(os.path.abspath(__file__))


def listing():
    """{name: "what is wrong, source"} of every fault, sorted by name."""
    found = {}
    for entry in sorted(os.listdir(_HERE)):
        family, extension = os.path.splitext(entry)
        if extension == ".py" and not family.startswith("_"):
            for name, line in _faults(os.path.join(_HERE, entry)).items():
                found[name if name == family else "%s.%s" % (family, name)] = line
    return found


def make(torch, name):
    """The context manager of the fault called `name`; KeyError where there is none."""
    family, _, fault = name.partition(".")
    module = importlib.import_module("." + family, __name__)
    if not fault:
        return module.mode(torch)
    if fault not in module.FAULTS:
        raise KeyError("no fault %s" % name)
    return getattr(module, fault)(torch)


def _faults(path):
    """The literal FAULTS of a family."""
    with open(path, encoding="utf-8") as handle:
        tree = ast.parse(handle.read(), path)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FAULTS":
            return ast.literal_eval(node.value)
    return {}
