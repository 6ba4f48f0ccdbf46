"""uv itself adds the pins to a project that holds the emitted fragment, offline, from indexes of empty wheels."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace

import pytest
from clients import launching, wheels
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from recommendations import BROKEN, GOOD, KINDS, PIN

from hwcompat import emitters
from hwcompat.emitters.uv import BACKENDS
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Pin

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

VERSIONS = launching.versions("uv")
URL = "https://download.pytorch.org/whl/cu126"
LINUX = "sys_platform == 'linux' and platform_machine == 'x86_64'"
ROCM = Pin("2.12.0", "rocm7.2", "https://download.pytorch.org/whl/rocm7.2", "0.27.0")


def text(rec, version=None):
    return emitters.render(rec, "uv", version)


def tables(rec, version=None):
    return tomllib.loads(text(rec, version))


def on(**facts):
    return replace(GOOD, **facts)


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "0.4.0", "0.6.0", "0.13.9"])
@pytest.mark.parametrize("kind", [*KINDS, "broken"])
def test_one_explicit_index_and_sources_that_name_it(kind, version):
    source = [{"index": "pytorch-cu126", "marker": LINUX}]
    assert tables({**KINDS, "broken": BROKEN}[kind], version) == {
        "tool": {
            "uv": {
                "index": [{"name": "pytorch-cu126", "url": URL, "explicit": True}],
                "sources": {"torch": source, "torchvision": source},
            }
        }
    }


@pytest.mark.parametrize(
    ("os", "arch", "marker"),
    [
        ("linux", "x86_64", LINUX),
        ("linux", "aarch64", "sys_platform == 'linux' and platform_machine == 'aarch64'"),
        ("windows", "x86_64", "sys_platform == 'win32' and platform_machine == 'AMD64'"),
        ("windows", "arm64", "sys_platform == 'win32' and platform_machine == 'ARM64'"),
        ("linux", "", "sys_platform == 'linux'"),
        ("", "x86_64", None),
        ("linux", "x' or 1", "sys_platform == 'linux'"),
    ],
)
def test_the_source_is_for_the_system_the_build_was_chosen_for(os, arch, marker):
    (source,) = tables(on(os=os, arch=arch))["tool"]["uv"]["sources"]["torch"]
    assert source.get("marker") == marker
    if marker:
        Marker(marker)


def test_macos_needs_no_index():
    rec = on(os="macos", arch="arm64", device="mps", pin=Pin("2.13.0", "cpu", "https://x.example/whl/cpu", "0.28.0"))
    assert tables(rec) == {}
    assert "uv add torch==2.13.0 torchvision==0.28.0" in text(rec)
    assert "#   uv pip install torch==2.13.0 torchvision==0.28.0" in text(rec)


@pytest.mark.parametrize(
    ("torch", "triton"), [("1.13.1", None), ("2.9.1", "pytorch-triton-rocm"), ("2.12.0", "triton-rocm")]
)
def test_rocm_names_its_triton_too(torch, triton):
    rec = on(device="rocm", pin=replace(ROCM, torch=torch))
    found = tables(rec)["tool"]["uv"]
    assert found["index"][0]["name"] == "pytorch-rocm7-2"
    assert list(found["sources"]) == ["torch", "torchvision", *([triton] if triton else [])]
    last = f'"{triton}; {LINUX}"' if triton else "torchvision==0.27.0"
    assert text(rec).splitlines()[1].endswith(f" {last}")


@pytest.mark.parametrize(
    ("tag", "version", "words"),
    [
        ("cu126", None, "--torch-backend=cu126 torch==2.13.0"),
        ("cu126", "0.6.9", "--torch-backend=cu126 torch==2.13.0"),
        ("cu126", "0.6.8", f"--index-url {URL} torch==2.13.0"),
        ("rocm7.14", None, f"--index-url {URL} torch==2.13.0"),
    ],
)
def test_the_command_without_a_project_uses_what_the_version_has(tag, version, words):
    assert f"#   uv pip install {words} torchvision==0.28.0\n" in text(on(pin=replace(PIN, tag=tag)), version)


def test_an_old_uv_is_warned_of():
    assert "warning: uv before 0.5.0" in text(GOOD, "0.4.30")
    assert "warning: uv" not in text(GOOD, "0.5.0")
    assert "warning: uv" not in text(GOOD)


def test_what_uv_cannot_fetch_is_refused_with_a_way_on():
    with pytest.raises(MachineError) as caught:
        text(on(pin=Pin("2.13.0a0+git1", "cu126", "", installed=True)))
    assert "--newest" in caught.value.hint
    with pytest.raises(MachineError) as caught:
        text(on(pin=None))
    assert "--gpu NAME" in caught.value.hint


@pytest.mark.parametrize("url", ['https://x/"\nname = "y', "https://x/\\", "https://x/ y"])
def test_an_index_that_toml_could_misread_is_refused(url):
    with pytest.raises(UsageError, match="cannot be written"):
        text(on(pin=replace(PIN, index_url=url)))


@settings(max_examples=100)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["\n[project]", '"', "\\", "'''", " #"])))
def test_no_reason_becomes_a_key(words):
    pin = replace(PIN, because=(words,))
    rec = on(pin=pin, evidence=(words,), warnings=(words,), gpus=(replace(GOOD.gpus[0], name=words),), date=words)
    assert tables(rec) == tables(GOOD)
    tomllib.loads(text(replace(rec, pin=replace(pin, tag=words), os=words, arch=words)))


# --- real uv ----------------------------------------------------------------------------------------------------------

PROJECT = """[project]
name = "training"
version = "0"
requires-python = ">={python}"

[[tool.uv.index]]
name = "stand-in-for-pypi"
url = "{pypi}"
default = true

"""


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    return wheels.indexes(tmp_path_factory.mktemp("indexes"))


def add(version, fragment, indexes, folder, url=URL):
    """Runs the `uv add` line of the fragment's second comment in a project that holds it; the finished process."""
    torch_index, pypi = indexes
    project = PROJECT.format(python="3.10", pypi=pypi) + fragment.replace(url, torch_index)
    (folder / "pyproject.toml").write_text(project, encoding="utf-8", newline="\n")
    packages = shlex.split(fragment.splitlines()[1].partition("uv add ")[2])
    private = {"UV_CACHE_DIR": str(folder / "cache"), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return launching.run(
        f"uv-{version}", "-m", "uv", "add", "--offline", "--no-sync", "--python", launching.python(), *packages,
        folder=folder, **private,
    )  # fmt: skip


def locked(folder):
    """(package, version, the folder its index was in) of uv.lock, sorted."""
    packages = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))["package"]
    found = [(each["name"], each["version"], each["source"].get("registry", "")) for each in packages]
    return sorted((name, version, place.replace("\\", "/").rsplit("/")[-1]) for name, version, place in found if place)


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_uv_locks_torch_from_the_named_index_on_its_system_and_from_pypi_elsewhere(version, indexes, tmp_path):
    done = add(version, text(GOOD, version), indexes, tmp_path)
    assert done.returncode == 0, done.stderr
    assert locked(tmp_path) == [
        ("torch", "2.13.0", "pypi"),
        ("torch", "2.13.0+cu126", "torch"),
        ("torchvision", "0.28.0", "pypi"),
        ("torchvision", "0.28.0+cu126", "torch"),
    ]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_the_text_for_an_unknown_version_and_system_locks_one_build(version, indexes, tmp_path):
    done = add(version, text(on(os="", arch="")), indexes, tmp_path)
    assert done.returncode == 0, done.stderr
    assert locked(tmp_path) == [("torch", "2.13.0+cu126", "torch"), ("torchvision", "0.28.0+cu126", "torch")]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_rocm_and_its_triton_are_locked_though_no_other_index_has_triton(version, tmp_path):
    releases = ("torch-2.12.0+rocm7.2", "torchvision-0.27.0+rocm7.2", "triton_rocm-3.7.0")
    torch_index = wheels.simple_index(tmp_path / "torch", releases, {"torch-2.12.0+rocm7.2": ("triton-rocm==3.7.0",)})
    pypi = wheels.simple_index(tmp_path / "pypi", ("torch-2.12.0", "torchvision-0.27.0"))
    fragment = text(on(device="rocm", pin=ROCM), version)
    done = add(version, fragment, (torch_index, pypi), tmp_path, ROCM.index_url)
    assert done.returncode == 0, done.stderr
    assert locked(tmp_path) == [
        ("torch", "2.12.0", "pypi"),
        ("torch", "2.12.0+rocm7.2", "torch"),
        ("torchvision", "0.27.0", "pypi"),
        ("torchvision", "0.27.0+rocm7.2", "torch"),
        ("triton-rocm", "3.7.0", "torch"),
    ]


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_uv_refuses_what_is_wrong_so_the_run_is_a_real_test(version, indexes, tmp_path):
    undeclared = text(GOOD).replace('name = "pytorch-cu126"', 'name = "pytorch-cu127"')
    done = add(version, undeclared, indexes, tmp_path)
    assert done.returncode != 0
    assert "pytorch-cu126" in done.stderr
    done = add(version, text(on(pin=replace(PIN, torch="2.13.1"))), indexes, tmp_path)
    assert done.returncode != 0
    assert "2.13.1" in done.stderr


@launching.needs_clients
def test_the_newest_uv_takes_every_backend_that_is_named(tmp_path):
    done = launching.run(f"uv-{VERSIONS[-1]}", "-m", "uv", "pip", "install", "--help", folder=tmp_path)
    told = " ".join(done.stdout.split())  # lines are as long as the terminal is wide
    values = told.partition("--torch-backend")[2].partition("possible values:")[2].partition("]")[0]
    assert set(values.replace(",", " ").split()) >= BACKENDS
