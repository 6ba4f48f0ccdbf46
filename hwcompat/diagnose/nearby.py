"""What of a run lies in a folder: looked for where nothing was named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hwcompat.errors import DataError

from .reading import read_document
from .record import role

CONFIGS = ("args.yaml", "hyp.yaml", "opt.yaml", "ds_config.json", "training_args.yaml", "default_config.yaml")
RESULTS = ("results.csv", "trainer_state.json", "metrics.csv", "train.log")
DATA = ("data.yaml", "dataset.yaml")


class Found(NamedTuple):
    configs: tuple[Path, ...]
    results: tuple[Path, ...]
    data: tuple[Path, ...]


def look(folder: Path) -> Found:
    """The files with the names that clients give; a table counts only with a column of losses."""
    tables = tuple(file for file in _there(folder, RESULTS) if file.suffix != ".csv" or _has_losses(file))
    configs = _there(folder, CONFIGS)
    return Found(configs, tables, _there(folder, DATA) or _named_by(configs))


def _named_by(configs: tuple[Path, ...]) -> tuple[Path, ...]:
    """The data set that a client's record of the run names, where it is still there."""
    for config in configs:
        with suppress(DataError, OSError, ValueError):
            name = read_document(config).values.get("data")
            if isinstance(name, str) and name.endswith((".yaml", ".yml")) and Path(name).is_file():
                return (Path(name),)
    return ()


def _there(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(folder / name for name in names if (folder / name).is_file())


def _has_losses(file: Path) -> bool:
    with file.open("rb") as handle:
        head = handle.readline(65536).decode("utf-8", "replace")
    return any("loss" in role(name) for name in head.split(","))
