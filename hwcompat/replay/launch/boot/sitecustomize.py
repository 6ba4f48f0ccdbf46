"""Found by every Python that `hwcompat diagnose -- ...` starts, since this folder is on its PYTHONPATH.

Takes the folder off sys.path again, lets the program's own sitecustomize run, and starts ../hooks.py. The workers of
multiprocessing (those of a DataLoader, for instance) stay untouched. Whatever fails here, the program must not notice.
"""

import importlib
import os
import sys


def _chain(here):
    """The sitecustomize that Python would have found without us, if there is one."""
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    own = sys.modules.pop("sitecustomize", None)
    importlib.invalidate_caches()
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if getattr(error, "name", "") != "sitecustomize":
            sys.stderr.write("Error in sitecustomize: %s\n" % (error,))
    if own is not None:
        sys.modules.setdefault("sitecustomize", own)


def _start(here):
    words = list(getattr(sys, "orig_argv", [])) + list(getattr(sys, "argv", []))
    folder = os.environ.get("HWCOMPAT_DIAGNOSE")
    if not folder or "--multiprocessing-fork" in words or sys.version_info < (3, 8):
        return
    import importlib.util

    path = os.path.join(os.path.dirname(here), "hooks.py")
    spec = importlib.util.spec_from_file_location("_hwcompat_hooks", path)
    if spec is None or spec.loader is None:
        return
    hooks = importlib.util.module_from_spec(spec)
    sys.modules["_hwcompat_hooks"] = hooks
    spec.loader.exec_module(hooks)
    hooks.install(folder)


def _run():
    here = os.path.dirname(os.path.abspath(__file__))
    _chain(here)
    try:
        _start(here)
    except Exception as error:
        sys.stderr.write("hwcompat: this program is not watched: %s: %s\n" % (type(error).__name__, error))


_run()
