"""Builds the stand-in for NVIDIA's library and replays recorded machines through the real nvidia-ml-py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
MACHINES = HERE.parent / "machines"


def why_not() -> str:
    """The reason why the library cannot be built and loaded here; empty if it can."""
    if not sys.platform.startswith("linux"):
        return "nvidia-ml-py loads libnvidia-ml.so.1 by that name on Linux only"
    return "" if shutil.which("cc") else "no C compiler (cc) to build the stand-in for libnvidia-ml.so.1"


def build(folder: Path) -> Path:
    """Compiles libnvidia-ml.so.1 into `folder` and returns its path."""
    library = folder / "libnvidia-ml.so.1"
    options = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, "-o", str(library), str(HERE / "fake_nvml.c")], check=True)
    return library


def variables(library: Path, recording: Path, log: Path | None = None) -> dict[str, str]:
    """The environment in which nvidia-ml-py finds `library` and it answers from `recording`."""
    found = {**os.environ, "LD_LIBRARY_PATH": str(library.parent), "HWCOMPAT_FAKE_NVML": str(recording)}
    found["PYTHONPATH"] = str(REPOSITORY)
    return {**found, "HWCOMPAT_FAKE_NVML_LOG": str(log)} if log else found


def replay(library: Path, machine: Path, log: Path | None = None) -> dict[str, Any]:
    """What `detect` makes of a recorded machine: the Environment as a mapping, and `unusable`."""
    command = [sys.executable, str(HERE / "replay.py"), str(machine)]
    answer = subprocess.run(
        command, env=variables(library, machine / "nvml.txt", log), capture_output=True, encoding="utf-8", timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))
