"""timm's train.py: a file for -c, and args.yaml that a run leaves behind
(https://github.com/huggingface/pytorch-image-models/blob/v1.0.28/train.py). A wrong key is kept in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

from ._words import on, taken

CLIENT = "timm"
TELLING = ("amp_dtype", "opt", "opt_eps", "sched", "clip_grad", "model_ema", "drop_path", "warmup_lr", "reprob")
HINTS = ("pytorch-image-models", "timm")
OFF = "amp: false"
NAMES = {
    "lr": "lr",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "optimizer": "opt",
    "eps": "opt_eps",
    "clip": "clip_grad",
    "batch": "batch_size",
    "resume": "resume",
}
DTYPES = {"float16": "fp16", "bfloat16": "bf16"}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    meant = taken(values, NAMES)
    meant.setdefault("optimizer", Meant("opt", "sgd", False))
    dtype = DTYPES.get(str(values.get("amp_dtype", "float16")), "fp16")
    meant["amp"] = Meant("amp", dtype if on(values.get("amp")) else "off", "amp" in values)
    if str(values.get("model_dtype")) in DTYPES:
        meant["weights"] = Meant("model_dtype", DTYPES[str(values["model_dtype"])])
    if str(meant["optimizer"].value).lower() == "sgd":
        meant["nesterov"] = Meant("opt", True, False)
    return meant
