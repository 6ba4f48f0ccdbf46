"""Arguments of Hugging Face Transformers' Trainer, for HfArgumentParser.parse_yaml_file or TrainingArguments(**...).

Read from each release's training_args.py, trainer.py and utils/import_utils.py, and loaded and trained with by the
releases that PROVED names:
  booleans             are written bare: text is taken as it comes, so fp16: "no" turns fp16 on
  both fp16 and bf16   refused, as is any key that the release does not know
  use_cpu              since 4.32 (https://github.com/huggingface/transformers/pull/24863), no_cuda before, gone
                       since 5.0 (https://github.com/huggingface/transformers/pull/41017). Newer releases refuse bf16
                       without it on a machine with no GPU
  output_dir           required before 4.49 (https://github.com/huggingface/transformers/pull/35735)
  fp16 not on CUDA     refused before 4.42; since then accelerate decides, which ignores it on a CPU
  bf16                 refused before 4.35 on ROCm and below compute capability 8.0 (emulated bfloat16)
  tf32: true           refused without CUDA and compute capability 8.0; false is taken everywhere, and since 4.32 turns
                       TF32 off for convolutions too. Without the key torch's own default holds, and torch_compile
                       turns TF32 on
  fp16_full_eval, bf16_full_eval
                       cast the model itself and leave it cast after evaluate(), so that a later train() or save_model()
                       has 16-bit weights (https://github.com/huggingface/transformers/pull/10268)
  dtype of the weights is an argument of from_pretrained; since 5.0 its default is the checkpoint's own
                       (https://github.com/huggingface/transformers/pull/42805)
Autocast itself is accelerate's: what that does on Apple and Intel GPUs stands in emitters/accelerate.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Gpu, Recommendation

from ._precision import BOTH, Autocast, autocast, tf32_from_outside, verdict
from ._text import comments, provenance, release, require_trainable, scalar
from .accelerate import DTYPES_SINCE

PROOF = "launched"
FILE = "training_args.yaml"
PROVED = (
    "transformers 4.31.0, 4.32.1, 4.57.6 and 5.23.0 parsed the file, trained a step on a CPU with it and autocast to "
    "the dtype it names. A CPU ignores fp16 and has no tf32: of these only the fields were read back. Nothing was "
    "started on a GPU."
)

OLDEST = (4, 32)
"""First release with use_cpu; and what an unknown version is at least."""
ANY_DEVICE_SINCE = (4, 42)
BF16_EVERYWHERE_SINCE = (4, 35)
OWN_FOLDER_SINCE = (4, 49)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """fp16, bf16, their full_eval twins; tf32 on CUDA; use_cpu on a CPU. MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    precision = _precision(rec, known)
    header = [*_first(version if known else None), *provenance(rec), *_reasons(rec, precision, known)]
    values = _keys(rec, precision, known or OLDEST)
    return comments(header) + "".join(f"{key}: {scalar(value)}\n" for key, value in values.items())


def _first(version: str | None) -> Iterator[str]:
    client = f"transformers {version}" if version else "every transformers from 4.32 on"
    yield f"For {client}; in the training script:"
    yield f'(args,) = HfArgumentParser(TrainingArguments).parse_yaml_file("{FILE}")'
    yield f'or: args = TrainingArguments(**yaml.safe_load(open("{FILE}", encoding="utf-8")), learning_rate=5e-5)'


def _keys(rec: Recommendation, precision: Autocast, version: tuple[int, ...]) -> dict[str, object]:
    keys: dict[str, object] = {} if version >= OWN_FOLDER_SINCE else {"output_dir": "trainer_output"}
    keys |= {"fp16": precision.dtype == "float16", "bf16": precision.dtype == "bfloat16"}
    keys |= {"fp16_full_eval": False, "bf16_full_eval": False}
    if rec.device == "cuda":
        keys["tf32"] = _tf32(rec)
    if rec.device == "cpu":
        keys["use_cpu" if version >= OLDEST else "no_cuda"] = True
    return keys


def _tf32(rec: Recommendation) -> bool:
    """True is refused below compute capability 8.0, which the setting of an odd report might not know."""
    setting = rec.settings.get("tf32")
    return bool(setting and setting.value) and all(_ampere(gpu) for gpu in rec.gpus)


def _ampere(gpu: Gpu) -> bool:
    """Compute capability 8.0 or newer, or unknown."""
    capability = release(gpu.compute_capability)
    return capability is None or capability >= (8,)


def _precision(rec: Recommendation, version: tuple[int, ...] | None) -> Autocast:
    """On Apple and Intel GPUs it takes two versions, this client's and accelerate's, so both have to be known."""
    known = version or OLDEST
    if rec.device == "cpu":
        return autocast(rec, ("bfloat16",))
    if rec.device in ("cuda", "rocm"):
        anywhere = known >= BF16_EVERYWHERE_SINCE or (rec.device == "cuda" and all(_ampere(gpu) for gpu in rec.gpus))
        return autocast(rec, BOTH if anywhere else ("float16",))
    needed = DTYPES_SINCE.get(rec.device)
    chosen = autocast(rec, BOTH if needed else ())
    if needed is None or chosen.dtype is None:
        return chosen
    accelerate = release(rec.clients.get("accelerate"))
    if known >= ANY_DEVICE_SINCE and accelerate and accelerate >= needed:
        return chosen
    wanted = f"transformers 4.42 and accelerate {'.'.join(map(str, needed))}"
    return Autocast(None, f"amp off: on {rec.device} it needs {wanted} or newer, which are not known to be there")


def _reasons(rec: Recommendation, precision: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: no longer supported, so tested but little: python -m pip install -U transformers"
    yield precision.because
    yield from _full_eval(rec)
    if rec.device == "cuda":
        setting = rec.settings.get("tf32")
        more = "" if _tf32(rec) else "; false also keeps torch_compile from turning it on"
        yield f"tf32: {setting.because if setting else 'nothing is known'}{more}"
        yield from tf32_from_outside(rec) if version and version < OLDEST else ()
    if (version or OLDEST) < OWN_FOLDER_SINCE:
        yield "output_dir: where checkpoints go, required before 4.49; this is the default of later versions"
    yield (
        "the weights keep the dtype they were loaded in, whatever stands here, and since 5.0 that is the checkpoint's: "
        "from_pretrained(..., dtype=torch.float32), before 4.56 torch_dtype="
    )
    if precision.dtype is None:
        yield (
            "under accelerate launch its own mixed_precision counts as long as fp16 and bf16 are false: give it the "
            "file of hwcompat recommend --for accelerate"
        )
    cards = sum(not gpu.hidden for gpu in rec.gpus)
    if cards > 1 and rec.os != "windows":
        yield f"{cards} cards: torchrun --nproc-per-node {cards} train.py; plain python spreads one process over them"


def _full_eval(rec: Recommendation) -> Iterator[str]:
    """Both stay false: what is right while only evaluating would train or save 16-bit weights later."""
    half = rec.settings.get("half")
    fp16 = bool(half and half.value) and verdict(rec, "fp16") == "ok"
    for name, good in (("fp16", fp16), ("bf16", verdict(rec, "bf16") == "ok")):
        if good and rec.device != "cpu":
            yield (
                f"{name}_full_eval: correct on this card, but the model stays in {name} after evaluate(), for training "
                "and saving too: true only in a run that just evaluates"
            )
        else:
            word = verdict(rec, name)
            yield f"{name}_full_eval: {name} is {word if word != 'ok' else 'not known to pay'}"
