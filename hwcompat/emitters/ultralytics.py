"""`yolo cfg=cfg.yaml`: only keys that this version of Ultralytics knows, since it refuses any other.

Read from the files of each release (default.yaml, engine/trainer.py, engine/validator.py), and loaded by them:
  up to 8.0.56         no amp key: AMP is always on
  8.0.60 to 8.4.79     amp (a boolean: float16 autocast) and half
  up to 8.2.95         validation during training is in fp16 on a GPU whatever amp and half say; since 8.2.96 only with
                       amp (https://github.com/ultralytics/ultralytics/pull/16306)
  8.4.80 and later     quantize instead of half (https://github.com/ultralytics/ultralytics/pull/24918)
  8.4.130 and later    amp may be a dtype word (https://github.com/ultralytics/ultralytics/pull/25931); releases before
                       8.4.129 load the word and crash when training starts. Validation stays fp16, with "bf16" too
On a CPU and on Apple's GPUs autocast is never used.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._text import comments, provenance, release, require_trainable, scalar

PROOF = "launched"
FILE = "cfg.yaml"
PROVED = (
    "Eight releases from 8.0.200 to 8.4.190 load it by get_cfg(DEFAULT_CFG, file), which refuses unknown keys, and "
    "train an epoch on a CPU with AMP off. AMP on was loaded, not trained: Ultralytics uses no autocast on a CPU."
)

AMP_SINCE = (8, 0, 60)
AMP_RULES_VALIDATION_SINCE = (8, 2, 96)
QUANTIZE_SINCE = (8, 4, 80)
AMP_WORD_SINCE = (8, 4, 130)
WITHOUT_AUTOCAST = ("cpu", "mps")
NEWEST = (9,)
"""Stands for "no limit" where the version is unknown: nothing is said that holds for old versions only."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """amp, and with a known `version` also half or quantize. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    header = comments([_first(version if known else None), *provenance(rec), *_reasons(rec, known)])
    return header + "".join(f"{key}: {scalar(value)}\n" for key, value in _keys(rec, known).items())


def _first(version: str | None) -> str:
    start = f"start with: yolo train cfg={FILE} model=... data=..."
    if version:
        return f"For Ultralytics {version}; {start}"
    return (
        f"For every Ultralytics from 8.0.60 on; {start}; "
        f"`--for ultralytics@8.x.y` adds the keys that only some versions know"
    )


def _keys(rec: Recommendation, version: tuple[int, ...] | None) -> dict[str, object]:
    amp = _amp(rec, version or AMP_SINCE)
    if version is None:
        return {"amp": amp}
    half = bool(amp and rec.half)
    if version < AMP_SINCE:
        return {"half": False}
    return {"amp": amp, "half": half} if version < QUANTIZE_SINCE else {"amp": amp, "quantize": 16 if half else None}


def _amp(rec: Recommendation, version: tuple[int, ...]) -> bool | str:
    """True is float16 autocast here; every form of amp validates in fp16, so plain fp16 has to be right as well."""
    if not rec.amp or rec.device in WITHOUT_AUTOCAST or _verdict(rec, "fp16") not in ("ok", "slow"):
        return False
    if rec.dtype == "float16":
        return True
    if version >= AMP_WORD_SINCE and _verdict(rec, "amp_bf16") == "ok":
        return "bf16"
    return _verdict(rec, "amp_fp16") == "ok"


def _verdict(rec: Recommendation, name: str) -> str:
    return rec.verdicts[name].value if name in rec.verdicts else "unknown"


def _reasons(rec: Recommendation, version: tuple[int, ...] | None) -> Iterator[str]:
    for name in ("amp", "half"):
        if name in rec.settings:
            yield f"{name}: {rec.settings[name].because}"
    amp = _amp(rec, version or AMP_SINCE)
    if rec.amp and not amp:
        yield f"amp is off all the same: {_refusal(rec)}"
    elif rec.dtype == "bfloat16" and amp is True:
        yield "amp: true is float16 autocast in this version, correct here too (bfloat16 can be named from 8.4.130 on)"
    if amp is False and rec.device not in WITHOUT_AUTOCAST and (version or NEWEST) < AMP_RULES_VALIDATION_SINCE:
        yield (
            "warning: this version validates in fp16 during training whatever is set here, so its metrics can be wrong "
            "(mAP 0) with amp off as well: python -m pip install -U ultralytics"
        )
    if (version or NEWEST) < AMP_SINCE:
        yield "warning: this version trains in mixed precision always: python -m pip install -U ultralytics"


def _refusal(rec: Recommendation) -> str:
    if rec.device in WITHOUT_AUTOCAST:
        return f"Ultralytics uses no autocast on {rec.device}"
    if _verdict(rec, "fp16") not in ("ok", "slow"):
        return f"with amp Ultralytics validates in fp16, and fp16 is {_verdict(rec, 'fp16')}"
    return "this version autocasts to float16 only, or refuses emulated bfloat16"
