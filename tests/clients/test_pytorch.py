"""The emitted module is executed by real torch on a CPU: one training run each, then every switch is read back.

A card's module is run with the name of its device replaced by `cpu`, where torch 2.6 and later have float16 autocast
and a live scaler; on a CPU-only torch the TF32 and cuDNN switches are stored and read although no kernel obeys them.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from clients import launching
from hypothesis import given, settings
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, KINDS, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Caution, Setting

OLD_PYTHON = os.environ.get("HWCOMPAT_TEST_OLD_PYTHON", "")
old_python = pytest.mark.skipif(not OLD_PYTHON, reason="HWCOMPAT_TEST_OLD_PYTHON names no Python 3.8 with an old torch")
VERSIONS = (None, "1.10.0", "1.13.1", "2.1.2", "2.3.1", "2.6.0", "2.9.1", "2.13.0", "2.15.0")


def text(rec, version=None):
    return emitters.render(rec, "pytorch", version)


def statements(rec, version=None):
    """The lines that are no comments: what Python executes."""
    return [line for line in text(rec, version).splitlines() if not line.startswith("#")]


def on(rec, **values):
    changed = {name: Setting(value, "as tested") for name, value in values.items()}
    return replace(rec, settings={**rec.settings, **changed})


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_module_parses_as_python_3_8(kind, version):
    ast.parse(text(KINDS[kind], version), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("rec", "context", "enabled"),
    [
        (FAULTY, "nullcontext()", False),
        (UNKNOWN, "nullcontext()", False),
        (GOOD, "torch.autocast(DEVICE, dtype=torch.bfloat16)", False),
        (TURING, "torch.autocast(DEVICE, dtype=torch.float16)", True),
    ],
    ids=KINDS,
)
@pytest.mark.parametrize("version", VERSIONS)
def test_autocast_and_scaler_follow_the_recommendation(rec, context, enabled, version):
    lines = statements(rec, version)
    assert f"    return {context}" in lines
    scalers = [line for line in lines if "GradScaler(" in line]
    assert scalers
    assert all(f"enabled={enabled})" in line for line in scalers)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.3.1", ["scaler = torch.cuda.amp.GradScaler(enabled=True)"]),
        ("2.4.0", ['scaler = torch.amp.GradScaler("cuda", enabled=True)']),
        (
            None,
            [
                '    scaler = torch.amp.GradScaler("cuda", enabled=True)',
                "    scaler = torch.cuda.amp.GradScaler(enabled=True)",
            ],
        ),
    ],
)
def test_the_scaler_is_the_one_of_the_version(version, expected):
    assert [line for line in statements(TURING, version) if "scaler = " in line] == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_tf32_is_set_by_the_names_that_every_reader_understands(version):
    for value in (False, True):
        lines = statements(on(GOOD, tf32=value), version)
        assert f"torch.backends.cuda.matmul.allow_tf32 = {value}" in lines
        assert f"torch.backends.cudnn.allow_tf32 = {value}" in lines
        assert not any("fp32_precision" in line for line in lines)


def test_switches_are_true_only_for_true():
    odd = on(GOOD, tf32=1, channels_last="yes", cudnn_benchmark=None)
    lines = statements(odd)
    assert "CHANNELS_LAST = False" in lines
    assert not any(line.startswith("torch.backends") and line.endswith("True") for line in lines)
    assert "torch.backends.cudnn.benchmark = True" in statements(on(GOOD, cudnn_benchmark=True))


@pytest.mark.parametrize(
    ("device", "word", "switches"), [("cuda", "cuda", 3), ("rocm", "cuda", 1), ("mps", "mps", 0), ("cpu", "cpu", 0)]
)
def test_each_device_gets_its_own_name_and_only_its_switches(device, word, switches):
    lines = statements(replace(GOOD, device=device, gpus=()), "2.13.0")
    assert f'DEVICE = "{word}"' in lines
    assert sum(line.startswith("torch.backends") for line in lines) == switches


@pytest.mark.parametrize(
    ("device", "version", "dtype"),
    [
        ("mps", None, None),
        ("mps", "2.5.1", None),
        ("mps", "2.7.1", "bfloat16"),
        ("mps", "2.8.0", "float16"),
        ("xpu", None, None),
        ("xpu", "2.5.1", "float16"),
        ("cpu", None, "bfloat16"),
        ("cpu", "2.13.0", "bfloat16"),
        ("new", "2.13.0", None),
    ],
)
def test_a_device_autocasts_only_where_the_version_can_scale_too(device, version, dtype):
    rec = recommendation(True, True, "float16", ALL_OK, device=device, gpus=())
    returned = (
        next(line for line in statements(rec, version) if line.startswith("    return torch.autocast"))
        if (dtype)
        else next(line for line in statements(rec, version) if line == "    return nullcontext()")
    )
    assert dtype is None or returned.endswith(f"torch.{dtype})")


def test_faulty_float16_is_never_put_in_the_place_of_bfloat16():
    rec = recommendation(True, False, "bfloat16", {"amp_bf16": "ok", "amp_fp16": "faulty"}, device="mps", gpus=())
    assert "    return nullcontext()" in statements(rec, "2.5.1")


def test_reduced_sums_are_named_in_a_comment_and_never_set():
    name = "reduced_precision_reduction"
    assert f"# torch.backends.cuda.matmul.allow_fp16_{name} = False" in text(TURING)
    assert f"# torch.backends.cuda.matmul.allow_bf16_{name} = False" in text(GOOD, "2.6.0")
    assert name not in text(GOOD, "1.13.1")
    assert name not in text(FAULTY)
    assert not any(name in line for rec in KINDS.values() for line in statements(rec))


def test_cautions_and_inference_are_told():
    rec = replace(GOOD, cautions=(Caution("conv3d", "wrong in bfloat16", "run it in float32"),))
    assert "# caution: conv3d: wrong in bfloat16; run it in float32" in text(rec)
    assert "model.half() is correct here" in text(GOOD)
    assert "keep the weights in float32" in text(FAULTY)


def test_old_and_unusable_versions():
    assert "nobody tried" in text(GOOD, "1.10.0")
    assert text(GOOD, "not a version") == text(GOOD)
    assert "coding" not in text(GOOD, "2.13.0 coding: rot13").splitlines()[0]


def test_without_training_settings_there_is_no_module():
    with pytest.raises(MachineError, match="do not train"):
        text(BROKEN)


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["coding: rot13", "\n# -*- coding: utf-16 -*-", '"""', "\\"])))
def test_no_reason_becomes_code_or_an_encoding(words):
    because = {name: Setting(setting.value, words) for name, setting in GOOD.settings.items()}
    gpus = (replace(GOOD.gpus[0], name=words),)
    facts = {"evidence": (words,), "warnings": (words,), "driver": words, "os": words, "date": words}
    rec = replace(GOOD, settings=because, gpus=gpus, cautions=(Caution(words, words, words),), **facts)
    hostile, plain = text(rec).encode("ascii"), text(GOOD).encode("ascii")
    assert ast.dump(ast.parse(hostile)) == ast.dump(ast.parse(plain))


# --- real torch -------------------------------------------------------------------------------------------------------


def execute(*arguments, folder, python=sys.executable):
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [str(python), *map(str, arguments)], cwd=folder, env=variables, capture_output=True, text=True,
        encoding="utf-8", errors="replace", timeout=300,
    )  # fmt: skip


def written(folder, module, name="hwcompat_torch.py"):
    file = folder / name
    file.write_text(module, encoding="ascii", newline="\n")
    return file


def as_cpu(module):
    """The module of a card with the device's name replaced: the arithmetic and the scaler then run here."""
    return module.replace('"cuda"', '"cpu"')


def read(modules, folder, python=sys.executable):
    """What torch said after each of `modules`, all executed in one process one after the other."""
    files = [written(folder, as_cpu(module), f"{n}.py") for n, module in enumerate(modules)]
    reader = launching.HERE / "read_pytorch.py"
    return launching.effective(execute(reader, *files, folder=folder, python=python))


SWITCHED = {value: on(FAULTY, tf32=value, channels_last=value, cudnn_benchmark=value) for value in (True, False)}
RUNS = {
    **{(kind, version): text(KINDS[kind], version) for kind in KINDS for version in (None, "2.13.0")},
    **{value: text(rec, "2.13.0") for value, rec in SWITCHED.items()},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Case -> what the torch of this environment made of it."""
    return dict(zip(RUNS, read(RUNS.values(), tmp_path_factory.mktemp("modules")), strict=True))


@pytest.mark.parametrize("version", [None, "2.13.0"])
@pytest.mark.parametrize(
    ("kind", "dtype", "scale"),
    [("faulty", "float32", 1.0), ("unknown", "float32", 1.0), ("good", "bfloat16", 1.0), ("turing", "float16", 2**16)],
)
def test_torch_trains_in_the_dtype_that_was_meant(kind, dtype, scale, version, found):
    run = found[kind, version]
    assert run["computes_in"] == [f"torch.{dtype}"]
    assert run["weights"] == ["torch.float32"]
    assert run["trained"]
    assert run["losses_fall"]
    assert run["scaler"] == [dtype == "float16", scale]
    assert run["warnings"] == []


@pytest.mark.parametrize("value", [False, True])
def test_every_switch_is_read_back_by_old_and_new_names(value, found):
    run = found[value]
    assert run["allow_tf32"] == [value, value]
    assert run["float32_matmul_precision"] == ("high" if value else "highest")
    assert run["benchmark"] is value
    assert run["channels_last"] is value
    if run["fp32_precision"]:  # torch 2.9 and later
        assert [word == "tf32" for word in run["fp32_precision"]] == [value, value]


def test_the_module_runs_by_itself(tmp_path):
    cpu = recommendation(True, False, "bfloat16", {**ALL_OK, "fp16": "unsupported"}, device="cpu", gpus=())
    done = execute("-W", "error::FutureWarning", written(tmp_path, text(cpu)), folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "on cpu computes in torch.bfloat16 - loss" in done.stdout


def test_without_its_card_a_module_stops_and_never_trains_elsewhere(tmp_path):
    done = execute(written(tmp_path, text(FAULTY)), folder=tmp_path)
    assert done.returncode != 0
    assert "computes in" not in done.stdout


def test_a_wrong_switch_is_refused_so_the_run_is_a_real_test(tmp_path):
    wrong = as_cpu(text(FAULTY)).replace("matmul.allow_tf32 ", "matmul.allow_tf33 ")
    done = execute(written(tmp_path, wrong), folder=tmp_path)
    assert done.returncode != 0
    assert "allow_tf33" in done.stderr


@old_python
@pytest.mark.old_python
def test_an_old_torch_runs_the_same_modules(tmp_path):
    runs = {"faulty": "float32", "good": "bfloat16", "unknown": "float32"}
    found = read([text(KINDS[kind]) for kind in runs], tmp_path, python=OLD_PYTHON)
    assert [run["computes_in"] for run in found] == [[f"torch.{dtype}"] for dtype in runs.values()]
    for run in found:
        assert run["trained"]
        assert run["losses_fall"]
        assert run["allow_tf32"] == [False, False]
        assert run["scaler"] == [False, 1.0]
