"""Advice that does not do what people think (matrix/folklore.yaml), looked for in a command line, settings or a log."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import UsageError
from hwcompat.tablefiles import yaml_list
from hwcompat.tablerows import in_range, range_parts

from .clue import NOTE, Clue, Place
from .config import Config

ANY = "*"
DUMP = 50
"""More keys than this are the record that a client writes of a run, defaults included."""
LONGEST = 100_000
"""Characters of a command line that are looked at."""


class Tale(NamedTuple):
    """An entry of folklore.yaml. `flags` without dashes, `keys` with the values that are meant ("*": any)."""

    id: str
    claim: str
    verdict: str  # wrong | stale | partly
    why: str
    instead: str
    sources: tuple[str, ...]
    clients: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    keys: Mapping[str, Sequence[Any]] = {}
    texts: tuple[str, ...] = ()
    versions: str = ""  # ">=8.2.96": the releases of which this is true; empty: all
    unless_key: str = ""  # with this key set to something else than auto the advice is right


def read_tales(folders: Iterable[Path]) -> tuple[Tale, ...]:
    """The entries of every folder that has the file, a later one's replacing those of the same id. DataError."""
    found: dict[str, Tale] = {}
    for folder in folders:
        if (folder / "folklore.yaml").exists():
            for _, entry in yaml_list(folder / "folklore.yaml", "folklore"):
                tale = _tale(entry)
                if tale:
                    found[tale.id] = tale
    return tuple(found.values())


def _tale(entry: Any) -> Tale | None:
    """None for an entry that lacks what every entry must have: a source above all."""
    words = ("id", "claim", "verdict", "why", "instead")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(word), str) for word in words):
        return None
    lists = {name: tuple(map(str, entry.get(name) or ())) for name in ("sources", "clients", "flags", "texts")}
    keys = entry.get("keys") or {}
    if not lists["sources"] or not isinstance(keys, dict):
        return None
    told = {word: " ".join(entry[word].split()) for word in words}
    versions, unless = (str(entry.get(name) or "") for name in ("versions", "unless_key"))
    try:
        range_parts(versions)
    except ValueError:
        return None
    return Tale(**told, **lists, keys=keys, versions=versions, unless_key=unless)  # type: ignore[arg-type]


# --- a command line ---------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    """A command line taken apart; nothing of it is run. `words` are key=value pairs and --flags without dashes."""

    text: str
    client: str
    words: Mapping[str, str]


def read_command(text: str) -> Command:
    """The command in its parts. UsageError where its quotes do not close."""
    if len(text) > LONGEST:
        raise UsageError(f"a command of {len(text)} characters", "hand in the line that starts the training")
    try:
        parts = shlex.split(text.replace("\\", "\\\\"))
    except ValueError as error:
        raise UsageError(f"the command cannot be taken apart: {error}", "close its quotes") from None
    return Command(text, _client(parts), dict(_words(parts)))


def _client(parts: Sequence[str]) -> str:
    names = [part.replace("\\", "/").rpartition("/")[2] for part in parts]
    if any(name in ("yolo", "yolo.exe") for name in names):
        return "ultralytics"
    if any(name in ("deepspeed", "deepspeed.exe") for name in names):
        return "deepspeed"
    if "train.py" in names and _yolov5_words(parts):
        return "yolov5"
    return "accelerate" if any(name in ("accelerate", "accelerate.exe") for name in names) else ""


def _yolov5_words(parts: Sequence[str]) -> bool:
    told = ("--weights", "--hyp", "--noautoanchor", "--img", "--imgsz", "--batch-size", "--cfg")
    return any(part.partition("=")[0] in told for part in parts)


def _words(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for at, part in enumerate(parts):
        name, sign, value = part.partition("=")
        if part.startswith("--") and not sign:
            following = parts[at + 1] if at + 1 < len(parts) else ""
            value = "" if following.startswith("--") else following
        if part.startswith("--") or sign:
            yield name.lstrip("-").replace("_", "-"), value


def in_command(command: Command, tales: Iterable[Tale]) -> Iterator[Clue]:
    """The advice that this command follows."""
    for tale in tales:
        if not _concerns(tale, command.client):
            continue
        flag = next((name for name in tale.flags if name.replace("_", "-") in command.words), "")
        key = flag or _key_of(tale, {k.replace("-", "_"): _read(v) for k, v in command.words.items()})
        text = next((text for text in tale.texts if text in command.text), "")
        if key or text:
            yield _clue(tale, Place("command", None, f"--{flag}" if flag else key, text))


def _read(text: str) -> Any:
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def in_config(config: Config, tales: Iterable[Tale]) -> Iterator[Clue]:
    """The advice that a file written by hand follows; in a dump of every setting the defaults would speak too."""
    if len(config.document.top()) > DUMP:
        return
    for tale in tales:
        if tale.clients and config.client not in tale.clients:
            continue
        if config.version and not in_range(config.version, tale.versions):
            continue
        key = _key_of(tale, config.document.values, any_counts=False)
        if key:
            yield _clue(tale, config.place(key))


def _concerns(tale: Tale, client: str) -> bool:
    """A command whose client nobody recognises is told what is said of any client's flags."""
    return not tale.clients or not client or client in tale.clients


def _key_of(tale: Tale, values: Mapping[str, Any], any_counts: bool = True) -> str:
    if tale.unless_key and str(values.get(tale.unless_key, "auto")).lower() != "auto":
        return ""
    for key, meant in tale.keys.items():
        if key in values and (any(_same(values[key], one) for one in meant) or (any_counts and ANY in meant)):
            return str(key)
    return ""


def _same(value: Any, meant: Any) -> bool:
    if isinstance(meant, bool) or isinstance(value, bool):
        return value is meant
    return str(value) == str(meant)


def in_text(text: str, place: Place, tales: Iterable[Tale]) -> Iterator[Clue]:
    """The advice that a line of a log shows."""
    for tale in tales:
        if any(words in text for words in tale.texts):
            yield _clue(tale, place)


def _clue(tale: Tale, place: Place) -> Clue:
    return Clue(
        f"folklore.{tale.id}", f'"{tale.claim}": {_verdict(tale)}', tale.why, tale.instead, NOTE, 7, "unknown",
        tale.sources[0], (place,),
    )  # fmt: skip


def _verdict(tale: Tale) -> str:
    words = {"wrong": "it does not", "stale": "it did once", "partly": "only under a condition"}
    return words.get(tale.verdict, tale.verdict)


def listing(tales: Iterable[Tale]) -> Iterator[str]:
    """Every entry in four lines."""
    for tale in tales:
        where = f" ({', '.join(tale.clients)}{f' {tale.versions}' if tale.versions else ''})" if tale.clients else ""
        yield f"{tale.id}{where}: {tale.verdict}"
        yield f'  people say: "{tale.claim}"'
        yield f"  but: {tale.why}"
        yield f"  instead: {tale.instead}"
        yield f"  source: {' '.join(tale.sources)}"
