"""A shell line for YOLOv5's train.py with its reasons: `sh yolov5.sh --data ... --weights ...` in YOLOv5's own folder.

YOLOv5 has no configuration file and no flag for precision (--hyp is for hyper-parameters). Read from train.py,
val.py and utils/general.py at the tags and started with them
(https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py, https://github.com/ultralytics/yolov5/pull/7917):
  3.0 to 6.1           float16 autocast on every CUDA card, and validation in fp16: no check, no switch
  6.2 and later        check_amp() decides when training starts: off on a CPU (since 7.0 on Apple's GPUs too); else it
                       compares what the model, then yolov5n.pt, detects in float32 and under autocast, and lets AMP on
                       where either pair agrees within 0.1. A model trained from scratch detects nothing either way,
                       which counts as agreement; gradients are not looked at. Each epoch is validated in fp16 where
                       AMP is on. The last validation, of best.pt, is in fp16 on every device but the CPU, whatever
                       check_amp() said
  every version        val.py and detect.py have --half, off unless asked for
classify/train.py autocasts on every CUDA card without a check. On a faulty card the line replaces check_amp() and the
default of that last validation before it starts train.py's own functions: no file of YOLOv5 has to be changed.
The package `yolov5` of the Python package index is another project's, with commands of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import Autocast, autocast, tf32_from_outside, verdict
from ._text import comments, provenance, release, require_trainable

PROOF = "launched"
FILE = "yolov5.sh"
PROVED = (
    "YOLOv5 6.2, 7.0 and its main branch of August 2026, from its repository, trained and validated an epoch on a CPU "
    "with the lines, and the newest one's parser refused a flag that is none. A CPU gets no AMP anyway, so check_amp() "
    "was made to answer yes: with the line for faulty cards autocast and fp16 validation stayed off all the same. "
    "float16 on a card was not run."
)

CHECK_SINCE = (6, 2)
WITH_AUTOCAST = ("cuda", "rocm")
"""Devices torch addresses as cuda."""

WITHOUT_AMP = (
    "import functools, train, val; assert train.check_amp; train.check_amp = lambda model: False; "
    "val.run = functools.partial(val.run, half=False); train.main(train.parse_opt())"
)
"""Python for `python -c`: no quotes, dollars or backslashes, so that every shell passes it on as it stands."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Comments and one line for a POSIX shell. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version) or CHECK_SINCE
    chosen = _chosen(rec)
    header = comments([*_first(version if release(version) else None), *provenance(rec)])
    return header + comments(_reasons(rec, chosen, known)) + " ".join([*_line(rec, chosen, known), '"$@"']) + "\n"


def _chosen(rec: Recommendation) -> Autocast:
    """AMP is float16, and with it every epoch is validated in plain fp16, so that has to be right as well."""
    if rec.device not in WITH_AUTOCAST:
        return Autocast(None, f"amp off: YOLOv5 uses no autocast on {rec.device}")
    if rec.amp and verdict(rec, "fp16") not in ("ok", "slow"):
        return Autocast(None, f"amp off: with it YOLOv5 validates in fp16, and fp16 is {verdict(rec, 'fp16')}")
    return autocast(rec, ("float16",))


def _line(rec: Recommendation, chosen: Autocast, version: tuple[int, ...]) -> list[str]:
    if rec.device not in (*WITH_AUTOCAST, "mps"):
        return ["python", "train.py", "--device", "cpu"]
    if chosen.dtype:
        return ["python", "train.py"]
    if version < CHECK_SINCE:
        return ["python", "train.py", "--device", "cpu"]
    return ["python", "-c", f'"{WITHOUT_AMP}"', *(["--device", "mps"] if rec.device == "mps" else [])]


def _first(version: str | None) -> Iterator[str]:
    whom = f"YOLOv5 {version}" if version else "every YOLOv5 from 6.2 on"
    yield f"For {whom}; start in its folder with: sh {FILE} --data ... --weights ... (any option of train.py)"
    yield 'In PowerShell, or to type it: the last line with your own options in place of "$@"'


def _reasons(rec: Recommendation, chosen: Autocast, version: tuple[int, ...]) -> Iterator[str]:
    yield chosen.because
    yield from tf32_from_outside(rec)
    if rec.device in (*WITH_AUTOCAST, "mps"):
        yield from _who_decides(chosen, version)
    if rec.device in WITH_AUTOCAST and chosen.dtype is None:
        yield "classify/train.py uses AMP on every CUDA card, and segment/train.py is not covered by this line"
    half = rec.device in WITH_AUTOCAST and rec.half and verdict(rec, "fp16") == "ok"
    yield f"validate and detect with: python val.py{' --half' if half else ''} ..., detect.py likewise: " + (
        "fp16 is ok here" if half else "without --half they compute in float32"
    )


def _who_decides(chosen: Autocast, version: tuple[int, ...]) -> Iterator[str]:
    """No flag of train.py does, so it is said what does."""
    if version < CHECK_SINCE:
        if chosen.dtype is None:
            yield (
                "warning: this version uses AMP on every CUDA card and cannot be told not to, so the line trains on "
                "the CPU: get YOLOv5 6.2 or later to train on the card"
            )
        return
    if chosen.dtype:
        yield (
            "YOLOv5 has no AMP switch: check_amp() compares some detections in float32 and under autocast and turns "
            "AMP off by itself where they differ"
        )
        return
    yield (
        "YOLOv5 has no AMP switch: check_amp() decides, and it is no protection: a model that detects nothing yet "
        "passes it, and the last validation, of best.pt, is in fp16 whatever it said"
    )
    yield (
        "so this line answers in its place and keeps that validation in float32; it calls train.py's own functions and "
        "changes no file. For several GPUs save the code between the quotes as a file and start that with torchrun"
    )
