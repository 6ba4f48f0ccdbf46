"""One client format a file: `emit(rec, version) -> str`, with PROOF (how far the format was proved: launched, parsed or
schema), PROVED (by what) and FILE (the name a user would give it). A new client is a new file here; nothing else
changes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import UsageError
from hwcompat.model import Recommendation


def names() -> tuple[str, ...]:
    """Every format there is, sorted; lists the folder and imports none."""
    folder = Path(__file__).parent
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


def render(rec: Recommendation, name: str, version: str | None = None) -> str:
    """`rec` in the format `name`; `version` is the client's, None: only what every version accepts.

    Plain ASCII with LF line ends. Raises UsageError for an unknown format, MachineError where the card cannot train.
    """
    text: str = _module(name).emit(rec, version)
    return text


def notes(rec: Recommendation, name: str, version: str | None = None) -> tuple[str, ...]:
    """What a format that holds no comments has to say of its own choices; nothing for the others."""
    tell = getattr(_module(name), "notes", None)
    return tuple(tell(rec, version)) if tell else ()


def file_name(name: str) -> str:
    """The file name users expect of this format. Raises UsageError for an unknown format."""
    return str(_module(name).FILE)


class Format(NamedTuple):
    """What users should know of a format; `proved` says by what, and what could not be told apart."""

    name: str
    file: str
    proof: str  # launched | parsed | schema
    proved: str
    summary: str  # the first sentence of its module


def described(name: str) -> Format:
    """The format `name`. Raises UsageError for an unknown one."""
    module = _module(name)
    summary = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    return Format(name, module.FILE, module.PROOF, module.PROVED, summary)


def _module(name: str) -> Any:
    if name not in names():
        raise UsageError(f"no client format is called {name!r}", f"nearest: {', '.join(_nearest(name))}")
    return import_module(f"{__name__}.{name}")


def _nearest(name: str) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name.lower(), names(), n=3, cutoff=0.4) or list(names())
