"""`python train.py fit --config lightning.yaml`: the Trainer's part of a LightningCLI file, for both distributions.

`lightning` and `pytorch-lightning` share versions and keys. Read from the wheels of both (trainer/trainer.py,
trainer/connectors/accelerator_connector.py, plugins/precision), and loaded and started by the releases PROVED names:
  1.0 to 1.4     precision is 16 or 32, there is no bfloat16; LightningCLI came with 1.3
  1.5 and later  also "bf16"; on a CPU 16 silently becomes "bf16"
                 (https://github.com/Lightning-AI/pytorch-lightning/pull/10033)
  2.0 and later  "16-mixed", "bf16-mixed" and "32-true" (https://github.com/Lightning-AI/pytorch-lightning/pull/16783);
                 16, "bf16" and 32 go on meaning the same, with a warning for the first two, so an unknown version gets
                 those. Releases before 2.0 refuse the new words
  2.1 and later  "16-true": weights in float16, which for training is never recommended here
                 (https://github.com/Lightning-AI/pytorch-lightning/pull/18193)
  2.6 and later  autocast on Apple's GPUs; before, it was asked for on "cuda" and so stayed off
                 (https://github.com/Lightning-AI/pytorch-lightning/pull/20876)
  loss scaling   torch's GradScaler comes with float16 by itself, in all of them
  validation     runs under the same autocast as training
  benchmark      sets torch.backends.cudnn.benchmark, in all of them
  Intel GPUs     no release has an accelerator for xpu
TF32, channels_last and float16 for inference alone have no key. A wrong key or word stops the program at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, Autocast, autocast, tf32_from_outside
from ._text import comments, provenance, release, require_trainable, scalar

PROOF = "launched"
FILE = "lightning.yaml"
PROVED = (
    "lightning 2.6.6 and pytorch-lightning 2.6.6, 2.0.0, 1.9.5 and 1.6.5 loaded the file with LightningCLI and trained "
    "one step on a CPU in the precision it names. A CPU turns float16 into bfloat16, so float16 was read back from a "
    "Trainer that was told it had a CUDA GPU, without training; nothing was started on a GPU."
)

OLDEST = (1, 6)
BFLOAT16_SINCE = (1, 5)
NEW_WORDS_SINCE = (2, 0)
MPS_SINCE = (2, 6)
DTYPES = {"cuda": BOTH, "rocm": BOTH, "mps": BOTH, "cpu": ("bfloat16",)}
"""What can be autocast to, by device."""
WORDS_OF_BOTH: dict[str | None, int | str] = {None: 32, "bfloat16": "bf16", "float16": 16}
NEW_WORDS: dict[str | None, int | str] = {None: "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
WITH_CUDNN = ("cuda", "rocm")
IN_THE_SCRIPT = {
    "half": "model.half() for inference and validation",
    "tf32": 'torch.set_float32_matmul_precision("high")',
    "channels_last": "model.to(memory_format=torch.channels_last)",
}
"""Settings that a Trainer has no key for."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """`trainer:` with the keys of a Trainer. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    precision = _precision(rec, known)
    keys = _keys(rec, known, precision)
    reasons = [*_warnings(known), precision.because, *_beyond(rec)]
    header = comments([_first(version if known else None), _call(keys), *provenance(rec), *reasons])
    return header + "trainer:\n" + "".join(f"  {key}: {scalar(value)}\n" for key, value in keys.items())


def _first(version: str | None) -> str:
    start = f"start with: python train.py fit --config {FILE}"
    if version:
        return f"For Lightning {version} (lightning or pytorch-lightning); {start}"
    return (
        f"For every Lightning from 1.6 on; {start}; `--for lightning@2.x.y` writes the words that 2.0 and later prefer"
    )


def _call(keys: dict[str, object]) -> str:
    """What a script without LightningCLI writes instead."""
    return f"in a script: Trainer({', '.join(f'{key}={_python(value)}' for key, value in keys.items())})"


def _python(value: object) -> str:
    return scalar(value) if isinstance(value, str) else repr(value)


def _warnings(version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: Lightning before 1.6 was not tested with this file: python -m pip install -U lightning"


def _precision(rec: Recommendation, version: tuple[int, ...] | None) -> Autocast:
    if rec.device == "mps" and (version or OLDEST) < MPS_SINCE:
        return Autocast(None, "amp off: on mps it needs Lightning 2.6 or newer: name it with --for lightning@")
    if rec.device not in DTYPES:
        return Autocast(None, f"amp off: Lightning has no accelerator for {rec.device}")
    offers = DTYPES[rec.device]
    if version and version < BFLOAT16_SINCE:
        offers = tuple(dtype for dtype in offers if dtype != "bfloat16")
    return autocast(rec, offers)


def _keys(rec: Recommendation, version: tuple[int, ...] | None, precision: Autocast) -> dict[str, object]:
    words = NEW_WORDS if version and version >= NEW_WORDS_SINCE else WORDS_OF_BOTH
    keys: dict[str, object] = {"precision": words[precision.dtype]}
    benchmark = rec.settings.get("cudnn_benchmark")
    if benchmark and rec.device in WITH_CUDNN:
        keys["benchmark"] = bool(benchmark.value)
    if rec.device == "cpu" and (version or OLDEST) >= BFLOAT16_SINCE:
        keys["accelerator"] = "cpu"
    return keys


def _beyond(rec: Recommendation) -> Iterator[str]:
    """What this file cannot say."""
    yield "a script that makes its own Trainer, or a precision plugin, is not reached by this file"
    yield from tf32_from_outside(rec)
    for name, line in IN_THE_SCRIPT.items():
        setting = rec.settings.get(name)
        if setting and setting.value and (name != "tf32" or rec.device == "cuda"):
            yield f"{name}: true, but a Trainer has no key for it; in the script: {line} ({setting.because})"
