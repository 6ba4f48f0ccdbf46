"""The island stands alone: Python 3.8 syntax, the standard library, and the torch it is given."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwcompat import runner
from hwcompat.model import Result
from hwcompat.probes import catalogue

ISLAND = Path(catalogue.__file__).parent
FILES = sorted(ISLAND.rglob("*.py"))
OLD_PYTHON = os.environ.get("HWCOMPAT_TEST_OLD_PYTHON", "")
old_python = pytest.mark.skipif(not OLD_PYTHON, reason="HWCOMPAT_TEST_OLD_PYTHON names no Python 3.8 with an old torch")


def _name(path: Path) -> str:
    return path.relative_to(ISLAND).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_file_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 8))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_file_imports_only_the_standard_library(path: Path) -> None:
    """Except inside a fault model's functions: a dispatch mode is a class of torch's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = {"torch"} if path.parent.name == "simulate" else set()
    assert set(_imported(tree)) - set(sys.stdlib_module_names) - allowed == set()
    assert "torch" not in _imported(ast.Module([n for n in tree.body if not hasattr(n, "body")], []))


def _imported(tree: ast.AST) -> list[str]:
    """Top-level names of absolute imports anywhere in `tree`."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "").split(".")[0])
    return found


def test_listing_the_catalogue_imports_no_probe_and_no_torch() -> None:
    import subprocess

    code = (
        f"import sys; sys.path.insert(0, {str(ISLAND.parents[1])!r})\n"
        "from hwcompat.probes import catalogue\n"
        "assert catalogue.listing() and catalogue.listing('selftest')\n"
        "print([m for m in sys.modules if m.startswith(('torch', 'hwcompat.probes.s'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


# --- an old Python with an old torch ----------------------------------------------------------------------------------


def _old(tasks: list[runner.Task], **options: object) -> dict[tuple[str, str], Result]:
    settings = {"python": OLD_PYTHON, "device": "cpu", "level": "quick", "seed": 0, **options}
    return {(r.probe, r.dtype): r for r in runner.run(tasks, **settings)}  # type: ignore[arg-type]


@old_python
@pytest.mark.old_python
def test_info_of_an_old_torch() -> None:
    found = runner.info(OLD_PYTHON)
    assert found["python"].startswith("3.8")
    assert found["torch"].startswith("1.")
    assert found["error"] is None


@old_python
@pytest.mark.old_python
def test_misbehaviour_is_blamed_rightly_under_an_old_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwcompat import session

    monkeypatch.setattr(session, "SHORTEST_DEADLINE", 3.0)
    monkeypatch.setenv("HWCOMPAT_SELFTEST_MARKER", str(tmp_path / "ran"))
    probes = catalogue.listing("selftest")
    tasks = [(probe, dtype) for probe in probes for dtype in probe.dtypes]
    statuses = {key: result.status for key, result in _old(tasks, folder="selftest", memory_limit=2**29).items()}
    assert {status for (name, _), status in statuses.items() if name == "selftest.pass"} == {"pass"}
    assert {name.partition(".")[2]: status for (name, _), status in statuses.items() if name != "selftest.pass"} == {
        "alive": "pass",
        "exit": "crash",
        "flaky": "flaky",
        "flood": "pass",
        "garbage": "pass",
        "halfline": "pass",
        "hang": "hang",
        "memory": "oom",
        "operator": "crash",
        "raise": "error",
        "segfault": "crash",
        "sticky": "crash",
        "wrong": "fail",
    }


@old_python
@pytest.mark.old_python
def test_two_real_probes_pass_or_are_unsupported_under_an_old_torch() -> None:
    """fp32 must work; a 16-bit kernel that an old CPU build lacks is `unsupported`."""
    tasks = [(probe, d) for probe in map(catalogue.find, ("matmul.integer", "cast.ties")) for d in probe.dtypes]
    found = {key: result.status for key, result in _old(tasks).items()}
    assert found["matmul.integer", "float32"] == "pass"
    assert set(found.values()) <= {"pass", "unsupported"}, found


@old_python
@pytest.mark.old_python
@pytest.mark.long
def test_no_probe_stumbles_over_an_old_torch() -> None:
    """Old kernels may be wrong or missing; an `error` would be a probe that uses what an old torch does not have."""
    tasks = [(probe, dtype) for probe in catalogue.listing() if "cpu" in probe.devices for dtype in probe.dtypes]
    assert not [r for r in _old(tasks).values() if r.status == "error"]


@old_python
@pytest.mark.old_python
def test_defects_of_an_old_torch_are_found_and_what_it_lacks_is_not_blamed() -> None:
    """See docs/old_torch.md: two gradients that every 1.x gets wrong; three features that it has not yet."""
    found, lacking = ("index.read", "reduction.products"), ("gradient.average", "layout.rearrange")
    tasks = [(catalogue.find(name), "float32") for name in (*found, *lacking, "elementwise.selection")]
    statuses = {name: result.status for (name, _), result in _old(tasks, level="standard").items()}
    assert {statuses.pop(name) for name in found} == {"fail"}
    assert set(statuses.values()) == {"pass"}, statuses


WATCH = Path(__file__).parents[1] / "scripts" / "watch_old_torch.py"


def watching(python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, str(WATCH)], capture_output=True, text=True, timeout=300, check=False)


@old_python
@pytest.mark.old_python
def test_the_watch_under_an_old_python_explains_or_says_what_it_needs() -> None:
    """hwcompat/replay by itself, under Python 3.8: torch 1.12 has no dispatch modes that it could enter."""
    done = watching(OLD_PYTHON)
    too_old = done.stdout.startswith("1.12")
    assert done.returncode == (2 if too_old else 0), done.stdout + done.stderr
    assert ("needs torch 1.13" in done.stdout) is too_old


def test_the_trainings_for_old_releases_are_explained_on_this_one() -> None:
    done = watching(sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 9
