"""A script that starts Fooocus with the right precision options (run.bat on Windows); it has no file for them.

Read from ldm_patched/modules/args_parser.py, ldm_patched/modules/model_management.py and args_manager.py of
https://github.com/lllyasviel/Fooocus (2.1.826 and 2.5.5, 59f183ab):
  --all-in-fp32      computes the network in float32
  --unet-in-fp16, --unet-in-bf16   the dtype of *stored* weights; bf16 ones are computed in float16 wherever Fooocus
                     thinks fp16 works, so good bf16 beside faulty fp16 needs --all-in-fp32
  --vae-in-bf16, --vae-in-fp32     the VAE is stored and computed in this. Without: bf16 from capability 8.0 on
  --clip-in-fp32     the text encoders; they are small, since Fooocus runs SDXL models only
  its own choice     asks first whether torch reports bf16 support: newer releases of torch say yes for emulated bf16,
                     and its list of cards with broken fp16 is never reached
  names              these since 2.1.826 (December 2023); 2.1.782 had ComfyUI's --force-fp32 and --fp32-vae
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._images import Plan, Program, about_bfloat16, distrusted, launcher, plan
from ._text import provenance, release

PROOF = "parsed"
FILE = "run_fooocus.sh"
PROVED = (
    "Fooocus 2.1.826 and 2.5.5, from clones, read the options with their own parser; their own functions then chose "
    "the dtypes that were meant, for network and VAE, on GPUs whose presence and names were pretended (T400, P100, "
    "RTX 3060). A shell ran the script; the .bat was only checked line by line. No model was loaded and no image "
    "made."
)

OLDEST = (2, 1, 826)
PROGRAM = Program(
    name="Fooocus",
    file=FILE,
    command="python entry_with_update.py",
    portable=r".\python_embeded\python.exe -s Fooocus\entry_with_update.py",
    packaged="Fooocus",
    package="the package for Windows",
    batch="run.bat",
    start="entry_with_update.py",
)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """A shell script, or run.bat of the package for Windows. Raises MachineError where float32 is faulty."""
    chosen = plan(rec)
    known = release(version)
    options = _options(rec, chosen, known)
    sentences = [*provenance(rec), *chosen.sentences, *_notes(rec, chosen, known)]
    return launcher(rec, PROGRAM, sentences, options)


def _options(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> list[str]:
    if version and version < OLDEST:
        return [] if chosen.weights == "float16" and not chosen.shun_bfloat16 else ["--force-fp32", "--fp32-vae"]
    if rec.device == "cpu":
        return ["--always-cpu"]
    decoder = "--vae-in-bf16" if chosen.bfloat16 else "--vae-in-fp32"
    if chosen.weights != "float16":
        return ["--all-in-fp32", decoder, "--clip-in-fp32"]
    return [decoder] if chosen.bfloat16 or chosen.shun_bfloat16 else []


def _notes(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: before 2.1.826 the options had other names, not checked here: update Fooocus"
        return
    if rec.device == "cpu":
        return
    yield from about_bfloat16(rec, chosen)
    yield from distrusted(chosen, rec, "--all-in-fp16")
    if chosen.weights == "bfloat16":
        yield "Fooocus has no option that computes the network in bfloat16, so float32 with a bfloat16 VAE"
    if chosen.weights != "float16":
        yield (
            "if memory is short: --always-low-vram, then --always-no-vram; --unet-in-fp16 stores weights as float16 "
            "and still computes in float32, since --all-in-fp32 is there"
        )
