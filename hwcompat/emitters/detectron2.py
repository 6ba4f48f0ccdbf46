"""YAML for Detectron2's tools/train_net.py: below a `_BASE_` line of your own, or as words after the command line.

train_net.py --config-file hwcompat_detectron2.yaml needs `_BASE_: your_config.yaml` in the file, else it is laid over
the default model. merge_from_file refuses unknown keys (KeyError) and values of another type (ValueError).
Read from detectron2/config/defaults.py and engine/train_loop.py at the tags, loaded and trained with by them:
  before 0.3           no SOLVER.AMP (KeyError): float32 always
  0.3 and later        SOLVER.AMP.ENABLED: float16 autocast with a GradScaler. The trainer class got a dtype in 2022
                       (commit 96c752ce), but no key of these files sets it, so there is no bfloat16
                       https://github.com/facebookresearch/detectron2/blob/v0.6/detectron2/config/defaults.py
  every version        VERSION 2, CUDNN_BENCHMARK, MODEL.DEVICE ("cuda" by default); AMP needs CUDA (AssertionError)
  after August 2024    FLOAT32_PRECISION decides on tf32 (commit 5b72c27a). The version is still called 0.6, so a file
                       for both cannot hold it: releases refuse it
Evaluation is in float32 whatever SOLVER.AMP says. The configs in Python (tools/lazyconfig_train_net.py) have
train.amp.enabled instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import Autocast, autocast, verdict
from ._text import comments, provenance, release, require_trainable, scalar

PROOF = "launched"
FILE = "hwcompat_detectron2.yaml"
PROVED = (
    "Detectron2 0.3, 0.6 and its main branch of June 2026, from its repository, merged the file strictly and trained a "
    "step on a CPU through DefaultTrainer. AMP needs a GPU: on a CPU its check was made to see one, so that the "
    "autocast it asks torch for could be read; float16 arithmetic on a card was not run. The compiled operators and "
    "the models that need them were left out."
)

AMP_SINCE = (0, 3)
WITH_AUTOCAST = ("cuda", "rocm")
"""Devices torch addresses as cuda, the default of MODEL.DEVICE."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """SOLVER.AMP.ENABLED and what the device asks for beside it. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    chosen = _chosen(rec, known or AMP_SINCE)
    options = _options(rec, chosen, known or AMP_SINCE)
    words = " ".join(f"{name} {_word(value)}" for name, value in options.items() if name != "VERSION")
    start = f"# start with:\n#   python tools/train_net.py --config-file your_config.yaml {words}".rstrip() + "\n"
    header = comments([*_first(version if known else None), *provenance(rec), *_reasons(rec, chosen, known)])
    return start + header + "".join(_nested(name, value) for name, value in options.items())


def _chosen(rec: Recommendation, version: tuple[int, ...]) -> Autocast:
    if rec.device not in WITH_AUTOCAST:
        return Autocast(None, f"amp off: Detectron2 has no autocast for {rec.device}")
    return autocast(rec, ("float16",) if version >= AMP_SINCE else ())


def _options(rec: Recommendation, chosen: Autocast, version: tuple[int, ...]) -> dict[str, object]:
    """Full name -> value."""
    options: dict[str, object] = {"VERSION": 2}
    if version >= AMP_SINCE:
        options["SOLVER.AMP.ENABLED"] = chosen.dtype is not None
    if rec.device == "cuda":
        setting = rec.settings.get("cudnn_benchmark")
        options["CUDNN_BENCHMARK"] = bool(setting and setting.value)
    if rec.device == "cpu":
        options["MODEL.DEVICE"] = "cpu"
    return options


def _word(value: object) -> str:
    """As the command line reads it: by Python's rules."""
    return str(value)


def _nested(name: str, value: object) -> str:
    *outer, last = name.split(".")
    lines = [f"{'  ' * depth}{part}:\n" for depth, part in enumerate(outer)]
    return "".join(lines) + f"{'  ' * len(outer)}{last}: {scalar(value)}\n"


def _first(version: str | None) -> Iterator[str]:
    yield f"for Detectron2 {version}" if version else "for every Detectron2 from 0.3 on"
    yield "or write _BASE_: your_config.yaml above the keys below and give this file as --config-file"


def _reasons(rec: Recommendation, chosen: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    yield chosen.because
    yield "with a config in Python: tools/lazyconfig_train_net.py --config-file your_config.py " + (
        f"train.amp.enabled={str(chosen.dtype is not None).lower()}"
    )
    if (version or AMP_SINCE) < AMP_SINCE:
        yield "Detectron2 before 0.3 has no AMP: it always trains in float32"
    if rec.device not in (*WITH_AUTOCAST, "cpu"):
        yield f'MODEL.DEVICE is "cuda" unless you set it; that Detectron2 trains on {rec.device} is not known here'
    if rec.device == "cuda" and verdict(rec, "tf32") == "faulty":
        yield (
            "warning: tf32 is faulty here, and torch uses it in convolutions unless told otherwise: set "
            'NVIDIA_TF32_OVERRIDE=0 in the environment (or FLOAT32_PRECISION: "highest", which only sources of '
            "Detectron2 from August 2024 on know)"
        )
