"""Settings that hide a NaN, carry one over, or take away what keeps a run stable."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts

RESUME = "https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/engine/trainer.py"
TRAINER = "https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/trainer.py"
FULL_EVAL = "https://github.com/huggingface/transformers/pull/10268"
CLIP = "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html"
BATCH_NORM = "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html"


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    yield from _resume(config)
    yield from _clipping(config)
    if config.client == "transformers":
        yield from _transformers(config)
    if config.client in ("ultralytics", "timm", "yolov5") and config.number("batch") == 1:
        yield config.clue(
            "config.batch-of-one", config.meant["batch"].key, "a batch of 1",
            why="batch normalisation estimates mean and variance from one image, and raises on 1x1 maps",
            change="use at least 2, better 8", certainty=SUSPECTED, weight=20, cause="batch-statistics",
            source=BATCH_NORM,
        )  # fmt: skip


def _resume(config: Config) -> Iterator[Clue]:
    if not config.value("resume"):
        return
    old = config.client in ("ultralytics", "yolov5")
    why = (
        "resuming restores the checkpoint's own arguments (amp, optimizer, lr0 among them) and its weights"
        if old
        else "weights, optimizer moments and the scaler's state come back as they were saved, NaN included"
    )
    yield config.clue(
        "config.resume", config.meant["resume"].key, "this run resumes a checkpoint",
        why=f"{why}: after a NaN, what you change here may never count",
        change="start a new run from pretrained weights", certainty=SUSPECTED, weight=40,
        source=RESUME if old else TRAINER,
    )  # fmt: skip


def _clipping(config: Config) -> Iterator[Clue]:
    clip = config.number("clip")
    if clip is None or not config.meant["clip"].given:
        return
    if clip == 0 and config.client in ("transformers", "deepspeed"):
        yield config.clue(
            "config.no-clipping", config.meant["clip"].key, "gradient clipping is off",
            why="the norm of the gradients is not limited; one bad batch can throw the weights far away",
            change=f"set {config.meant['clip'].key} to 1.0", certainty=NOTE, weight=10, cause="exploding-gradients",
            source=CLIP,
        )  # fmt: skip


def _transformers(config: Config) -> Iterator[Clue]:
    values = config.document.values
    if values.get("logging_nan_inf_filter", True):
        given = "logging_nan_inf_filter" in values
        yield config.clue(
            "config.nan-filter", "logging_nan_inf_filter", "the log hides NaN losses",
            why=f"logging_nan_inf_filter is on{'' if given else ' by default'}: a NaN or infinite loss is replaced "
            "by the average of the others, so a broken run logs a finite loss, or 0.0",
            change="set logging_nan_inf_filter: false while you look for the cause", certainty=NOTE, weight=9,
            source=TRAINER,
        )  # fmt: skip
    for word in ("fp16", "bf16"):
        if values.get(f"{word}_full_eval") and config.value("amp") is not None:
            yield config.clue(
                "config.full-eval", f"{word}_full_eval", f"{word}_full_eval leaves the model in {word}",
                why="evaluate() casts the model and does not cast it back: training after it goes on in 16-bit weights",
                change=f"set {word}_full_eval: false", certainty=PROVED, weight=48 if word == "fp16" else 20,
                cause="fp16-overflow", source=FULL_EVAL,
            )  # fmt: skip
