"""YAML for `python train.py -c hwcompat_timm.yaml ...`, the training script in timm's repository (it is in no package).

train.py takes the file's keys for the defaults of its parser (set_defaults) and keeps unknown ones without a word: a
typo, or a key that came later, is no error and does nothing. So only keys of the version in question are written.
Read from train.py at the tags (https://github.com/huggingface/pytorch-image-models/blob/v1.0.28/train.py and others):
  before 0.4.5         amp tries NVIDIA Apex first
  0.4.5 to 0.6.13      amp is torch's float16 autocast; channels_last
  0.8.0 and later      amp_dtype too, float16 or bfloat16: commit 28577197 of October 2022. On a CUDA device the script
                       turns on tf32 for matrix products and cudnn.benchmark itself, and there is no key for either
  0.9.16 and later     device too; before, a machine without CUDA is no use or not asked for
  1.0.13 and later     model_dtype too; with amp anything but float32 is refused
Validation runs under the same autocast. Loss scaling is for float16 on CUDA devices only, so elsewhere float16 stays
off.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, Autocast, autocast, tf32_from_outside, verdict
from ._text import comments, provenance, release, require_trainable, scalar

PROOF = "launched"
FILE = "hwcompat_timm.yaml"
PROVED = (
    "train.py of timm 0.9.16 and 1.0.28, from its repository, trained an epoch on a CPU with the file: in float32, and "
    "in bfloat16 autocast where that is recommended, read from the outputs of the layers. 0.6.13 needs a GPU, so only "
    "its parser was run; the keys for 0.4.5 to 1.0.28 were compared with the options of each. float16 and its loss "
    "scaling were not run: they need a GPU."
)

OLDEST = (0, 4, 5)
DTYPE_SINCE = (0, 8)
DEVICE_SINCE = (0, 9, 16)
MODEL_DTYPE_SINCE = (1, 0, 13)
WITH_SCALER = ("cuda", "rocm")
"""Devices torch addresses as cuda, train.py's default device."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """amp, and what a known `version` has beside it. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    chosen = _chosen(rec, known or OLDEST)
    header = comments([_first(version if known else None), *provenance(rec), *_reasons(rec, chosen, known)])
    return header + "".join(f"{key}: {scalar(value)}\n" for key, value in _keys(rec, chosen, known or OLDEST).items())


def _first(version: str | None) -> str:
    start = f"start with: python train.py -c {FILE} --data-dir ... --model ..."
    if version:
        return f"For train.py of timm {version}; {start}"
    return f"For train.py of every timm from 0.4.5 on; {start}; `--for timm@1.x.y` adds the keys of later versions"


def _chosen(rec: Recommendation, version: tuple[int, ...]) -> Autocast:
    if rec.device not in WITH_SCALER:
        return autocast(rec, ("bfloat16",) if version >= DEVICE_SINCE else ())
    return autocast(rec, BOTH if version >= DTYPE_SINCE else ("float16",))


def _keys(rec: Recommendation, chosen: Autocast, version: tuple[int, ...]) -> dict[str, object]:
    keys: dict[str, object] = {"amp": chosen.dtype is not None}
    if chosen.dtype and version >= DTYPE_SINCE:
        keys["amp_dtype"] = chosen.dtype
    if version >= MODEL_DTYPE_SINCE:
        keys["model_dtype"] = "float32"
    if rec.device == "cuda" and version >= OLDEST:
        setting = rec.settings.get("channels_last")
        keys["channels_last"] = bool(setting and setting.value)
    if rec.device not in WITH_SCALER and version >= DEVICE_SINCE:
        keys["device"] = rec.device
    return keys


def _reasons(rec: Recommendation, chosen: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    yield chosen.because
    if "channels_last" in rec.settings and rec.device == "cuda":
        yield f"channels_last: {rec.settings['channels_last'].because}"
    if (version or OLDEST) >= MODEL_DTYPE_SINCE:
        yield "model_dtype: weights stay float32: in 16 bits there is neither autocast nor loss scaling"
    if rec.device not in WITH_SCALER and (version or OLDEST) < DEVICE_SINCE:
        yield f"warning: only train.py of timm 0.9.16 and later takes --device {rec.device}"
    if rec.device == "cuda":
        yield from _what_train_py_sets_itself(rec, version)
    if (version or OLDEST) < OLDEST:
        yield "warning: before timm 0.4.5 amp means NVIDIA Apex where it is installed: use a newer train.py"


def _what_train_py_sets_itself(rec: Recommendation, version: tuple[int, ...] | None) -> Iterator[str]:
    """There is no key for these, so it is said what is in force."""
    yield "train.py turns cudnn.benchmark on by itself and has no key for it"
    yield from tf32_from_outside(rec)
    if version is not None and version < DTYPE_SINCE:
        return
    if verdict(rec, "tf32") not in ("faulty", "unsupported"):
        yield (
            f"train.py (since timm 0.8) turns tf32 on for matrix products by itself (tf32 is {verdict(rec, 'tf32')}); "
            f"NVIDIA_TF32_OVERRIDE=0 in the environment turns it off"
        )
