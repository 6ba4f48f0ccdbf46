"""Recommendations of every kind that an emitter must cope with."""

from __future__ import annotations

from hwcompat.model import Gpu, Pin, Recommendation, Setting, Verdict

PIN = Pin("2.13.0", "cu126", "https://download.pytorch.org/whl/cu126", "0.28.0", None)
GPU = Gpu("NVIDIA GeForce GTX 1660 Ti", pci_id="10de:2182", chip="TU116", compute_capability="7.5", pci_bus_id="0:1:0")


def recommendation(amp=False, half=False, dtype="float32", verdicts=None, because="measured", **facts):
    values = {
        "amp": amp, "half": half, "dtype": dtype, "grad_scaler": dtype == "float16", "channels_last": False,
        "cudnn_benchmark": False, "tf32": False, "torch": "2.13.0", "cuda": "cu126", "torchvision": "0.28.0",
        "torchaudio": None, "index_url": PIN.index_url,
    }  # fmt: skip
    words = {name: Verdict(word) for name, word in (verdicts or {}).items()}
    base = {
        "gpus": (GPU,), "os": "linux", "arch": "x86_64", "driver": "560.35", "date": "2026-11-20",
        "evidence": ("known fault tu11x-fp16-conv",), "warnings": ("the card, not your data",),
        "settings": {name: Setting(value, because) for name, value in values.items()},
    }  # fmt: skip
    return Recommendation(pin=PIN, verdicts=words, **{**base, **facts})


FAULTY = recommendation(verdicts={"fp16": "faulty", "amp_fp16": "faulty", "bf16": "emulated", "amp_bf16": "emulated"})
ALL_OK = dict.fromkeys(("fp32", "fp16", "bf16", "amp_fp16", "amp_bf16"), "ok")
GOOD = recommendation(True, True, "bfloat16", ALL_OK)
TURING = recommendation(True, True, "float16", {**ALL_OK, "bf16": "emulated", "amp_bf16": "emulated"})
UNKNOWN = recommendation(verdicts={})
BROKEN = recommendation(trainable=False, settings={}, warnings=("do not train on this card with this build",))

KINDS = {"faulty": FAULTY, "good": GOOD, "turing": TURING, "unknown": UNKNOWN}
"""fp16 wrong, nothing else known to be good; all correct and fast (bf16 preferred); fp16 only; nothing known."""
