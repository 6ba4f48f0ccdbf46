"""hadolint parses the emitted Dockerfile and pip resolves its install line; no image is built or pulled."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from clients import launching, wheels
from clients.test_requirements import pip
from hypothesis import given, settings
from hypothesis import strategies as st
from recommendations import BROKEN, GOOD, KINDS, PIN

from hwcompat import emitters
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Pin

VERSIONS = launching.versions("hadolint")
URL = "https://download.pytorch.org/whl/cu126"
INSTALL = f"RUN python -m pip install --no-cache-dir --index-url {URL} torch==2.13.0 torchvision==0.28.0"
VISIBLE = "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"
CPU = Pin("2.6.0", "cpu", "https://download.pytorch.org/whl/cpu", "0.21.0", "2.6.0")
ROCM = Pin("2.7.0", "rocm6.3", "https://download.pytorch.org/whl/rocm6.3")


def text(rec):
    return emitters.render(rec, "dockerfile")


def lines(rec):
    return [line for line in text(rec).splitlines() if line and not line.startswith("#")]


def on(**facts):
    return replace(GOOD, **facts)


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "broken"])
def test_a_card_gets_a_python_image_the_variables_and_pip(kind):
    rec = replace({**KINDS, "broken": BROKEN}[kind], python="3.12.4")
    assert lines(rec) == ["FROM python:3.12-slim-bookworm", VISIBLE, INSTALL]
    assert "NVIDIA Container Toolkit" in text(rec)
    assert "docker run --rm --gpus all training" in text(rec)


@pytest.mark.parametrize(
    ("device", "pin", "run", "install"),
    [
        ("cpu", CPU, "docker run --rm training",
         "--index-url https://download.pytorch.org/whl/cpu torch==2.6.0 torchvision==0.21.0 torchaudio==2.6.0"),
        ("rocm", ROCM, "--device=/dev/kfd", "--index-url https://download.pytorch.org/whl/rocm6.3 torch==2.7.0"),
    ],
)  # fmt: skip
def test_other_devices_get_no_nvidia_variables(device, pin, run, install):
    rec = on(device=device, pin=pin, python="3.10")
    assert lines(rec) == ["FROM python:3.10-slim-bookworm", f"RUN python -m pip install --no-cache-dir {install}"]
    assert run in text(rec)
    assert "NVIDIA" not in text(replace(rec, gpus=()))


@pytest.mark.parametrize(
    ("python", "torch", "tag"),
    [
        ("3.6", "1.7.0", "3.6-slim-bullseye"),
        ("3.8.10", "1.13.1", "3.8-slim-bookworm"),
        ("3.14", "2.13.0", "3.14-slim-bookworm"),
        ("3.15", "2.15.0", "3.15-rc-slim-bookworm"),
        ("", "2.13.0", "3.11-slim-bookworm"),
        ("", "1.10.0", "3.8-slim-bookworm"),
    ],
)
def test_only_tags_that_were_seen(python, torch, tag):
    rec = on(python=python, pin=replace(PIN, torch=torch))
    assert lines(rec)[0] == f"FROM python:{tag}"
    assert ("release candidate" in text(rec)) is (python == "3.15")


@pytest.mark.parametrize("python", ["3.5", "3.16", "2.7"])
def test_a_python_whose_image_nobody_saw_is_refused(python):
    with pytest.raises(MachineError, match=f"no image is known for Python {python}") as caught:
        text(on(python=python))
    assert "--python" in caught.value.hint


@pytest.mark.parametrize(("os", "word"), [("windows", "other wheels"), ("macos", "no Apple GPU")])
def test_a_build_for_another_system_is_not_put_into_linux(os, word):
    with pytest.raises(MachineError, match=word) as caught:
        text(on(os=os))
    assert "--os linux" in caught.value.hint


def test_what_a_container_cannot_fetch_is_refused_with_a_way_on():
    with pytest.raises(MachineError, match="on no index"):
        text(on(pin=Pin("2.13.0a0+git1", "cu126", "", installed=True)))
    with pytest.raises(MachineError, match="nothing to pin"):
        text(on(pin=None))
    with pytest.raises(UsageError, match="cannot be written"):
        text(on(pin=replace(PIN, index_url="https://x/$(reboot)")))
    with pytest.raises(UsageError, match="is no version"):
        text(on(pin=replace(PIN, torch="2.13.0 && reboot")))


@settings(max_examples=100)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["escape=`", "\nRUN reboot", "\\", "syntax=x/y", "<<EOF"])))
def test_no_reason_becomes_an_instruction_or_a_directive(words):
    pin = replace(PIN, because=(words,), tag=words)
    rec = on(pin=pin, evidence=(words,), warnings=(words,), driver=words, arch=words, date=words, os="")
    assert lines(rec) == lines(GOOD)
    assert text(rec).startswith("# Build with:\n#   docker build")


# --- real parsers -----------------------------------------------------------------------------------------------------


def hadolint(version, content, folder):
    """hadolint's finished process on `content`; its program lies in the environment's bin folder."""
    file = folder / "Dockerfile"
    file.write_text(content, encoding="ascii", newline="\n")
    name = "hadolint.exe" if os.name == "nt" else "hadolint"
    program = Path(launching.FOLDER or "") / f"hadolint-{version}" / "bin" / name
    command = [str(program), "--no-color", "--failure-threshold", "style", str(file)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=60)


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "rec",
    [*(replace(rec, python="3.11") for rec in KINDS.values()), on(device="cpu", pin=CPU), on(device="rocm", pin=ROCM)],
    ids=[*KINDS, "cpu", "rocm"],
)
def test_hadolint_has_no_objection(rec, version, tmp_path):
    done = hadolint(version, text(rec), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_hadolint_refuses_what_is_wrong_so_the_run_is_a_real_test(version, tmp_path):
    for wrong in ("FORM python:3.11\n", 'RUN ["python"\n', "ENV NVIDIA_VISIBLE_DEVICES\n"):
        done = hadolint(version, text(GOOD) + wrong, tmp_path)
        assert done.returncode != 0
        assert "Dockerfile:" in done.stdout + done.stderr
    done = hadolint(version, text(GOOD).replace("3.11-slim-bookworm", "latest"), tmp_path)
    assert "DL3007" in done.stdout


def test_pip_resolves_the_install_line(tmp_path):
    torch_index = wheels.simple_index(tmp_path / "torch", wheels.TORCH_INDEX)
    pypi = wheels.simple_index(tmp_path / "pypi", wheels.PYPI)
    words = shlex.split(lines(GOOD)[-1].replace(URL, torch_index))
    assert words[:6] == ["RUN", "python", "-m", "pip", "install", "--no-cache-dir"]
    assert words[6] == "--index-url"
    content = f"--index-url {words[7]}\n" + "\n".join(words[8:]) + "\n"
    found, done = pip(content, pypi, tmp_path, "--ignore-installed")
    assert found == {"torch": "2.13.0+cu126", "torchvision": "0.28.0+cu126"}, done.stderr
