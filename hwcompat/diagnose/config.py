"""A client's file of settings: which client it is for, and what its keys mean in words that all checks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError, UsageError
from hwcompat.model import Fault, Recommendation

from .clue import PROVED, Clue, Place
from .keytable import KeyTable, Rate, Version, version_of
from .reading import Document, read_document


class Meant(NamedTuple):
    """What a key means: its name in the file and its value in shared words; `given` False: the client's default."""

    key: str
    value: Any
    given: bool = True


@dataclass(frozen=True)
class Config:
    """`client` is the name of the format's file in configs/; `meant` has lr, weight_decay, momentum, nesterov,
    optimizer, eps, amp (off fp16 bf16 fp8), weights (fp16 bf16), eval_weights, clip, batch, warmup_bias_lr, resume.
    """

    path: str
    client: str
    document: Document
    meant: Mapping[str, Meant]
    sections: tuple[tuple[str, str], ...]  # (section of the key table, prefix of its keys here)
    off: str  # what turns 16-bit training off in this client, in its own words
    version: str | None = None

    @property
    def release(self) -> Version | None:
        return version_of(self.version)

    def value(self, name: str) -> Any:
        """The value of a shared name; None where the file says nothing and the client has no default here."""
        found = self.meant.get(name)
        return found.value if found else None

    def number(self, name: str) -> float | None:
        from .reading import number

        return number(self.value(name))

    def place(self, key: str) -> Place:
        """Where the file's own `key` stands; a client's default stands nowhere."""
        document = self.document
        value = document.written.get(key, str(document.values[key])) if key in document.values else "(default)"
        return Place(self.path, document.lines.get(key), key, value[:80])

    def clue(self, check: str, keys: str | Iterable[str], what: str, **told: Any) -> Clue:
        """A clue at the file's own `keys`."""
        names = [keys] if isinstance(keys, str) else list(keys)
        told.setdefault("certainty", PROVED)
        return Clue(check, what, places=tuple(self.place(key) for key in names), **told)


@dataclass(frozen=True)
class Facts:
    """What settings are compared with. `machine` is what is recommended for the GPU, None where nobody could say."""

    keys: KeyTable
    rates: Mapping[str, Rate] = field(default_factory=dict)
    machine: Recommendation | None = None
    faults: tuple[Fault, ...] = ()


def formats() -> tuple[str, ...]:
    """Every client whose files are known; lists the folder and imports none."""
    folder = Path(__file__).parent / "configs"
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


def _module(client: str) -> Any:
    return import_module(f"hwcompat.diagnose.configs.{client}")


def read_config(path: Path, keys: KeyTable, client: str | None = None, version: str | None = None) -> Config:
    """The file as a Config. DataError for a file that cannot be read or that no client is known to write."""
    document = read_document(path)
    if version is not None and version_of(version) is None:
        raise UsageError(f"{version!r} is no version", "write it as digits and dots: 8.4.80")
    if client is not None and client not in formats():
        raise UsageError(f"no client is called {client!r}", f"one of: {', '.join(formats())}")
    name = client or recognised(document, keys, path)
    module = _module(name)
    meant = module.meaning(document.values)
    return Config(str(path), name, document, meant, tuple(module.sections(document.values)), module.OFF, version)


def recognised(document: Document, keys: KeyTable, path: Path) -> str:
    """The client this file is for: by keys only its files have, then by how many of its keys that client knows."""
    scores = {name: _score(_module(name), document, keys) for name in formats()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] <= 0:
        if {"train", "names"} <= set(document.top()) or {"train", "nc"} <= set(document.top()):
            raise DataError(f"{path} describes a data set", f"hwcompat diagnose --data {path.name}")
        raise DataError(
            f"{path} is for no client known here ({', '.join(formats())})", "name it with --client, or check the path"
        )
    return best


def _score(module: Any, document: Document, keys: KeyTable) -> float:
    """Telling keys count most, then the share of the file's keys that the client knows; a foreign key costs."""
    values = document.values
    telling = sum(name in values for name in module.TELLING) + sum(hint in document.text for hint in module.HINTS)
    known = foreign = 0
    for section, prefix in module.sections(values):
        mine = list(under(values, prefix))
        hits = sum(keys.find(module.CLIENT, section, name) is not None for name in mine)
        known, foreign = known + hits, foreign + len(mine) - hits
    if not telling and known == 0:
        return 0.0
    return 4 * telling + (2 * known - foreign) / max(known + foreign, 1) if telling or known >= 3 else 0.0


def under(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """The keys directly below `prefix` ("" or "fp16."), without it."""
    for name in values:
        if name.startswith(prefix) and "." not in name[len(prefix) :]:
            yield name[len(prefix) :]


def with_version(config: Config, versions: Mapping[str, str]) -> Config:
    """With the installed version of its client, where that is known and nothing else was said."""
    return config if config.version else replace(config, version=versions.get(config.client))


def check_names() -> tuple[str, ...]:
    """The names of the checks of settings, by listing their folder."""
    return tuple(sorted(p.stem for p in (Path(__file__).parent / "checks").glob("*.py") if p.stem[0] != "_"))


def examine(config: Config, facts: Facts) -> Iterator[Clue]:
    """What every check says of this file."""
    for name in check_names():
        yield from import_module(f"hwcompat.diagnose.checks.{name}").check(config, facts)
