"""A fragment of a Python config for MMEngine and what trains with it: MMDetection 3, MMYOLO, MMPretrain and others.

`python tools/train.py your_config.py --cfg-options ...` with the line in the file's comment; or put a `_base_` line
that names your config above the fragment and train with the fragment: a child's keys win over its base's. The other
way round your own optim_wrapper would win, and beside another base it is refused (a duplicate key).

Read from the files of the releases, and loaded by them:
  0.1.0 to 0.6.0       AmpOptimWrapper(loss_scale), float16 only; any other keyword is a TypeError
  0.7.0 and later      AmpOptimWrapper(dtype) too: float16, bfloat16 (https://github.com/open-mmlab/mmengine/pull/960)
  every version        OptimWrapper trains in float32 and refuses loss_scale and dtype (TypeError). AmpOptimWrapper is
                       refused where torch sees no CUDA device (NPU, MLU and MUSA devices are let in by later versions)
                       https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/optim/optimizer/amp_optimizer_wrapper.py
  every version        bfloat16 on a card without it is a RuntimeError; the scaler is always there, so bfloat16 gets a
                       constant loss scale of 1; env_cfg.cudnn_benchmark; validation is float32 unless val_cfg has fp16
The flag --amp of tools/train.py sets type and loss_scale only, so it means float16 autocast
(https://github.com/open-mmlab/mmdetection/blob/v3.3.0/tools/train.py, same in MMYOLO 0.6.0).
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, Autocast, autocast, tf32_from_outside, verdict
from ._text import comments, provenance, release, require_trainable

PROOF = "launched"
FILE = "hwcompat_mmengine.py"
PROVED = (
    "MMEngine 0.7.0 and 0.10.7 trained a step through Runner.train() with the file as a config's child and with its "
    "--cfg-options line, and refused wrong keys. Without a GPU AmpOptimWrapper runs only with its device check made to "
    "see one: which autocast it asks torch for was read, float16 arithmetic and loss scaling on a card were not."
)

DTYPE_SINCE = (0, 7, 0)
WITH_AUTOCAST = ("cuda", "rocm")
"""Devices torch addresses as cuda; AmpOptimWrapper is refused on any other that we know."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """optim_wrapper and, on CUDA, env_cfg, as a fragment of config. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    chosen = _chosen(rec, known)
    wrapper = _wrapper(chosen.dtype, known)
    environment: dict[str, object] = (
        {"cudnn_benchmark": bool(_setting(rec, "cudnn_benchmark"))} if rec.device == "cuda" else {}
    )
    header = comments([*_first(version if known else None), *provenance(rec), *_reasons(rec, chosen, known)])
    start = f"# start with:\n#   {_command(wrapper, environment)}\n"
    return start + header + _dict("optim_wrapper", wrapper) + (_dict("env_cfg", environment) if environment else "")


def _chosen(rec: Recommendation, version: tuple[int, ...] | None) -> Autocast:
    if rec.device not in WITH_AUTOCAST:
        return Autocast(None, f"amp off: MMEngine has no AmpOptimWrapper for {rec.device}")
    return autocast(rec, BOTH if (version or DTYPE_SINCE) >= DTYPE_SINCE else ("float16",))


def _wrapper(dtype: str | None, version: tuple[int, ...] | None) -> dict[str, object]:
    if dtype is None:
        return {"type": "OptimWrapper"}
    named = {"dtype": dtype} if (version or DTYPE_SINCE) >= DTYPE_SINCE else {}
    return {"type": "AmpOptimWrapper", **named, "loss_scale": "dynamic" if dtype == "float16" else 1.0}


def _setting(rec: Recommendation, name: str) -> object:
    return rec.settings[name].value if name in rec.settings else None


def _command(wrapper: dict[str, object], environment: dict[str, object]) -> str:
    options = {f"optim_wrapper.{key}": value for key, value in wrapper.items()}
    options |= {f"env_cfg.{key}": value for key, value in environment.items()}
    words = " ".join(f"{key}={value}" for key, value in options.items())
    return f"python tools/train.py your_config.py --cfg-options {words}"


def _dict(name: str, items: dict[str, object]) -> str:
    lines = "".join(f"    {key}={_literal(value)},\n" for key, value in items.items())
    return f"{name} = dict(\n{lines})\n"


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _first(version: str | None) -> Iterator[str]:
    whom = f"MMEngine {version}" if version else "every MMEngine from 0.7.0 on"
    yield f"for {whom} (MMDetection 3, MMYOLO, MMPretrain and others)"
    yield (
        'or write _base_ = "your_config.py" above the lines below and train with this file; do not name this file '
        "among your config's own bases: your optim_wrapper would win or clash"
    )


def _reasons(rec: Recommendation, chosen: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    yield chosen.because
    if chosen.dtype is None:
        yield (
            "leave the flag --amp away; if your config asks for AMP itself, take loss_scale, dtype and use_fsdp out of "
            "its optim_wrapper: OptimWrapper refuses them (TypeError), so nothing starts by mistake"
        )
    elif chosen.dtype == "float16":
        yield "the flag --amp of tools/train.py does the same"
    else:
        yield "the flag --amp of tools/train.py alone means float16: not what is meant here"
        yield "loss_scale 1.0: bfloat16 has the range of float32, and AmpOptimWrapper cannot go without a scaler"
    if verdict(rec, "fp16") not in ("ok", "slow"):
        yield f"keep fp16=True out of val_cfg and test_cfg (it is off by default): fp16 is {verdict(rec, 'fp16')}"
    if (version or DTYPE_SINCE) < DTYPE_SINCE:
        yield "warning: MMEngine before 0.7.0 has no dtype, so its only autocast is float16: pip install -U mmengine"
    yield from tf32_from_outside(rec)
