"""The two commands as people type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import HERE, MakeWheel

from hwcompat import tables
from hwcompat.sweep import planning
from hwcompat.sweep.asking import here

REPOSITORY = Path(__file__).resolve().parents[2]
NOWHERE = {"HWCOMPAT_TORCH_INDEX": "http://127.0.0.1:9/whl"}


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **NOWHERE, **more}
    command = [sys.executable, "-m", "hwcompat", *words]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env)


@pytest.fixture(scope="module")
def release() -> str:
    """A release with a CPU wheel for this Python that is on no package index, and is not the one installed here."""
    found = here([], "cpu")
    plan = planning.plan(found.place, found.pythons, tables.load_tables())
    own = {each.torch for each in found.installed}
    return next(each.torch for each in plan.candidates if not each.on_package_index and each.torch not in own)


def test_the_build_that_is_here_is_measured_first_and_what_cannot_be_fetched_is_named(release: str) -> None:
    """The real torch of this environment through probe, record and clock; the other build's index does not answer."""
    done = run("sweep", "--device", "cpu", "--level", "quick", "--torch", release, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    mine, other = told["outcomes"]
    assert (mine["installed"], mine["outcome"], mine["verdicts"]["fp32"]) == (True, "measured", "ok")
    assert {"fp32", "fp32 channels_last"} <= set(mine["steps"])
    assert mine["batch"] >= 1
    assert told["best"]["build"] == mine["build"]
    assert other["outcome"] == "unreachable"
    assert "http://127.0.0.1:9/whl/cpu/torch/ could not be fetched" in other["detail"]
    assert told["next"].startswith("hwcompat recommend")
    assert told["next"] in done.stderr
    home = Path(os.environ["HWCOMPAT_HOME"])
    assert list((home / "matrix" / "results").glob("*.csv"))


def test_a_setup_that_can_fetch_nothing_says_what_and_what_to_do(release: str, tmp_path: Path) -> None:
    """From an interpreter without torch, by its path."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = run("setup", str(tmp_path / "env"), "--device", "cpu", "--torch", release, "--python", str(python))
    assert done.returncode == 3
    assert "could not be fetched" in done.stderr
    assert "HWCOMPAT_TORCH_INDEX" in done.stderr
    assert "--find-links" in done.stderr
    assert not (tmp_path / "env").exists()


def test_a_torch_that_cannot_be_probed_is_no_environment(release: str, tmp_path: Path, make_wheel: MakeWheel) -> None:
    wheel = make_wheel(f"{release}+cpu")
    words = ("--device", "cpu", "--no-companions", "--find-links", str(wheel.parent))
    done = run("setup", str(tmp_path / "env"), "--torch", release, *words)
    assert done.returncode == 3, done.stderr
    assert "error:" in done.stderr
    assert not (tmp_path / "env").exists()


def test_a_dry_run_installs_nothing_and_needs_no_network(release: str) -> None:
    done = run("sweep", "--device", "cpu", "--torch", release, "--python", HERE.version, "--dry-run", PATH="")
    assert done.returncode == 0, done.stderr
    assert f"{release}+cpu on Python {HERE.version}" in done.stdout
    assert not (Path(os.environ["HWCOMPAT_HOME"]) / "sweeps").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("sweep", "--torch", "2.99"), 2, "no table knows torch 2.99"),
        (("sweep", "--tags", "cu999"), 2, "no table knows the build 'cu999'"),
        (("sweep", "--python", "/no/such/python"), 3, "cannot be used"),
        (("sweep", "--device", "gpu", "--dry-run"), 2, "'gpu' is not a device"),
        (("sweep", "--device", "cuda:99", "--dry-run"), 3, "has no device 'cuda:99'"),
        (("setup", "new", "--device", "cuda:99"), 3, "has no device 'cuda:99'"),
        (("sweep", "--find-links", "/no/such/folder", "--most", "0"), 4, "there is no folder"),
        (("setup",), 2, "DIR"),
        (("setup", f"{__file__}/env"), 3, "cannot write"),
        (("setup", "."), 2, "is not empty"),
    ],
)
def test_errors_say_what_and_what_to_do(words: tuple[str, ...], code: int, said: str) -> None:
    done = run(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
