"""What the programs that make images share: which precision their weights and decoders may have, and the two scripts,
one for a POSIX shell and one for the Windows command interpreter, that hand options to a program without a file.

These programs only do inference, so fp16 and bf16 as the dtype of weights decide, not autocast. They differ from
training programs in one more thing: without any option they *use* 16-bit weights, choosing by the card's name. So an
unknown card needs an option that says float32; leaving the option out would turn fp16 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hwcompat.model import Gpu, Recommendation

from ._precision import verdict
from ._text import comments, require_trainable

DTYPES = {"float16": ("fp16", "amp_fp16"), "bfloat16": ("bf16", "amp_bf16")}
"""dtype -> what has to be right before weights may have it: products alone, and a whole network's step."""

UNSTABLE = "unstable hardware"

LONGEST_REMARK = 1000
"""Characters of a line; the Windows command interpreter stops at a line of 8192."""
_HARMLESS = str.maketrans({"%": "#", "&": "+", "|": "/", "<": "lt", ">": "gt", "^": "~", "!": ".", '"': "'", "?": "."})
"""In a REM line `%...` is still expanded (`%~` ends the whole script with an error), `&` may start a command, and
`/?` prints a page of help."""


class Plan(NamedTuple):
    """`weights`: float16, bfloat16 or float32, the dtype the network may be computed in.

    `bfloat16`: bf16 is right as well, so decoders (VAE) may have it: it has the range of float32, where float16
    overflows in some decoders on any card. `shun_bfloat16`: the program would take bf16 by itself, and must not.
    """

    weights: str
    bfloat16: bool
    shun_bfloat16: bool
    sentences: tuple[str, ...]


def plan(rec: Recommendation) -> Plan:
    """What may be 16-bit here. Raises MachineError where float32 itself is faulty."""
    require_trainable(rec)
    if rec.device == "cpu":
        return Plan("float32", False, False, ("float32: on a CPU 16-bit weights are slow or refused",))
    half, brain = (usable(rec, dtype) for dtype in DTYPES)
    weights = "float16" if half else "bfloat16" if brain else "float32"
    shun = not brain and _would_take_bfloat16(rec)
    return Plan(weights, brain, shun, tuple(_sentences(rec, weights)))


def usable(rec: Recommendation, dtype: str) -> bool:
    """True if weights of `dtype` are known to be right, and worth it or asked for to save memory."""
    if rec.amp and rec.dtype == dtype:
        return _correct(rec, dtype)
    worth_it = rec.half if dtype == "float16" else rec.amp
    return bool(worth_it) and all(verdict(rec, capability) == "ok" for capability in DTYPES[dtype])


def _correct(rec: Recommendation, dtype: str) -> bool:
    return all(verdict(rec, capability) in ("ok", "slow") for capability in DTYPES[dtype])


def _would_take_bfloat16(rec: Recommendation) -> bool:
    """bf16 is faulty; or nobody knows, and the programs would use it: from compute capability 8.0 on, or off NVIDIA."""
    words = {verdict(rec, capability) for capability in DTYPES["bfloat16"]}
    return "faulty" in words or ("unknown" in words and (not rec.gpus or any(map(_maybe_ampere, rec.gpus))))


def _maybe_ampere(gpu: Gpu) -> bool:
    major = (gpu.compute_capability or "").partition(".")[0]
    return not major.isdigit() or int(major) >= 8


def _sentences(rec: Recommendation, weights: str) -> Iterator[str]:
    half = rec.settings.get("half")
    told = f": {half.because}" if half else ""
    if weights == "float16":
        yield f"float16 weights are right on this card{told}"
    elif weights == "bfloat16":
        yield f"bfloat16 weights are right on this card, float16 is {verdict(rec, 'fp16')}{told}"
    else:
        yield f"float32 only{told or ': nothing is known'}"
        yield "float32 weights take twice the memory of 16-bit weights"
        if _correct(rec, "float16") and UNSTABLE not in told:
            yield (
                "float16 is correct here, only not known to be faster: `hwcompat recommend --prefer memory` "
                "with the same --for allows it, for half the memory"
            )


def about_bfloat16(rec: Recommendation, chosen: Plan) -> Iterator[str]:
    """For a program with options for it: why the VAE has it, or why nothing may."""
    if chosen.bfloat16:
        yield "VAE in bfloat16: right on this card, and it cannot overflow as float16 can"
    if chosen.weights == "float16" and chosen.shun_bfloat16:
        yield f"no bfloat16: bf16 is {verdict(rec, 'bf16')}, a network in it {verdict(rec, 'amp_bf16')}"


def distrusted(chosen: Plan, rec: Recommendation, option: str) -> Iterator[str]:
    """Cards before capability 8.0 are on the programs' own lists of names, whatever was measured."""
    if chosen.weights == "float16" and any(not _maybe_ampere(gpu) for gpu in rec.gpus):
        yield f"on cards that it distrusts by name it computes in float32 all the same; {option} overrules that"


def channels_last(rec: Recommendation, chosen: Plan) -> bool:
    """True where channels_last was measured to be faster in the very dtype that the weights have."""
    setting = rec.settings.get("channels_last")
    return bool(setting and setting.value is True and chosen.weights == rec.dtype and rec.device == "cuda")


# --- the scripts ------------------------------------------------------------------------------------------------------


def on_windows(rec: Recommendation) -> bool:
    """WSL is a POSIX system."""
    return rec.os == "windows"


def script(rec: Recommendation, sentences: Sequence[str], posix: str, windows: str) -> str:
    """The script for the system of `rec`: comments, then the line or lines given for it.

    Nothing of `rec` may stand in `posix` or `windows`: they are commands. Where TF32 is faulty it is switched off by
    the variable that NVIDIA's libraries read: PyTorch allows it in convolutions, and these programs have no option.
    https://docs.pytorch.org/docs/stable/notes/cuda.html
    """
    tf32_off = rec.device == "cuda" and verdict(rec, "tf32") == "faulty"
    because = ["tf32 is faulty on this card: NVIDIA_TF32_OVERRIDE=0 switches it off"] if tf32_off else []
    if on_windows(rec):
        variable = "set NVIDIA_TF32_OVERRIDE=0\n" if tf32_off else ""
        return f"@echo off\n{remarks([*sentences, *because])}{variable}{windows}\n"
    variable = "export NVIDIA_TF32_OVERRIDE=0\n" if tf32_off else ""
    return f"#!/bin/sh\n{comments([*sentences, *because])}{variable}{posix}\n"


def remarks(sentences: Iterable[str]) -> str:
    """Comments as lines `REM - ...` that the Windows command interpreter neither expands nor runs."""
    lines = comments(sentences).splitlines()
    return "".join(f"REM - {line[2:].translate(_HARMLESS)[:LONGEST_REMARK].rstrip()}\n" for line in lines)


def webui(rec: Recommendation, sentences: Sequence[str], options: Sequence[str]) -> str:
    """webui-user.sh or webui-user.bat. The first keeps what COMMANDLINE_ARGS holds: on a Mac it holds defaults."""
    words = " ".join(options)
    kept = " ".join(["${COMMANDLINE_ARGS:-}", *options])
    return script(rec, sentences, f'export COMMANDLINE_ARGS="{kept}"', f"set COMMANDLINE_ARGS={words}\ncall webui.bat")


def webui_first(rec: Recommendation, name: str, options: Sequence[str]) -> list[str]:
    """How to use the file, and what the other system's file needs instead."""
    words = " ".join(options)
    if on_windows(rec):
        return [
            f"for {name}: save as webui-user.bat, then start webui-user.bat; if you have lines of your own there, "
            f"keep them and replace only the COMMANDLINE_ARGS line",
            f"on Linux and macOS the line in webui-user.sh is: export COMMANDLINE_ARGS='{words}'",
        ]
    return [
        f"for {name}: save as webui-user.sh, then start ./webui.sh; if you have lines of your own there, add the last "
        f"line below them",
        f"on Windows the line in webui-user.bat is: set COMMANDLINE_ARGS={words}",
    ]


class Program(NamedTuple):
    """A program that is started by a script with options: from a checkout, or from its package for Windows."""

    name: str
    file: str  # of the POSIX script
    command: str  # in a checkout
    portable: str  # in the package
    packaged: str  # what the package is called: "ComfyUI's portable package"
    package: str  # "the portable package for Windows"
    batch: str  # the package's own script, beside which ours lies
    start: str  # what the options follow in it


def launcher(rec: Recommendation, program: Program, sentences: Sequence[str], options: Sequence[str]) -> str:
    """The script that starts `program`: how to use it and where else the options go, `sentences`, the command."""
    posix = " ".join([program.command, *options, '"$@"'])
    windows = " ".join([program.portable, *options]) + "\npause"
    return script(rec, [*_launcher_first(rec, program, " ".join(options) or "(none)"), *sentences], posix, windows)


def _launcher_first(rec: Recommendation, program: Program, words: str) -> list[str]:
    if on_windows(rec):
        return [
            f"for {program.packaged}: save as run_hwcompat.bat beside {program.batch} and start it there",
            f"in a checkout, on any system, the options follow `{program.command}`: {words}",
        ]
    return [
        f"for {program.name}: save as {program.file} in its folder, then: sh {program.file}",
        f"in {program.package} they follow `{program.start}` in {program.batch}: {words}",
    ]
