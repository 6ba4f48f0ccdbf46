"""Which autocast dtype a client gets: the recommended one where it has a switch for it, else the safe one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hwcompat.model import Recommendation

BOTH = ("bfloat16", "float16")


class Autocast(NamedTuple):
    """`dtype` is None where autocast stays off; `because` is one sentence for the file."""

    dtype: str | None
    because: str

    def word(self, words: dict[str | None, str]) -> str:
        """The client's own word: `words` maps "bfloat16", "float16" and None (off)."""
        return words[self.dtype]


def autocast(rec: Recommendation, offers: Sequence[str] = BOTH) -> Autocast:
    """What to set in a client that autocasts to any dtype of `offers`.

    The recommended dtype where it is offered. float16 takes the place of bfloat16 only where float16 autocast is known
    to be correct and not slower; bfloat16 never takes the place of float16 unless the same holds for it. Else off.
    """
    setting = rec.settings.get("amp")
    because = setting.because if setting else "nothing is known"
    if not rec.amp or rec.dtype not in BOTH:
        return Autocast(None, f"amp off: {because}")
    if rec.dtype in offers:
        # The policy's own sentence names the dtype already.
        named = because if because.startswith(f"{rec.dtype} autocast") else f"{rec.dtype} autocast: {because}"
        return Autocast(rec.dtype, named)
    other = next((dtype for dtype in offers if verdict(rec, capability_of(dtype)) == "ok"), None)
    if other:
        return Autocast(other, f"{other} autocast, correct here too: this client has no switch for {rec.dtype}")
    known = ", ".join(f"{dtype} autocast is {verdict(rec, capability_of(dtype))}" for dtype in offers)
    why = f"this client has no switch for {rec.dtype}" + (f", and {known}" if known else "")
    return Autocast(None, f"amp off: {why}")


def capability_of(dtype: str) -> str:
    """ "amp_fp16" of "float16"."""
    return {"float16": "amp_fp16", "bfloat16": "amp_bf16"}[dtype]


def verdict(rec: Recommendation, capability: str) -> str:
    """The verdict of a capability, "unknown" where there is none."""
    return rec.verdicts[capability].value if capability in rec.verdicts else "unknown"


def tf32_from_outside(rec: Recommendation) -> tuple[str, ...]:
    """What the file of a client without a key for tf32 says: how to turn it off, where it is faulty on a CUDA device.

    torch lets cuDNN use tf32 unless told otherwise. The variable is read by NVIDIA's libraries themselves:
    https://developer.nvidia.com/blog/accelerating-ai-training-with-tf32-tensor-cores
    """
    if rec.device != "cuda" or verdict(rec, "tf32") != "faulty":
        return ()
    return (
        "warning: tf32 is faulty here, torch uses it in convolutions unless told otherwise, and this client has no key "
        "for it: set NVIDIA_TF32_OVERRIDE=0 in the environment",
    )
