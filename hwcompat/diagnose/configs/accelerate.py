"""Hugging Face Accelerate: the launcher's default_config.yaml (https://huggingface.co/docs/accelerate/package_reference/cli)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

CLIENT = "accelerate"
TELLING = ("compute_environment", "mixed_precision", "machine_rank", "downcast_bf16", "main_training_function")
HINTS = ("accelerate launch",)
OFF = "mixed_precision: 'no'"
WORDS = {"no": "off", "fp16": "fp16", "bf16": "bf16", "fp8": "fp8", "False": "off"}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    word = WORDS.get(str(values.get("mixed_precision", "no")))
    return {"amp": Meant("mixed_precision", word, "mixed_precision" in values)} if word else {}
