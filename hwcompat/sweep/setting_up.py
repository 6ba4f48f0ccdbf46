"""One environment with the build that suits this machine, in a folder of the user's, proved by a probe: or nothing.

While it is made, a marker lies in the folder: what a killed setup left behind is known by it, and begun anew.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from hwcompat import child as children
from hwcompat import environment, resolver, runner, target
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Report
from hwcompat.tables import Tables

from .asking import Here
from .installer import InstallError, Uv, python_in, remove
from .planning import Candidate, Python, no_candidates, plan
from .sources import Source

MARKER = ".hwcompat-setup"
Tell = Callable[[str], None]


# --- which build ------------------------------------------------------------------------------------------------------


def build_for(
    here: Here, torch: str | None, reports: Sequence[Report], tables: Tables
) -> tuple[Candidate, tuple[str, ...]]:
    """The build to install and why: the resolver's, as on a machine without torch; `torch` is a wish.

    A wish with its tag ("1.13.1+cu117") is taken at its word where it can run, also a CUDA build on a CPU. `reports`
    are this machine's: what they found wrong is avoided. NoBuildError, UsageError.
    """
    python = here.pythons[0]
    if torch and "+" in torch:
        found = plan(here.place, [python], tables, torch=[torch])
        if not found.candidates:
            raise no_candidates(found, here.place)
        return found.candidates[0], ("it was asked for", *found.candidates[0].notes)
    aim = target.of_environment(here.env, reports)
    machine = _bare(aim, python)
    pin = target.pin(machine._replace(gpus=here.place.gpus), torch, True, tables)
    place = (here.place.os, here.place.arch)
    row = next((b for b in tables.builds if (b.torch, b.tag, b.os, b.arch) == (pin.torch, pin.tag, *place)), None)
    found_here = Candidate(pin.torch, pin.tag, python, on_package_index=bool(row and row.default_on_pypi))
    return found_here, (*pin.because, *(f"warning: {warning}" for warning in pin.warnings))


def _bare(aim: target.Target, python: Python) -> target.Target:
    """The same machine with that Python and nothing installed."""
    return aim._replace(machine=replace(aim.machine, torch=None, python=python.version))


def companions(candidate: Candidate, tables: Tables) -> tuple[tuple[str, str], ...]:
    """(name, version) of torchvision and torchaudio that belong to it, as far as they exist."""
    found = next((each for each in tables.companions if each.torch == candidate.torch), None)
    pairs = (("torchvision", found.torchvision), ("torchaudio", found.torchaudio)) if found else ()
    return tuple((name, version) for name, version in pairs if version)


# --- making it --------------------------------------------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """UsageError unless `folder` is new, empty, or what a killed setup left."""
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "name a new folder: an existing environment is never changed")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "name a new folder")


def make(folder: Path, candidate: Candidate, places: Sequence[Source], uv: Uv, tell: Tell) -> Path:
    """The environment with the build in it; gives its interpreter. MachineError, and then nothing is left.

    The caller removes the MARKER (see `finished`) when the environment is proved; `cleared` takes back what is not.
    """
    _begin(folder)
    try:
        uv.make(folder, candidate.python.request)
        _fill(folder, places, uv, tell)
    except InstallError as error:
        raise MachineError(f"{candidate.build} could not be installed: {error.why.text}", _way_out(error)) from error
    python = python_in(folder)
    _check(python, candidate)
    if not _add_pip(python):
        tell("note: it has no pip (this Python cannot make one): use uv pip")
    return python


def _begin(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text("an environment that hwcompat setup has not finished\n", encoding="utf-8")
    except OSError as error:
        raise MachineError(
            f"cannot write {folder}: {error.strerror or error}", "name a folder you can write"
        ) from error


def _fill(folder: Path, places: Sequence[Source], uv: Uv, tell: Tell) -> None:
    first: InstallError | None = None
    for place in places:
        tell(f"installing from {place.what}")
        try:
            return uv.install(folder, place)
        except InstallError as error:
            tell(f"not from there: {error.why.text}")
            first = first or error
    assert first is not None  # there is always a place
    raise first


def _way_out(error: InstallError) -> str:
    if not error.why.unreachable:
        return "see what else would run: hwcompat sweep --dry-run; without torchvision and torchaudio: --no-companions"
    return "name a mirror (HWCOMPAT_TORCH_INDEX=https://...) or a folder of wheels (--find-links DIR)"


def _check(python: Path, candidate: Candidate) -> None:
    """MachineError unless the torch of `python` imports and is the build that was meant."""
    facts = environment.torch_facts(info := runner.info(str(python)))
    if facts is None:
        why = environment.public_line(str(info.get("error")))
        raise MachineError(f"{candidate.build} was installed, but does not import: {why}", "try another: --torch")
    name = resolver.name_of(facts)
    if name != candidate.build:
        raise MachineError(f"{name} came instead of {candidate.build}", "check the mirror or folder it came from")


def _add_pip(python: Path) -> bool:
    """pip of the Python itself, without network: an environment without it surprises people."""
    with suppress(OSError):
        child = children.start([str(python), "-m", "ensurepip", "--default-pip"], python.parent)
        try:
            return child.process.wait(300) == 0
        finally:
            children.kill(child)
            child.output.unlink(missing_ok=True)
    return False


@contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Whatever ends what is done inside before the MARKER is gone takes the folder's content with it."""
    was_there = folder.is_dir()
    if (folder / MARKER).exists():
        remove(folder)
    try:
        yield
    finally:
        if (folder / MARKER).exists():
            remove(folder)
            if was_there:
                folder.mkdir()


def finished(folder: Path) -> None:
    """The environment is proved and stays."""
    (folder / MARKER).unlink()


# --- what to tell -----------------------------------------------------------------------------------------------------


def activation(folder: Path, windows: bool = os.name == "nt") -> list[str]:
    """How to activate the environment, a line a shell."""
    if windows:
        scripts = folder / "Scripts"
        return [f'PowerShell: & "{scripts / "activate.ps1"}"', f'cmd: "{scripts / "activate.bat"}"']
    scripts = folder / "bin"
    return [
        f"bash, zsh: source {shlex.quote(str(scripts / 'activate'))}",
        f"fish: source {shlex.quote(str(scripts / 'activate.fish'))}",
    ]


def quoted(word: str, windows: bool = os.name == "nt") -> str:
    """A word of a command line."""
    return (f'"{word}"' if " " in word else word) if windows else shlex.quote(word)
