"""The line for YOLOv5: its flags against recorded ones, and real versions started with it from their repository.

tests/clients/options/yolov5-*.json hold the flags about precision of each era (2026.8 is the main branch of August
2026). YOLOv5 itself is in no package index: python tests/clients/checkouts.py clones it, and without the clone the
tests of the second part skip.
"""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess

import pytest
from clients import checkouts, launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, KINDS, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError

RECORDED = {
    recorded["version"]: recorded
    for path in sorted((launching.HERE / "options").glob("yolov5-*.json"))
    for recorded in [json.loads(path.read_text(encoding="utf-8"))]
}
PLAIN, ON_CPU = ["python", "train.py", "$@"], ["python", "train.py", "--device", "cpu", "$@"]


def line(rec, version=None):
    """The words of the only line that is no comment."""
    lines = [text for text in emitters.render(rec, "yolov5", version).splitlines() if not text.startswith("#")]
    assert len(lines) == 1
    return shlex.split(lines[0])


def reasons(rec, version=None):
    lines = emitters.render(rec, "yolov5", version).splitlines()
    return " ".join(text.lstrip("# ") for text in lines if text[0] == "#")


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "main", "6.2", "7.0", "7.0.14", "8.0"])
def test_amp_is_left_to_yolov5_where_float16_is_right_and_answered_for_it_elsewhere(version):
    assert line(GOOD, version) == line(TURING, version) == PLAIN
    for rec in (FAULTY, UNKNOWN):
        python, option, code, rest = line(rec, version)
        assert (python, option, rest) == ("python", "-c", "$@")
        assert "train.check_amp = lambda model: False" in code
        assert "half=False" in code
    assert "check_amp() decides, and it is no protection" in reasons(FAULTY, version)


@pytest.mark.parametrize("version", ["3.0", "6.0", "6.1"])
def test_before_there_was_a_check_a_faulty_card_is_left_alone(version):
    assert line(FAULTY, version) == line(UNKNOWN, version) == ON_CPU
    assert "get YOLOv5 6.2 or later" in reasons(FAULTY, version)
    assert line(TURING, version) == PLAIN
    assert "check_amp" not in reasons(TURING, version) + reasons(FAULTY, version)


def test_good_bfloat16_beside_faulty_float16_is_off_and_so_is_faulty_plain_fp16_since_it_validates_in_it():
    for verdicts in ({"amp_fp16": "faulty", "fp16": "faulty"}, {"amp_fp16": "faulty"}, {"fp16": "faulty"}):
        rec = recommendation(True, False, "bfloat16", {**ALL_OK, **verdicts})
        assert line(rec)[1] == "-c"
    assert "validates in fp16, and fp16 is faulty" in reasons(rec)


@pytest.mark.parametrize("device", ["cpu", "xpu"])
def test_a_device_yolov5_has_no_name_for_is_the_cpu(device):
    rec = recommendation(True, True, "bfloat16", ALL_OK, device=device, gpus=())
    assert line(rec) == line(rec, "6.1") == ON_CPU
    assert "check_amp" not in reasons(rec)


def test_an_apple_gpu_keeps_the_last_validation_in_float32():
    rec = recommendation(True, True, "float16", ALL_OK, device="mps", gpus=())
    assert line(rec)[1] == "-c"
    assert line(rec)[-3:] == ["--device", "mps", "$@"]


def test_rocm_is_cuda_to_torch():
    assert line(recommendation(True, True, "float16", ALL_OK, device="rocm")) == PLAIN


def test_the_code_can_be_quoted_in_every_shell_and_stops_where_there_is_no_check():
    code = line(FAULTY)[2]
    assert not set("\"'$`\\!%^&|<>") & set(code)
    assert "assert train.check_amp" in code
    ast.parse(code)


@pytest.mark.skipif(not shutil.which("sh"), reason="no POSIX shell here")
@pytest.mark.parametrize("rec", [FAULTY, TURING], ids=["faulty", "turing"])
def test_a_shell_passes_on_the_words_and_the_users_options(rec, tmp_path):
    (tmp_path / "yolov5.sh").write_text(emitters.render(rec, "yolov5"), encoding="utf-8", newline="\n")
    (tmp_path / "python").write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n', encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["sh", "yolov5.sh", "--data", "my data.yaml"], cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines() == [*line(rec)[1:-1], "--data", "my data.yaml"]


@pytest.mark.parametrize(("half", "told"), [(True, "val.py --half"), (False, "val.py ...")])
def test_validation_in_fp16_follows_its_own_verdict(half, told):
    assert told in reasons(recommendation(True, half, "float16", ALL_OK))


@pytest.mark.parametrize("version", RECORDED)
@pytest.mark.parametrize("kind", KINDS)
def test_every_flag_is_one_of_that_version(version, kind):
    flags = RECORDED[version]["options"]
    asked = {"2026.8": None}.get(version, version)
    for device in ("cuda", "cpu", "mps"):
        rec = recommendation(KINDS[kind].amp, KINDS[kind].half, KINDS[kind].dtype, device=device)
        assert {word for word in line(rec, asked) if word.startswith("--")} <= set(flags["train.py"])
    assert not {flag for flag in flags["train.py"] if "half" in flag or "amp" in flag}
    assert "--half" in flags["val.py"].keys() & flags["detect.py"].keys()
    assert RECORDED[version]["check_amp"] is ("check_amp()" in reasons(FAULTY, asked))


def test_a_faulty_tf32_is_told_how_to_turn_off():
    assert "NVIDIA_TF32_OVERRIDE=0" in reasons(recommendation(verdicts={"tf32": "faulty"}))


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        emitters.render(BROKEN, "yolov5")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    rec = recommendation(because=because, evidence=(because,), warnings=(because,), driver=because, os=because)
    assert line(rec) == line(FAULTY)


# --- real versions ----------------------------------------------------------------------------------------------------

VERSIONS = checkouts.versions("yolov5")
SMALL = (
    "--weights '' --cfg models/yolov5n.yaml --imgsz 64 --epochs 1 --batch-size 4 --workers 0 --noautoanchor --noplots "
    "--device cpu"
)


def start(version, rec, folder, *arguments, answer):
    """The emitted line with a user's options in place of "$@", from a copy of YOLOv5's folder."""
    place = folder / "yolov5"
    shutil.copytree(checkouts.folder("yolov5", version), place)
    user = [*shlex.split(SMALL), "--data", folder / "data" / "data.yaml", "--project", folder / "runs", *arguments]
    (folder / "words.json").write_text(json.dumps([*line(rec)[:-1], *map(str, user)]), encoding="utf-8")
    script = launching.HERE / "train_yolov5.py"
    return launching.run(
        f"yolov5-{version}", script, folder / "words.json", folder, answer, folder=place,
        YOLOv5_AUTOINSTALL="false", YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_CONFIG_DIR=str(folder),
        YOLOV5_CONFIG_DIR=str(folder), WANDB_DISABLED="true",
        # 7.0 reads its own checkpoint back in a way that torch refuses by default since 2.6.
        TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1",
    )  # fmt: skip


@checkouts.needs("yolov5")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("rec", "answer", "autocast", "validated"),
    [
        (FAULTY, "yes", [False], [False, False]),  # the line for faulty cards: off, although check_amp() would say yes
        (TURING, "no", [False], [False, True]),  # train.py alone: the last validation is in fp16 although it says no
    ],
    ids=["line for faulty cards", "train.py alone"],
)
def test_an_epoch_is_trained_and_validated_as_we_say(version, rec, answer, autocast, validated, tmp_path):
    assert launching.effective(start(version, rec, tmp_path, answer=answer)) == {
        "autocast": autocast, "validated": validated, "arithmetic": ["torch.float32"], "from scratch": [0],
    }  # fmt: skip
    assert next(tmp_path.rglob("best.pt")).exists()


@checkouts.needs("yolov5")
@pytest.mark.parametrize("version", VERSIONS[-1:])
def test_a_flag_that_is_none_is_refused_so_the_start_is_a_real_test(version, tmp_path):
    done = start(version, FAULTY, tmp_path, "--amp", answer="no")
    assert done.returncode == 2
    assert "unrecognized arguments: --amp" in done.stderr
