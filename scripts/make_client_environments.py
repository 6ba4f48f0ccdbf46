"""Builds the environments that tests/clients/ needs: one shared Python with torch, many client versions beside it.

    python scripts/make_client_environments.py DIR

makes `DIR/venv` (torch and what many clients need, no torchvision) and `DIR/<name>` for each file
tests/clients/environments/<name>.txt, a list of pinned packages installed with `--no-deps --target`, so that one copy
of torch serves them all; a test puts one such folder on PYTHONPATH. Then
`HWCOMPAT_TEST_CLIENTS=DIR python -m pytest tests/clients`. What is already there is kept.
A line `# environment: NAME=VALUE` in a list sets a variable for its installation (a package built from source).
`DIR/measured.json` holds the seconds and megabytes of each part (torch from a local wheel, two cores: 37 s and 1.6 GB
for the shared environment, 1 to 2 s and 4 to 10 MB for each version).

No torchvision on purpose: a wheel built for CUDA beside a CPU torch breaks the import with "operator torchvision::nms
does not exist"; tests/clients/stub/ provides the few names the clients import.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
DEPENDENCIES = (
    "opencv-python-headless",
    "matplotlib",
    "pillow",
    "scipy",
    "polars",
    "pandas",
    "requests",
    "psutil",
    "pyyaml",
    "numpy",
    "py-cpuinfo",
    "tqdm",
    "seaborn",
)
WITHOUT_DEPENDENCIES = ("ultralytics-thop",)  # it would ask for a torch of its own
LISTS = Path(__file__).resolve().parents[1] / "tests" / "clients" / "environments"
"""One file an environment, named after the client and its version; all that it needs beside `DIR/venv` is in it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--torch", default=TORCH, help="requirement for torch (default %(default)s)")
    parser.add_argument("--torch-index", help="index with CPU wheels of torch, for example the project's own /whl/cpu")
    parser.add_argument("--only", nargs="*", metavar="PREFIX", help="environments whose names begin so")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = shared_environment(folder, arguments.torch, arguments.torch_index)
    for requirements in sorted(LISTS.glob("*.txt")):
        if not arguments.only or requirements.stem.startswith(tuple(arguments.only)):
            target = folder / requirements.stem
            command = ["--no-deps", "--no-compile", "--target", str(target), "--requirement", str(requirements)]
            variables = set_by(requirements)
            step(folder, target, lambda command=command, variables=variables: pip(python, *command, **variables))
    return 0


def shared_environment(folder: Path, torch: str, torch_index: str | None) -> Path:
    """The interpreter of `DIR/venv`, with torch and the clients' dependencies in it."""
    target = folder / "venv"
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def build() -> None:
        venv.create(target, with_pip=True)
        pip(python, torch, *(["--index-url", torch_index] if torch_index else []))
        pip(python, *DEPENDENCIES)
        pip(python, "--no-deps", *WITHOUT_DEPENDENCIES)

    step(folder, target, build)
    return python


def set_by(requirements: Path) -> dict[str, str]:
    """The variables that lines `# environment: NAME=VALUE` of a list ask for."""
    marked = (line.partition("# environment:") for line in requirements.read_text(encoding="utf-8").splitlines())
    pairs = (rest.strip().partition("=") for before, marker, rest in marked if marker and not before)
    return {name: value for name, _, value in pairs}


def pip(python: Path, *arguments: str, **variables: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
    subprocess.run(command, check=True, env={**os.environ, **variables})


def step(folder: Path, target: Path, build) -> None:
    """Runs `build` unless an earlier run finished it, and notes what it cost."""
    record = folder / "measured.json"
    measured = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    if target.name in measured:
        print(f"{target.name}: already there")
        return
    started = time.monotonic()
    build()
    size = sum(path.lstat().st_size for path in target.rglob("*") if not path.is_symlink())
    measured[target.name] = {"seconds": round(time.monotonic() - started, 1), "megabytes": round(size / 1e6, 1)}
    record.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(f"{target.name}: {measured[target.name]}")


if __name__ == "__main__":
    sys.exit(main())
