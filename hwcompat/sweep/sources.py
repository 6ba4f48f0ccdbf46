"""Where the wheels of a build may be had, as arguments for `uv pip install`; and what its failures mean. Pure.

A wheel in a folder that the user named is taken as that very file; else PyTorch's index of the build's tag, which holds
no other tag; else the package index, where the tables say that a bare `torch==...` gives this build there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .planning import Candidate

_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9_]+)-(?P<version>[^-]+)(?:-\d[^-]*)?-(?P<pythons>[^-]+)-[^-]+-[^-]+\.whl")
_ADDRESS = re.compile(r"(?:https?|file)://[^\s)`'\"]+")


class Source(NamedTuple):
    """`what` it is for people; `arguments` of uv; `host`: the address that must answer ("": none)."""

    what: str
    arguments: tuple[str, ...]
    host: str = ""


def sources(
    candidate: Candidate,
    *,
    index_base: str,
    wheels: Sequence[Path] = (),
    offline: bool = False,
    companions: Sequence[tuple[str, str]] = (),
) -> tuple[Source, ...]:
    """In the order in which they are tried. wheels: files in the folders of --find-links. companions: (name, version)
    of what goes with torch. offline: the network is not asked; what uv has in its cache serves."""
    packages = [("torch", candidate.torch), *companions]
    folders = tuple(word for path in dict.fromkeys(wheel.parent for wheel in wheels) for word in _links(path))
    network = ("--offline",) if offline else ()
    found: list[Source] = []
    own = wheel_for(candidate, "torch", candidate.torch, wheels)
    if own:
        files = [wheel_for(candidate, name, version, wheels) for name, version in packages]
        wanted = [str(file or f"{name}=={version}") for file, (name, version) in zip(files, packages, strict=True)]
        found.append(Source(f"the wheel {own.name}", (*folders, *network, *wanted)))
    named = tuple(f"{name}=={version}" for name, version in packages)
    index = f"{index_base.rstrip('/')}/{candidate.tag}"
    found.append(Source(index, ("--default-index", index, *folders, *network, *named), _host(index)))
    if candidate.on_package_index:
        found.append(Source("the package index", (*folders, *network, *named), "the package index"))
    return tuple(found)


def _links(folder: Path) -> tuple[str, str]:
    return "--find-links", str(folder)


def _host(address: str) -> str:
    found = re.match(r"[a-z]+://([^/]+)", address)
    return found[1] if found else ""


def wheel_for(candidate: Candidate, name: str, version: str, wheels: Iterable[Path]) -> Path | None:
    """The file that holds `name` `version` for the candidate's tag and Python; None if there is none.

    A wheel without a local version ("torch-2.7.0-...") is the build that the package index gives.
    """
    for path in sorted(wheels):
        parts = _WHEEL.fullmatch(path.name)
        if parts is None or parts["name"].lower() != name or not _suits(parts["pythons"], candidate.python.version):
            continue
        public, _, local = parts["version"].partition("+")
        if public == version and (local == candidate.tag or (not local and _is_plain(candidate, name))):
            return path
    return None


def _is_plain(candidate: Candidate, name: str) -> bool:
    return candidate.on_package_index or (candidate.tag == "cpu" and name != "torch")


def _suits(tags: str, python: str) -> bool:
    """Whether a wheel's Python tags ("cp311", "py3", "py2.py3") are for "3.11"."""
    wanted = python.split(".")
    return any(tag in ("py3", f"cp{wanted[0]}{wanted[1]}", f"py{wanted[0]}{wanted[1]}") for tag in tags.split("."))


# --- what went wrong --------------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """Why uv could not install. `unreachable`: the network did not answer, so that another try may help."""

    text: str
    unreachable: bool = False


NOT_CACHED = Failure("it is not in uv's cache, and the network is not to be asked", unreachable=True)

_SILENT = re.compile(
    r"dns error|failed to lookup|connect(?:ion)? (?:error|refused|reset|timed out)|client error \(Connect\)|timed out|"
    r"tls handshake|unreachable|proxy",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[×╰─▶│├\u2500-\u257f\u2190-\u21ff\u25a0-\u25ff]+")


def failure(text: str) -> Failure:
    """What uv's output says, in one line: the address that could not be fetched, or its own last sentences."""
    plain = " ".join(_MARKS.sub(" ", text).split())
    if re.search(r"disk quota exceeded|no space left|os error 28\b", plain, re.IGNORECASE):
        return Failure("the disk is full")
    if told := re.search(r"No interpreter found for (Python [\w.]+)", plain):
        return Failure(f"uv finds no {told[1]} here and cannot fetch one: give the path of one with --python")
    addresses = [each.rstrip(".,") for each in _ADDRESS.findall(plain)]
    if "network was disabled" in plain:
        return NOT_CACHED
    if _SILENT.search(plain):
        what = addresses[0] if addresses else "the package index"
        return Failure(f"{what} could not be fetched ({_cause(plain)})", unreachable=True)
    told = re.search(r"(?:error:|No solution found|Because)\s*(.*)", plain)
    return Failure((told[0] if told else plain or "uv gave no reason")[:400])


def _cause(plain: str) -> str:
    causes = re.findall(r"cause(?:d by)?:\s*(.*?)(?=\s*cause(?:d by)?:|$)", plain, re.IGNORECASE)
    return str(causes[-1])[:120].strip() if causes else "no answer"
