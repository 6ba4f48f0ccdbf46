"""What the packaging formats share: the pinned packages, their index, and when there is nothing to write."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Pin, Recommendation
from hwcompat.wording import ascii_line

from ._text import provenance, release

PACKAGES = ("torch", "torchvision", "torchaudio")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!_-]*")
_URL = re.compile(r"(?:https?|file)://[A-Za-z0-9._~:/@%+-]+")


def chosen(rec: Recommendation) -> Pin:
    """The build to install. Raises MachineError where none was chosen."""
    if rec.pin is None:
        raise MachineError(
            "no torch build was chosen, so there is nothing to pin",
            "name the machine: hwcompat recommend --gpu NAME --driver VERSION --os OS --python VERSION --for ...",
        )
    return rec.pin


def published(rec: Recommendation, where: str) -> Pin:
    """The build to install, from an index. Raises MachineError where it is on none: `where` could not fetch it."""
    pin = chosen(rec)
    if not pin.index_url:
        raise MachineError(
            f"torch {pin.torch} is installed but on no index known here, so {where} cannot get it",
            "keep it with: hwcompat recommend --for requirements; or take a published build with: --newest",
        )
    return pin


def specifiers(pin: Pin) -> dict[str, str]:
    """Package -> version, of those that have one. Raises UsageError for what is no version."""
    found = {name: version for name in PACKAGES if (version := getattr(pin, name))}
    for name, version in found.items():
        if not _VERSION.fullmatch(version):
            raise UsageError(f"{version!r} is no version of {name}", "give one with: --torch 2.6.0")
    return found


def requirements(pin: Pin) -> list[str]:
    """torch==2.13.0 and its companions, without the local part.

    `==2.13.0` matches `2.13.0+cu126`, and not every index spells the local part (macOS, older aarch64 wheels):
    https://packaging.python.org/en/latest/specifications/version-specifiers/#version-matching
    """
    return [f"{name}=={version}" for name, version in specifiers(pin).items()]


def index(rec: Recommendation, pin: Pin) -> str:
    """The index to name, or "" for the client's default: macOS wheels have one form, and PyPI has it.

    A URL is written only if no file format or shell gives any of its characters a meaning of its own; else UsageError.
    """
    if rec.os == "macos" or not pin.index_url:
        return ""
    if not _URL.fullmatch(pin.index_url):
        raise UsageError(f"{pin.index_url!r} cannot be written as an index", "set HWCOMPAT_TORCH_INDEX to a plain URL")
    return pin.index_url


def python_for(rec: Recommendation, pin: Pin) -> str:
    """ "3.11" of "3.11.7"; where it was not told, one for which every wheel of that torch on Linux x86_64 exists."""
    found = re.match(r"\d+\.\d+", rec.python)
    if found:
        return found[0]
    return "3.11" if (release(pin.torch) or ()) >= (2,) else "3.8"


def told(rec: Recommendation, pin: Pin) -> Iterator[str]:
    """The sentences every packaging file begins with, after its own first ones."""
    yield from provenance(rec)
    yield f"torch {pin.torch} ({pin.tag}): {'; '.join(pin.because) or 'the build that serves this machine'}"
    missing = [name for name in PACKAGES if not getattr(pin, name)]
    if missing and pin.index_url:
        yield f"left out, since no release is known to fit torch {pin.torch}: {', '.join(missing)}"


def command(*words: str) -> str:
    """A command on a comment line of its own, never folded: it is there to be copied."""
    return f"#   {ascii_line(' '.join(words))}\n"
