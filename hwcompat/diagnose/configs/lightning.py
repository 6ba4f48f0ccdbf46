"""Lightning: `trainer:` of a LightningCLI file, or the Trainer's arguments alone.

Words of `precision`: https://lightning.ai/docs/pytorch/stable/common/trainer.html#precision
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcompat.diagnose.config import Meant, under

from ._words import taken

CLIENT = "lightning"
TELLING = (
    *("trainer.precision", "trainer.max_epochs", "trainer.accelerator", "trainer", "gradient_clip_val"),
    *("accumulate_grad_batches", "limit_train_batches", "enable_checkpointing", "num_sanity_val_steps"),
)
HINTS = ("LightningCLI", "lightning")
OFF = 'precision: "32-true" (before 2.0: 32)'
MIXED = {"16": "fp16", "16-mixed": "fp16", "bf16": "bf16", "bf16-mixed": "bf16"}
TRUE = {"16-true": "fp16", "bf16-true": "bf16"}


def sections(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("trainer", "trainer."),) if isinstance(values.get("trainer"), dict) else (("trainer", ""),)


def meaning(values: Mapping[str, Any]) -> dict[str, Meant]:
    prefix = "trainer." if isinstance(values.get("trainer"), dict) else ""
    meant = taken(values, {"clip": f"{prefix}gradient_clip_val", "resume": "ckpt_path"})
    meant |= _optimizer(values)
    key = f"{prefix}precision"
    word = str(values.get(key, "32-true"))
    meant["amp"] = Meant(key, MIXED.get(word, "off"), key in values)
    if word in TRUE:
        meant["weights"] = Meant(key, TRUE[word])
    return meant


def _optimizer(values: Mapping[str, Any]) -> dict[str, Meant]:
    """LightningCLI: optimizer: {class_path: torch.optim.AdamW, init_args: {lr: ...}}."""
    found = taken(values, {"optimizer": "optimizer.class_path"})
    if found:
        found["optimizer"] = found["optimizer"]._replace(value=str(found["optimizer"].value).rpartition(".")[2].lower())
    inner = {name: f"optimizer.init_args.{name}" for name in under(values, "optimizer.init_args.")}
    return {
        **taken(values, {k: v for k, v in inner.items() if k in ("lr", "weight_decay", "eps", "momentum")}),
        **found,
    }
