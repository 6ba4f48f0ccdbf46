"""Prints what `detect` makes of the recorded machine in the folder argv[1] (run where the fake library is loaded)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwcompat.environment import detect, unusable_gpu
from hwcompat.system import PciDevice, SystemFacts


def load(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def facts(recorded: Mapping[str, Any]) -> SystemFacts:
    fields = {name: value for name, value in recorded.items() if name != "environ"}
    return SystemFacts(**{**fields, "displays": tuple(PciDevice(**one) for one in fields.get("displays", ()))})


def main(machine: Path) -> None:
    recorded = load(machine / "system.json")
    torch = load(machine / "torch.json") or {"python": "3.11.7", "torch": None, "error": None}
    environment = detect(
        sys.executable,
        read_system=lambda: facts(recorded),
        read_torch=lambda python: torch,
        chip_of=lambda pci_id, name: None,
        environ=recorded.get("environ", {}),
    )
    found = {**asdict(environment), "row_os": environment.row_os, "unusable": unusable_gpu(environment)}
    print(json.dumps(found))


main(Path(sys.argv[1]))
