"""Everything in a Recommendation as JSON, for programs that want the reasons as data."""

from __future__ import annotations

import json
from dataclasses import asdict

from hwcompat.model import Gpu, Recommendation

PROOF = "parsed"
FILE = "hwcompat.json"
PROVED = "Read back by Python's json."


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Settings and verdicts with their reasons, pin, evidence, cautions and next steps; ASCII, sorted keys."""
    answer = {
        "schema": 1,
        "date": rec.date,
        "device": rec.device,
        "system": {"os": rec.os, "arch": rec.arch, "python": rec.python, "driver": rec.driver},
        "gpus": [_gpu(gpu) for gpu in rec.gpus],
        "trainable": rec.trainable,
        "repair": rec.repair,
        "settings": {name: asdict(setting) for name, setting in rec.settings.items()},
        "verdicts": {name: {"value": v.value, "because": list(v.because)} for name, v in rec.verdicts.items()},
        "pin": asdict(rec.pin) if rec.pin else None,
        "evidence": rec.evidence,
        "cautions": [asdict(caution) for caution in rec.cautions],
        "warnings": rec.warnings,
        "next_steps": rec.next_steps,
        "clients": dict(rec.clients),
    }
    return json.dumps(answer, indent=2, sort_keys=True) + "\n"


def _gpu(gpu: Gpu) -> dict[str, object]:
    """What identifies a model of card; never where this one sits."""
    names = ("name", "vendor", "pci_id", "pci_subsystem", "chip", "compute_capability", "vram_bytes", "mig_profile")
    return {name: getattr(gpu, name) for name in names}
