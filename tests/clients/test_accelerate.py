"""The launcher's file for Hugging Face Accelerate: what it says, and what real releases make of it.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import json

import pytest
import yaml
from clients import launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, GOOD, GPU, KINDS, TURING, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Gpu, Setting, Verdict

VERSIONS = launching.versions("accelerate")
NEWEST, OLDEST = VERSIONS[-1], VERSIONS[0]
KEYS = "compute_environment distributed_type machine_rank mixed_precision num_machines num_processes use_cpu"
AMPERE = Gpu("NVIDIA A10", chip="GA102", compute_capability="8.6")


def text_of(rec, version=None):
    return emitters.render(rec, "accelerate", version)


def keys(rec, version=None):
    return yaml.safe_load(text_of(rec, version))


def good(dtype="bfloat16", verdicts=ALL_OK, **facts):
    return recommendation(True, True, dtype, verdicts, **facts)


def with_tf32(rec_settings, value, because):
    return {**rec_settings, "tf32": Setting(value, because)}


# --- what the file says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "no version", "0.15.0", *VERSIONS, "2.0.0"])
@pytest.mark.parametrize(("kind", "word"), [("faulty", "no"), ("good", "bf16"), ("turing", "fp16"), ("unknown", "no")])
def test_the_same_seven_keys_for_every_version(kind, word, version):
    assert keys(KINDS[kind], version) == {
        "compute_environment": "LOCAL_MACHINE", "distributed_type": "NO", "machine_rank": 0, "mixed_precision": word,
        "num_machines": 1, "num_processes": 1, "use_cpu": False,
    }  # fmt: skip


def test_words_that_yaml_takes_for_booleans_are_quoted():
    text = text_of(KINDS["faulty"])
    assert 'mixed_precision: "no"\n' in text
    assert 'distributed_type: "NO"\n' in text
    assert "use_cpu: false\n" in text


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


def test_on_a_cpu_it_is_told_to_use_it_and_only_bfloat16_is_ever_named():
    assert keys(good(device="cpu", gpus=()))["use_cpu"] is True
    assert keys(good(device="cpu", gpus=()))["mixed_precision"] == "bf16"
    only_fp16 = good("float16", {**ALL_OK, "amp_bf16": "slow"}, device="cpu", gpus=())
    assert keys(only_fp16)["mixed_precision"] == "no"


@pytest.mark.parametrize(
    ("device", "version", "word"),
    [("mps", None, "no"), ("mps", "1.10.1", "no"), ("mps", "1.11.0", "bf16"), ("xpu", None, "no"),
     ("xpu", "0.31.0", "no"), ("xpu", "0.32.0", "bf16"), ("rocm", None, "bf16"), ("abacus", "1.15.0", "no")],
)  # fmt: skip
def test_other_devices_autocast_from_the_release_that_can(device, version, word):
    assert keys(good(device=device, gpus=()), version)["mixed_precision"] == word


def test_what_an_unknown_version_loses_is_said():
    assert "on mps it needs accelerate 1.11" in text_of(good(device="mps", gpus=()))


@pytest.mark.parametrize(
    ("facts", "kind", "count"),
    [({"gpus": (GPU, GPU)}, "MULTI_GPU", 2), ({"gpus": (GPU,) * 3, "device": "rocm"}, "MULTI_GPU", 3),
     ({"gpus": (GPU, GPU), "device": "xpu"}, "MULTI_XPU", 2), ({"gpus": (GPU, GPU), "os": "windows"}, "NO", 1),
     ({"gpus": (GPU, Gpu("NVIDIA A100", mig_profile="1g.10gb"))}, "NO", 1), ({"gpus": ()}, "NO", 1),
     ({"gpus": (GPU, Gpu("kept from torch", hidden=True))}, "NO", 1), ({"gpus": (GPU, GPU), "device": "cpu"}, "NO", 1)],
)  # fmt: skip
def test_one_process_a_card_where_the_cards_can_work_together(facts, kind, count):
    found = keys(good(**facts), "1.15.0")
    assert (found["distributed_type"], found["num_processes"]) == (kind, count)


def test_why_windows_gets_one_process_is_said():
    assert "no NCCL on Windows" in text_of(good(gpus=(GPU, GPU), os="windows"))


def test_a_faulty_dtype_is_never_named_and_a_missing_verdict_neither():
    for word in ("faulty", "unknown", "unsupported", "emulated", "slow"):
        rec = good("float16", {"amp_fp16": "ok", "amp_bf16": word}, device="cpu", gpus=())
        assert keys(rec)["mixed_precision"] == "no"


def test_settings_without_a_key_become_comments_with_the_line_for_the_script():
    text = text_of(recommendation(settings=with_tf32(GOOD.settings, True, "measured"), gpus=(AMPERE,)))
    assert "torch.backends.cuda.matmul.allow_tf32 = True" in text
    assert "model.half()" in text
    assert "dynamo_config" not in text
    assert " ".join(yaml.safe_load(text)) == KEYS


def test_without_amp_it_warns_that_compiling_turns_tf32_on():
    assert "no dynamo_config" in text_of(KINDS["faulty"])
    assert "no dynamo_config" not in text_of(recommendation(device="cpu", gpus=()))
    assert "no dynamo_config" not in text_of(GOOD)


def test_faulty_tf32_is_turned_off_from_outside():
    rec = recommendation(verdicts={"tf32": "faulty"}, gpus=(AMPERE,))
    assert rec.verdicts["tf32"] == Verdict("faulty")
    assert "NVIDIA_TF32_OVERRIDE=0" in text_of(rec)
    assert "NVIDIA_TF32_OVERRIDE" not in text_of(GOOD)


@pytest.mark.parametrize(("version", "warned"), [("0.20.3", True), ("0.21.0", False), ("1.15.0", False), (None, False)])
def test_versions_too_old_to_have_been_tested_are_warned_of(version, warned):
    assert ("was not tested" in text_of(KINDS["good"], version)) is warned


def test_the_first_comment_is_the_command():
    first = text_of(TURING, "1.15.0").splitlines()[0]
    assert first.startswith("# For accelerate 1.15.0; start with: accelerate launch --config_file accelerate.yaml")


@given(st.text(max_size=200))
def test_no_reason_or_name_breaks_out_of_its_comment(text):
    rec = good(because=text, evidence=(text,), warnings=(text,), gpus=(Gpu(text),), driver=text)
    assert " ".join(keys(rec)) == KEYS


# --- what real releases make of it ------------------------------------------------------------------------------------

CASES = {
    "off": (KINDS["faulty"], "no"),
    "bf16": (good(), "bf16"),
    "fp16": (TURING, "fp16"),
    "cpu": (good(device="cpu", gpus=()), "bf16"),
    "cards": (good("float16", gpus=(GPU, GPU)), "fp16"),
}
WRONG = {
    "unknown key": ("dtype: bfloat16\n", "refused"),
    "unknown word": ('mixed_precision: "fp17"\n', "refused at launch"),
    "torch's word": ('mixed_precision: "float16"\n', "refused at launch"),
    "bare no": ("mixed_precision: no\n", "refused at launch"),  # before 0.34 it is taken for the word
    "unknown kind": ('distributed_type: "MULTI_ABACUS"\n', "refused"),
}


def write(folder, name, text):
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_every_file_loads_and_reaches_the_script_as_meant_and_wrong_ones_are_refused(version, tmp_path):
    texts = {name: text_of(rec, version) for name, (rec, _) in CASES.items()}
    texts |= {f"any {name}": text_of(rec) for name, (rec, _) in CASES.items()}
    texts |= {name: texts["off"] + line for name, (line, _) in WRONG.items()}
    files = {name: write(tmp_path, name, text) for name, text in texts.items()}
    program = launching.HERE / "load_accelerate.py"
    found = launching.effective(launching.run(f"accelerate-{version}", program, *files.values(), folder=tmp_path))
    for name, path in files.items():
        if name == "bare no" and version == OLDEST:
            assert found[str(path)]["word"] == "no"
        elif name in WRONG:
            assert WRONG[name][1] in found[str(path)], (name, found[str(path)])
        else:
            assert found[str(path)] == meant(*CASES[name.removeprefix("any ")]), name


def meant(rec, word):
    cards = len(rec.gpus) if rec.device == "cuda" else 1
    return {
        "mixed_precision": word, "num_processes": cards, "num_machines": 1, "use_cpu": rec.device == "cpu",
        "distributed_type": "MULTI_GPU" if cards > 1 else "NO", "multi_gpu": cards > 1, "processes": cards,
        "word": word, "cpu": "unset" if cards > 1 else str(rec.device == "cpu").lower(),
    }  # fmt: skip


def launch(version, rec, folder):
    file = write(folder, "accelerate", text_of(rec, version))
    return launching.run(
        f"accelerate-{version}", "-m", "accelerate.commands.launch", "--config_file", file,
        launching.HERE / "start_accelerate.py", folder=folder,
    )  # fmt: skip


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_a_script_starts_and_computes_in_bfloat16_where_the_file_says_so(version, tmp_path):
    assert launching.effective(launch(version, CASES["cpu"][0], tmp_path)) == {
        "mixed_precision": "bf16", "native_amp": True, "scaler": False, "device": "cpu",
        "inside": "torch.bfloat16", "weights": "torch.float32",
    }  # fmt: skip


@launching.needs_clients
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_script_starts_and_computes_in_float32_where_fp16_is_faulty(version, tmp_path):
    found = launching.effective(launch(version, CASES["off"][0], tmp_path))
    assert (found["mixed_precision"], found["native_amp"], found["inside"]) == ("no", False, "torch.float32")


@launching.needs_clients
def test_two_cards_start_two_processes_and_a_cpu_ignores_fp16_which_is_why_it_is_never_named_there(tmp_path):
    done = launch(NEWEST, CASES["cards"][0], tmp_path)
    told = [json.loads(line.partition("EFFECTIVE ")[2]) for line in done.stdout.splitlines() if "EFFECTIVE" in line]
    assert len(told) == 2, done.stdout + done.stderr[-3000:]
    for found in told:
        assert (found["mixed_precision"], found["native_amp"], found["inside"]) == ("fp16", False, "torch.float32")
