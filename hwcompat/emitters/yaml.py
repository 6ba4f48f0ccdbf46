"""The generic file for programs and people: flat YAML, always the same keys in the same order."""

from __future__ import annotations

from hwcompat.model import Recommendation, Setting

from . import names
from ._text import comments, provenance, scalar

PROOF = "parsed"
FILE = "hwcompat.yaml"
PROVED = "Read back by PyYAML with the types that were meant."

KEYS = (
    "amp",
    "half",
    "dtype",
    "grad_scaler",
    "channels_last",
    "cudnn_benchmark",
    "tf32",
    "torch",
    "cuda",
    "torchvision",
    "torchaudio",
    "index_url",
)
BARE = ("dtype",)
"""Words of a closed list that YAML cannot mistake for another type; everything else that is text is quoted."""
_MISSING = Setting(None, "no training settings: see the warning above")


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Twelve keys with the reason above each group; a key without a value is null."""
    lines = [comments([_first(rec), *provenance(rec)])]
    previous = ""
    for key in KEYS:
        setting = rec.settings.get(key, _MISSING)
        if setting.because != previous:
            lines.append(comments([f"{key}: {setting.because}"]))
        previous = setting.because
        lines.append(f"{key}: {_value(key, setting)}\n")
    return "".join(lines)


def _first(rec: Recommendation) -> str:
    """Clients refuse keys they do not know, so each has a file of its own."""
    clients = [name for name in sorted(rec.clients) if name in names()] or ["ultralytics"]
    commands = [f"hwcompat recommend --for {name} -o cfg.yaml" for name in clients]
    return f"For programs and people. A client's own file: {' or: '.join(commands)}"


def _value(key: str, setting: Setting) -> str:
    return str(setting.value) if key in BARE and setting.value else scalar(setting.value)
