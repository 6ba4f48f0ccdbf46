"""The folder of a site: taken only if it is empty or holds a site, and left with exactly the files of the new one.

`.hwcompat-site.json` lists the files of the site in the folder. Only files on that list are ever replaced or removed,
so nothing that somebody else put there is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hwcompat import store
from hwcompat.errors import MachineError, UsageError

from . import Built

MANIFEST = ".hwcompat-site.json"
_SCHEMA = 1
_SAFE = re.compile(r"(?:[a-z0-9][a-z0-9-]*/)*[a-z0-9][a-z0-9._-]*")


class Folder(NamedTuple):
    path: Path
    earlier: frozenset[str]  # files of the site that is there


def claim(out: Path) -> Folder:
    """`out` as the place of a site. UsageError where it holds anything else."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "name a folder for the site")
    manifest = out / MANIFEST
    if manifest.is_file():
        return Folder(out, _listed(manifest))
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} holds other files than a site", "name an empty or a new folder")
    return Folder(out, frozenset())


def _listed(manifest: Path) -> frozenset[str]:
    try:
        content = json.loads(store.read_bytes(manifest))
        names = content["files"] if content["schema"] == _SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and _SAFE.fullmatch(name) for name in names):
        raise UsageError(f"{manifest} is not the list of a site's files", "name an empty or a new folder")
    return frozenset(names)


def write(folder: Folder, files: Iterable[tuple[str, str]]) -> Built:
    """Write every file, then remove those of the earlier site that the new one lacks.

    The list is written first with the names of both: whatever happens in between, the next run knows every file of a
    site. Files that did not change are left alone.
    """
    contents = _checked(files)
    strangers = [name for name in contents if name not in folder.earlier and (folder.path / name).exists()]
    if strangers:
        problem = f"{folder.path / strangers[0]} is not a file of the site that is there"
        raise UsageError(problem, "move it away, or name an empty or a new folder")
    try:
        _write_list(folder.path, folder.earlier | set(contents))
        for name, text in contents.items():
            _write(folder.path / name, text.encode("utf-8", "replace"))
        _remove(folder.path, folder.earlier - set(contents))
    except OSError as error:
        raise MachineError(f"the site cannot be written: {error}", "choose a folder you can write to") from error
    _write_list(folder.path, set(contents))
    pages = sum(name.endswith(".html") for name in contents)
    return Built(pages, len(contents), folder.path / "index.html")


def _checked(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    folded: set[str] = set()
    for name, text in files:
        if not _SAFE.fullmatch(name) or name.lower() in folded:
            raise AssertionError(f"{name!r} is no name for a file of the site, or there are two of it")
        folded.add(name.lower())
        found[name] = text
    return found


def _write_list(folder: Path, names: Iterable[str]) -> None:
    content = {"schema": _SCHEMA, "what": "files of a site made by hwcompat matrix site", "files": sorted(names)}
    store.write_atomic(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def _write(path: Path, content: bytes) -> None:
    """By a rename, so that a reader never sees half a page; not synced one by one: all can be made again."""
    with suppress(OSError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in sorted(names):
        (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / name).parent.rmdir()  # only where it is empty now
