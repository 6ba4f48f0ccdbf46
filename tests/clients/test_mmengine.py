"""The mmengine fragment: what it says for every kind of card, and that real releases train with it."""

from __future__ import annotations

import ast
import functools
import json
import shlex

import pytest
from clients import launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, KINDS, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError

OFF = {"type": "OptimWrapper"}
FLOAT16 = {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"}
BFLOAT16 = {"type": "AmpOptimWrapper", "dtype": "bfloat16", "loss_scale": 1.0}
OLD_FLOAT16 = {"type": "AmpOptimWrapper", "loss_scale": "dynamic"}
ON_CUDA = {"cudnn_benchmark": False}


def fragment(rec, version=None):
    """The assignments of the emitted file, by Python's own parser; nothing but `name = dict(key=literal)` is let in."""
    found = {}
    for node in ast.parse(emitters.render(rec, "mmengine", version)).body:
        assert isinstance(node, ast.Assign)
        assert isinstance(node.value, ast.Call)
        assert node.value.func.id == "dict"
        found[node.targets[0].id] = {word.arg: ast.literal_eval(word.value) for word in node.value.keywords}
    return found


def options(text):
    """The words after --cfg-options in the comment of an emitted file."""
    line = next(line for line in text.splitlines() if "--cfg-options" in line)
    return shlex.split(line.partition("--cfg-options ")[2])


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "good", "turing"),
    [(None, BFLOAT16, FLOAT16), ("what", BFLOAT16, FLOAT16), ("0.10.7", BFLOAT16, FLOAT16), ("1.0", BFLOAT16, FLOAT16),
     ("0.7.0", BFLOAT16, FLOAT16), ("0.6.0", OLD_FLOAT16, OLD_FLOAT16), ("0.1.0", OLD_FLOAT16, OLD_FLOAT16)],
)  # fmt: skip
def test_each_version_gets_the_keywords_it_knows(version, good, turing):
    assert fragment(FAULTY, version) == fragment(UNKNOWN, version) == {"optim_wrapper": OFF, "env_cfg": ON_CUDA}
    assert fragment(GOOD, version) == {"optim_wrapper": good, "env_cfg": ON_CUDA}
    assert fragment(TURING, version) == {"optim_wrapper": turing, "env_cfg": ON_CUDA}


def test_bfloat16_alone_is_off_where_the_version_has_no_dtype():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "amp_fp16": "faulty", "fp16": "faulty"})
    assert fragment(rec, "0.10.7")["optim_wrapper"] == BFLOAT16
    assert fragment(rec, "0.6.0")["optim_wrapper"] == OFF
    assert "pip install -U mmengine" in emitters.render(rec, "mmengine", "0.6.0")
    assert "keep fp16=True out of val_cfg" in emitters.render(rec, "mmengine", "0.10.7")


@pytest.mark.parametrize("device", ["cpu", "mps", "xpu"])
def test_a_device_without_ampoptimwrapper_gets_none(device):
    rec = recommendation(True, True, "bfloat16", ALL_OK, device=device, gpus=())
    assert fragment(rec) == {"optim_wrapper": OFF}
    assert f"no AmpOptimWrapper for {device}" in emitters.render(rec, "mmengine")


def test_rocm_autocasts_and_gets_no_cudnn_switch():
    assert fragment(recommendation(True, True, "float16", ALL_OK, device="rocm")) == {"optim_wrapper": FLOAT16}


def test_the_line_of_options_says_what_the_fragment_says():
    assert options(emitters.render(GOOD, "mmengine")) == [
        "optim_wrapper.type=AmpOptimWrapper", "optim_wrapper.dtype=bfloat16", "optim_wrapper.loss_scale=1.0",
        "env_cfg.cudnn_benchmark=False",
    ]  # fmt: skip


@pytest.mark.parametrize(("rec", "word"), [(FAULTY, "leave the flag --amp away"), (TURING, "does the same"),
                                           (GOOD, "alone means float16")])  # fmt: skip
def test_the_amp_flag_of_the_training_scripts_is_explained(rec, word):
    assert word in emitters.render(rec, "mmengine")


def test_tf32_has_no_key_so_it_is_told_how_to_turn_a_faulty_one_off():
    assert "NVIDIA_TF32_OVERRIDE=0" in emitters.render(recommendation(verdicts={"tf32": "faulty"}), "mmengine")
    assert "tf32" not in emitters.render(FAULTY, "mmengine")


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        emitters.render(BROKEN, "mmengine")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    rec = recommendation(because=because, evidence=(because,), warnings=(because,), driver=because, os=because)
    assert fragment(rec) == {"optim_wrapper": OFF, "env_cfg": ON_CUDA}


# --- real releases ----------------------------------------------------------------------------------------------------

VERSIONS = launching.versions("mmengine")
USER_CONFIG = """
model = dict(type="Tiny")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=0.1))
train_cfg = dict(by_epoch=False, max_iters=1)
env_cfg = dict(cudnn_benchmark=True, dist_cfg=dict(backend="gloo"))
default_hooks = dict(checkpoint=None)
work_dir = "work"
"""
ASKED = {
    "faulty": {"wrapper": "OptimWrapper", "cast_dtype": "None", "constant_scale": None, "scaler": False},
    "good": {"wrapper": "AmpOptimWrapper", "cast_dtype": "torch.bfloat16", "constant_scale": 1.0, "scaler": True,
             "asked": ["cuda", "torch.bfloat16", True]},
    "turing": {"wrapper": "AmpOptimWrapper", "cast_dtype": "torch.float16", "constant_scale": None, "scaler": True,
               "asked": ["cuda", "torch.float16", True]},
}  # fmt: skip
WRONG = {
    "a keyword OptimWrapper lacks": (
        "faulty", '"OptimWrapper",', '"OptimWrapper", loss_scale=1.0,', "unexpected keyword argument 'loss_scale'"),
    "an unknown type": ("faulty", '"OptimWrapper",', '"OptimWraper",', "KeyError"),
    "another client's key": ("good", "dtype=", "amp_dtype=", "unexpected keyword argument 'amp_dtype'"),
    "another client's dtype": ("good", '"bfloat16"', '"bf16"', "AssertionError"),
    "another client's scale": ("turing", '"dynamic"', '"auto"', "TypeError"),
}  # fmt: skip


def child(folder, name, text):
    """A file with the emitted fragment below a `_base_` line, as its comment tells."""
    file = folder / f"{name.replace(' ', '_').replace(chr(39), '')}.py"
    file.write_text('_base_ = "your_config.py"\n' + text, encoding="utf-8", newline="\n")
    return str(file)


def runs(version, folder):
    """Every way to use the fragment that the tests look at, trained by one process: starting it is what takes long."""
    yours = folder / "your_config.py"
    yours.write_text(USER_CONFIG, encoding="utf-8")
    for kind in ASKED:
        text = emitters.render(KINDS[kind], "mmengine", version)
        gpu = kind != "faulty"
        yield f"child {kind}", {"config": child(folder, kind, text), "options": [], "gpu": gpu}
        yield f"options {kind}", {"config": str(yours), "options": options(text), "gpu": gpu}
    for name, (kind, old, new, _) in WRONG.items():
        text = emitters.render(KINDS[kind], "mmengine", version)
        assert old in text
        yield name, {"config": child(folder, name, text.replace(old, new)), "options": [], "gpu": kind != "faulty"}
    (folder / "fragment.py").write_text(text, encoding="utf-8")
    (folder / "beside.py").write_text('_base_ = ["your_config.py", "fragment.py"]\n', encoding="utf-8")
    yield "beside a base", {"config": str(folder / "beside.py"), "options": [], "gpu": False}
    text = emitters.render(TURING, "mmengine", version)
    yield "no gpu", {"config": child(folder, "no_gpu", text), "options": [], "gpu": False}
    unknown = child(folder, "unknown", emitters.render(FAULTY, "mmengine"))
    yield "unknown version", {"config": unknown, "options": [], "gpu": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """version -> what each run came to."""

    @functools.cache
    def train(version):
        folder = tmp_path_factory.mktemp("mmengine")
        (folder / "runs.json").write_text(json.dumps(dict(runs(version, folder))), encoding="utf-8")
        script = launching.HERE / "train_mmengine.py"
        done = launching.run(f"mmengine-{version}", script, folder / "runs.json", folder=folder)
        return launching.effective(done)

    return train


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ASKED)
def test_a_step_is_trained_with_the_fragment_and_with_the_line_of_options(version, kind, trained):
    expected = {**ASKED[kind], "arithmetic": "torch.float32", "optimizer": "AdamW", "benchmark": False, "moved": True}
    assert trained(version)[f"child {kind}"] == expected
    assert trained(version)[f"options {kind}"] == expected


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_for_an_unknown_version_trains_in_every_version(version, trained):
    assert trained(version)["unknown version"]["wrapper"] == "OptimWrapper"


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_key_or_value_is_refused_so_the_start_is_a_real_test(version, name, trained):
    assert WRONG[name][-1] in trained(version)[name]["error"]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_gpu_ampoptimwrapper_is_refused_as_we_say(version, trained):
    assert "only available training on gpu" in trained(version)["no gpu"]["error"]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_beside_another_base_the_fragment_clashes_as_we_say(version, trained):
    assert "Duplicate key" in trained(version)["beside a base"]["error"]
