"""A fragment of pyproject.toml for uv: PyTorch's index for torch alone, on the system the build was chosen for.

Paste it into pyproject.toml, then `uv add` as its first comment says.
  0.4.23   [[tool.uv.index]] with a name and explicit = true, lists of sources in [tool.uv.sources]
           (https://github.com/astral-sh/uv/blob/main/changelogs/0.4.x.md)
  0.5.0    ==2.13.0 is met by 2.13.0+cu126; before, uv finds no such version and stops (changelogs/0.5.x.md)
  explicit the index serves only packages that name it; everything else, torch's own needs too, comes from PyPI
           https://docs.astral.sh/uv/concepts/projects/dependencies/#index
  marker   on other systems uv locks PyPI's wheel of the same version; macOS needs no index at all
           https://docs.astral.sh/uv/guides/integration/pytorch/
  ROCm     the Triton that torch needs is on PyTorch's index only and is to be a dependency of the project itself:
           pytorch-triton-rocm, from torch 2.10 on triton-rocm (the same guide)
  0.6.9    `uv pip install --torch-backend=cu126` (changelogs/0.6.x.md), values as 0.13.9 lists them; uv pip only.
           Its value `auto` looks at the driver and not at the card (https://github.com/astral-sh/uv/issues/14742)
An unknown key in an index table is ignored by uv without a word, so only keys seen to work are written.
"""

from __future__ import annotations

from hwcompat.model import Pin, Recommendation

from ._pins import command, index, published, requirements, specifiers, told
from ._text import comments, release

PROOF = "launched"
FILE = "pyproject.toml"
PROVED = (
    "uv 0.5.0 and 0.13.9 added the pins to a project with the fragment and locked it, offline and against indexes of "
    "empty wheels: torch (and ROCm's Triton) from the named index on its system, else from PyPI. No wheel of torch "
    "was downloaded."
)

OLDEST = (0, 5)
BACKEND_SINCE = (0, 6, 9)
BACKENDS = frozenset({
    "cpu", "cu132", "cu130", "cu129", "cu128", "cu126", "cu125", "cu124", "cu123", "cu122", "cu121", "cu120", "cu118",
    "cu117", "cu116", "cu115", "cu114", "cu113", "cu112", "cu111", "cu110", "cu102", "cu101", "cu100", "cu92",
    "rocm7.2", "rocm7.1", "rocm7.0", "rocm6.4", "rocm6.3", "rocm6.2.4", "rocm6.2", "rocm6.1", "rocm6.0", "rocm5.7",
    "rocm5.6", "rocm5.5", "rocm5.4.2", "rocm5.4", "rocm5.3", "rocm5.2", "rocm5.1.1", "rocm4.2", "rocm4.1", "rocm4.0.1",
})  # fmt: skip
"""What `--torch-backend` takes in uv 0.13.9, of the tags PyTorch's indexes have."""

SYSTEMS = {"linux": "linux", "windows": "win32", "macos": "darwin"}
MACHINES = {"windows": {"x86_64": "AMD64", "arm64": "ARM64"}}
"""What Python calls a processor where that is not our word for it."""

RENAMED_TRITON = (2, 10)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """An index and the sources that name it; `version` is uv's.

    Raises MachineError where no build was chosen or it is on no index.
    """
    pin = published(rec, "uv")
    url = index(rec, pin)
    first = comments([f"Paste this into {FILE}, then run:"]) + command(
        "uv add", *requirements(pin), *_with_marker(rec, pin)
    )
    return first + comments(told(rec, pin)) + _notes(pin, url, release(version)) + _tables(rec, pin, url)


def _triton(pin: Pin) -> list[str]:
    """The Triton package of a ROCm build, which uv takes from the named index only as a direct dependency."""
    version = release(pin.torch) or ()
    if not pin.tag.startswith("rocm") or version < (2,):
        return []
    return ["triton-rocm" if version >= RENAMED_TRITON else "pytorch-triton-rocm"]


def _with_marker(rec: Recommendation, pin: Pin) -> list[str]:
    """Triton for the named index's system only: no other index has it, and uv locks for every system."""
    marker = _marker(rec)
    return [f'"{name}; {marker}"' if marker else name for name in _triton(pin)]


def _notes(pin: Pin, url: str, version: tuple[int, ...] | None) -> str:
    backend = pin.tag in BACKENDS and (version or BACKEND_SINCE) >= BACKEND_SINCE
    option = f"--torch-backend={pin.tag}" if backend else f"--index-url {url}"
    notes = ["" if url else "no index is named: the wheels for macOS are those on PyPI"]
    if version and version < OLDEST:
        notes.append("warning: uv before 0.5.0 finds no torch for these pins, or ignores the index: uv self update")
    since = " (uv 0.6.9 and later)" if url and backend and version is None else ""
    notes.append(f"Without a project{since}:")
    return comments(filter(None, notes)) + command("uv pip install", *([option] if url else []), *requirements(pin))


def _tables(rec: Recommendation, pin: Pin, url: str) -> str:
    """The index is explicit, so no other package can come from it; no tables where none is needed."""
    if not url:
        return ""
    name = "pytorch-" + "".join(letter if letter.isalnum() else "-" for letter in pin.tag if letter.isascii())
    marker = _marker(rec)
    condition = f', marker = "{marker}"' if marker else ""
    packages = [*specifiers(pin), *_triton(pin)]
    sources = "".join(f'{package} = [{{ index = "{name}"{condition} }}]\n' for package in packages)
    return f'\n[[tool.uv.index]]\nname = "{name}"\nurl = "{url}"\nexplicit = true\n\n[tool.uv.sources]\n{sources}'


def _marker(rec: Recommendation) -> str:
    """The system and processor that the build was chosen for, as far as known; nobody looked at the others."""
    machine = MACHINES.get(rec.os, {}).get(rec.arch, rec.arch)
    parts = [f"sys_platform == '{SYSTEMS[rec.os]}'"] if rec.os in SYSTEMS else []
    if parts and machine.isascii() and machine.replace("_", "").isalnum():
        parts.append(f"platform_machine == '{machine}'")
    return " and ".join(parts)
