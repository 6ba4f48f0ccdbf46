"""rattler parses and solves what the emitted environment asks of conda-forge; pip resolves its pip section.

Both work on stand-ins in a folder: a channel and an index of empty packages.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from clients import launching, wheels
from clients.test_requirements import pip
from hypothesis import given, settings
from hypothesis import strategies as st
from recommendations import BROKEN, GOOD, KINDS, PIN

from hwcompat import emitters
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Gpu, Pin

VERSIONS = launching.versions("rattler")
URL = "https://download.pytorch.org/whl/cu126"
CU130 = Pin("2.13.0", "cu130", "https://download.pytorch.org/whl/cu130", "0.28.0")
CPU = Pin("2.13.0", "cpu", "https://download.pytorch.org/whl/cpu", "0.28.0")


def text(rec):
    return emitters.render(rec, "conda")


def packages(rec):
    """The dependencies, after everything around them was checked."""
    loaded = yaml.safe_load(text(rec))
    assert list(loaded) == ["name", "channels", "dependencies"]
    assert loaded["channels"] == ["conda-forge", "nodefaults"]
    return loaded["dependencies"]


def on(**facts):
    return replace(GOOD, **{"python": "3.12", **facts})


def from_conda_forge(rec):
    return any(str(each).startswith("pytorch=") for each in packages(rec))


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "broken"])
def test_a_build_that_conda_forge_lacks_comes_through_pip(kind):
    rec = replace({**KINDS, "broken": BROKEN}[kind], python="3.12.4")
    assert packages(rec) == [
        "python=3.12",
        "pip",
        {"pip": [f"--index-url {URL}", "torch==2.13.0", "torchvision==0.28.0"]},
    ]
    assert "leave pytorch out of further conda packages" in text(rec)


def test_a_build_that_conda_forge_has_comes_from_there():
    rec = on(pin=CU130)
    assert packages(rec) == ["python=3.12", "pytorch=2.13.0=cuda130*", "cuda-version=13.0", "torchvision=0.28.0"]
    assert "not the wheel that was judged" in text(rec)
    assert "CONDA_OVERRIDE_CUDA=13.0" in text(rec)
    assert packages(replace(rec, pin=replace(CU130, torchvision=None)))[-1] == "cuda-version=13.0"


@pytest.mark.parametrize(
    ("os", "arch", "device"),
    [("linux", "x86_64", "cpu"), ("windows", "x86_64", "cpu"), ("macos", "arm64", "mps"), ("macos", "arm64", "cpu")],
)
def test_the_cpu_build_serves_processors_and_apple_gpus(os, arch, device):
    rec = on(os=os, arch=arch, device=device, pin=CPU, gpus=())
    assert packages(rec) == ["python=3.12", "pytorch=2.13.0=cpu*", "torchvision=0.28.0"]
    assert "CONDA_OVERRIDE_CUDA" not in text(rec)


@pytest.mark.parametrize(
    ("capability", "served"),
    [("7.5", True), ("8.9", True), ("10.3", True), ("12.1", True), ("7.0", False), ("6.1", False), ("8.7", False),
     ("13.0", False), (None, False), ("gfx1100", False)],
)  # fmt: skip
def test_only_cards_that_its_kernels_serve_get_the_build_of_conda_forge(capability, served):
    card = Gpu("NVIDIA Test", compute_capability=capability)
    assert from_conda_forge(on(pin=CU130, gpus=(card,))) is served
    assert from_conda_forge(on(pin=CU130, gpus=(GOOD.gpus[0], card))) is served


@pytest.mark.parametrize(
    "facts",
    [
        {"python": "3.9"},
        {"python": "3.15"},
        {"os": ""},
        {"os": "windows", "arch": "arm64"},
        {"gpus": ()},
        {"pin": replace(CU130, torch="2.14.1", torchvision="0.29.2")},
        {"pin": replace(CU130, torchvision="0.28.1")},
        {"pin": replace(CU130, torchaudio="2.11.0")},
        {"pin": replace(CU130, tag="cu132")},
        {"pin": replace(CPU, tag="cpu"), "device": "cuda"},
        {"pin": Pin("2.13.0", "rocm7.2", "https://download.pytorch.org/whl/rocm7.2", "0.28.0"), "device": "rocm"},
    ],
)
def test_whatever_was_not_seen_in_the_recipes_comes_through_pip(facts):
    rec = on(**{"pin": CU130, **facts})
    *_, section = packages(rec)
    assert f"torch=={rec.pin.torch}" in section["pip"]
    assert ("nobody looked whether conda-forge has Python" in text(rec)) is (rec.python == "3.15")


def test_macos_needs_no_index_in_the_pip_section():
    old = Pin("2.2.2", "cpu", "https://download.pytorch.org/whl/cpu", "0.17.2", "2.2.2")
    *_, section = packages(on(os="macos", arch="x86_64", device="cpu", pin=old, gpus=()))
    assert section["pip"] == ["torch==2.2.2", "torchvision==0.17.2", "torchaudio==2.2.2"]


def test_what_conda_cannot_fetch_is_refused_with_a_way_on():
    with pytest.raises(MachineError, match="on no index"):
        text(on(pin=Pin("2.13.0a0+git1", "cu126", "", installed=True)))
    with pytest.raises(MachineError, match="nothing to pin"):
        text(on(pin=None))
    with pytest.raises(UsageError, match="cannot be written"):
        text(on(pin=replace(PIN, index_url="https://x/\n  - evil")))
    with pytest.raises(UsageError, match="is no version"):
        text(on(pin=replace(PIN, torch="2.13.0\n  - evil")))


@settings(max_examples=100)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["\n  - evil", "'", " #", "---", "&a *a"])))
def test_no_reason_becomes_a_package(words):
    pin = replace(PIN, because=(words,), tag=words)
    rec = on(pin=pin, evidence=(words,), warnings=(words,), driver=words, os=words, arch=words, date=words)
    assert packages(rec) == packages(on())


# --- a real parser, solver and pip ------------------------------------------------------------------------------------

CUDA_NEEDS = ("python 3.12.*", "__cuda", "cuda-version >=13.0,<14")
CHANNEL = (
    ("python", "3.12.9", "h0", ()),
    ("python", "3.13.1", "h0", ()),
    ("pytorch", "2.13.0", "cuda130_mkl_py312_h0_302", CUDA_NEEDS),
    ("pytorch", "2.13.0", "cuda129_mkl_py312_h0_302", ("python 3.12.*", "__cuda", "cuda-version >=12.9,<13")),
    ("pytorch", "2.13.0", "cpu_mkl_py312_h0_102", ("python 3.12.*",)),
    ("pytorch", "2.14.0", "cuda130_mkl_py312_h0_302", CUDA_NEEDS),
    ("torchvision", "0.28.0", "cuda130_py312_h0_0", ("pytorch 2.13.*",)),
    ("cuda-version", "13.0", "h0", ()),
    ("cuda-version", "12.9", "h0", ()),
)


def channel(folder):
    """A channel with the build strings of conda-forge's recipes and no files behind them; its URL."""
    listed = {
        f"{name}-{version}-{build}.conda": {
            "name": name, "version": version, "build": build, "build_number": 0, "depends": list(depends),
            "constrains": [], "subdir": "linux-64", "sha256": "0" * 64, "md5": "0" * 32, "size": 1,
        }
        for name, version, build, depends in CHANNEL
    }  # fmt: skip
    for place, found in (("linux-64", listed), ("noarch", {})):
        (folder / place).mkdir(parents=True)
        data = {"info": {"subdir": place}, "packages": {}, "packages.conda": found, "repodata_version": 1}
        (folder / place / "repodata.json").write_text(json.dumps(data), encoding="utf-8")
    return folder.resolve().as_uri()


def solve(version, specs, folder, **virtual):
    job = {"specs": specs, "channel": channel(folder / "channel"), "platform": "linux-64", "virtual": virtual}
    file = folder / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    done = launching.run(f"rattler-{version}", launching.HERE / "solve_conda.py", file, folder=folder)
    return launching.effective(done)


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_the_solver_takes_the_build_for_the_pinned_cuda(version, tmp_path):
    found = solve(version, packages(on(pin=CU130)), tmp_path, __cuda="13.0")
    assert found["parsed"] == [
        "python 3.12.*", "pytorch ==2.13.0 cuda130*", "cuda-version 13.0.*", "torchvision 0.28.0.*"
    ]  # fmt: skip
    assert found["solved"]["pytorch"] == ["2.13.0", "cuda130_mkl_py312_h0_302"]
    assert found["solved"]["torchvision"][0] == "0.28.0"
    assert found["solved"]["python"][0] == "3.12.9"


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_driver_the_cuda_build_is_refused_and_never_replaced(version, tmp_path):
    found = solve(version, packages(on(pin=CU130)), tmp_path)
    assert "__cuda" in found["solved"]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_specification_is_refused_so_the_run_is_a_real_test(version, tmp_path):
    wrong = [each.replace("cuda130", "cuda131") for each in packages(on(pin=CU130))]
    assert "cuda131" in solve(version, wrong, tmp_path / "build", __cuda="13.0")["solved"]


def test_pip_resolves_the_pip_section(tmp_path):
    torch_index = wheels.simple_index(tmp_path / "torch", wheels.TORCH_INDEX)
    pypi = wheels.simple_index(tmp_path / "pypi", wheels.PYPI)
    *_, section = packages(on())
    content = "\n".join(section["pip"]).replace(URL, torch_index) + "\n"
    found, done = pip(content, pypi, tmp_path, "--ignore-installed")
    assert found == {"torch": "2.13.0+cu126", "torchvision": "0.28.0+cu126"}, done.stderr
