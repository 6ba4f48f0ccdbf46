"""Which keys the examined releases of a client accept (matrix/client_keys.csv), and the usual learning rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from hwcompat.tablefiles import csv_lines

Version = tuple[int, ...]


@cache
def version_of(text: str | None) -> Version | None:
    """(8, 4, 80) of "8.4.80", "v8.4.80" and "8.4.80.post1"; None for what is no version."""
    found = re.match(r"v?(\d{1,6}(?:\.\d{1,6})*)", text or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


class Key(NamedTuple):
    """A line of client_keys.csv. `versions`: the examined releases that accept it, oldest first."""

    client: str
    section: str
    key: str
    versions: tuple[str, ...]
    replaced_by: str
    source: str


@dataclass(frozen=True, eq=False)
class KeyTable:
    keys: Mapping[tuple[str, str, str], Key]

    @cached_property
    def _examined(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], set[str]] = {}
        for key in self.keys.values():
            found.setdefault((key.client, key.section), set()).update(key.versions)
        return {place: tuple(sorted(some, key=lambda v: version_of(v) or ())) for place, some in found.items()}

    def examined(self, client: str, section: str = "") -> tuple[str, ...]:
        """The releases whose keys were read, oldest first."""
        return self._examined.get((client, section), ())

    def find(self, client: str, section: str, key: str) -> Key | None:
        return self.keys.get((client, section, key))

    def names(self, client: str, section: str = "") -> frozenset[str]:
        """Every key that some examined release accepts."""
        return frozenset(k.key for k in self.keys.values() if (k.client, k.section) == (client, section))

    def accepts(self, client: str, section: str, key: str, version: str | None) -> bool | None:
        """Whether that release accepts the key; None where the examined releases around it disagree, or none is known.

        Without a version: True if the newest examined release accepts it, False if none ever did, else None.
        """
        found, examined = self.find(client, section, key), self.examined(client, section)
        if not examined:
            return None
        if found is None:
            return False
        if version_of(version) is None:
            return True if examined[-1] in found.versions else None
        around = _around(version or "", examined)
        answers = {each in found.versions for each in around}
        return answers.pop() if len(answers) == 1 else None

    def nearest(self, client: str, section: str, key: str, version: str | None) -> str:
        """A key that this release accepts and that is spelt alike; empty where there is none."""
        alike = get_close_matches(key, sorted(self.names(client, section)), n=10, cutoff=0.8)
        return next((name for name in alike if self.accepts(client, section, name, version)), "")


def _around(version: str, examined: tuple[str, ...]) -> tuple[str, ...]:
    """The examined releases next to `version`: itself, or the one before and the one after."""
    wanted = version_of(version) or ()
    if any(version_of(each) == wanted for each in examined):
        return tuple(each for each in examined if version_of(each) == wanted)
    before = [each for each in examined if (version_of(each) or ()) < wanted]
    after = [each for each in examined if (version_of(each) or ()) > wanted]
    return (*before[-1:], *after[:1])


def read_keys(folders: Iterable[Path]) -> KeyTable:
    """The keys of every folder that has the table; a later folder's row replaces an earlier one's. DataError."""
    found: dict[tuple[str, str, str], Key] = {}
    for row in _rows(folders, "client_keys.csv"):
        cells = {name: row.get(name) or "" for name in ("client", "section", "key", "replaced_by", "source")}
        key = Key(**cells, versions=tuple((row.get("versions") or "").split()))
        found[key.client, key.section, key.key] = key
    return KeyTable(found)


class Rate(NamedTuple):
    """A line of training_limits.csv: learning rates up to `usual` are common, from `far` on nearly always a mistake."""

    optimizer: str
    usual: float
    far: float
    source: str
    note: str


def read_rates(folders: Iterable[Path]) -> Mapping[str, Rate]:
    """{optimizer in lower case: its learning rates}; DataError for a table that cannot be read."""
    found = {}
    for row in _rows(folders, "training_limits.csv"):
        try:
            rate = Rate(row["optimizer"], float(row["usual"]), float(row["far"]), row["source"], row.get("note", ""))
        except (KeyError, ValueError):
            continue
        found[rate.optimizer] = rate
    return found


def _rows(folders: Iterable[Path], name: str) -> Iterable[Mapping[str, str]]:
    for folder in folders:
        if (folder / name).exists():
            yield from (row for _, row in csv_lines(folder / name))
