"""DeepSpeed: ds_config.json (https://www.deepspeed.ai/docs/config-json/). fp16 and bf16 change the weights themselves,
with a float32 copy in the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant

from ._words import taken

CLIENT = "deepspeed"
TELLING = ("zero_optimization", "train_micro_batch_size_per_gpu", "fp16.enabled", "bf16.enabled", "torch_autocast")
HINTS = ()
OFF = '"fp16": {"enabled": false}'
NAMES = {
    "lr": "optimizer.params.lr",
    "weight_decay": "optimizer.params.weight_decay",
    "eps": "optimizer.params.eps",
    "momentum": "optimizer.params.momentum",
    "optimizer": "optimizer.type",
    "clip": "gradient_clipping",
    "batch": "train_micro_batch_size_per_gpu",
}
SECTIONS = ("fp16", "bf16", "zero_optimization")


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("", ""), *((name, f"{name}.") for name in SECTIONS if isinstance(values.get(name), dict)))


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    meant = taken(values, NAMES)
    for block, word in (("bf16", "bf16"), ("bfloat16", "bf16"), ("fp16", "fp16")):
        if values.get(f"{block}.enabled") is True:
            meant["amp"] = meant["weights"] = Meant(f"{block}.enabled", word)
    if values.get("torch_autocast.enabled") is True:
        dtype = str(values.get("torch_autocast.dtype", ""))
        meant["amp"] = Meant("torch_autocast.dtype", "fp16" if "16" in dtype and dtype[:2] != "bf" else "bf16")
    meant.setdefault("amp", Meant("fp16.enabled", "off", False))
    return meant
