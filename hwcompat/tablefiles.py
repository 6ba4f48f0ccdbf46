"""Files of the tables -> their records, each with the line it stands in."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwcompat.errors import DataError

Record = Mapping[str, str]


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
        with path.open(encoding="utf-8") as handle:
            loader = safe_loader(handle)
            pairs = getattr(loader.get_single_node(), "value", ())
            [entries] = [value for key, value in pairs if key.value == name]
            return [(node.start_mark.line + 1, loader.construct_document(node)) for node in entries.value]
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} has no readable list under '{name}:': {reason}", "restore the file") from None
