"""YOLOv5: hyp.yaml for --hyp, and opt.yaml that a run leaves behind. It has no key for precision.

check_amp() decides when training starts (https://github.com/ultralytics/yolov5/blob/v7.0/train.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

from ._words import taken

CLIENT = "yolov5"
TELLING = ("anchor_t", "obj_pw", "iou_t", "fl_gamma", "noautoanchor", "image_weights", "bbox_interval", "obj")
HINTS = ("YOLOv5",)
OFF = "the line of `hwcompat recommend --for yolov5` (train.py has no switch for AMP)"
NAMES = {
    "lr": "lr0",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "optimizer": "optimizer",
    "batch": "batch_size",
    "warmup_bias_lr": "warmup_bias_lr",
    "resume": "resume",
}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("train.py", ""),) if "weights" in values or "batch_size" in values else (("hyp", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    meant = taken({**_hyp(values), **values}, NAMES)
    meant.setdefault("optimizer", Meant("optimizer", "SGD", False))
    meant["amp"] = Meant("(check_amp)", "fp16", False)
    meant["nesterov"] = Meant("optimizer", str(meant["optimizer"].value).lower() == "sgd", False)
    meant["clip"] = Meant("(built in)", 10.0, False)
    return meant


def _hyp(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """opt.yaml of newer releases holds the hyper-parameters under `hyp`."""
    found = values.get("hyp")
    return found if isinstance(found, dict) else {}
