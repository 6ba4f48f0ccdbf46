"""COMMANDLINE_ARGS for Forge (stable-diffusion-webui-forge): webui-user.sh, or webui-user.bat on Windows.

Read from backend/args.py, backend/memory_management.py, backend/loader.py of
https://github.com/lllyasviel/stable-diffusion-webui-forge (2.0.1, dfdcbab6) and from ldm_patched/modules/ of 0.0.17
(tag `previous`). Both eras have the same names for precision:
  --all-in-fp32      computes the network in float32; on Apple's GPUs 2.x decides for fp16 before it looks at this
  --unet-in-fp16     the dtype of *stored* weights; beside --all-in-fp32 they are still computed in float32
  --unet-in-bf16     stored only, too: what is computed in is chosen by model and card, fp16 first for SD models. So
                     there is no option for a bf16 network, and good bf16 beside faulty fp16 needs --all-in-fp32
  --vae-in-bf16, --vae-in-fp32   the VAE is stored and computed in this. Without: bf16 on NVIDIA from capability 8.0
                     on and on Intel, else float32, in 2.x
  text encoders      stored as float16; they run on the CPU wherever the network is not allowed fp16
  A1111's options    --no-half and --upcast-sampling are still accepted and reach only the upscalers; --medvram and
                     --lowvram are accepted and ignored with a message: memory is managed by itself
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._images import Plan, about_bfloat16, distrusted, plan, webui, webui_first
from ._text import provenance, release

PROOF = "parsed"
FILE = "webui-user.sh"
PROVED = (
    "Forge 0.0.17 and 2.0.1, from clones, read the options with their own parser; their own functions then chose "
    "the dtypes that were meant, for network and VAE, on GPUs whose presence and names were pretended (T400, P100, "
    "RTX 3060). A shell read webui-user.sh; the .bat was only checked line by line. No model was loaded and no "
    "image made."
)

NAME = "Forge"
NEW_BACKEND_SINCE = (2,)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """The lines of webui-user.sh or webui-user.bat. `version`: "2.0.1", or as Forge shows it, "f2.0.1v1.10.1...".

    Raises MachineError where float32 is faulty.
    """
    chosen = plan(rec)
    options = _options(rec, chosen)
    notes = _notes(rec, chosen, release((version or "").lstrip("f")))
    return webui(rec, [*webui_first(rec, NAME, options), *provenance(rec), *chosen.sentences, *notes], options)


def _options(rec: Recommendation, chosen: Plan) -> list[str]:
    if rec.device == "cpu":
        return ["--always-cpu", "--skip-torch-cuda-test"]
    network = [] if chosen.weights == "float16" else ["--all-in-fp32"]
    if chosen.bfloat16:
        return [*network, "--vae-in-bf16"]
    return [*network, "--vae-in-fp32"] if network or chosen.shun_bfloat16 else []


def _notes(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> Iterator[str]:
    if rec.device == "cpu":
        return
    yield from about_bfloat16(rec, chosen)
    yield from distrusted(chosen, rec, "--all-in-fp16")
    if chosen.weights == "bfloat16":
        yield "Forge has no option that computes the network in bfloat16, so float32 with a bfloat16 VAE"
    if chosen.weights != "float16":
        yield (
            "if memory is short: --always-low-vram, then --always-no-vram; --vae-in-cpu decodes on the CPU; "
            "--unet-in-fp16 stores the weights as float16 and still computes in float32, since --all-in-fp32 is there"
        )
        yield "--no-half of the original web UI is accepted by Forge and does nothing for the network"
    if chosen.weights != "float16" and rec.device == "mps" and (version or NEW_BACKEND_SINCE) >= NEW_BACKEND_SINCE:
        yield "warning: on Apple's GPUs Forge 2.x computes in float16 all the same; it has no option against that"
    if chosen.weights == "float16" and chosen.shun_bfloat16:
        yield "models such as FLUX are computed in bfloat16 where Forge thinks the card can: avoid them on this card"
