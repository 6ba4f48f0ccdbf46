"""AUTOMATIC1111's options against the tables recorded from its sources; the files read by a shell or line by line."""

from __future__ import annotations

import pytest
from clients import checkouts
from clients import image_programs as programs
from clients.image_programs import CASES, HOSTILE, WITHOUT_FP16
from recommendations import ALL_OK, BROKEN, TURING, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Setting

TABLES = programs.tables("a1111")
FLOAT32 = ["--no-half", "--no-half-vae"]
OPTIONS = {
    **{case: [] for case in CASES},
    **dict.fromkeys((*WITHOUT_FP16, "apple, unknown", "only bf16"), FLOAT32),
    "apple, good": ["--upcast-sampling", "--no-half-vae"],
    "cpu": ["--skip-torch-cuda-test", "--use-cpu", "all", "--no-half"],
}


def text_of(rec, version=None):
    return emitters.render(rec, "a1111", version)


def options(rec, version=None):
    """The words of COMMANDLINE_ARGS, read from the form for Windows."""
    line, start = programs.batch_commands(text_of(programs.on_windows(rec), version))
    assert start == "call webui.bat"
    name, _, words = line.partition("=")
    assert name == "set COMMANDLINE_ARGS"
    return words.split()


@pytest.mark.parametrize("version", [None, "1.0.0", "1.10.1"])
@pytest.mark.parametrize("case", CASES)
def test_options_follow_the_verdicts_of_weights(case, version):
    assert options(CASES[case], version) == OPTIONS[case]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("case", CASES)
def test_every_version_knows_the_options(case, table):
    words = options(CASES[case], table["version"])
    assert programs.given(table, words) == {word for word in words if word.startswith("--")}


def test_the_options_that_comments_name_exist_where_they_are_named():
    for version, table in TABLES.items():
        told = text_of(CASES["unknown"], version)
        assert programs.given(table, [*FLOAT32, "--medvram", "--lowvram", "--upcast-sampling"])
        assert ("--medvram-sdxl" in told) is ("--medvram-sdxl" in table["options"])
    assert "--medvram-sdxl" not in text_of(CASES["unknown"])


@pytest.mark.parametrize("wrong", [["--force-fp32"], ["--no-half=1"], ["--precision", "bf16"], ["--all-in-fp32"]])
def test_what_the_program_refuses_the_tables_refuse(wrong):
    for table in TABLES.values():
        with pytest.raises(programs.RefusedError):
            programs.given(table, [*FLOAT32, *wrong])


@pytest.mark.parametrize(("version", "told"), [(None, True), ("1.4.1", True), ("1.5.0", False), ("1.10.1", False)])
def test_a_vae_that_overflows_is_warned_of_where_it_is_not_decoded_again(version, told):
    assert ("any card: add --no-half-vae" in text_of(CASES["turing"], version)) is told


def test_comments_say_what_costs_memory_and_what_does_not_help():
    told = " ".join(text_of(CASES["unknown"], "0.9").replace("#", "").split())
    for words in (
        "twice the memory",
        "--medvram, then --lowvram",
        "--upcast-sampling is no cure",
        "from release 1.0.0 on",
    ):
        assert words in told
    assert "is no cure" not in text_of(CASES["slow"])
    assert "no option for bfloat16 weights" in text_of(CASES["only bf16"])


def test_channels_last_only_where_it_was_measured():
    rec = recommendation(
        settings={**TURING.settings, "channels_last": Setting(True, "measured")}, verdicts=dict.fromkeys(ALL_OK, "ok")
    )
    assert options(rec) == ["--opt-channelslast"]


def test_nothing_where_float32_is_faulty():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


@programs.needs_shell
@pytest.mark.parametrize("case", CASES)
def test_a_shell_reads_the_options_and_keeps_those_of_the_user(case, tmp_path):
    before = "" if case == "faulty" else "--api --theme dark"
    assert programs.sourced(text_of(CASES[case]), tmp_path, before) == [*before.split(), *OPTIONS[case]]


@programs.needs_shell
def test_faulty_tf32_is_switched_off_since_the_program_always_turns_it_on(tmp_path):
    rec = recommendation(verdicts={"tf32": "faulty"})
    assert "\nexport NVIDIA_TF32_OVERRIDE=0\n" in text_of(rec)
    assert programs.sourced(text_of(rec), tmp_path) == FLOAT32
    assert programs.batch_commands(text_of(programs.on_windows(rec)))[0] == "set NVIDIA_TF32_OVERRIDE=0"


@programs.needs_shell
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_in_comments(word, tmp_path):
    assert programs.sourced(text_of(programs.hostile(word), word), tmp_path) == FLOAT32
    assert options(programs.hostile(word), word) == FLOAT32


# --- the program itself -----------------------------------------------------------------------------------------------


@checkouts.needs("a1111")
@pytest.mark.parametrize("version", checkouts.versions("a1111"))
def test_the_programs_own_parser_reads_the_options(version, tmp_path):
    asked = {case: (OPTIONS[case], programs.T400) for case in ("faulty", "good", "apple, good", "cpu")}
    asked["wrong"] = (["--force-fp32"], programs.T400)
    found = programs.ask("a1111", version, asked, tmp_path)
    assert found.pop("wrong") == {"refused": 2}
    switches = {"no_half", "no_half_vae", "upcast_sampling", "skip_torch_cuda_test"}
    read = {case: sorted(switches & set(answer)) for case, answer in found.items()}
    assert read == {
        "faulty": ["no_half", "no_half_vae"],
        "good": [],
        "apple, good": ["no_half_vae", "upcast_sampling"],
        "cpu": ["no_half", "skip_torch_cuda_test"],
    }
