"""The file for Detectron2: keys against recorded options, and its own strict merge and trainer from its repository.

tests/clients/options/detectron2-*.json hold the options about precision and device of each era (2026.6 is the main
branch of June 2026, which still calls itself 0.6). Detectron2 is in no package index: python tests/clients/checkouts.py
clones it, and without the clone the tests of the second part skip.
"""

from __future__ import annotations

import functools
import json
import os
import shlex

import pytest
import yaml
from clients import checkouts, launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, KINDS, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError

OPTIONS = {
    recorded["version"]: recorded["options"]
    for path in sorted((launching.HERE / "options").glob("detectron2-*.json"))
    for recorded in [json.loads(path.read_text(encoding="utf-8"))]
}
OFF = {"VERSION": 2, "SOLVER": {"AMP": {"ENABLED": False}}, "CUDNN_BENCHMARK": False}
ON = {"VERSION": 2, "SOLVER": {"AMP": {"ENABLED": True}}, "CUDNN_BENCHMARK": False}


def keys(rec, version=None):
    return yaml.safe_load(emitters.render(rec, "detectron2", version))


def flat(tree, prefix=""):
    """Full name -> value."""
    pairs = [flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {prefix + k: v} for k, v in tree.items()]
    return {name: value for pair in pairs for name, value in pair.items()}


def reasons(rec, version=None):
    lines = emitters.render(rec, "detectron2", version).splitlines()
    return " ".join(line.lstrip("# ") for line in lines if line[0] == "#")


def words(text):
    """The options of the command line in the comment of an emitted file."""
    line = next(line for line in text.splitlines() if "tools/train_net.py" in line)
    return shlex.split(line.partition("your_config.yaml")[2])


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "main", "0.3", "0.6", "0.7"])
def test_only_float16_autocast_can_be_turned_on(version):
    assert keys(FAULTY, version) == keys(UNKNOWN, version) == OFF
    assert keys(GOOD, version) == keys(TURING, version) == ON
    assert "float16 autocast, correct here too" in reasons(GOOD, version)


def test_good_bfloat16_beside_faulty_float16_is_off():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "amp_fp16": "faulty", "fp16": "faulty"})
    assert keys(rec) == OFF
    assert "no switch for bfloat16" in reasons(rec)


def test_before_there_was_amp_nothing_is_said_of_it():
    assert keys(GOOD, "0.2.1") == {"VERSION": 2, "CUDNN_BENCHMARK": False}
    assert "no AMP" in reasons(GOOD, "0.2.1")


@pytest.mark.parametrize("version", OPTIONS)
@pytest.mark.parametrize("device", ["cuda", "cpu", "mps"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_an_option_of_that_version_with_the_type_of_its_default(version, device, kind):
    amp, dtype = KINDS[kind].amp, KINDS[kind].dtype
    rec = recommendation(amp, False, dtype, {n: v.value for n, v in KINDS[kind].verdicts.items()}, device=device)
    for asked in {"2026.6": ("0.6", None), "0.2.1": ("0.2.1",)}.get(version, (version, None)):
        for name, value in flat(keys(rec, asked)).items():
            assert OPTIONS[version][name]["type"] == type(value).__name__


def test_a_cpu_is_named_and_gets_no_amp():
    rec = recommendation(True, False, "bfloat16", ALL_OK, device="cpu", gpus=())
    assert keys(rec) == {"VERSION": 2, "SOLVER": {"AMP": {"ENABLED": False}}, "MODEL": {"DEVICE": "cpu"}}


@pytest.mark.parametrize("device", ["mps", "xpu"])
def test_on_other_devices_nothing_is_promised(device):
    rec = recommendation(True, True, "float16", ALL_OK, device=device, gpus=())
    assert keys(rec) == {"VERSION": 2, "SOLVER": {"AMP": {"ENABLED": False}}}
    assert f"trains on {device} is not known here" in reasons(rec)


def test_rocm_is_cuda_to_torch():
    rec = recommendation(True, True, "float16", ALL_OK, device="rocm")
    assert keys(rec) == {"VERSION": 2, "SOLVER": {"AMP": {"ENABLED": True}}}


def test_the_words_say_what_the_file_says():
    assert words(emitters.render(TURING, "detectron2")) == ["SOLVER.AMP.ENABLED", "True", "CUDNN_BENCHMARK", "False"]
    assert "train.amp.enabled=false" in reasons(FAULTY)


def test_tf32_has_no_key_in_releases_so_it_is_told_how_to_turn_a_faulty_one_off():
    assert "NVIDIA_TF32_OVERRIDE=0" in reasons(recommendation(verdicts={"tf32": "faulty"}))
    assert "tf32" not in reasons(recommendation(verdicts={"tf32": "unsupported"}))


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        emitters.render(BROKEN, "detectron2")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    rec = recommendation(because=because, evidence=(because,), warnings=(because,), driver=because, os=because)
    assert keys(rec) == OFF


# --- its own merge and trainer ----------------------------------------------------------------------------------------

VERSIONS = checkouts.versions("detectron2")
CPU = recommendation(device="cpu", gpus=())
FILES = {"faulty": FAULTY, "turing": TURING, "cpu": CPU}
WRONG = {
    "another key": ("SOLVER:\n  AMP:\n", "    DTYPE: float16\n", "KeyError"),
    "another type": ("    ENABLED: false", "    ENABLED: 'no'", "ValueError"),
    "tf32": ("VERSION: 2\n", 'FLOAT32_PRECISION: "highest"\n', "KeyError"),
}


def child(folder, name, text):
    """A file with the emitted keys below a `_BASE_` line, as its comment tells."""
    file = folder / f"{name.replace(' ', '_')}.yaml"
    file.write_text("_BASE_: your_config.yaml\n" + text, encoding="utf-8", newline="\n")
    return str(file)


def runs(version, folder):
    """Every way to use the file that the tests look at, for one process: starting it is what takes long."""
    yours = folder / "your_config.yaml"
    yours.write_text("MODEL:\n  RESNETS:\n    DEPTH: 101\nCUDNN_BENCHMARK: true\n", encoding="utf-8")
    for name, rec in FILES.items():
        text = emitters.render(rec, "detectron2", version)
        yield f"child {name}", {"config": child(folder, name, text), "words": [], "gpu": name == "turing"}
        yield f"words {name}", {"config": str(yours), "words": words(text), "gpu": name == "turing"}
    yield (
        "no gpu",
        {"config": child(folder, "turing", emitters.render(TURING, "detectron2")), "words": [], "gpu": False},
    )
    text = emitters.render(FAULTY, "detectron2", version)
    for name, (old, new, _) in WRONG.items():
        assert old in text
        changed = text.replace(old, new if name == "another type" else old + new)
        yield name, {"config": child(folder, name, changed), "words": [], "gpu": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """version -> what each run came to."""

    @functools.cache
    def train(version):
        folder = tmp_path_factory.mktemp("detectron2")
        (folder / "runs.json").write_text(json.dumps(dict(runs("0.6", folder))), encoding="utf-8")
        source = checkouts.folder("detectron2", version)
        path = os.pathsep.join([str(source), str(source.parents[1] / "detectron2-0.6")])
        script = launching.HERE / "train_detectron2.py"
        done = launching.run("detectron2-0.6", script, folder / "runs.json", folder=folder, PYTHONPATH=path)
        return launching.effective(done)

    return train


@checkouts.needs("detectron2")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", ["child", "words"])
def test_a_step_is_trained_with_the_file_and_with_the_words(version, way, trained):
    plain = {"arithmetic": "torch.float32", "benchmark": False, "depth": 101, "device": "cuda", "moved": True}
    off = {**plain, "amp": False, "trainer": "SimpleTrainer"}
    asked = "torch.float16" if version == "2026.6" else "torch's default"
    assert trained(version)[f"{way} faulty"] == off
    assert trained(version)[f"{way} turing"] == {**plain, "amp": True, "trainer": "AMPTrainer", "asked": asked}
    assert trained(version)[f"{way} cpu"] == {**off, "device": "cpu", "benchmark": True}


@checkouts.needs("detectron2")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_key_or_value_is_refused_so_the_merge_is_a_real_test(version, name, trained):
    if name == "tf32" and version == "2026.6":
        assert trained(version)[name]["amp"] is False
    else:
        assert trained(version)[name]["error"].startswith(WRONG[name][-1])


@checkouts.needs("detectron2")
@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_gpu_amp_is_refused_as_we_say(version, trained):
    assert "CUDA is required for AMP training" in trained(version)["no gpu"]["error"]
