"""invokeai.yaml in InvokeAI's root folder: `precision`, and the `schema_version` without which the file is refused.

Read from invokeai/app/services/config/config_default.py and invokeai/backend/util/devices.py of each release of
https://github.com/invoke-ai/InvokeAI, and loaded by them:
  precision        auto, float16, bfloat16, float32. `auto` is float16 on every NVIDIA, Apple and Intel GPU, except on
                   names with "GeForce GTX 1650" or "1660", which get float32 whatever is set; GTX 1630, T, MX and
                   Quadro cards with the same chips do not
  schema_version   4.0.0 in 4.0, 4.0.1 from 4.1.0, 4.0.2 from 4.2.6, 4.0.3 from 6.13.0. A release migrates a file of an
                   older schema (it rewrites it and keeps the old one as .bak) and refuses one of a newer schema
  other keys       an unknown key is refused
  3.x              another file (sections below `InvokeAI:`). 3.6 and 3.7 ignore `precision: float32` and compute in
                   float16 (https://github.com/invoke-ai/InvokeAI/blob/3.7.0/invokeai/backend/util/devices.py); 4.0
                   ignores it on Apple's GPUs (https://github.com/invoke-ai/InvokeAI/pull/6174 changed that in 4.1)
  VAE              takes the same dtype, or float32 by the switch of each node or of the generation settings
  FLUX and others  are loaded and computed in bfloat16 whatever is set here
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Recommendation

from ._images import Plan, plan
from ._precision import tf32_from_outside, verdict
from ._text import comments, provenance, release, scalar

PROOF = "parsed"
FILE = "invokeai.yaml"
PROVED = (
    "InvokeAI 4.0.0, 4.2.9, 5.15.0 and 6.14.2 loaded the file by the function their own start uses, and were asked "
    "which dtype they would load weights in on a GPU, whose presence and name were pretended. No image was made. Files "
    "for 3.x were not loaded."
)

SCHEMAS = (((6, 13), "4.0.3"), ((4, 2, 6), "4.0.2"), ((4, 1), "4.0.1"), ((4,), "4.0.0"))
"""First release -> its schema, newest first."""
OLDEST = (4,)
FLOAT32_IGNORED = ((3, 6), (4,))
HONOURED_ON_APPLE_SINCE = (4, 1)
SECTIONS = (((3, 1), "Device"), ((3,), "Memory/Performance"))
"""First release of 3.x -> the section with `precision`, newest first."""


def emit(rec: Recommendation, version: str | None = None) -> str:
    """`precision` for this card. Without a version the oldest schema, which every release from 4.0 on takes.

    Raises MachineError where float32 is faulty.
    """
    chosen = plan(rec)
    known = release(version)
    header = comments([*_first(version, known), *provenance(rec), *chosen.sentences, *_notes(rec, chosen, known)])
    return header + _body(rec, chosen, known)


def _body(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> str:
    keys = {"precision": chosen.weights, **({"device": "cpu"} if rec.device == "cpu" else {})}
    if version and version < OLDEST:
        section = next((name for first, name in SECTIONS if version >= first), SECTIONS[-1][1])
        keys = {"precision": chosen.weights}
        return f"InvokeAI:\n  {section}:\n" + "".join(f"    {key}: {scalar(value)}\n" for key, value in keys.items())
    schema = next(name for first, name in SCHEMAS if (version or OLDEST) >= first)
    return "".join(f"{key}: {scalar(value)}\n" for key, value in {"schema_version": schema, **keys}.items())


def _first(version: str | None, known: tuple[int, ...] | None) -> Iterator[str]:
    where = (
        f"save as {FILE} in the root folder and start InvokeAI; if you have that file already, put only the line "
        f"`precision:` into it"
    )
    if known:
        yield f"for InvokeAI {version}: {where}"
    else:
        yield f"for InvokeAI from 4.0 on: {where}"
        yield "newer releases migrate it at the first start; `--for invokeai@6.x.y` writes the schema of that release"


def _notes(rec: Recommendation, chosen: Plan, version: tuple[int, ...] | None) -> Iterator[str]:
    if version and version < OLDEST:
        yield "warning: 3.x reads another kind of file, which was not tested: python -m pip install -U InvokeAI"
    yield from tf32_from_outside(rec)
    if chosen.weights == "float32":
        yield from _ignored(rec, version)
    if rec.device != "cpu" and not chosen.bfloat16:
        yield (
            "models such as FLUX are computed in bfloat16 whatever is set here, and on this card bf16 is "
            f"{verdict(rec, 'bf16')}, a network in it {verdict(rec, 'amp_bf16')}"
        )
    if rec.device != "cpu" and chosen.weights == "float32":
        yield (
            "if memory is short, keys that lower it: sequential_guidance: true, force_tiled_decode: true, and from "
            "5.6.0 on enable_partial_loading: true"
        )
    elif chosen.weights == "float16":
        yield "a VAE that overflows in float16 (black images) has a switch of its own: VAE precision, in the settings"


def _ignored(rec: Recommendation, version: tuple[int, ...] | None) -> Iterator[str]:
    if version and FLOAT32_IGNORED[0] <= version < FLOAT32_IGNORED[1]:
        yield "warning: this release ignores float32 and computes in float16: black images are possible; update it"
    elif rec.device == "mps" and (version or OLDEST) < HONOURED_ON_APPLE_SINCE:
        yield "warning: releases before 4.1 compute in float16 on Apple's GPUs whatever is set"
