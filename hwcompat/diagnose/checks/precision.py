"""Words for a precision that the client refuses, takes for something else, or that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts

AMP_WORDS_SINCE = (8, 4, 130)
AMP_WORDS_NOT_YET = (8, 4, 128)
TRUE_WORDS_SINCE = (2, 0)
LIGHTNING = ("16", "32", "64", "bf16", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "32-true", "64-true")
LIGHTNING_OTHER = ("transformer-engine", "transformer-engine-float16")
ULTRALYTICS = "https://github.com/ultralytics/ultralytics/pull/25931"
ACCELERATE = "https://github.com/huggingface/accelerate/pull/3029"
TRANSFORMERS = "https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/training_args.py"
DEEPSPEED = "https://github.com/deepspeedai/DeepSpeed/blob/v0.19.8/deepspeed/runtime/config.py"
LIGHTNING_SOURCE = "https://lightning.ai/docs/pytorch/stable/common/trainer.html#precision"
HALF = "https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/engine/validator.py"


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    by_client = {
        "ultralytics": _ultralytics,
        "accelerate": _accelerate,
        "transformers": _transformers,
        "deepspeed": _deepspeed,
        "lightning": _lightning,
    }
    if config.client in by_client:
        yield from by_client[config.client](config)


def _ultralytics(config: Config) -> Iterator[Clue]:
    values = config.document.values
    amp = values.get("amp", True)
    if amp is None or not isinstance(amp, bool | str) or amp in ("True", "False", "true", "false"):
        yield config.clue(
            "config.amp-word", "amp", f"amp: {config.document.written.get('amp', amp)!s} is no value Ultralytics takes",
            why="it wants a bare true or false: a number or quoted text raises ValueError, null TypeError",
            change="write amp: false (or true) without quotes", weight=25, source=ULTRALYTICS,
        )  # fmt: skip
    elif isinstance(amp, str) and (config.release is None or config.release <= AMP_WORDS_NOT_YET):
        yield config.clue(
            "config.amp-word-too-new", "amp", f"amp: {amp} is understood from 8.4.130 on only",
            why="older releases load the word and crash with a TypeError when training starts",
            change="write amp: true or false, or update", weight=20, source=ULTRALYTICS,
            certainty=PROVED if config.release else SUSPECTED,
        )  # fmt: skip
    for key in ("half", "quantize"):
        if values.get(key) and values.get("mode", "train") == "train":
            yield config.clue(
                "config.half-does-not-train", key, f"{key} does not govern training",
                why="the trainer decides the precision of training and of its validation by amp alone",
                change="set amp for training", certainty=NOTE, weight=5, source=HALF,
            )  # fmt: skip


def _accelerate(config: Config) -> Iterator[Clue]:
    value = config.document.values.get("mixed_precision", "no")
    if value is False:
        yield config.clue(
            "config.yaml-no", "mixed_precision", "mixed_precision: no without quotes is read as false",
            why="YAML 1.1 takes the bare word for a boolean; since 0.34 accelerate launch refuses it",
            change="write mixed_precision: 'no'", weight=12, source=ACCELERATE,
        )  # fmt: skip
    elif str(value) not in ("no", "fp16", "bf16", "fp8"):
        yield config.clue(
            "config.precision-word", "mixed_precision", f"mixed_precision: {value} is no word accelerate knows",
            why="the file loads, and the launch fails: the words are no, fp16, bf16 and fp8",
            change="write fp16 or bf16, or 'no'", weight=12, source=ACCELERATE,
        )  # fmt: skip


def _transformers(config: Config) -> Iterator[Clue]:
    values = config.document.values
    if values.get("fp16") and values.get("bf16"):
        yield _both(config, ("fp16", "bf16"), "TrainingArguments raises ValueError", TRANSFORMERS)
    for key in ("fp16", "bf16", "fp16_full_eval", "bf16_full_eval", "tf32"):
        if isinstance(values.get(key), str):
            yield config.clue(
                "config.text-for-boolean", key, f'{key}: "{values[key]}" is text, and any text counts as true',
                why='TrainingArguments takes it as it comes, so that even "no" and "false" turn it on',
                change=f"write {key}: false or true without quotes", weight=35, cause="fp16-overflow",
                source=TRANSFORMERS,
            )  # fmt: skip


def _deepspeed(config: Config) -> Iterator[Clue]:
    values = config.document.values
    half, brain = values.get("fp16.enabled"), values.get("bf16.enabled", values.get("bfloat16.enabled"))
    if half is True and brain is True:
        yield _both(config, ("fp16.enabled", "bf16.enabled"), "DeepSpeed stops with an AssertionError", DEEPSPEED)
    for key in ("fp16.enabled", "bf16.enabled"):
        if values.get(key) == "auto":
            yield config.clue(
                "config.auto", key, f'{key}: "auto" means something to Transformers and Accelerate only',
                why="they replace it; plain DeepSpeed takes it for off",
                change="write true or false if you start with deepspeed itself", certainty=NOTE, weight=8,
                source="https://huggingface.co/docs/transformers/deepspeed",
            )  # fmt: skip
    if values.get("amp.enabled"):
        yield config.clue(
            "config.apex", "amp.enabled", "amp is NVIDIA's Apex, which recent DeepSpeed refuses",
            why="0.19.8 stops at the key; Apex's own amp has been retired in favour of torch.amp",
            change='use "bf16" or "fp16" instead', weight=20, source=DEEPSPEED,
        )  # fmt: skip


def _lightning(config: Config) -> Iterator[Clue]:
    key = config.meant["amp"].key
    word = str(config.document.values.get(key, "32-true"))
    if word not in (*LIGHTNING, *LIGHTNING_OTHER):
        yield config.clue(
            "config.precision-word", key, f"precision: {word} is no word Lightning knows",
            why="the Trainer raises ValueError and lists those it knows",
            change='write "16-mixed", "bf16-mixed" or "32-true"', weight=12, source=LIGHTNING_SOURCE,
        )  # fmt: skip
    elif "-" in word and config.release and config.release < TRUE_WORDS_SINCE:
        yield config.clue(
            "config.precision-word", key, f"precision: {word} is understood from Lightning 2.0 on",
            why="before it the words are 16, bf16, 32 and 64", change=f"write {word.partition('-')[0]}", weight=12,
            source=LIGHTNING_SOURCE,
        )  # fmt: skip


def _both(config: Config, keys: tuple[str, ...], happens: str, source: str) -> Clue:
    return config.clue(
        "config.both-dtypes", keys, f"{' and '.join(keys)} are both on", why=happens,
        change="keep one: bf16 where the card has it, for its range is that of float32", weight=30, source=source,
    )  # fmt: skip
