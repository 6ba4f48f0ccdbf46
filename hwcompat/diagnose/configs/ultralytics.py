"""Ultralytics: cfg.yaml for `yolo cfg=`, and args.yaml that a run leaves behind.

amp defaults to true: float16 autocast in training, and float16 validation
(https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/cfg/default.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

from ._words import taken

CLIENT = "ultralytics"
TELLING = ("close_mosaic", "overlap_mask", "mask_ratio", "dfl", "imgsz", "deterministic")
HINTS = ("yolo train cfg=", "For Ultralytics", "Ultralytics YOLO")
OFF = "amp: false"
NAMES = {
    "lr": "lr0",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "optimizer": "optimizer",
    "batch": "batch",
    "warmup_bias_lr": "warmup_bias_lr",
    "resume": "resume",
}
AMP = {True: "fp16", "fp16": "fp16", "bf16": "bf16", False: "off", "fp32": "off"}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    meant = taken(values, NAMES)
    meant.setdefault("optimizer", Meant("optimizer", "auto", False))
    amp = values.get("amp", True)
    if isinstance(amp, bool | str) and amp in AMP:
        meant["amp"] = Meant("amp", AMP[amp], "amp" in values)
    if str(meant["optimizer"].value).lower() in ("sgd", "musgd", "auto"):
        meant["nesterov"] = Meant("optimizer", True, False)
    meant["clip"] = Meant("(built in)", 10.0, False)
    return meant
