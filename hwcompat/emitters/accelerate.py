"""`accelerate launch --config_file accelerate.yaml train.py`: the launcher's file of Hugging Face Accelerate.

Read from its tags (commands/config/config_args.py, commands/launch.py, accelerator.py, state.py), and loaded and
started by the releases that PROVED names:
  keys                 the seven written here are in every release since 0.10; a key that a release does not know stops
                       it when the file is loaded (since 0.23 it is named:
                       https://github.com/huggingface/accelerate/pull/1935)
  'no' and 'NO'        quoted: YAML reads both bare words as false. As mixed_precision that loads, and fails at launch
                       since 0.34 (https://github.com/huggingface/accelerate/pull/3029); as distributed_type it passes
                       only beside num_processes. A wrong word loads too, and is refused at launch
  fp16 on a CPU        accepted and ignored; the Accelerator still calls itself fp16
  Apple GPUs (mps)     mixed precision since 1.11 (https://github.com/huggingface/accelerate/pull/3373), with torch 2.5
                       for fp16, 2.6 and macOS 14 for bf16; 0.30 to 1.10 refuse to start with it
                       (https://github.com/huggingface/accelerate/pull/2699)
  Intel GPUs (xpu)     with torch's own support since 0.32 (https://github.com/huggingface/accelerate/pull/2825)
  0.16 to 0.20         import pkg_resources, which setuptools no longer has since release 82
  several NVIDIA cards are joined with NCCL, which torch does not have on Windows
                       (https://github.com/kohya-ss/sd-scripts/issues/317)
  TF32                 has no key; compiling (dynamo) without mixed precision turns it on
                       (https://github.com/huggingface/accelerate/pull/829)
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, Autocast, autocast, tf32_from_outside
from ._text import comments, provenance, release, require_trainable, scalar

PROOF = "launched"
FILE = "accelerate.yaml"
PROVED = (
    "accelerate 0.21.0, 1.10.1 and 1.15.0 loaded the file, started a script with it and autocast to the dtype it "
    "names; 1.15.0 started two processes for two cards. A CPU ignores fp16: of fp16 only the word that reaches the "
    "script was read back. Nothing was started on a GPU."
)

OLDEST = (0, 21)
WORDS: dict[str | None, str] = {None: "no", "bfloat16": "bf16", "float16": "fp16"}
DTYPES = {"cuda": BOTH, "rocm": BOTH, "cpu": ("bfloat16",)}
"""What every release from OLDEST on can autocast to, by device."""
DTYPES_SINCE = {"mps": (1, 11), "xpu": (0, 32)}
"""First release that autocasts there, to both dtypes."""
TOGETHER = {"cuda": "MULTI_GPU", "rocm": "MULTI_GPU", "xpu": "MULTI_XPU"}
IN_THE_SCRIPT = {
    "half": "model.half() for inference and validation",
    "tf32": "torch.backends.cuda.matmul.allow_tf32 = True",
    "channels_last": "model.to(memory_format=torch.channels_last)",
}
"""Settings that this file has no key for."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Seven keys, the same for every version. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    precision = _precision(rec, known)
    count, why = _processes(rec)
    keys = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": TOGETHER[rec.device] if count > 1 else "NO",
        "machine_rank": 0,
        "mixed_precision": precision.word(WORDS),
        "num_machines": 1,
        "num_processes": count,
        "use_cpu": rec.device == "cpu",
    }
    reasons = [*_warnings(known), precision.because, f"num_processes: {why}", *_beyond(rec, precision)]
    header = comments([_first(version if known else None), *provenance(rec), *reasons])
    return header + "".join(f"{key}: {scalar(value)}\n" for key, value in keys.items())


def _first(version: str | None) -> str:
    client = f"accelerate {version}" if version else "every accelerate from 0.21 on"
    return f"For {client}; start with: accelerate launch --config_file {FILE} train.py"


def _warnings(version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: accelerate before 0.21 was not tested with this file: python -m pip install -U accelerate"


def _precision(rec: Recommendation, version: tuple[int, ...] | None) -> Autocast:
    since = DTYPES_SINCE.get(rec.device)
    if since is None:
        return autocast(rec, DTYPES.get(rec.device, ()))
    chosen = autocast(rec)
    if chosen.dtype is None or (version and version >= since):
        return chosen
    needed = ".".join(map(str, since))
    return Autocast(
        None, f"amp off: on {rec.device} it needs accelerate {needed} or newer: name it with --for accelerate@"
    )


def _processes(rec: Recommendation) -> tuple[int, str]:
    """How many processes to start, one a card, and why."""
    cards = [gpu for gpu in rec.gpus if not gpu.hidden]
    if len(cards) < 2 or rec.device not in TOGETHER:
        return 1, "one device"
    if any(gpu.mig_profile for gpu in cards):
        return 1, "a process sees one MIG slice only, and slices cannot be trained on together"
    if rec.os == "windows" and rec.device != "xpu":
        return 1, "torch has no NCCL on Windows, which accelerate joins cards with; on Linux or WSL one a card"
    return len(cards), "one a card; for a single card: distributed_type NO and num_processes 1"


def _beyond(rec: Recommendation, precision: Autocast) -> Iterator[str]:
    """What this file cannot say."""
    yield "a script that passes mixed_precision to Accelerator() overrides this file"
    yield from tf32_from_outside(rec)
    for name, line in IN_THE_SCRIPT.items():
        setting = rec.settings.get(name)
        if setting and setting.value and (name != "tf32" or rec.device == "cuda"):
            yield f"{name}: true, but there is no key for it; in the script: {line} ({setting.because})"
    tf32 = rec.settings.get("tf32")
    if rec.device == "cuda" and precision.dtype is None and not (tf32 and tf32.value):
        because = f": {tf32.because}" if tf32 else ""
        yield f"no dynamo_config: without mixed precision it turns TF32 on, which is not recommended here{because}"
