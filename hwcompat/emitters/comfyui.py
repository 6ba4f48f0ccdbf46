"""A script that starts ComfyUI with the right precision options; it has no file for them (`--for comfyui@0.3.64`).

Read from comfy/cli_args.py and comfy/model_management.py of https://github.com/Comfy-Org/ComfyUI: August 2024, 0.3.11,
0.3.28, 0.3.64, and the newest that was to be had (0.38):
  --force-fp32       computes the network in float32. Releases of 2023 chose bf16 for the VAE even so, hence --fp32-vae
                     beside it. --fp16-unet added to it stores the weights as float16 and still computes in float32
  --bf16-text-enc    since 0.3.28 (https://github.com/Comfy-Org/ComfyUI/pull/7461); every other name is older than 0.1
  text encoders      stored as float16 whatever is forced, and always computed in float32, so no option is needed for
                     them in float32; up to 0.3.64 they run on the CPU then, with dynamic VRAM (2026) on the card
  without options    the network's dtype is chosen by model and by the card's name, the VAE is bf16 where model and
                     card allow. That is the better choice on a good card: --fp16-unet or --bf16-vae would overrule the
                     model's own list of dtypes, and a model made for bfloat16 comes out black in float16
  --normalvram       gone from the newest; --lowvram does nothing there with dynamic VRAM, the default on NVIDIA
The list of broken cards by name lacks the T400. A CPU needs --cpu.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._images import Plan, Program, about_bfloat16, channels_last, distrusted, launcher, plan
from ._text import provenance, release

PROOF = "parsed"
FILE = "run_comfyui.sh"
PROVED = (
    "ComfyUI 0.3.11 and 0.3.64, from clones, read the options with their own parser; their own functions then chose "
    "the dtypes that were meant, for network and VAE, on GPUs whose presence and names were pretended (T400, P100, "
    "RTX 3060). The options of August 2024, 0.3.28 and 0.38 were compared with tables recorded from the source. A "
    "shell ran the script; the .bat was only checked line by line. No model was loaded and no image made."
)

TEXT_ENCODER_BF16_SINCE = (0, 3, 28)
PROGRAM = Program(
    name="ComfyUI",
    file=FILE,
    command="python main.py",
    portable=r".\python_embeded\python.exe -s ComfyUI\main.py --windows-standalone-build",
    packaged="ComfyUI's portable package",
    package="the portable package for Windows",
    batch="run_nvidia_gpu.bat",
    start="main.py",
)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """A shell script, or a .bat for the portable package on Windows. Raises MachineError where float32 is faulty."""
    chosen = plan(rec)
    known = release(version)
    options = _options(rec, chosen, known)
    sentences = [*provenance(rec), *chosen.sentences, *_notes(rec, chosen, known)]
    return launcher(rec, PROGRAM, sentences, options)


def _options(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> list[str]:
    if rec.device == "cpu":
        return ["--cpu"]
    layout = ["--force-channels-last"] if channels_last(rec, chosen) else []
    if chosen.weights == "float32":
        return ["--force-fp32", "--fp32-vae"]
    if chosen.weights == "bfloat16":
        encoder = "--bf16-text-enc" if version and version >= TEXT_ENCODER_BF16_SINCE else "--fp32-text-enc"
        return ["--bf16-unet", "--bf16-vae", encoder, *layout]
    return [*(["--fp16-unet", "--fp32-vae"] if chosen.shun_bfloat16 else []), *layout]


def _notes(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> Iterator[str]:
    if rec.device == "cpu":
        return
    if chosen.weights == "float32":
        yield (
            "if memory is short: --lowvram, then --novram; --cpu-vae decodes on the CPU; --fp16-unet stores weights "
            "as float16 and still computes in float32, since --force-fp32 is there too"
        )
    elif chosen.weights == "float16" and not chosen.shun_bfloat16:
        yield (
            "no precision option on purpose: ComfyUI then takes float16 or bfloat16 as each model wants, the VAE "
            "included (--fp16-unet and --bf16-vae would overrule the model's own list)"
        )
        yield from distrusted(chosen, rec, "--force-fp16")
    else:
        yield from about_bfloat16(rec, chosen)
    if chosen.weights == "float16" and chosen.shun_bfloat16:
        yield "models made for bfloat16 only can come out black in float16: do not use them on this card"
    if chosen.weights == "bfloat16" and version is None:
        yield "`--for comfyui@0.x.y` from 0.3.28 on halves the text encoders: --bf16-text-enc"
