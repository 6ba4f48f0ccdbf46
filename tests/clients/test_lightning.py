"""The Trainer's part of a LightningCLI file: what it says, and what real releases of both distributions make of it.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import re

import pytest
import yaml
from clients import launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, GOOD, KINDS, TURING, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Setting, Verdict

ENVIRONMENTS = [
    *(f"pytorch_lightning-{version}" for version in launching.versions("pytorch_lightning")),
    *(f"lightning-{version}" for version in launching.versions("lightning")),
]
QUIET = {
    "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    "max_steps": 1,
}  # fmt: skip
DTYPES = {"faulty": "float32", "unknown": "float32", "good": "bfloat16", "turing": "float16"}
WORDS = {  # written from the clients' own lists of words, not from the emitter
    1: {"float32": 32, "bfloat16": "bf16", "float16": 16},
    2: {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"},
}


def text_of(rec, version=None):
    return emitters.render(rec, "lightning", version)


def trainer(rec, version=None):
    loaded = yaml.safe_load(text_of(rec, version))
    assert list(loaded) == ["trainer"]
    return loaded["trainer"]


def good(dtype="bfloat16", verdicts=ALL_OK, **facts):
    return recommendation(True, True, dtype, verdicts, **facts)


def flat(text):
    return " ".join(line.lstrip("# ") for line in text.splitlines())


# --- what the file says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("version", "era"),
    [(None, 1), ("no version", 1), ("1.5.10", 1), ("1.6.5", 1), ("1.9.5", 1), ("2.0.0", 2), ("2.6.6", 2), ("3.0", 2)],
)
def test_each_era_gets_its_own_words_and_an_unknown_version_those_of_both(version, era, kind):
    assert trainer(KINDS[kind], version) == {"precision": WORDS[era][DTYPES[kind]], "benchmark": False}


def test_numbers_are_bare_and_words_are_quoted():
    assert "  precision: 16\n" in text_of(TURING)
    assert '  precision: "bf16"\n' in text_of(GOOD)
    assert '  precision: "32-true"\n' in text_of(KINDS["faulty"], "2.6.6")


def test_the_call_of_a_script_without_a_file_is_told():
    assert 'Trainer(precision="bf16-mixed", benchmark=False)' in flat(text_of(GOOD, "2.6.6"))
    assert "Trainer(precision=16, benchmark=False)" in flat(text_of(TURING, "1.9.5"))


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


def test_releases_without_bfloat16_get_float16_where_it_is_right_and_a_warning():
    assert trainer(GOOD, "1.4.9")["precision"] == 16
    for word in ("faulty", "slow", "unknown"):
        assert trainer(good(verdicts={**ALL_OK, "amp_fp16": word}), "1.4.9")["precision"] == 32
    assert "was not tested" in text_of(GOOD, "1.4.9")
    assert "was not tested" not in text_of(GOOD, "1.6.5")


@pytest.mark.parametrize("word", ["faulty", "slow", "unknown", "emulated", "unsupported"])
def test_on_a_cpu_only_bfloat16_is_named_and_the_processor_too(word):
    assert trainer(good(device="cpu", gpus=()), "2.6.6") == {"precision": "bf16-mixed", "accelerator": "cpu"}
    rec = good("float16", {**ALL_OK, "amp_bf16": word}, device="cpu", gpus=())
    assert trainer(rec, "2.6.6")["precision"] == "32-true"


@pytest.mark.parametrize(
    ("device", "version", "word"),
    [("mps", None, 32), ("mps", "2.5.6", "32-true"), ("mps", "2.6.0", "bf16-mixed"), ("xpu", "2.6.6", "32-true"),
     ("rocm", "2.6.6", "bf16-mixed"), ("abacus", None, 32)],
)  # fmt: skip
def test_other_devices_autocast_where_lightning_does(device, version, word):
    assert trainer(good(device=device, gpus=()), version)["precision"] == word


def test_why_another_device_stays_in_float32_is_said():
    assert "on mps it needs Lightning 2.6" in text_of(good(device="mps", gpus=()))
    assert "has no accelerator for xpu" in text_of(good(device="xpu", gpus=()))


def test_weights_are_never_cast_and_what_has_no_key_becomes_a_comment():
    settings = {**GOOD.settings, "tf32": Setting(True, "measured"), "channels_last": Setting(True, "measured")}
    text = text_of(recommendation(settings=settings), "2.6.6")
    assert list(yaml.safe_load(text)["trainer"]) == ["precision", "benchmark"]
    for line in ("model.half()", "set_float32_matmul_precision", "channels_last"):
        assert line in text
    assert "set_float32" not in text_of(recommendation(settings=settings, device="cpu", gpus=()))


def test_faulty_tf32_is_turned_off_from_outside():
    rec = good(verdicts={**ALL_OK, "tf32": "faulty"})
    assert "NVIDIA_TF32_OVERRIDE=0" in text_of(rec)
    assert rec.verdicts["tf32"] == Verdict("faulty")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    rec = recommendation(True, True, "bfloat16", ALL_OK, because, evidence=(because,), warnings=(because,))
    for version in (None, "2.6.6"):
        text = text_of(rec, version)
        assert text.isascii()
        assert list(trainer(rec, version)) == ["precision", "benchmark"]


# --- real releases ----------------------------------------------------------------------------------------------------
# One process a release, since importing takes most of the time: REAL lists what it is given, by name.

CPU, GPU_PRETENDED = {"accelerator": "cpu"}, {"accelerator": "gpu", "devices": 1}


def version_of(environment):
    return environment.partition("-")[2]


def wrong(version):
    """Files that must be refused, so that the load is a real test."""
    right = text_of(KINDS["faulty"], version)
    misspelt = "".join("  precision: float16\n" if "  precision" in line else line for line in right.splitlines(True))
    return {"a wrong key": ("fit", right + "  amp: false\n", CPU), "a wrong word": ("fit", misspelt, CPU)}


def jobs(version):
    """name -> (what to do, the emitted file, what makes the run small). CPU first: the pretended GPU stays."""
    return {
        **{f"{kind} on a CPU": ("fit", text_of(KINDS[kind], version), CPU) for kind in ("faulty", "good")},
        "good for any version": ("fit", text_of(GOOD), CPU),
        "faulty for any version": ("fit", text_of(KINDS["faulty"]), CPU),
        **wrong(version),
        "words of 2.0": ("fit", text_of(GOOD, "2.0.0"), CPU),
        "turing": ("construct", text_of(TURING, version), GPU_PRETENDED),
        "turing for any version": ("construct", text_of(TURING), GPU_PRETENDED),
    }


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def real(request, tmp_path_factory):
    """(version, name of the job -> what LightningCLI made of it)."""
    version = version_of(request.param)
    arguments = []
    for number, (mode, text, more) in enumerate(jobs(version).values()):
        folder = tmp_path_factory.mktemp(f"job{number}")
        (folder / "lightning.yaml").write_text(text, encoding="utf-8", newline="\n")
        (folder / "small.yaml").write_text(yaml.safe_dump({"trainer": {**QUIET, **more}}), encoding="utf-8")
        arguments += [mode, folder]
    program = launching.HERE / "fit_lightning.py"
    done = launching.run(request.param, program, *arguments, folder=tmp_path_factory.mktemp("run"), timeout=180)
    return version, dict(zip(jobs(version), launching.effective(done), strict=True))


def effective_word(version, dtype):
    """What this release's Trainer calls it: 1.9 made text of the numbers of before."""
    word = WORDS[int(version[0])][dtype]
    return str(word) if version.startswith("1.9") else word


@launching.needs_clients
def test_one_step_is_trained_in_the_precision_of_the_file(real):
    version, found = real
    for name, dtype in (("faulty", "float32"), ("good", "bfloat16")):
        wanted = {
            "version": version, "precision": effective_word(version, dtype),
            "autocast": f"torch.{dtype}" if dtype != "float32" else None, "scaler": False, "inside": f"torch.{dtype}",
            "steps": 1, "weights": "torch.float32", "benchmark": False, "accelerator": "CPUAccelerator",
        }  # fmt: skip
        assert found[f"{name} on a CPU"] == wanted
        assert found[f"{name} for any version"] == wanted


@launching.needs_clients
def test_float16_is_asked_of_a_gpu_with_loss_scaling(real):
    """On a CPU it would become bfloat16, so the Trainer is only made, and told that there is a GPU."""
    version, found = real
    for name in ("turing", "turing for any version"):
        assert found[name]["precision"] == effective_word(version, "float16")
        assert (found[name]["autocast"], found[name]["scaler"]) == ("torch.float16", True)
        assert (found[name]["steps"], found[name]["weights"]) == (0, "torch.float32")


@launching.needs_clients
def test_a_wrong_key_or_word_is_refused_so_the_load_is_a_real_test(real):
    version, found = real
    assert re.search(r"\bamp\b", found["a wrong key"]["refused"])
    assert "float16" in found["a wrong word"]["refused"]
    assert ("refused" in found["words of 2.0"]) is (int(version[0]) < 2)
