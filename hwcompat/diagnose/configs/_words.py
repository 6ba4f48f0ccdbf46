"""What the formats share: taking the keys they map, and a client's words for precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant


def taken(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Meant]:
    """{shared name: Meant} for the keys that are there; `names` maps the shared name to the client's key."""
    return {name: Meant(key, values[key]) for name, key in names.items() if values.get(key) is not None}


def on(value: Any) -> bool:
    """What Python takes for true, so that the text "no" is on, as in clients that do not look closer."""
    return bool(value)
