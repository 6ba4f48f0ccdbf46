"""The file for timm's train.py: keys against recorded options, and real training scripts started with it.

tests/clients/options/timm-*.json hold the options about precision of each era of train.py. The real script is in no
package: python tests/clients/checkouts.py clones it, and without the clone the tests of the second part skip.
"""

from __future__ import annotations

import json

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
    for path in sorted((launching.HERE / "options").glob("timm-*.json"))
    for recorded in [json.loads(path.read_text(encoding="utf-8"))]
}


def keys(rec, version=None):
    return yaml.safe_load(emitters.render(rec, "timm", version))


def reasons(rec, version=None):
    return " ".join(line.lstrip("# ") for line in emitters.render(rec, "timm", version).splitlines() if line[0] == "#")


# --- what is said -----------------------------------------------------------------------------------------------------

OFF, ON = {"amp": False, "channels_last": False}, {"amp": True, "channels_last": False}
FLOAT16, BFLOAT16 = {**ON, "amp_dtype": "float16"}, {**ON, "amp_dtype": "bfloat16"}
WEIGHTS = {"model_dtype": "float32"}


@pytest.mark.parametrize(
    ("version", "off", "good", "turing"),
    [
        (None, OFF, ON, ON),
        ("no version", OFF, ON, ON),
        ("0.3.4", {"amp": False}, {"amp": True}, {"amp": True}),
        ("0.4.5", OFF, ON, ON),
        ("0.6.13", OFF, ON, ON),
        ("0.8.2dev0", OFF, BFLOAT16, FLOAT16),
        ("0.9.16", OFF, BFLOAT16, FLOAT16),
        ("1.0.12", OFF, BFLOAT16, FLOAT16),
        ("1.0.13", {**OFF, **WEIGHTS}, {**BFLOAT16, **WEIGHTS}, {**FLOAT16, **WEIGHTS}),
        ("1.0.31", {**OFF, **WEIGHTS}, {**BFLOAT16, **WEIGHTS}, {**FLOAT16, **WEIGHTS}),
    ],
)
def test_each_version_gets_only_keys_it_knows(version, off, good, turing):
    assert keys(FAULTY, version) == keys(UNKNOWN, version) == off
    assert keys(GOOD, version) == good
    assert keys(TURING, version) == turing


@pytest.mark.parametrize("version", OPTIONS)
@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_an_option_of_that_train_py_since_a_typo_would_be_kept_silently(version, device, kind):
    settings = {name: setting.value for name, setting in KINDS[kind].settings.items()}
    verdicts = {name: verdict.value for name, verdict in KINDS[kind].verdicts.items()}
    rec = recommendation(settings["amp"], settings["half"], settings["dtype"], verdicts, device=device)
    for asked in (version, None):
        written = keys(rec, asked)
        assert set(written) <= set(OPTIONS[version])
        assert all((type(value) is bool) is (OPTIONS[version][key] == {}) for key, value in written.items())


def test_bfloat16_alone_is_off_where_the_version_has_no_dtype():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "amp_fp16": "faulty", "fp16": "faulty"})
    assert keys(rec, "1.0.28")["amp_dtype"] == "bfloat16"
    assert keys(rec, "0.6.13") == keys(rec) == OFF


@pytest.mark.parametrize("device", ["cpu", "mps", "xpu"])
def test_elsewhere_than_on_cuda_only_bfloat16_is_on_since_float16_would_have_no_loss_scaling(device):
    bfloat16 = recommendation(True, True, "bfloat16", ALL_OK, device=device, gpus=())
    float16 = recommendation(True, True, "float16", {"fp16": "ok", "amp_fp16": "ok"}, device=device, gpus=())
    assert keys(bfloat16, "0.9.16") == {"amp": True, "amp_dtype": "bfloat16", "device": device}
    assert keys(float16, "0.9.16") == {"amp": False, "device": device}
    assert keys(bfloat16, "0.9.12") == keys(bfloat16) == {"amp": False}
    assert f"takes --device {device}" in reasons(bfloat16)


def test_rocm_is_cuda_to_torch():
    assert keys(recommendation(True, True, "float16", ALL_OK, device="rocm"), "0.9.16") == {
        "amp": True, "amp_dtype": "float16",
    }  # fmt: skip


@pytest.mark.parametrize(("verdict", "word"), [("faulty", "warning: tf32 is faulty here"), ("ok", "(tf32 is ok)")])
def test_tf32_has_no_key_so_it_is_told_that_train_py_turns_it_on(verdict, word):
    rec = recommendation(verdicts={"tf32": verdict})
    assert word in reasons(rec, "1.0.28")
    assert "NVIDIA_TF32_OVERRIDE=0" in reasons(rec)
    assert "by itself (tf32" not in reasons(rec, "0.6.13")
    assert "tf32" not in reasons(recommendation(verdicts={"tf32": "unsupported"}), "1.0.28")


def test_versions_that_mean_apex_are_warned_of():
    assert "NVIDIA Apex" in reasons(FAULTY, "0.3.4")
    assert "NVIDIA Apex" not in reasons(FAULTY, "0.4.5") + reasons(FAULTY)


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        emitters.render(BROKEN, "timm")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    rec = recommendation(because=because, evidence=(because,), warnings=(because,), driver=because, os=because)
    assert keys(rec, "1.0.28") == {**OFF, **WEIGHTS}


# --- real training scripts --------------------------------------------------------------------------------------------

VERSIONS = checkouts.versions("timm")
TRAIN_ON_A_CPU = [version for version in VERSIONS if version != "0.6.13"]  # that one calls cuda() whatever there is
CPU = {
    "off": recommendation(device="cpu", gpus=()),
    "bfloat16": recommendation(True, False, "bfloat16", {"amp_bf16": "ok"}, device="cpu", gpus=()),
}


def run(version, folder, text, *arguments, parse=False):
    (folder / "file.yaml").write_text(text, encoding="utf-8", newline="\n")
    words = [checkouts.folder("timm", version) / "train.py", *(["--parse"] if parse else []), "-c", "file.yaml"]
    return launching.run(f"timm-{version}", launching.HERE / "train_timm.py", *words, *arguments, folder=folder)


@checkouts.needs("timm")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_parser_has_the_recorded_options_takes_every_key_and_keeps_a_typo_silently(version, tmp_path):
    rec = recommendation(True, True, "float16", ALL_OK)
    text = emitters.render(rec, "timm", version) + "amp_dtyp: float16\n"
    found = launching.effective(run(version, tmp_path, text, "data", parse=True))
    assert set(OPTIONS[version]) <= set(found["known"])
    assert set(found["all"]) - set(found["known"]) == {"amp_dtyp"}
    assert keys(rec, version).items() <= found["values"].items()


@checkouts.needs("timm")
@pytest.mark.parametrize("version", TRAIN_ON_A_CPU)
@pytest.mark.parametrize("case", CPU)
def test_an_epoch_is_trained_and_validated_in_the_precision_of_the_file(version, case, tmp_path):
    done = run(
        version, tmp_path, emitters.render(CPU[case], "timm", version), "--data-dir", "data",
        "--model", "resnet10t", "--num-classes", "2", "--img-size", "32", "--batch-size", "2", "--workers", "1",
        "--epochs", "1", "--warmup-epochs", "0", "--cooldown-epochs", "0", "--output", "out",
    )  # fmt: skip
    arithmetic = ["torch.float32" if case == "off" else "torch.bfloat16"]
    assert launching.effective(done) == {
        "train": arithmetic, "validate": arithmetic, "weights": ["torch.float32"],
    }  # fmt: skip
    written = yaml.safe_load(next((tmp_path / "out").rglob("args.yaml")).read_text(encoding="utf-8"))
    assert {key: written[key] for key in keys(CPU[case], version)} == keys(CPU[case], version)


@checkouts.needs("timm")
@pytest.mark.parametrize("version", TRAIN_ON_A_CPU[-1:])
def test_a_wrong_value_is_refused_when_training_starts(version, tmp_path):
    text = emitters.render(CPU["bfloat16"], "timm", version)
    done = run(version, tmp_path, text.replace('"bfloat16"', '"bf16"'), "--data-dir", "data", "--model", "resnet10t")
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
