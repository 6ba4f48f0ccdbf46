"""Runs a program in a client's own environment, as scripts/make_client_environments.py made it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FOLDER = os.environ.get("HWCOMPAT_TEST_CLIENTS")
needs_clients = pytest.mark.skipif(
    not FOLDER, reason="HWCOMPAT_TEST_CLIENTS does not name a folder made by scripts/make_client_environments.py"
)


def versions(client: str) -> list[str]:
    """The versions of `client` for which tests/clients/environments/ has a list, oldest first."""
    found = [path.stem.partition("-")[2] for path in (HERE / "environments").glob(f"{client}-*.txt")]
    return sorted(found, key=lambda version: tuple(int(part) for part in version.split(".")))


def python() -> Path:
    """The interpreter that all environments share."""
    return Path(FOLDER or "") / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(
    environment: str, *command: Any, folder: Path, stub: bool = False, timeout: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python command...` in `folder`, with the packages of `environment` ("accelerate-1.15.0"); no GPU, no network.

    stub: put the stand-in for torchvision on the path too.
    """
    places = [str(Path(FOLDER or "") / environment)] + ([str(HERE / "stub")] if stub else [])
    variables = {
        **os.environ, "PYTHONPATH": os.pathsep.join(places), "CUDA_VISIBLE_DEVICES": "", "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "MPLCONFIGDIR": str(folder),
        **variables,
    }  # fmt: skip
    return subprocess.run(
        [str(python()), *map(str, command)], cwd=folder, env=variables, capture_output=True, text=True,
        encoding="utf-8", errors="replace", timeout=timeout,
    )  # fmt: skip


def effective(done: subprocess.CompletedProcess[str]) -> Any:
    """What the program printed after the word EFFECTIVE, as JSON; fails with its error output otherwise."""
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return json.loads(done.stdout.partition("EFFECTIVE ")[2].splitlines()[0])
