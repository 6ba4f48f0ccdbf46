"""Hugging Face Transformers: TrainingArguments as YAML or JSON (https://huggingface.co/docs/transformers/main_classes/trainer)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

from ._words import on, taken

CLIENT = "transformers"
TELLING = (
    *("per_device_train_batch_size", "num_train_epochs", "lr_scheduler_type", "output_dir", "logging_steps"),
    *("fp16_full_eval", "bf16_full_eval", "eval_strategy", "evaluation_strategy", "max_grad_norm", "adam_epsilon"),
)
HINTS = ("TrainingArguments",)
OFF = "fp16: false and bf16: false"
NAMES = {
    "lr": "learning_rate",
    "weight_decay": "weight_decay",
    "optimizer": "optim",
    "eps": "adam_epsilon",
    "clip": "max_grad_norm",
    "batch": "per_device_train_batch_size",
    "resume": "resume_from_checkpoint",
}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    meant = taken(values, NAMES)
    meant.setdefault("optimizer", Meant("optim", "adamw", False))
    name = str(meant["optimizer"].value).lower()
    short = next((word for word in ("adamw", "adafactor", "adagrad", "lion", "rmsprop", "sgd") if word in name), name)
    meant["optimizer"] = meant["optimizer"]._replace(value=short)
    for word in ("bf16", "fp16"):
        if on(values.get(word)):
            meant["amp"] = Meant(word, word)
        if on(values.get(f"{word}_full_eval")):
            meant["eval_weights"] = Meant(f"{word}_full_eval", word)
    meant.setdefault("amp", Meant("fp16", "off", "fp16" in values))
    return meant
