"""ComfyUI's options against the tables recorded from its sources, and the scripts read by a shell or line by line."""

from __future__ import annotations

import pytest
from clients import checkouts
from clients import image_programs as programs
from clients.image_programs import CASES, HOSTILE, WITHOUT_FP16
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, GOOD, KINDS, TURING, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Setting

TABLES = programs.tables("comfyui")
START = r".\python_embeded\python.exe -s ComfyUI\main.py --windows-standalone-build"
FLOAT32 = ["--force-fp32", "--fp32-vae"]
OPTIONS = {
    **{case: [] for case in CASES},
    **dict.fromkeys((*WITHOUT_FP16, "apple, unknown"), FLOAT32),
    "only bf16": ["--bf16-unet", "--bf16-vae", "--fp32-text-enc"],
    "bf16 faulty": ["--fp16-unet", "--fp32-vae"],
    "bf16 unknown": ["--fp16-unet", "--fp32-vae"],
    "cpu": ["--cpu"],
}


def text_of(rec, version=None):
    return emitters.render(rec, "comfyui", version)


def options(rec, version=None):
    """The words after the start command, read from the form for Windows."""
    *_, line, pause = programs.batch_commands(text_of(programs.on_windows(rec), version))
    assert pause == "pause"
    assert line.startswith(START)
    return line.removeprefix(START).split()


@pytest.mark.parametrize("case", CASES)
def test_options_follow_the_verdicts_of_weights(case):
    assert options(CASES[case]) == OPTIONS[case]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("case", CASES)
def test_every_version_knows_the_options_and_lets_them_stand_together(case, table):
    for version in (None, table["version"]):
        words = options(CASES[case], version)
        assert programs.given(table, words) == set(words)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_options_that_comments_name_exist_beside_those_that_are_written(table):
    for more in (["--lowvram"], ["--novram"], ["--cpu-vae"], ["--fp16-unet"]):
        assert programs.given(table, [*FLOAT32, *more])
    assert programs.given(table, ["--force-fp16"])


@pytest.mark.parametrize("wrong", [["--force-fp16"], ["--bf16-vae"], ["--no-half"], ["--fp32_vae"], ["--force-fp32=1"]])
def test_what_comfyui_refuses_the_tables_refuse(wrong):
    for table in TABLES.values():
        with pytest.raises(programs.RefusedError):
            programs.given(table, [*FLOAT32, *wrong])


@pytest.mark.parametrize(
    ("version", "word"),
    [
        (None, "--fp32-text-enc"),
        ("0.3.27", "--fp32-text-enc"),
        ("0.3.28", "--bf16-text-enc"),
        ("v0.38.1", "--bf16-text-enc"),
    ],
)
def test_text_encoders_are_bfloat16_only_where_the_version_has_the_option(version, word):
    assert options(CASES["only bf16"], version)[-1] == word


def test_channels_last_only_where_it_was_measured_in_the_same_dtype():
    on = {"channels_last": Setting(True, "measured")}
    measured = recommendation(settings={**TURING.settings, **on}, verdicts=dict.fromkeys(ALL_OK, "ok"))
    assert options(measured) == ["--force-channels-last"]
    assert options(recommendation(settings={**GOOD.settings, **on}, verdicts=ALL_OK)) == []
    assert options(recommendation(settings={**TURING.settings, **on}, verdicts={})) == FLOAT32


def test_comments_say_what_costs_memory_and_what_lowers_it():
    told = " ".join(text_of(CASES["unknown"]).replace("#", "").split())
    for words in ("twice the memory", "--lowvram, then --novram", "still computes in float32"):
        assert words in told
    assert "--prefer memory" in text_of(CASES["slow"])
    assert "--force-fp16 overrules" in text_of(CASES["slow, for memory"])
    assert "run_nvidia_gpu.bat: --force-fp32 --fp32-vae" in text_of(CASES["faulty"])
    assert "python main.py`: --force-fp32 --fp32-vae" in text_of(programs.on_windows(CASES["faulty"]))


def test_nothing_where_float32_is_faulty():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


@programs.needs_shell
@pytest.mark.parametrize("case", ["faulty", "good", "only bf16"])
def test_a_shell_starts_the_program_with_the_options(case, tmp_path):
    assert programs.shell_words(text_of(CASES[case]), tmp_path) == ["main.py", *OPTIONS[case]]


@programs.needs_shell
def test_faulty_tf32_is_switched_off_by_the_environment(tmp_path):
    rec = recommendation(True, True, "float16", {**ALL_OK, "tf32": "faulty"})
    text = text_of(rec)
    assert "\nexport NVIDIA_TF32_OVERRIDE=0\n" in text
    assert programs.shell_words(text, tmp_path) == ["main.py"]
    assert programs.batch_commands(text_of(programs.on_windows(rec)))[0] == "set NVIDIA_TF32_OVERRIDE=0"
    assert "TF32" not in "".join(text_of(other) for other in KINDS.values())


@programs.needs_shell
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_in_comments(word, tmp_path):
    assert programs.shell_words(text_of(programs.hostile(word), word), tmp_path) == ["main.py", *FLOAT32]
    assert options(programs.hostile(word), word) == FLOAT32


@pytest.mark.parametrize("name", ["a1111", "comfyui", "fooocus", "forge"])
@pytest.mark.parametrize("system", ["linux", "windows"])
@given(st.text(max_size=300))
def test_no_text_leaves_the_comments_of_any_such_script(name, system, text):
    plain, found = (emitters.render(programs.hostile(word, os=system), name).split("\n") for word in ("plain", text))
    commands = [[line for line in lines if not line.startswith(("#", "REM - "))] for lines in (plain, found)]
    assert commands[0] == commands[1]
    if system == "windows":
        assert programs.batch_commands("\n".join(found))


# --- the program itself -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=checkouts.versions("comfyui"))
def found(request, tmp_path_factory):
    """What one version chose for the options of each case, on a card whose name tells it nothing."""
    version = request.param
    cases = {"faulty": programs.T400, "only bf16": programs.RTX_3060, "bf16 faulty": programs.RTX_3060}
    questions = {
        **{case: (options(CASES[case], version), gpu) for case, gpu in cases.items()},
        "nothing on a T400": ([], programs.T400),
        "nothing on an RTX": (options(CASES["good"]), programs.RTX_3060),
        "nothing on a P100": (options(CASES["slow, for memory"]), programs.P100),
        "forced on a P100": (["--force-fp16"], programs.P100),
        "stored as fp16": ([*FLOAT32, "--fp16-unet"], programs.T400),
        "both": ([*FLOAT32, "--force-fp16"], programs.T400),
    }
    return programs.ask("comfyui", version, questions, tmp_path_factory.mktemp("comfyui"))


@checkouts.needs("comfyui")
def test_the_program_computes_in_what_was_meant(found):
    assert not programs.differing(found["faulty"], **programs.ALL_FLOAT32)
    assert not programs.differing(found["only bf16"], computed="bfloat16", bf16_first="bfloat16", vae="bfloat16")
    assert not programs.differing(found["bf16 faulty"], computed="float16", bf16_first="float16", vae="float32")
    assert not programs.differing(found["nothing on an RTX"], computed="float16", bf16_first="bfloat16", vae="bfloat16")


@checkouts.needs("comfyui")
def test_the_program_itself_takes_float16_on_a_card_that_it_has_no_name_for(found):
    assert not programs.differing(found["nothing on a T400"], computed="float16")
    assert found["both"] == {"refused": 2}


@checkouts.needs("comfyui")
def test_what_comments_say_of_other_options_is_so(found):
    assert not programs.differing(found["stored as fp16"], weights="float16", computed="float32", vae="float32")
    assert not programs.differing(found["nothing on a P100"], weights="float16", computed="float32")
    assert not programs.differing(found["forced on a P100"], computed="float16")
