"""trainer_state.json of Hugging Face's Trainer: `log_history` is a list of what was logged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwcompat.diagnose.reading import read_text
from hwcompat.diagnose.record import MOST_POINTS, Point, Record, number
from hwcompat.errors import DataError

MOST_BYTES = 256 * 2**20


def recognises(name: str, head: bytes) -> int:
    return 4 * (name == "trainer_state.json" or b'"log_history"' in head) + 3 * (head.lstrip()[:1] == b"{")


def read(path: Path, messages: Sequence[Any] = (), notice: Any = None) -> Record:
    """DataError where there is no log_history."""
    try:
        parsed = json.loads(read_text(path, MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}", "hand in trainer_state.json as it was written") from None
    history = parsed.get("log_history") if isinstance(parsed, dict) else None
    if not isinstance(history, list):
        raise DataError(f"{path} has no log_history", "hand in the Trainer's trainer_state.json")
    entries = [entry for entry in history[:MOST_POINTS] if isinstance(entry, dict)]
    return Record(str(path), "trainer_state", "step", tuple(map(_point, entries)), thinned=len(history) > MOST_POINTS)


def _point(entry: dict[str, Any]) -> Point:
    values = {
        name: v for name, cell in entry.items() if name not in ("step", "epoch") and (v := number(cell)) is not None
    }
    return Point(None, number(entry.get("step")), values)
