"""COMMANDLINE_ARGS for AUTOMATIC1111's web UI: webui-user.sh, or webui-user.bat on Windows.

Read from modules/cmd_args.py, shared_init.py, sd_models.py, devices.py, processing.py of
https://github.com/AUTOMATIC1111/stable-diffusion-webui at 1.0.0 (22bcc7be), 1.6.0 (5ef669de), 1.10 (0181c1f7):
  --no-half            the network, the VAE and the upscalers stay float32, and autocast is off (so `--precision full`
                       adds nothing); --no-half-vae the VAE alone. Both in every release
  --precision half     since 1.10.0. Never written: without options the weights are float16 anyway
  --upcast-sampling    the sampler in float32, the network still in float16: no cure for a card with wrong fp16
                       convolutions, and without effect beside --no-half. It is a default on macOS (webui-macos-env.sh)
  --medvram-sdxl       since 1.6.0; --medvram and --lowvram in every release
  --opt-channelslast   in every release
  VAE overflow         since 1.5.0 an image of NaN is decoded again in float32 (a setting, on by default)
  bfloat16             no option for it in any release: good bf16 beside faulty fp16 still needs --no-half
On names that begin with "NVIDIA GeForce GTX 16" it turns cudnn.benchmark on and calls that the cure
(https://github.com/AUTOMATIC1111/stable-diffusion-webui/pull/4407); T and MX cards with the same chips get nothing.
TF32 is switched on at every start and has no option; where it is faulty the file sets NVIDIA_TF32_OVERRIDE=0.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._images import Plan, channels_last, plan, webui, webui_first
from ._precision import verdict
from ._text import provenance, release

PROOF = "parsed"
FILE = "webui-user.sh"
PROVED = (
    "The web UI's own parser, from clones of 1.0.0 and 1.6.0, read the options; those of 1.10.1 were compared with "
    "a table recorded from the source. What each option does to the weights was read in the source, not tried. A "
    "shell read webui-user.sh; the .bat was only checked line by line. No model was loaded and no image made."
)

NAME = "AUTOMATIC1111's web UI"
OLDEST = (1, 0, 0)
DECODES_AGAIN_SINCE = (1, 5, 0)
MEDVRAM_SDXL_SINCE = (1, 6, 0)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """The lines of webui-user.sh or webui-user.bat. Raises MachineError where float32 is faulty."""
    chosen = plan(rec)
    options = _options(rec, chosen)
    notes = _notes(rec, chosen, release(version))
    return webui(rec, [*webui_first(rec, NAME, options), *provenance(rec), *chosen.sentences, *notes], options)


def _options(rec: Recommendation, chosen: Plan) -> list[str]:
    if rec.device == "cpu":
        return ["--skip-torch-cuda-test", "--use-cpu", "all", "--no-half"]
    if chosen.weights != "float16":
        return ["--no-half", "--no-half-vae"]
    apple = ["--upcast-sampling", "--no-half-vae"] if rec.device == "mps" else []
    return [*apple, *(["--opt-channelslast"] if channels_last(rec, chosen) else [])]


def _notes(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: options were checked from release 1.0.0 on; git pull updates"
    if rec.device == "cpu":
        return
    if chosen.weights == "bfloat16":
        yield "this program has no option for bfloat16 weights, so float32"
    if chosen.weights != "float16":
        sdxl = " (--medvram-sdxl for SDXL models alone)" if version and version >= MEDVRAM_SDXL_SINCE else ""
        yield f"if memory is short: --medvram{sdxl}, then --lowvram, which is much slower"
        if verdict(rec, "fp16") not in ("ok", "slow"):
            yield "--upcast-sampling is no cure: the network itself stays in float16 with it"
    elif rec.device != "mps" and (version or OLDEST) < DECODES_AGAIN_SINCE:
        yield "before 1.5.0 a VAE that overflows in float16 gives black images on any card: add --no-half-vae"
