"""Forge's options against the tables recorded from its sources; the files read by a shell or line by line."""

from __future__ import annotations

import pytest
from clients import checkouts
from clients import image_programs as programs
from clients.image_programs import CASES, HOSTILE, WITHOUT_FP16
from recommendations import BROKEN

from hwcompat import emitters
from hwcompat.errors import MachineError

TABLES = programs.tables("forge")
FLOAT32 = ["--all-in-fp32", "--vae-in-fp32"]
OPTIONS = {
    **{case: [] for case in CASES},
    **dict.fromkeys((*WITHOUT_FP16, "apple, unknown"), FLOAT32),
    "good": ["--vae-in-bf16"],
    "only bf16": ["--all-in-fp32", "--vae-in-bf16"],
    "bf16 faulty": ["--vae-in-fp32"],
    "bf16 unknown": ["--vae-in-fp32"],
    "cpu": ["--always-cpu", "--skip-torch-cuda-test"],
}


def text_of(rec, version=None):
    return emitters.render(rec, "forge", version)


def options(rec, version=None):
    """The words of COMMANDLINE_ARGS, read from the form for Windows."""
    line, start = programs.batch_commands(text_of(programs.on_windows(rec), version))
    assert start == "call webui.bat"
    name, _, words = line.partition("=")
    assert name == "set COMMANDLINE_ARGS"
    return words.split()


@pytest.mark.parametrize("version", [None, "0.0.17", "2.0.1", "f2.0.1v1.10.1-previous-669-gdfdcbab6"])
@pytest.mark.parametrize("case", CASES)
def test_options_follow_the_verdicts_of_weights(case, version):
    assert options(CASES[case], version) == OPTIONS[case]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("case", CASES)
def test_every_version_knows_the_options_and_lets_them_stand_together(case, table):
    words = options(CASES[case], table["version"])
    assert programs.given(table, words) == set(words)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_options_that_comments_name_exist_beside_those_that_are_written(table):
    for more in (["--always-low-vram"], ["--always-no-vram"], ["--unet-in-fp16"], ["--vae-in-cpu"], ["--no-half"]):
        assert programs.given(table, [*FLOAT32, *more])
    assert programs.given(table, ["--all-in-fp16"])


@pytest.mark.parametrize("wrong", [["--all-in-fp16"], ["--vae-in-bf16"], ["--force-fp32"], ["--unet-in-fp32"]])
def test_what_forge_refuses_the_tables_refuse(wrong):
    for table in TABLES.values():
        with pytest.raises(programs.RefusedError):
            programs.given(table, [*FLOAT32, *wrong])


@pytest.mark.parametrize(
    ("version", "warned"), [(None, True), ("2.0.1", True), ("f2.0.1v1.10.1", True), ("0.0.17", False)]
)
def test_apples_gpus_compute_in_float16_in_2x_whatever_is_set(version, warned):
    assert ("has no option against that" in text_of(CASES["apple, unknown"], version)) is warned
    assert "has no option against that" not in text_of(CASES["unknown"], version)


def test_comments_say_what_costs_memory_and_what_does_not_help():
    told = " ".join(text_of(CASES["unknown"]).replace("#", "").split())
    for words in ("twice the memory", "--always-low-vram, then --always-no-vram", "does nothing for the network"):
        assert words in told
    assert "no option that computes the network in bfloat16" in text_of(CASES["only bf16"])
    assert "avoid them on this card" in text_of(CASES["bf16 faulty"])
    assert "--all-in-fp16 overrules" in text_of(CASES["slow, for memory"])


def test_nothing_where_float32_is_faulty():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


@programs.needs_shell
@pytest.mark.parametrize("case", CASES)
def test_a_shell_reads_the_options_and_keeps_those_of_the_user(case, tmp_path):
    before = "" if case == "faulty" else "--api --theme dark"
    assert programs.sourced(text_of(CASES[case]), tmp_path, before) == [*before.split(), *OPTIONS[case]]


@programs.needs_shell
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_in_comments(word, tmp_path):
    assert programs.sourced(text_of(programs.hostile(word), word), tmp_path) == FLOAT32
    assert options(programs.hostile(word), word) == FLOAT32


# --- the program itself -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=checkouts.versions("forge"))
def found(request, tmp_path_factory):
    """What one version chose for the options of each case, on a card whose name tells it nothing."""
    cases = {"faulty": programs.T400, "only bf16": programs.RTX_3060, "bf16 faulty": programs.RTX_3060}
    questions = {
        **{case: (OPTIONS[case], gpu) for case, gpu in cases.items()},
        "good": (OPTIONS["good"], programs.RTX_3060),
        "nothing on a T400": ([], programs.T400),
        "nothing on a P100": (OPTIONS["slow, for memory"], programs.P100),
        "forced on a P100": (["--all-in-fp16"], programs.P100),
        "stored as fp16": ([*FLOAT32, "--unet-in-fp16"], programs.T400),
        "stored as bf16": (["--unet-in-bf16", "--vae-in-bf16"], programs.RTX_3060),
        "both": ([*FLOAT32, "--all-in-fp16"], programs.T400),
    }
    return programs.ask("forge", request.param, questions, tmp_path_factory.mktemp("forge"))


@checkouts.needs("forge")
def test_the_program_computes_in_what_was_meant(found):
    assert not programs.differing(found["faulty"], **programs.ALL_FLOAT32)
    assert not programs.differing(found["only bf16"], computed="float32", vae="bfloat16")
    assert not programs.differing(found["bf16 faulty"], computed="float16", vae="float32")
    assert not programs.differing(found["good"], computed="float16", vae="bfloat16")


@checkouts.needs("forge")
def test_the_program_itself_takes_float16_on_a_card_that_it_has_no_name_for(found):
    assert not programs.differing(found["nothing on a T400"], computed="float16")
    assert found["both"] == {"refused": 2}


@checkouts.needs("forge")
def test_what_comments_say_of_other_options_is_so(found):
    assert not programs.differing(found["stored as fp16"], weights="float16", computed="float32", vae="float32")
    assert not programs.differing(found["stored as bf16"], weights="bfloat16", computed="float16", vae="bfloat16")
    assert not programs.differing(found["nothing on a P100"], computed="float32")
    assert not programs.differing(found["forced on a P100"], computed="float16")
