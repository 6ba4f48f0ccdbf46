"""What environments occupy, and whether the next one fits: the free space of the disk, and the user's own limit."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

RESERVE_BYTES = 2**30
"""Left free whatever happens: a full disk hurts others than us."""
_LOOK_SECONDS = 2.0


def occupied(*folders: Path) -> int:
    """Bytes on disk below `folders`; what several names share (hard links into a cache among them) counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with suppress(OSError):  # removed in this moment
                    found = os.lstat(os.path.join(place, name))  # noqa: PTH118 hundreds of thousands of files
                    key = (found.st_dev, found.st_ino)
                    if found.st_ino and key in seen:
                        continue
                    seen.add(key)
                    total += _on_disk(found)
    return total


def _on_disk(found: os.stat_result) -> int:
    blocks = getattr(found, "st_blocks", None)  # of 512 bytes, POSIX; Windows has none
    return found.st_size if blocks is None else blocks * 512


def free(folder: Path) -> int:
    """Bytes free where `folder` is or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def unpacked(wheel: Path) -> int | None:
    """Bytes that a wheel holds once unpacked; None for what is no zip file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return None


def expected(build: str, known: Mapping[str, int], wheel: Path | None = None) -> int:
    """Bytes that `build` ("2.7.1+cu126") will take: as it did before, else its wheel's content, else the most that any
    build of the same tag did, else of any; 0 where nothing is known yet."""
    if build in known:
        return known[build]
    size = unpacked(wheel) if wheel else None
    if size is not None:
        return size
    tag = build.partition("+")[2]
    return max(
        (size for name, size in known.items() if name.endswith(f"+{tag}")), default=max(known.values(), default=0)
    )


class Budget:
    """The limit of a sweep. `limit` (bytes, None: only the disk's end) is for all that lies in `folders`."""

    def __init__(self, limit: int | None, place: Path, folders: Iterable[Path]) -> None:
        self.limit = limit
        self._place, self._folders = place, tuple(folders)
        self._looked = 0.0

    def why_not(self, need: int) -> str:
        """Why `need` more bytes may not be written; "" if they may."""
        room = free(self._place) - RESERVE_BYTES
        if need > room:
            return f"{_gb(need)} more do not fit on the disk: {_gb(max(room, 0))} are free"
        used = occupied(*self._folders) if self.limit is not None else 0
        if self.limit is not None and (used >= self.limit or used + need > self.limit):
            return f"{_gb(need)} more do not fit into --max-disk {self.limit / 1e9:g}: {_gb(used)} are in use"
        return ""

    def overdrawn(self) -> str:
        """Why writing must stop now; asked often, it looks every few seconds."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return ""
        self._looked = time.monotonic()
        return self.exceeded()

    def exceeded(self) -> str:
        """Whether the limit is passed, in words."""
        if free(self._place) < RESERVE_BYTES:
            return f"less than {_gb(RESERVE_BYTES)} were left on the disk"
        if self.limit is not None and occupied(*self._folders) > self.limit:
            return f"it grew past --max-disk {self.limit / 1e9:g}"
        return ""


def _gb(size: int) -> str:
    if size < 5e7:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.2g} GB" if size < 1e10 else f"{size / 1e9:.0f} GB"
