"""Indexes of empty wheels in a folder, for resolvers that must not reach any network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

TORCH_INDEX = ("torch-2.13.0+cu126", "torch-2.14.0+cu126", "torchvision-0.28.0+cu126", "torchvision-0.29.0+cu126")
PYPI = ("torch-2.13.0", "torch-2.15.0", "torchvision-0.28.0", "torchvision-0.29.0", "numpy-2.3.0")
NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def wheel(folder: Path, release: str, requires: tuple[str, ...] = ()) -> Path:
    """An empty wheel for any Python and platform; `release` is "torch-2.13.0+cu126"."""
    name, version = release.split("-")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{release}.dist-info/METADATA": metadata,
        f"{release}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{release}.dist-info/RECORD"))
    path = folder / f"{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**files, f"{release}.dist-info/RECORD": record}.items():
            archive.writestr(inside, text)
    return path


def simple_index(folder: Path, releases: tuple[str, ...], needs: Mapping[str, tuple[str, ...]] = NOTHING) -> str:
    """A simple index (a page a package) of empty wheels under `folder`; returns its file: URL.

    needs: release -> what it requires.
    """
    pages: dict[str, list[str]] = {}
    for release in releases:
        name = release.split("-")[0].replace("_", "-")
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        file = wheel(place, release, needs.get(release, ()))
        pages.setdefault(name, []).append(f'<a href="{file.name.replace("+", "%2B")}">{file.name}</a>')
    for name, links in pages.items():
        page = "<!DOCTYPE html><html><body>" + "<br>".join(links) + "</body></html>"
        (folder / name / "index.html").write_text(page, encoding="utf-8")
    return folder.resolve().as_uri()


def installed(folder: Path, release: str) -> Path:
    """A folder for PYTHONPATH in which `release` counts as installed."""
    with zipfile.ZipFile(wheel(folder, release)) as archive:
        archive.extractall(folder)
    return folder


def indexes(folder):
    """The stand-ins for PyTorch's index and for PyPI, made in `folder`."""
    return simple_index(folder / "torch", TORCH_INDEX), simple_index(folder / "pypi", PYPI)
