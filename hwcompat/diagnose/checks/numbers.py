"""Numbers that are none, or not finite, where the client reckons with them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hwcompat.diagnose.clue import PROVED, Clue
from hwcompat.diagnose.config import Config, Facts
from hwcompat.diagnose.reading import number

NUMERIC = ("lr", "weight_decay", "momentum", "eps", "clip", "warmup_bias_lr")
YAML = "https://yaml.org/type/float.html"


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    for name in NUMERIC:
        meant = config.meant.get(name)
        if meant is None or not meant.given:
            continue
        value = number(meant.value)
        if isinstance(meant.value, str) and value is not None:
            yield _text(config, meant.key, meant.value, value)
        if value is not None and not math.isfinite(value):
            yield config.clue(
                "config.nonfinite", meant.key, f"{meant.key} is not finite",
                why="every weight is NaN or infinite after the first step", change=f"give {meant.key} a number",
                weight=90, cause="learning-rate", source="IEEE 754: NaN times anything is NaN",
            )  # fmt: skip
        if value is not None and value < 0:
            yield config.clue(
                "config.negative", meant.key, f"{meant.key} is negative",
                why="torch's optimizers refuse it; where a client reckons itself, the loss climbs",
                change="remove the sign", weight=60, cause="learning-rate",
                source="https://docs.pytorch.org/docs/stable/optim.html",
            )  # fmt: skip


def _text(config: Config, key: str, text: str, value: float) -> Clue:
    return config.clue(
        "config.number-is-text", key, f"{key}: {text} is text, not a number",
        why="YAML 1.1 wants a dot and a sign: PyYAML reads 1e-3 as a string; clients then stop, or compare text",
        change=f"write {value:f}".rstrip("0") if abs(value) >= 1e-6 else f"write {value:.1e}",
        certainty=PROVED, weight=25, source=YAML,
    )  # fmt: skip
