"""Learning rates that are ignored, or far above what is usual for the optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts
from hwcompat.diagnose.keytable import Rate

AUTO = "https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/engine/trainer.py"
DEFAULT_LR0, WARMUP_BIAS = 0.01, 0.1
ADAM = ("adam", "adamw", "adamax", "nadam", "radam")


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    optimizer, lr = str(config.value("optimizer") or "").lower(), config.number("lr")
    if config.client == "ultralytics" and optimizer == "auto":
        yield from _ignored(config, lr)
        return
    rate = _rate(facts, optimizer)
    if lr is not None and rate is not None:
        yield from _high(config, lr, rate)
    if lr == 0:
        yield config.clue(
            "config.lr-zero", _key(config), "the learning rate is 0",
            why="nothing is learnt: the loss stays where it is and mAP stays near 0", change="give it a value",
            weight=60, cause="learning-rate", source="https://docs.pytorch.org/docs/stable/optim.html",
        )  # fmt: skip
    yield from _warmup(config, optimizer, lr)


def _key(config: Config, name: str = "lr") -> str:
    return config.meant[name].key


def _rate(facts: Facts, optimizer: str) -> Rate | None:
    """The row of that optimizer; "adamw_torch_fused" is an adamw, "FusedAdam" an adam."""
    exact = facts.rates.get(optimizer)
    inside = [name for name in facts.rates if name in optimizer]
    return exact or (facts.rates[max(inside, key=len)] if inside else None)


def _ignored(config: Config, lr: float | None) -> Iterator[Clue]:
    if lr is None or lr == DEFAULT_LR0:
        return
    yield config.clue(
        "config.optimizer-auto", (_key(config), "optimizer"),
        f"lr0: {lr:g} is ignored: optimizer is auto",
        why="auto chooses optimizer, lr0 and momentum by the number of iterations and says so in the log",
        change="set optimizer (SGD, AdamW, ...) together with lr0", certainty=PROVED, weight=18,
        cause="learning-rate", source=AUTO,
    )  # fmt: skip


def _high(config: Config, lr: float, rate: Rate) -> Iterator[Clue]:
    if lr <= rate.usual:
        return
    far = lr >= rate.far
    yield config.clue(
        "config.lr-high", _key(config),
        f"a learning rate of {lr:g} is {'far ' if far else ''}above what is usual with {rate.optimizer}",
        why=f"up to {rate.usual:g} is common{f' ({rate.note})' if rate.note else ''}; too large a step makes the loss "
        "grow until it is NaN, in float32 as well",
        change=f"divide it by {10 if lr / rate.usual <= 10 else 100}", certainty=SUSPECTED if far else NOTE,
        weight=70 if far else 14, cause="learning-rate", source=rate.source,
    )  # fmt: skip


def _warmup(config: Config, optimizer: str, lr: float | None) -> Iterator[Clue]:
    """Biases start at warmup_bias_lr whatever the optimizer is; only `auto` lowers it for Adam."""
    bias = config.number("warmup_bias_lr")
    if bias is None or config.client not in ("ultralytics", "yolov5"):
        return
    if bias > 1 or (optimizer in ADAM and bias >= WARMUP_BIAS):
        yield config.clue(
            "config.warmup-bias-lr", _key(config, "warmup_bias_lr"),
            f"biases start with a learning rate of {bias:g}" + (f" under {optimizer}" if optimizer in ADAM else ""),
            why="warm-up begins at warmup_bias_lr for biases; 0.1 is meant for SGD, and optimizer auto sets it to 0 "
            "for AdamW",
            change="set warmup_bias_lr: 0.0" if optimizer in ADAM else "set warmup_bias_lr: 0.1",
            certainty=SUSPECTED, weight=55 if bias > 1 else 24, cause="learning-rate", source=AUTO,
        )  # fmt: skip
