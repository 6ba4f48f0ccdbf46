"""For the programs that make images and are no package: their options as recorded from their sources, and the scripts
that hand options to them, read by a shell or line by line.

tests/clients/options/<client>-<version>.json: repository, commit, files; each option with how many values it takes
(none: it is a switch) and its choices; the groups of which only one may be given. Only options about precision, memory
and devices were recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from clients import launching
from recommendations import ALL_OK, FAULTY, GOOD, TURING, UNKNOWN, recommendation

from hwcompat.model import Gpu

OPTIONS = Path(__file__).parent / "options"
needs_shell = pytest.mark.skipif(os.name == "nt" or not shutil.which("sh"), reason="no POSIX shell here")

AMPERE = Gpu("NVIDIA GeForce RTX 3060", chip="GA106", compute_capability="8.6")
PASCAL = Gpu("Tesla P100-PCIE-16GB", chip="GP100", compute_capability="6.0")
BF16_EMULATED = {"bf16": "emulated", "amp_bf16": "emulated"}
SLOW = {**ALL_OK, **BF16_EMULATED, "fp16": "slow", "amp_fp16": "slow"}

CASES = {
    "faulty": FAULTY,
    "unknown": UNKNOWN,
    "nothing but fp32 known": recommendation(verdicts={"fp32": "ok"}),
    "good": GOOD,
    "turing": TURING,
    "only bf16": recommendation(
        True, False, "bfloat16", {**ALL_OK, "fp16": "faulty", "amp_fp16": "faulty"}, gpus=(AMPERE,)
    ),
    "bf16 faulty": recommendation(
        True, True, "float16", {**ALL_OK, "bf16": "faulty", "amp_bf16": "faulty"}, gpus=(AMPERE,)
    ),
    "bf16 unknown": recommendation(True, True, "float16", {"fp16": "ok", "amp_fp16": "ok"}, gpus=(AMPERE,)),
    "bf16 unknown, never used": recommendation(True, True, "float16", {"fp16": "ok", "amp_fp16": "ok"}),
    "slow": recommendation(verdicts=SLOW, gpus=(PASCAL,)),
    "slow, for memory": recommendation(True, False, "float16", SLOW, gpus=(PASCAL,)),
    "unstable": recommendation(verdicts=ALL_OK),
    "convolutions faulty": recommendation(False, True, verdicts={**ALL_OK, "amp_fp16": "faulty", **BF16_EMULATED}),
    "cpu": recommendation(True, False, "bfloat16", ALL_OK, gpus=(), device="cpu"),
    "apple, unknown": recommendation(gpus=(), device="mps", os="macos"),
    "apple, good": replace(TURING, gpus=(), device="mps", os="macos"),
}
"""What differs for a program without autocast: which of fp16, bf16 and fp32 its weights may have."""

WITHOUT_FP16 = ("faulty", "unknown", "nothing but fp32 known", "slow", "unstable", "convolutions faulty")
HOSTILE = (
    'x"; rm -rf / #\n$(reboot) `reboot` & start calc %~ %PATH% %~f0 | more > out ^\r\nstart calc\u2028start calc /?',
    "& start calc", "%~", "'; reboot; '", "\\\n reboot", "*/ reboot", "^", "/?", "> out", "x" * 20000,
)  # fmt: skip


def hostile(text, **facts):
    """A recommendation with `text` wherever text of others can stand."""
    return recommendation(
        because=text, evidence=(text,), warnings=(text,), driver=text, gpus=(Gpu(text, pci_id=text, chip=text),),
        **facts,
    )  # fmt: skip


# --- option tables ----------------------------------------------------------------------------------------------------


def tables(client):
    """version -> table, oldest first."""
    found = {path.stem.partition("-")[2]: path for path in OPTIONS.glob(f"{client}-*.json")}
    read = {version: json.loads(path.read_text(encoding="utf-8")) for version, path in found.items()}
    return dict(sorted(read.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


class RefusedError(Exception):
    """The parser would have left with exit code 2."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise RefusedError(message)


def parser(table):
    """A parser with the options of `table`; raises RefusedError where the program would refuse."""
    made = _Parser(allow_abbrev=False)
    group_of = {}
    for names in table["exclusive"]:
        group_of.update(dict.fromkeys(names, made.add_mutually_exclusive_group()))
    for name, fact in table["options"].items():
        owner = group_of.get(name, made)
        if "values" not in fact:
            owner.add_argument(name, action="store_true")
        else:
            count = {"nargs": fact["values"]} if isinstance(fact["values"], str) else {}
            alone = {"const": True} if fact["values"] == "?" else {}
            owner.add_argument(name, choices=fact.get("choices"), **count, **alone)
    return made


def given(table, words):
    """The options that `words` set, as a set of their names (values ignored)."""
    found = vars(parser(table).parse_args(words))
    names = {name.lstrip("-").replace("-", "_"): name for name in table["options"]}
    return {names[key] for key, value in found.items() if value}


# --- scripts ----------------------------------------------------------------------------------------------------------


def shell_words(text, folder, programs=("python",), **variables):
    """Runs the script in an empty folder where each of `programs` only writes its arguments down; returns them."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for program in programs:
        (tools / program).write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words\n', encoding="ascii")
        (tools / program).chmod(0o755)
    file = folder / "script.sh"
    file.write_text(text, encoding="ascii", newline="\n")
    done = subprocess.run(
        ["/bin/sh", str(file)], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": str(tools), **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "script.sh", "words"]
    return (folder / "words").read_text(encoding="ascii").splitlines()


def sourced(text, folder, before=""):
    """What COMMANDLINE_ARGS holds after a shell sourced the file as webui.sh does, as words."""
    file = folder / "webui-user.sh"
    file.write_text(text, encoding="ascii", newline="\n")
    done = subprocess.run(
        ["/bin/sh", "-euc", '. ./webui-user.sh; printf "%s" "$COMMANDLINE_ARGS"'], cwd=folder, capture_output=True,
        text=True, timeout=60, check=True, env={"PATH": "", **({"COMMANDLINE_ARGS": before} if before else {})},
    )  # fmt: skip
    assert done.stderr == ""
    assert [path.name for path in folder.iterdir()] == ["webui-user.sh"]
    return done.stdout.split()


REMARK = re.compile(r"REM - [^%&|<>^!\"?]{0,1000}")


def batch_commands(text):
    """The commands of a .bat, after a check that every other line is a remark in which nothing is expanded or run."""
    first, *lines = text.removesuffix("\n").split("\n")
    assert first == "@echo off"
    assert text.isascii()
    assert "\r" not in text
    remarks = [line for line in lines if line.startswith("REM")]
    assert lines[: len(remarks)] == remarks, "remarks come first"
    assert all(REMARK.fullmatch(line) for line in remarks)
    commands = lines[len(remarks) :]
    assert not any(character in line for line in commands for character in '%&|<>^!"')
    return commands


def on_windows(rec):
    return replace(rec, os="windows")


# --- the programs themselves, from clones -----------------------------------------------------------------------------

T400 = ("NVIDIA T400 4GB", "7.5")
"""TU117, the chip of the GTX 1650, and on none of the programs' lists of names."""
RTX_3060 = ("NVIDIA GeForce RTX 3060", "8.6")
P100 = ("Tesla P100-PCIE-16GB", "6.0")
ALL_FLOAT32 = {"weights": "float32", "computed": "float32", "vae": "float32", "text_encoder_on": "cpu"}


def ask(client, version, questions, folder):
    """What the real program makes of options on a pretended GPU: name -> answer of choose_dtypes.py.

    questions: name -> (words, GPU), all asked in one process.
    """
    file = folder / "questions.json"
    file.write_text(json.dumps([[words, *gpu] for words, gpu in questions.values()]), encoding="utf-8")
    program = launching.HERE / "choose_dtypes.py"
    found = launching.effective(launching.run(f"checkouts/{client}-{version}", program, client, file, folder=folder))
    return dict(zip(questions, found, strict=True))


def differing(found, **expected):
    """The part of `expected` that `found` contradicts: empty if all is as expected."""
    return {key: found.get(key, "absent") for key, value in expected.items() if found.get(key) != value}
