"""float16 with its loss scaling off, or set so that it fails."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts
from hwcompat.diagnose.reading import number

DOCS = "https://www.deepspeed.ai/docs/config-json/#fp16-training-options"
SCALER = "https://github.com/deepspeedai/DeepSpeed/blob/v0.19.8/deepspeed/runtime/fp16/loss_scaler.py"
LIGHTNING = "https://lightning.ai/docs/pytorch/stable/common/precision_intermediate.html"
ZERO = "https://github.com/deepspeedai/DeepSpeed/pull/8393"
UNSCALED_WITHOUT_ZERO = (0, 18, 3)
LARGE_POWER, FP16_LARGEST = 24, 65504.0


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    if config.client == "deepspeed" and config.document.values.get("fp16.enabled") is True:
        yield from _deepspeed(config)
    if config.client in ("lightning", "timm") and config.value("weights") == "fp16":
        yield config.clue(
            "config.no-scaler", config.meant["weights"].key, "float16 weights without loss scaling",
            why="gradients below 6e-8 are 0 and above 65504 infinite, and nothing scales the loss here",
            change='use "16-mixed"' if config.client == "lightning" else "use amp instead of model_dtype",
            certainty=SUSPECTED, weight=65, cause="gradient-underflow", source=LIGHTNING,
        )  # fmt: skip


def _deepspeed(config: Config) -> Iterator[Clue]:
    found = config.document.values
    scale, power = number(found.get("fp16.loss_scale", 0)), number(found.get("fp16.initial_scale_power", 16))
    if scale is not None and 0 < scale <= 1:
        yield config.clue(
            "config.no-scaler", "fp16.loss_scale", f"loss_scale: {scale:g} turns loss scaling off",
            why="0 is dynamic; any other number is a fixed scale, and 1 lets gradients below 6e-8 become 0",
            change='set "loss_scale": 0', certainty=PROVED, weight=60, cause="gradient-underflow", source=DOCS,
        )  # fmt: skip
    elif scale is not None and scale > FP16_LARGEST:
        yield config.clue(
            "config.scale-large", "fp16.loss_scale", f"a fixed loss scale of {scale:g} is above float16's range",
            why="a loss or a gradient of 1 is infinite then, and a fixed scale never falls: every step is skipped",
            change='set "loss_scale": 0', certainty=SUSPECTED, weight=70, cause="scaler-misuse", source=DOCS,
        )  # fmt: skip
    if scale == 0 and power is not None and power > LARGE_POWER:
        yield config.clue(
            "config.scale-large", "fp16.initial_scale_power", f"the loss scale starts at 2^{power:g}",
            why=f"each halving costs skipped steps (as many as hysteresis says): some {power - 16:g} halvings before "
            "the first step counts. No NaN comes of it",
            change='set "initial_scale_power": 16', certainty=NOTE, weight=12, cause="scaler-misuse", source=SCALER,
        )  # fmt: skip
    yield from _dynamic(config)
    if config.release and config.release >= UNSCALED_WITHOUT_ZERO and not _stage(config):
        yield config.clue(
            "config.fp16-without-zero", "fp16.enabled", "fp16 without ZeRO: this release steps 65,536 times too little",
            why="from 0.18.3 on (0.19.8 included) gradients are divided by a scale they never got: the loss is flat",
            change='add "zero_optimization": {"stage": 1}', certainty=PROVED, weight=78, cause="scaler-misuse",
            source=ZERO,
        )  # fmt: skip


def _dynamic(config: Config) -> Iterator[Clue]:
    found = config.document.values
    hysteresis, least = number(found.get("fp16.hysteresis", 2)), number(found.get("fp16.min_loss_scale", 1))
    window = number(found.get("fp16.loss_scale_window", 1000))
    if hysteresis is not None and hysteresis > 10:
        yield config.clue(
            "config.hysteresis", "fp16.hysteresis", f"hysteresis {hysteresis:g}: overflows before the scale falls",
            why="each of them is a skipped step at a scale that is too high", change='set "hysteresis": 2',
            certainty=SUSPECTED, weight=22, cause="scaler-misuse", source=SCALER,
        )  # fmt: skip
    if least is not None and least > 2.0**16:
        yield config.clue(
            "config.least-scale", "fp16.min_loss_scale", f"the loss scale may not fall below {least:g}",
            why="DeepSpeed ends with 'Current loss scale already at minimum' where the gradients need less",
            change='set "min_loss_scale": 1', certainty=SUSPECTED, weight=35, cause="scaler-misuse", source=SCALER,
        )  # fmt: skip
    if window is not None and window < 50:
        yield config.clue(
            "config.scale-window", "fp16.loss_scale_window", f"the loss scale doubles after {window:g} good steps",
            why="it is driven into overflow again and again: up to one step in that many is lost",
            change='set "loss_scale_window": 1000', certainty=SUSPECTED, weight=20, cause="scaler-misuse",
            source=SCALER,
        )  # fmt: skip


def _stage(config: Config) -> bool:
    return bool(number(config.document.values.get("zero_optimization.stage", 0)))
