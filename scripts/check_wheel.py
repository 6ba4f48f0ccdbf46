"""Build the wheel, install it in a fresh environment without torch, and use it from another folder.

python scripts/check_wheel.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CARD = ["--gpu", "NVIDIA GeForce GTX 1660 Ti", "--driver", "552.22", "--os", "windows", "--python", "3.11"]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pip = [sys.executable, "-m", "pip"]
        subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(work), str(REPOSITORY)], check=True)
        wheel = next(work.glob("hwcompat-*.whl"))
        environment = work / "venv"
        venv.create(environment, with_pip=True)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([str(scripts / "python"), "-m", "pip", "install", "-q", str(wheel)], check=True)
        _use(scripts / "hwcompat", work)
    print("the wheel works outside the tree")
    return 0


def _use(hwcompat: Path, work: Path) -> None:
    """Each command line with the exit code it must end with; without torch a probe must refuse, not measure the CPU."""
    env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")}
    env.update(HWCOMPAT_HOME=str(work / "home"), PATH=os.pathsep.join(["/usr/bin", "/bin"]))
    for arguments, expected in (
        (["--version"], 0),
        (["env"], 0),
        (["probe", "--list"], 0),
        (["recommend", *CARD, "-o", "cfg.yaml"], 0),
        (["matrix", "show", "--gpu", "1660"], 0),
        (["probe"], 3),
    ):
        done = subprocess.run(
            [str(hwcompat), *arguments], cwd=work, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != expected or "Traceback" in done.stderr:
            raise SystemExit(
                f"hwcompat {' '.join(arguments)}: exit {done.returncode}, expected {expected}\n{done.stderr}"
            )
    config = (work / "cfg.yaml").read_text(encoding="utf-8")
    if "\namp: false\n" not in "\n" + config:
        raise SystemExit(f"a GTX 1660 Ti must get amp: false\n{config}")


if __name__ == "__main__":
    sys.exit(main())
