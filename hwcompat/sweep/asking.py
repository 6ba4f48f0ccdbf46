"""What the words of a command mean on this machine: the place, the Pythons, the builds that are there already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hwcompat import asked, environment, measure, resolver, target
from hwcompat.errors import DataError, MachineError, UsageError
from hwcompat.model import Environment

from .planning import Candidate, Place, Python

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?t?")


class Here(NamedTuple):
    """`notes`: what is to be said of the interpreters that were looked at."""

    env: Environment
    place: Place
    pythons: tuple[Python, ...]
    installed: tuple[Candidate, ...]
    notes: tuple[str, ...]


def here(pythons: Sequence[str], device: str | None) -> Here:
    """This machine with `pythons` (versions for uv to find, or paths; none: the interpreter that `probe` would take).

    MachineError where an interpreter does not answer, or where a card has no driver yet.
    """
    paths = [text for text in pythons if not _VERSION.fullmatch(text)]
    seen = {path: environment.detect(path) for path in paths} or {"": environment.detect(None)}
    for path, env in seen.items():
        if env.python is None:
            raise MachineError(f"{path or 'the chosen Python'} cannot be used: {_why(env)}", "name another --python")
    found = tuple(seen.values())
    if paths and not any(env.torch for env in found):
        found += (environment.detect(None),)  # the build that is here is measured whatever environments are made of
    _refuse_without_driver(found[0], device)
    _refuse_device(found[0], device)
    wished = tuple(_python(text, seen.get(text)) for text in pythons) or (_python("", found[0]),)
    return Here(found[0], place_of(found[0], device), wished, _installed(found), _broken(found))


def _broken(found: Sequence[Environment]) -> tuple[str, ...]:
    """What keeps an installed torch from being measured; that none is installed needs no word."""
    notes = (note for env in found for note in env.notes if note.startswith("torch could not be imported"))
    return tuple(dict.fromkeys(note for note in notes if "No module named 'torch'" not in note))


def place_of(env: Environment, device: str | None) -> Place:
    """The machine as the gates are asked about it; `device` cpu leaves its cards out."""
    gpus = () if device == "cpu" else target.of_environment(env, ()).gpus
    driver = env.driver if env.driver and asked.is_driver(env.driver) else None
    return Place(gpus, driver, env.os, env.arch, env.wsl)


def _refuse_without_driver(env: Environment, device: str | None) -> None:
    """A card that no driver answers for runs no build: that is repaired first."""
    cards = [gpu for gpu in env.gpus if gpu.vendor == "nvidia" and not gpu.hidden and "jetson" not in gpu.name.lower()]
    if device == "cpu" or env.driver is not None or not cards:
        return
    problem = environment.gpu_problem(cards[0], env) or f"{cards[0].name} is there, but no NVIDIA driver answers"
    raise MachineError(problem, "install or repair the driver until nvidia-smi lists the card; or: --device cpu")


def _refuse_device(env: Environment, device: str | None) -> None:
    """What no build can be measured on is refused before anything is installed."""
    kind, colon, number = (device or "all").partition(":")
    if kind not in ("all", "cpu", "cuda", "mps", "xpu") or (colon and not number.isdigit()):
        raise UsageError(f"{device!r} is not a device", "cpu, cuda:0, mps, xpu:0 or all")
    cards = max(sum(not gpu.hidden for gpu in env.gpus), len(measure.visible_devices(env)))
    if kind not in ("all", "cpu") and int(number or 0) >= cards:
        raise MachineError(f"this machine has no device {device!r}", "see what it has: hwcompat env; or: --device cpu")


def _why(env: Environment) -> str:
    """What kept an interpreter from answering."""
    note = next((note for note in env.notes if note.startswith("torch could not be read")), "")
    return note.rpartition("Error: ")[2] or "it did not answer"


def _python(text: str, env: Environment | None) -> Python:
    if env is None:
        return Python(text, text)
    return Python(".".join((env.python or "").split(".")[:2]), env.executable or text)


def _installed(found: Sequence[Environment]) -> tuple[Candidate, ...]:
    """The builds that these interpreters have, each once."""
    here: dict[tuple[str, str], Candidate] = {}
    for env in found:
        if env.torch and env.executable:
            version, _, tag = resolver.name_of(env.torch).partition("+")
            python = _python("", env)
            here.setdefault((f"{version}+{tag}", python.version), Candidate(version, tag, python, env.executable))
    return tuple(here.values())


def wheels(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The wheels in `folders`. DataError for one that is no folder, or that holds none."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}", "name a folder that holds wheels (*.whl)")
        inside = sorted(folder.absolute().glob("*.whl"))
        if not inside:
            raise DataError(f"{folder} holds no wheel", "name a folder that holds wheels (*.whl)")
        found += inside
    return tuple(found)
