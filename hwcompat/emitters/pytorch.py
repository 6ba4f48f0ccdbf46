"""A Python module for plain PyTorch: the switches, an autocast context, a gradient scaler and one training step.

`python hwcompat_torch.py` trains a tiny network with it; a program imports `place`, `training_step`, `autocast` and
`scaler` from it. What the module rests on, read in the releases and run where PROVED says so:
  since 1.10   torch.autocast(device_type, dtype), for cuda and cpu; cpu in bfloat16 (2.6 has float16 too, 2.1 not)
  since 2.3    torch.amp.GradScaler(device), used from 2.4 on, where torch.cuda.amp.GradScaler begins to warn
               https://github.com/pytorch/pytorch/releases/tag/v2.4.0
  since 2.5    autocast on mps, float16 only, bfloat16 since 2.6; a scaler that works there since 2.8
               https://github.com/pytorch/pytorch/pull/99272 https://github.com/pytorch/pytorch/pull/150255
  since 2.5    autocast and scaler on xpu (https://github.com/pytorch/pytorch/releases/tag/v2.5.0)
  TF32         allow_tf32 is set in every version, also beside the newer fp32_precision (since 2.9): set by the new
               name, readers of the old one raise RuntimeError ("mix of the legacy and new APIs"), among them Inductor,
               which still reads the old names in 2.15 (_inductor/kernel/bmm.py, conv.py). Set by the old names, all
               readers of both agree. https://github.com/pytorch/pytorch/issues/166387
               TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 makes 1.13 ignore allow_tf32 = False; 2.1 and later obey it.
  reductions   allow_fp16_reduced_precision_reduction, 2.1 also has allow_bf16_...: on by default, and on when a card
               is judged, so they stay as they are and the file only names them
               https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._precision import BOTH, Autocast, autocast
from ._text import comments, provenance, release, require_trainable

PROOF = "launched"
FILE = "hwcompat_torch.py"
PROVED = (
    "torch 1.12.1, 1.13.1, 2.1.2, 2.6.0 and 2.13.0 ran the module on a CPU, with cpu for the name of the device: steps "
    "in float32, bfloat16 and (2.6 on) float16 with a live scaler, every switch read back. 2.15.0 was only read. What "
    "the switches change on a GPU, and autocast on mps and xpu, was not tried."
)

OLDEST = (1, 12)
SCALER_SINCE = (2, 4)
BF16_REDUCTION_SINCE = (2, 1)
OFFERS_SINCE: dict[str, tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]] = {
    "cuda": (((0,), BOTH),),
    "cpu": (((0,), ("bfloat16",)),),
    "mps": (((2, 8), BOTH), ((2, 6), ("bfloat16",))),
    "xpu": (((2, 5), BOTH),),
}
"""Device -> which dtypes autocast and the scaler serve since which version, newest first."""

STEP = '''

def autocast():
    """A context for the forward pass and the loss; the backward pass stays outside."""
    return {context}


def place(thing):
    """A model or a batch on the device, pictures in the layout that was judged."""
    layout = {{"memory_format": torch.channels_last}} if CHANNELS_LAST and getattr(thing, "ndim", 4) == 4 else {{}}
    return thing.to(DEVICE, **layout)


def training_step(model, optimizer, loss_of):
    """One step; loss_of(model) returns the loss. Gradients are to be clipped after scaler.unscale_(optimizer)."""
    optimizer.zero_grad(set_to_none=True)
    with autocast():
        loss = loss_of(model)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


if __name__ == "__main__":
    layers = (torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 2))
    model = place(torch.nn.Sequential(*layers))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = place(torch.rand(4, 3, 8, 8)), place(torch.tensor([0, 1, 0, 1]))
    for _ in range(3):
        loss = training_step(model, optimizer, lambda net: torch.nn.functional.cross_entropy(net(images), labels))
    with autocast():
        print("torch", torch.__version__, "on", DEVICE, "computes in", model(images).dtype, "- loss", loss.item())
'''


def emit(rec: Recommendation, version: str | None = None) -> str:
    """The module; `version` is torch's. Raises MachineError where the card cannot train."""
    require_trainable(rec)
    known = release(version)
    device = _device(rec)
    cast = autocast(rec, _offers(device, known))
    header = comments([_first(known), _use(), *provenance(rec), *_told(rec, cast, known), *_environment(rec)])
    imports = "import torch\n" if cast.dtype else "from contextlib import nullcontext\n\nimport torch\n"
    constants = f'DEVICE = "{device}"\nCHANNELS_LAST = {_on(rec, "channels_last")}\n'
    parts = [header, "\n", imports, "\n", constants, *_switches(rec, cast, known), _scaler(device, cast, known)]
    return "".join(parts) + STEP.format(context=_context(cast))


def _device(rec: Recommendation) -> str:
    """torch's own word: ROCm cards are addressed as cuda."""
    return {"rocm": "cuda"}.get(rec.device, rec.device)


def _offers(device: str, version: tuple[int, ...] | None) -> tuple[str, ...]:
    """What autocast and scaler serve on `device`; for an unknown version what they serve in all."""
    at = version or OLDEST
    return next((offers for since, offers in OFFERS_SINCE.get(device, ()) if at >= since), ())


def _first(version: tuple[int, ...] | None) -> str:
    """Numbers and fixed words only: Python looks for a coding declaration in the first two lines of a file."""
    numbers = ".".join(map(str, version)) if version else "1.12 and later"
    return f"For torch {numbers}; try it with: python {FILE}"


def _use() -> str:
    return f"In a program: from {FILE[:-3]} import autocast, place, scaler, training_step"


def _told(rec: Recommendation, cast: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    yield f"amp: {cast.because}"
    if (version or OLDEST) < OLDEST:
        yield "warning: nobody tried this file with a torch older than 1.12"
    yield f"scaler: {_scaler_words(cast)}"
    yield from _setting(rec, "channels_last")
    yield from _setting(rec, "half")
    yield f"for inference: {'model.half() is correct here' if rec.half else 'keep the weights in float32'}"
    for caution in rec.cautions:
        yield f"caution: {caution.operation}: {caution.detail}; {caution.workaround}"


def _scaler_words(cast: Autocast) -> str:
    if cast.dtype == "float16":
        return "on, since float16 gradients underflow without loss scaling"
    return "off: " + ("bfloat16 has the range of float32" if cast.dtype else "nothing is computed in 16 bits")


def _setting(rec: Recommendation, name: str) -> list[str]:
    return [f"{name}: {rec.settings[name].because}"] if name in rec.settings else []


def _environment(rec: Recommendation) -> Iterator[str]:
    """Variables that change precision behind a program's back; they are read when the process starts."""
    if rec.device == "cuda" and not _on(rec, "tf32"):
        yield "environment: NVIDIA_TF32_OVERRIDE=0 keeps TF32 off in every library of the process"
        yield "environment: leave TORCH_ALLOW_TF32_CUBLAS_OVERRIDE unset; torch 1.13 lets it win over this file"
    if rec.device == "mps":
        yield "environment: PYTORCH_ENABLE_MPS_FALLBACK=1 computes on the CPU what mps does not have"


def _on(rec: Recommendation, name: str) -> bool:
    setting = rec.settings.get(name)
    return bool(setting and setting.value is True)


def _switches(rec: Recommendation, cast: Autocast, version: tuple[int, ...] | None) -> Iterator[str]:
    """Only where CUDA or ROCm reads them; TF32 exists on NVIDIA cards alone."""
    if rec.device == "cuda":
        tf32 = _on(rec, "tf32")
        yield _reason(rec, "tf32")
        yield f"torch.backends.cuda.matmul.allow_tf32 = {tf32}\ntorch.backends.cudnn.allow_tf32 = {tf32}\n"
    if rec.device in ("cuda", "rocm"):
        yield _reason(rec, "cudnn_benchmark")
        yield f"torch.backends.cudnn.benchmark = {_on(rec, 'cudnn_benchmark')}\n"
        yield _reduction(cast, version)


def _reason(rec: Recommendation, name: str) -> str:
    return "\n" + comments(_setting(rec, name) or [f"{name}: nothing is known, so off"])


def _reduction(cast: Autocast, version: tuple[int, ...] | None) -> str:
    """The switch against sums in 16 bits, as a comment: the card was judged with torch's default."""
    short = {"float16": "fp16", "bfloat16": "bf16"}.get(cast.dtype or "")
    if short is None or (short == "bf16" and (version or OLDEST) < BF16_REDUCTION_SINCE):
        return ""
    line = f"# torch.backends.cuda.matmul.allow_{short}_reduced_precision_reduction = False\n"
    return comments([f"If large sums in {cast.dtype} overflow or lose too much (torch's default allows both):"]) + line


def _scaler(device: str, cast: Autocast, version: tuple[int, ...] | None) -> str:
    """Disabled, it hands losses and steps through, so the training step is the same for every dtype."""
    enabled = cast.dtype == "float16"
    new, old = f'torch.amp.GradScaler("{device}", enabled={enabled})', f"torch.cuda.amp.GradScaler(enabled={enabled})"
    if version is None:
        return f'\nif hasattr(torch.amp, "GradScaler"):\n    scaler = {new}\nelse:\n    scaler = {old}\n'
    return f"\nscaler = {new if version >= SCALER_SINCE else old}\n"


def _context(cast: Autocast) -> str:
    return f"torch.autocast(DEVICE, dtype=torch.{cast.dtype})" if cast.dtype else "nullcontext()"
