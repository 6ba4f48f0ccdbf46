"""`deepspeed train.py --deepspeed_config deepspeed.json`: the precision part of a DeepSpeed configuration, pure JSON.

DeepSpeed wants a batch size as well (train_micro_batch_size_per_gpu), which nobody but the user knows: these keys go
into the user's own file. DeepSpeed ignores a wrong key at the top level in silence; inside fp16 and bf16 it refuses
one since 0.17.1. Read from the source of the releases (runtime/config.py, runtime/precision_config.py,
runtime/engine.py, runtime/torch_autocast.py, accelerator/); numbers of steps were measured on a CPU:
  fp16            every release; weights in float16 with a float32 copy in the optimizer, not autocast. loss_scale 0 is
                  dynamic. initial_scale_power was 32 in 0.6.7 and is 16 in 0.8.3, as in torch's GradScaler: written
  bf16            since 0.6.0 (before: bfloat16). Both blocks enabled: AssertionError
  torch_autocast  since 0.17.2 (https://github.com/deepspeedai/DeepSpeed/pull/6993), older releases ignore it.
                  float16 without ZeRO is scaled since 0.18.0 only (https://github.com/deepspeedai/DeepSpeed/pull/7619);
                  with ZeRO stage 1 clipping compares scaled gradients: in 0.19.8 a step was 128 times too small. So it
                  is used for bfloat16 alone, from 0.18.0 on, where 16-bit weights are not known to be right
  without ZeRO    float16 gradients are not scaled and yet unscaled since 0.18.3: in 0.18.3 to 0.19.8 a step of SGD was
                  65,536 times too small (https://github.com/deepspeedai/DeepSpeed/pull/8393); steps in bf16 were wrong
                  in 0.17.6 to 0.18.4, right in 0.17.2, 0.18.6 and later. With ZeRO stage 1 both are right, so these
                  releases, and an unknown one, get that stage
  older cards     fp16 stops with "not supported" below compute capability 7.0 (is_fp16_supported)
  Apple GPUs      releases up to 0.19.0 refuse fp16 and bf16 there, so both stay off
  a CPU           fp16 is refused where oneDNN has none, and by 0.14; bf16 always works
  amp             was NVIDIA's Apex; 0.19.8 refuses the key
TF32, cudnn.benchmark and channels_last have no key. JSON has no comments: `hwcompat recommend` tells the reasons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, autocast, verdict
from ._text import release, require_trainable

PROOF = "launched"
FILE = "deepspeed.json"
PROVED = (
    "deepspeed 0.14.4, 0.17.2 and 0.19.8 loaded the file and trained three steps on a CPU in the precision it names, "
    "as the engine, the weights and the size of the steps say (0.14.4 not in float16, which it refuses on a CPU). "
    "Older releases do not run with a current torch: their keys were only read in the source. Keep ZeRO stage 1 or "
    "higher with fp16: without ZeRO recent releases do not scale the loss. Nothing was started on a GPU."
)

BF16_SINCE = (0, 6)
TORCH_AUTOCAST_SINCE = (0, 17, 2)
TORCH_AUTOCAST_RIGHT_SINCE = (0, 18)
RIGHT_ONLY_WITH_ZERO: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "float16": ((0, 18, 3), (1000,)),
    "bfloat16": ((0, 17, 3), (0, 18, 6)),
}
"""First release whose optimizer steps wrongly without ZeRO, and first that is right again."""
BLOCKS = {"float16": "fp16", "bfloat16": "bf16"}
DTYPES = {"cuda": BOTH, "rocm": BOTH, "xpu": BOTH, "cpu": ("bfloat16",)}
"""What a block may name, by device."""
FP16_SINCE = (7, 0)
"""Compute capability."""
CORRECT = ("ok", "slow", "emulated")
LOSS_SCALING = {"loss_scale": 0, "initial_scale_power": 16}


def emit(rec: Recommendation, version: str | None = None) -> str:
    """fp16 and bf16, one of them enabled at most; with a known `version` also torch_autocast.

    Raises MachineError where the card cannot train.
    """
    require_trainable(rec)
    known = release(version)
    dtype, block, _ = _chosen(rec, known)
    keys: dict[str, dict[str, object]] = {
        "fp16": {"enabled": True, **LOSS_SCALING} if block == "float16" else {"enabled": False},
        "bf16": {"enabled": block == "bfloat16"},
    }
    if known and known >= TORCH_AUTOCAST_SINCE:
        keys["torch_autocast"] = {"enabled": True, "dtype": dtype} if dtype and not block else {"enabled": False}
    if block and _needs_zero(block, known):
        keys["zero_optimization"] = {"stage": 1}
    return json.dumps(keys, indent=2) + "\n"


def notes(rec: Recommendation, version: str | None = None) -> Iterator[str]:
    """The reasons, since JSON holds none."""
    known = release(version)
    _, block, because = _chosen(rec, known)
    yield because
    yield "these keys go into your own file, beside train_micro_batch_size_per_gpu"
    if block and _needs_zero(block, known):
        yield (
            "zero_optimization stage 1 is there because this release, or one that it may be, steps wrongly in "
            f"{block} without ZeRO: keep stage 1 or higher"
        )


def _chosen(rec: Recommendation, version: tuple[int, ...] | None) -> tuple[str | None, str | None, str]:
    """The dtype to compute in, the same if the weights may have it as well, and why."""
    dtype, because = autocast(rec, _offers(rec, version))
    return dtype, dtype if dtype and verdict(rec, BLOCKS[dtype]) in CORRECT else None, because


def _offers(rec: Recommendation, version: tuple[int, ...] | None) -> tuple[str, ...]:
    """What this release can be trusted to train in on this device."""
    return tuple(dtype for dtype in DTYPES.get(rec.device, ()) if _offered(dtype, rec, version))


def _offered(dtype: str, rec: Recommendation, version: tuple[int, ...] | None) -> bool:
    if dtype == "float16":
        return verdict(rec, "fp16") in CORRECT and _takes_fp16(rec)
    if version and version < BF16_SINCE:
        return False
    return verdict(rec, "bf16") in CORRECT or bool(version and version >= TORCH_AUTOCAST_RIGHT_SINCE)


def _takes_fp16(rec: Recommendation) -> bool:
    """Whether DeepSpeed's own check of the cards lets float16 pass; an unknown capability is left to that check."""
    found = [release(gpu.compute_capability) for gpu in rec.gpus if rec.device == "cuda"]
    return all(capability >= FP16_SINCE for capability in found if capability)


def _needs_zero(dtype: str, version: tuple[int, ...] | None) -> bool:
    since, until = RIGHT_ONLY_WITH_ZERO[dtype]
    return version is None or since <= version < until
