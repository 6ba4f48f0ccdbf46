"""Brings this folder, as a package under a private name, into any interpreter that has torch.

    spec = importlib.util.spec_from_file_location("loader", ".../replay/__main__.py"); ...; replay = loader.load()

`load()` gives the package; calling it again gives the same one. Nothing of the folder gets onto sys.path.
"""

import importlib.util
import os
import sys

PACKAGE = "_hwcompat_replay"
HERE = os.path.dirname(os.path.abspath(__file__))


def load():
    """The package of this folder, with `watch`, `Finding`, `load_capture` and `replay_capture`."""
    if PACKAGE in sys.modules:
        return sys.modules[PACKAGE]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    assert spec is not None
    assert spec.loader is not None  # a file location always has one
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules[PACKAGE]
        raise
    return package


if __name__ == "__main__":
    sys.stderr.write("this file is loaded by a program that trains: see its docstring\n")
    sys.exit(2)
