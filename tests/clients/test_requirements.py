"""pip itself resolves the emitted file, against indexes of empty wheels in a folder; nothing leaves the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from clients import wheels
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from recommendations import BROKEN, GOOD, KINDS, PIN

from hwcompat import emitters
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Pin

URL = "https://download.pytorch.org/whl/cu126"
LOCAL = Pin("2.13.0a0+git1234567", "cu126", "", installed=True, because=("2.13.0a0+git1234567 is installed",))


def text(rec):
    return emitters.render(rec, "requirements")


def lines(rec):
    return [line for line in text(rec).splitlines() if not line.startswith("#")]


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "broken"])
def test_every_machine_gets_the_index_and_the_pins_without_local_part(kind):
    rec = {**KINDS, "broken": BROKEN}[kind]
    assert lines(rec) == [f"--index-url {URL}", "torch==2.13.0", "torchvision==0.28.0"]
    assert "left out, since no release is known to fit torch 2.13.0: torchaudio" in text(rec)


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cu126"])
def test_a_pin_is_a_requirement_that_the_local_build_meets(version):
    requirement = Requirement(lines(GOOD)[1])
    assert requirement.specifier.contains(version)
    assert not Requirement("torch==2.13.0+cu126").specifier.contains("2.13.0")


@pytest.mark.parametrize(
    ("os", "device", "pin", "expected"),
    [
        ("windows", "cuda", PIN, [f"--index-url {URL}", "torch==2.13.0", "torchvision==0.28.0"]),
        ("linux", "cpu", Pin("2.6.0", "cpu", "https://m.example/whl/cpu", "0.21.0", "2.6.0"),
         ["--index-url https://m.example/whl/cpu", "torch==2.6.0", "torchvision==0.21.0", "torchaudio==2.6.0"]),
        ("macos", "mps", Pin("2.6.0", "cpu", "https://download.pytorch.org/whl/cpu", "0.21.0", "2.6.0"),
         ["torch==2.6.0", "torchvision==0.21.0", "torchaudio==2.6.0"]),
        ("linux", "rocm", Pin("2.7.0", "rocm6.3", "https://download.pytorch.org/whl/rocm6.3"),
         ["--index-url https://download.pytorch.org/whl/rocm6.3", "torch==2.7.0"]),
        ("linux", "cuda", LOCAL, ["torch==2.13.0a0+git1234567"]),
    ],
    ids=["windows", "cpu", "macos", "rocm", "on no index"],
)  # fmt: skip
def test_each_system_and_device(os, device, pin, expected):
    assert lines(replace(GOOD, os=os, device=device, pin=pin)) == expected


def test_what_pip_would_do_with_another_build_is_told():
    assert "python -m pip uninstall torch" in text(GOOD)
    assert "uninstall" not in text(replace(GOOD, pin=replace(PIN, installed=True)))
    assert "on no index" in text(replace(GOOD, pin=LOCAL))


def test_without_a_pin_there_is_no_file_but_a_way_on():
    with pytest.raises(MachineError) as caught:
        text(replace(GOOD, pin=None))
    assert "--gpu NAME" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["", "https://x/a b", "https://x/$HOME", "https://x/'", 'https://x/"', "https://x/\n-r y", "-r x", "https://x/#a"],
)
def test_an_index_that_a_file_format_could_misread_is_refused(url):
    rec = replace(GOOD, pin=replace(PIN, index_url=url))
    if url:
        with pytest.raises(UsageError, match="cannot be written"):
            text(rec)
    else:
        assert lines(rec) == ["torch==2.13.0", "torchvision==0.28.0"]


@pytest.mark.parametrize("version", ["2.13.0 --pre", "2.13.0\n-r other", "main", "2.13.0;x"])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(UsageError, match="is no version"):
        text(replace(GOOD, pin=replace(PIN, torch=version)))


@settings(max_examples=100)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["coding: rot13", "\n-r other.txt", "\\", " #", "${HOME}"])))
def test_no_reason_becomes_a_line_or_an_encoding(words):
    pin = replace(PIN, because=(words,), tag=words)
    rec = replace(GOOD, pin=pin, evidence=(words,), warnings=(words,), gpus=(replace(GOOD.gpus[0], name=words),))
    assert lines(rec) == lines(GOOD)
    assert text(rec).splitlines()[:2] == text(GOOD).splitlines()[:2]


# --- real pip ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    return wheels.indexes(tmp_path_factory.mktemp("indexes"))


def pip(content, pypi, folder, *options, path=""):
    """What `pip install --dry-run -r` would install, as {name: version}, and the finished process."""
    file = folder / "requirements-torch.txt"
    file.write_text(content, encoding="ascii", newline="\n")
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith("PIP_")}
    variables = {**clean, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": pypi, "PYTHONPATH": str(path)}
    report = folder / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check",
               "--no-cache-dir", "--report", report, "-r", file, *options]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=variables, capture_output=True, text=True, encoding="utf-8",
        errors="replace", timeout=120,
    )  # fmt: skip
    if done.returncode:
        return None, done
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in found}, done


def test_pip_takes_the_pinned_builds_from_the_named_index(indexes, tmp_path):
    torch_index, pypi = indexes
    found, done = pip(text(GOOD).replace(URL, torch_index), pypi, tmp_path, "--ignore-installed")
    assert found == {"torch": "2.13.0+cu126", "torchvision": "0.28.0+cu126"}, done.stderr


def test_the_index_takes_the_place_of_pypi_for_every_line(indexes, tmp_path):
    torch_index, pypi = indexes
    found, done = pip(text(GOOD).replace(URL, torch_index) + "numpy\n", pypi, tmp_path, "--ignore-installed")
    assert found is None
    assert "numpy" in done.stderr


def test_an_extra_index_would_fall_back_to_the_build_of_pypi(indexes, tmp_path):
    torch_index, pypi = indexes
    extra = text(GOOD).replace("--index-url", "--extra-index-url")
    found, _ = pip(extra.replace(URL, torch_index), pypi, tmp_path, "--ignore-installed")
    assert found == {"torch": "2.13.0+cu126", "torchvision": "0.28.0+cu126"}
    found, _ = pip(extra.replace(URL, torch_index + "/gone"), pypi, tmp_path, "--ignore-installed")
    assert found == {"torch": "2.13.0", "torchvision": "0.28.0"}


def test_pip_keeps_another_build_of_the_version_as_the_file_says(indexes, tmp_path):
    torch_index, pypi = indexes
    there = wheels.installed(tmp_path, "torch-2.13.0+cpu")
    found, _ = pip(f"--index-url {torch_index}\ntorch==2.13.0\n", pypi, tmp_path, path=there)
    assert found == {}


def test_a_build_on_no_index_is_kept_and_never_replaced(indexes, tmp_path):
    _, pypi = indexes
    there = wheels.installed(tmp_path, "torch-2.13.0a0+git1234567")
    content = text(replace(GOOD, pin=LOCAL))
    assert pip(content, pypi, tmp_path, path=there)[0] == {}
    found, done = pip(content, pypi, tmp_path, "--ignore-installed")
    assert found is None
    assert "torch==2.13.0a0+git1234567" in done.stderr


def test_pip_refuses_a_wrong_line_so_the_run_is_a_real_test(indexes, tmp_path):
    torch_index, pypi = indexes
    wrong = text(GOOD).replace(URL, torch_index).replace("torch==2", "torch=2")
    found, done = pip(wrong, pypi, tmp_path, "--ignore-installed")
    assert found is None
    assert "Invalid requirement" in done.stderr
