"""Sweeps with the real uv: whatever a build does is a result, nothing is left behind, and a killed sweep goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeping import HERE, LEDGER, MakeWheel, candidate, report

from hwcompat import store
from hwcompat.errors import MachineError
from hwcompat.model import Report
from hwcompat.sweep import clock, disk, engine, installer
from hwcompat.sweep.installer import Uv
from hwcompat.sweep.ledger import KEPT, Ledger, Outcome, Step, key_of
from hwcompat.sweep.planning import Candidate

MB = 2**20


class Rig:
    """An engine with a real uv and a pretended probe, which remembers what it was asked for."""

    def __init__(self, uv: Callable[[Path | None], Uv]) -> None:
        self.ledger = Ledger(LEDGER)
        self.probed: list[str] = []
        self.told: list[str] = []
        self.uv = uv
        self.during: Callable[[str], Report] = lambda _python: report()

    def probe(self, python: str, _progress: object) -> Report:
        self.probed.append(python)
        return self.during(python)

    def run(self, *candidates: Candidate, **settings: Any) -> list[Outcome]:
        tools = engine.Tools(
            probe=self.probe, record=lambda _report: None, uv=self.uv, tell=self.told.append,
            steps=lambda *_words: ({"fp32": Step(0.01, 0.009, 0.011)}, 8),
        )  # fmt: skip
        found = []
        for outcome in engine.run(candidates, self.ledger, engine.Settings(**settings), tools):
            found.append(outcome)
        return found

    def environments(self) -> list[str]:
        return sorted(path.name for path in self.ledger.folder.glob("env-*"))


@pytest.fixture
def rig(uv: Callable[[Path | None], Uv]) -> Rig:
    return Rig(uv)


def test_a_build_is_installed_measured_written_down_and_removed(rig: Rig, make_wheel: MakeWheel) -> None:
    wheel = make_wheel("2.7.0+cpu", padding=MB)
    [found] = rig.run(candidate("2.7.0"), wheels=(wheel,))
    assert (found.outcome, found.build, found.python, found.checks) == ("measured", "2.7.0+cpu", HERE.version, 3)
    assert found.bytes > MB
    assert found.steps["fp32"].seconds == 0.01
    assert found.batch == rig.ledger.batch == 8
    assert rig.ledger.read(candidate("2.7.0")) == found
    assert not Path(rig.probed[0]).exists()
    assert rig.environments() == []


def test_what_breaks_one_build_does_not_touch_the_next(rig: Rig, make_wheel: MakeWheel) -> None:
    torn = make_wheel("2.1.0+cpu")
    torn.write_bytes(torn.read_bytes()[:100])
    wheels = (
        torn,
        make_wheel("2.2.0+cpu", "raise OSError('libcudart.so.12: cannot open shared object file')"),
        make_wheel("2.3.0+cpu", "import time\ntime.sleep(600)"),
        make_wheel("2.4.0+cpu", "import os\nos.abort()"),
        make_wheel("2.5.0+cpu", "__version__ = '2.5.1+cpu'"),
        make_wheel("2.6.0+cpu"),
    )
    found = rig.run(*(candidate(f"2.{n}.0") for n in range(1, 7)), wheels=wheels, import_seconds=5.0)
    assert [each.outcome for each in found] == ["failed", "broken", "broken", "broken", "other", "measured"]
    assert "libcudart.so.12" in found[1].detail
    assert "took more than 5 s" in found[2].detail
    assert "ended the process" in found[3].detail
    assert "2.5.1+cpu came instead" in found[4].detail
    assert len(rig.probed) == 1
    assert rig.environments() == []
    again = rig.run(*(candidate(f"2.{n}.0") for n in range(1, 7)), wheels=wheels[1:])
    assert [each.outcome for each in again[1:]] == ["broken", "broken", "broken", "other", "measured"]
    assert len(rig.probed) == 1, "what is final is not tried again"


@pytest.mark.parametrize("problem", [MachineError("cpu does not answer"), report(results=())])
def test_a_build_that_cannot_be_probed_is_a_result(rig: Rig, make_wheel: MakeWheel, problem: Any) -> None:
    def during(_python: str) -> Report:
        if isinstance(problem, Exception):
            raise problem
        return problem

    rig.during = during
    [found] = rig.run(candidate("2.7.0"), wheels=(make_wheel("2.7.0+cpu"),))
    assert found.outcome == "failed"
    assert found.detail
    assert rig.environments() == []


def test_a_step_that_cannot_be_timed_costs_only_its_time(rig: Rig, make_wheel: MakeWheel) -> None:
    def broken(*_words: object) -> Any:
        raise clock.ClockError("no answer")

    tools = engine.Tools(rig.probe, lambda _report: None, rig.uv, rig.told.append, steps=broken)
    settings = engine.Settings(wheels=(make_wheel("2.7.0+cpu"),))
    [found] = engine.run([candidate("2.7.0")], rig.ledger, settings, tools)
    assert (found.outcome, found.steps, found.detail) == ("measured", {}, "no step time: no answer")


def test_ctrl_c_leaves_nothing_but_what_was_finished(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"), make_wheel("2.8.0+cpu"))

    def during(_python: str) -> Report:
        return report(interrupted=len(rig.probed) == 2)

    rig.during = during
    with pytest.raises(KeyboardInterrupt):
        rig.run(candidate("2.7.0"), candidate("2.8.0"), wheels=wheels)
    assert rig.environments() == []
    assert rig.ledger.read(candidate("2.7.0")).outcome == "measured"
    assert rig.ledger.read(candidate("2.8.0")) is None


KILLED = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
from hwcompat.sweep import engine
from hwcompat.sweep.installer import Uv, find_uv
from hwcompat.sweep.ledger import Ledger
import sweeping as t
def probe(python, _progress):
    if Ledger(t.LEDGER).read(t.candidate("2.7.0")):
        os._exit(9)  # killed in the middle of the second build
    return t.report()
tools = engine.Tools(probe, lambda _r: None, lambda cache: Uv(find_uv(), cache), print, steps=lambda *_w: ({{}}, 8))
wheels = tuple(Path({folder!r}).glob("*.whl"))
list(engine.run([t.candidate("2.7.0"), t.candidate("2.8.0")], Ledger(t.LEDGER), engine.Settings(wheels=wheels), tools))
"""


def test_a_killed_sweep_goes_on_where_it_was(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"), make_wheel("2.8.0+cpu"))
    code = KILLED.format(path=[str(Path(__file__).parents[1]), *sys.path], folder=str(wheels[0].parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert rig.environments() == [f"env-{key_of(candidate('2.8.0'))}"], "the kill left this behind"
    found = rig.run(candidate("2.7.0"), candidate("2.8.0"), wheels=wheels)
    assert [each.outcome for each in found] == ["measured", "measured"]
    assert len(rig.probed) == 1
    assert f"env-{key_of(candidate('2.8.0'))}" in rig.probed[0]
    assert rig.environments() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_request_to_end_acts_like_ctrl_c(rig: Rig, make_wheel: MakeWheel) -> None:
    def during(_python: str) -> Report:
        os.kill(os.getpid(), signal.SIGTERM)
        return report()

    rig.during = during
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), installer.orderly_end():
        rig.run(candidate("2.7.0"), wheels=(make_wheel("2.7.0+cpu"),))
    assert rig.environments() == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fresh_sweep_measures_again(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"),)
    rig.run(candidate("2.7.0"), wheels=wheels)
    rig.run(candidate("2.7.0"), wheels=wheels)
    assert len(rig.probed) == 1
    rig.run(candidate("2.7.0"), wheels=wheels, fresh=True)
    assert len(rig.probed) == 2


def test_an_installed_build_needs_no_environment_and_is_measured_where_it_is(rig: Rig) -> None:
    here = Candidate("2.7.0", "cpu", HERE, path=sys.executable)
    [found] = rig.run(here)
    assert (found.outcome, found.installed, found.bytes) == ("measured", True, 0)
    assert rig.probed == [sys.executable]


def test_kept_environments_stay_until_a_fresh_sweep(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"),)
    rig.run(candidate("2.7.0"), wheels=wheels, keep=True)
    [kept] = rig.environments()
    assert (rig.ledger.folder / kept / KEPT).exists()
    rig.run(candidate("2.7.0"), wheels=wheels)
    assert rig.environments() == [kept]
    rig.run(candidate("2.7.0"), wheels=wheels, fresh=True)
    assert rig.environments() == []


def test_two_sweeps_of_one_machine_do_not_run_together(rig: Rig) -> None:
    with rig.ledger.locked(), pytest.raises(MachineError) as error:
        rig.run(candidate("2.7.0"))
    assert "another sweep" in error.value.message
    assert error.value.hint


# --- disk -------------------------------------------------------------------------------------------------------------


def test_a_build_that_does_not_fit_is_left_out_and_another_is_not(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu", padding=30 * MB), make_wheel("2.8.0+cpu", padding=MB))
    large, small = rig.run(candidate("2.7.0"), candidate("2.8.0"), wheels=wheels, max_disk=10 * MB)
    assert large.outcome == "no room"
    assert "--max-disk" in large.detail
    assert small.outcome == "measured"
    assert not rig.ledger.cache.exists()


def test_the_cache_of_a_limited_sweep_is_emptied_when_the_next_build_needs_its_room(
    rig: Rig, make_wheel: MakeWheel
) -> None:
    wheels = tuple(make_wheel(f"2.{n}.0+cpu", padding=6 * MB) for n in (7, 8, 9))
    most = []

    def during(_python: str) -> Report:
        most.append(disk.occupied(rig.ledger.folder))
        return report()

    rig.during = during
    found = rig.run(*(candidate(f"2.{n}.0") for n in (7, 8, 9)), wheels=wheels, max_disk=10 * MB)
    assert [each.outcome for each in found] == ["measured"] * 3
    assert max(most) <= 10 * MB
    assert not rig.ledger.cache.exists()


def test_a_full_disk_is_noticed_before_and_during_an_installation(
    rig: Rig, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = (make_wheel("2.7.0+cpu", padding=MB),)
    monkeypatch.setattr(disk, "free", lambda _folder: disk.RESERVE_BYTES + 1000)
    [before] = rig.run(candidate("2.7.0"), wheels=wheels)
    assert before.outcome == "no room"
    shrinking = iter([10**12])
    monkeypatch.setattr(disk, "free", lambda _folder: next(shrinking, 5))
    [during] = rig.run(candidate("2.7.0"), wheels=wheels)
    assert during.outcome == "no room"
    assert "left on the disk" in during.detail
    assert rig.environments() == []


def test_sizes_are_known_from_before_from_the_wheel_or_from_others_of_the_tag(make_wheel: MakeWheel) -> None:
    wheel = make_wheel("2.7.0+cpu", padding=5000)
    assert 5000 < disk.expected("2.7.0+cpu", {}, wheel) < 7000
    assert disk.expected("2.7.0+cpu", {"2.7.0+cpu": 7}, wheel) == 7
    assert disk.expected("2.8.0+cu126", {"2.7.0+cu126": 7, "2.6.0+cpu": 9}) == 7
    assert disk.expected("2.8.0+cu126", {"2.6.0+cpu": 9}) == 9
    assert disk.expected("2.8.0+cu126", {}) == 0


def test_hard_links_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    alone = disk.occupied(tmp_path)
    (tmp_path / "a" / "link").hardlink_to(tmp_path / "a" / "file")
    assert disk.occupied(tmp_path) == alone >= 100_000


# --- network ----------------------------------------------------------------------------------------------------------

CLOSED = "http://127.0.0.1:9/whl"


def test_an_index_that_does_not_answer_is_named_and_asked_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    install = installer.Uv.install

    def counted(self: Uv, folder: Path, source: Any, watch: Any) -> None:
        asked.append(source.what)
        install(self, folder, source, watch)

    monkeypatch.setattr(installer.Uv, "install", counted)
    found = rig.run(candidate("2.7.0"), candidate("2.8.0"), index_base=CLOSED)
    assert [each.outcome for each in found] == ["unreachable", "unreachable"]
    assert f"{CLOSED}/cpu/torch/ could not be fetched" in found[0].detail
    assert asked == [f"{CLOSED}/cpu"]


def test_offline_a_folder_of_wheels_serves_and_what_it_lacks_is_named(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"),)
    rig.uv = lambda cache: Uv(installer.find_uv(), cache, offline=True)
    there, missing = rig.run(candidate("2.7.0"), candidate("2.8.0"), wheels=wheels, offline=True, index_base=CLOSED)
    assert there.outcome == "measured"
    assert missing.outcome == "unreachable"
    assert CLOSED in missing.detail


def test_without_uv_the_error_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MachineError) as error:
        installer.find_uv()
    assert 'pip install "hwcompat[sweep]"' in error.value.hint


def test_a_python_that_is_not_here_is_a_result(rig: Rig, make_wheel: MakeWheel) -> None:
    missing = candidate("2.7.0")._replace(python=HERE._replace(request="3.99"))
    [found] = rig.run(missing, wheels=(make_wheel("2.7.0+cpu"),))
    assert found.outcome in ("failed", "unreachable")
    assert "3.99" in found.detail


def test_the_outcome_of_another_python_is_not_this_ones(rig: Rig, make_wheel: MakeWheel) -> None:
    rig.run(candidate("2.7.0"), wheels=(make_wheel("2.7.0+cpu"),))
    other = candidate("2.7.0")
    assert rig.ledger.read(other._replace(python=HERE._replace(version="3.1"))) is None
    assert rig.ledger.read(other._replace(path="/somewhere/python")) is None


def test_a_damaged_outcome_counts_as_none(rig: Rig, make_wheel: MakeWheel) -> None:
    wheels = (make_wheel("2.7.0+cpu"),)
    [found] = rig.run(candidate("2.7.0"), wheels=wheels)
    [path] = (store.home() / "sweeps" / LEDGER / "candidates").iterdir()
    path.write_text("{", encoding="utf-8")
    [again] = rig.run(candidate("2.7.0"), wheels=wheels)
    assert len(rig.probed) == 2
    assert replace(again, date="", seconds=0) == replace(found, date="", seconds=0)
