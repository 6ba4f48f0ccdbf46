"""hwcompat: is this GPU's arithmetic right, is it fast, and which configuration follows from that.

The names below are bound when first used, so that importing the package imports neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import detect, load_matrix, probe, recommend, render, resolve
    from .errors import DataError, HwcompatError, MachineError, NoBuildError, UsageError
    from .model import Caution, Environment, Gpu, Pin, Recommendation, Report, Result, Setting
    from .replay import Finding, Watch, watch

__version__ = "0.1.0"

_HOME = {
    "api": ("detect", "load_matrix", "probe", "recommend", "render", "resolve"),
    "errors": ("DataError", "HwcompatError", "MachineError", "NoBuildError", "UsageError"),
    "model": ("Caution", "Environment", "Gpu", "Pin", "Recommendation", "Report", "Result", "Setting"),
    "replay": ("Finding", "Watch", "watch"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Caution",
    "DataError",
    "Environment",
    "Finding",
    "Gpu",
    "HwcompatError",
    "MachineError",
    "NoBuildError",
    "Pin",
    "Recommendation",
    "Report",
    "Result",
    "Setting",
    "UsageError",
    "Watch",
    "detect",
    "load_matrix",
    "probe",
    "recommend",
    "render",
    "resolve",
    "watch",
]


def __getattr__(name: str) -> Any:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module 'hwcompat' has no attribute {name!r}") from None
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
