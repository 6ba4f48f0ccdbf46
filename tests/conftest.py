"""Shared fixtures and the rule for skips: each has a reason; HWCOMPAT_NO_SKIP=1 turns every one into a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Set before torch is imported: threads that spin for long make a busy machine many times slower.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """GPU tests skip without a CUDA device; nothing else is decided here."""
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and not _has_cuda():
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    report = yield
    if report.outcome == "skipped" and os.environ.get("HWCOMPAT_NO_SKIP"):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and os.environ.get("HWCOMPAT_NO_SKIP") and not item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure here: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own data folder and no inherited hwcompat settings."""
    for name in [
        n for n in os.environ if n.startswith("HWCOMPAT_") and not n.startswith(("HWCOMPAT_TEST_", "HWCOMPAT_NO_"))
    ]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HWCOMPAT_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def command() -> list[str]:
    """How tests start the command line: this interpreter, this tree."""
    return [sys.executable, "-m", "hwcompat"]


@pytest.fixture
def run_matrix(command: list[str], tmp_path: Path):
    """`hwcompat matrix ...` in a folder of its own."""
    env = dict(os.environ, PYTHONPATH=str(REPOSITORY))

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "matrix", *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, encoding="utf-8"
        )

    return start
