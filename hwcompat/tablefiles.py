"""Files of the tables -> their records, each with the line it stands in."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwcompat.errors import DataError

Record = Mapping[str, str]

_MAX_YAML = 2**20
_MAX_DEPTH = 12


def csv_lines(path: Path) -> list[tuple[int, Record]]:
    """(line number, record) of every row; a short row lacks its last columns, which parsing then reports.

    Raises DataError for a file that cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            header = next(reader, [])
            return [(reader.line_num, dict(zip(header, cells, strict=False))) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read: {error}", "restore the file, or unset the variable that names it"
        ) from None


def yaml_list(path: Path, name: str) -> list[tuple[int, Any]]:
    """(line number, entry) of the list under `name`. Raises DataError for a file without one."""
    import yaml  # most commands never need it

    safe_loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML lack the C loader
    try:
        with path.open(encoding="utf-8-sig") as handle:
            text = handle.read(_MAX_YAML + 1)
        _refuse_bombs(text, yaml, safe_loader)
        loader = safe_loader(text)
        pairs = getattr(loader.get_single_node(), "value", ())
        [entries] = [value for key, value in pairs if key.value == name]
        return [(node.start_mark.line + 1, loader.construct_document(node)) for node in entries.value]
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} has no readable list under '{name}:': {reason}", "restore the file") from None


def _refuse_bombs(text: str, yaml: Any, safe_loader: Any) -> None:
    """ValueError for what would grow without end when it is read: aliases, which make a few lines stand for billions of
    entries, and lists in lists in lists, on which PyYAML's loader dies with the whole process."""
    if len(text) > _MAX_YAML:
        raise ValueError(f"more than {_MAX_YAML} characters")
    depth = 0
    for event in yaml.parse(text, Loader=safe_loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1}: an alias (*{event.anchor}); write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1}: nested deeper than {_MAX_DEPTH} lists")
