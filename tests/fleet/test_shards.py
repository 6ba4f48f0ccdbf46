"""The file contract: what a folder of shards promises to those who write it and to those who resume from it."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat import report as reports
from hwcompat.errors import DataError, MachineError, UsageError
from hwcompat.fleet import shards
from hwcompat.fleet.shards import Run, Sidecar
from hwcompat.model import Environment, Report

RUN = Run("r1", "0.1.0", "1", "quick", 0, began="2026-11-21T00:00:00Z")
HERE = Sidecar("r1", "node-7", "0", "measured", seconds=4.5, pci_bus_id="0000:41:00.0")


def text(report_id: str = "00000000000000aa") -> str:
    blank = Report(
        report_id, "2026-11-21T01:02:03Z", "0.1.0", "1", "quick", 0, "cuda:0", Environment("linux", "x86_64")
    )
    return reports.to_json(blank)


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))


def test_a_finished_shard_is_two_files_and_is_skipped_on_resume(tmp_path: Path) -> None:
    assert shards.open_run(tmp_path, RUN) == RUN
    path = shards.write_finished(tmp_path, HERE, text())
    assert files(tmp_path) == ["fleet.json", f"shards/{HERE.key}.json", f"shards/{HERE.key}.private.json"]
    assert path.read_text() == text()
    assert shards.finished(tmp_path, "r1") == {HERE.key}
    assert shards.finished(tmp_path, "r2") == frozenset()
    assert "node-7" not in path.read_text()
    assert "node-7" not in HERE.key


def test_the_same_gpu_has_the_same_key_in_one_run_only() -> None:
    assert shards.shard_key("r1", "n", "0") == shards.shard_key("r1", "n", "0")
    others = {
        shards.shard_key(*one) for one in [("r1", "n", "0"), ("r1", "n", "1"), ("r1", "m", "0"), ("r2", "n", "0")]
    }
    assert len(others) == 4


def test_a_finished_shard_is_never_replaced(tmp_path: Path) -> None:
    shards.write_finished(tmp_path, HERE, text())
    shards.write_finished(tmp_path, HERE, text("00000000000000bb"))
    stands = shards.write_failed(tmp_path, dataclasses.replace(HERE, outcome="crashed"))
    assert stands.outcome == "measured"
    assert shards.finished(tmp_path, "r1") == {HERE.key}
    assert (tmp_path / "shards" / f"{HERE.key}.json").read_text() == text()


def test_failed_attempts_are_counted_and_a_later_one_may_finish(tmp_path: Path) -> None:
    broken = dataclasses.replace(HERE, outcome="timeout", detail="x" * 9000)
    assert shards.write_failed(tmp_path, broken).attempts == 1
    assert shards.write_failed(tmp_path, broken).attempts == 2
    assert [one.outcome for one in shards.failed(tmp_path, "r1")] == ["timeout"]
    assert shards.finished(tmp_path, "r1") == frozenset()
    shards.write_finished(tmp_path, HERE, text())
    assert list(shards.failed(tmp_path, "r1")) == []
    assert shards.read_sidecar(tmp_path / "shards" / f"{HERE.key}.private.json").attempts == 3


@pytest.mark.parametrize(
    "harm",
    [
        lambda report, sidecar: report.write_text(text()[:-40]),
        lambda report, sidecar: report.write_text(text("00000000000000bb")),
        lambda report, sidecar: report.unlink(),
        lambda report, sidecar: sidecar.unlink(),
        lambda report, sidecar: sidecar.write_text("{"),
        lambda report, sidecar: sidecar.write_text("[" * 100_000),
        lambda report, sidecar: sidecar.write_text(json.dumps({"schema": 1, "run": "r1"})),
        lambda report, sidecar: sidecar.write_bytes(b" " * (shards.MAX_SIDECAR_BYTES + 1)),
    ],
)
def test_what_was_cut_changed_or_lost_is_measured_again(tmp_path: Path, harm) -> None:
    report = shards.write_finished(tmp_path, HERE, text())
    harm(report, report.with_name(f"{HERE.key}.private.json"))
    assert shards.finished(tmp_path, "r1") == frozenset()
    shards.write_finished(tmp_path, HERE, text())
    assert shards.finished(tmp_path, "r1") == {HERE.key}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"id": "r2"}, "run r1, not r2"),
        ({"hwcompat": "0.2.0"}, "hwcompat '0.1.0'"),
        ({"suite": "2"}, "suite"),
        ({"level": "full"}, "level 'quick'"),
        ({"seed": 1}, "seed"),
        ({"torch": "2.14"}, "torch"),
    ],
)
def test_a_folder_refuses_another_run(tmp_path: Path, change: dict, word: str) -> None:
    shards.open_run(tmp_path, RUN)
    before = (tmp_path / "fleet.json").read_bytes()
    with pytest.raises(UsageError, match=word) as error:
        shards.open_run(tmp_path, dataclasses.replace(RUN, **change))
    assert error.value.hint
    assert (tmp_path / "fleet.json").read_bytes() == before


def test_resuming_keeps_when_the_run_began(tmp_path: Path) -> None:
    shards.open_run(tmp_path, RUN)
    assert shards.open_run(tmp_path, dataclasses.replace(RUN, began="2027-01-01T00:00:00Z")) == RUN
    assert shards.read_run(tmp_path) == RUN
    assert shards.read_run(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("run_id", ["", "../x", "a b", "x" * 65, "-rf"])
def test_a_run_id_is_a_plain_word(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UsageError, match="run id"):
        shards.open_run(tmp_path, dataclasses.replace(RUN, id=run_id))


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', '{"schema": 1, "id": 7}', "\udcff", "[" * 100_000])
def test_an_unusable_run_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "fleet.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"fleet\.json"):
        shards.open_run(tmp_path, RUN)


def test_many_programs_begin_one_run(tmp_path: Path) -> None:
    """Threads stand for nodes: exactly one of two runs wins, and all of the other are refused."""
    seen: list[str] = []

    def begin(run_id: str) -> None:
        try:
            seen.append(shards.open_run(tmp_path, dataclasses.replace(RUN, id=run_id)).id)
        except UsageError:
            seen.append("refused")

    threads = [threading.Thread(target=begin, args=(f"r{n % 2}",)) for n in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(seen).count("refused") == 6
    assert len(set(seen)) == 2


def test_there_is_one_driver_at_a_time(tmp_path: Path) -> None:
    with shards.driving(tmp_path), pytest.raises(MachineError, match="another fleet probe"), shards.driving(tmp_path):
        pass
    with shards.driving(tmp_path):
        pass
    assert list(shards.shards(tmp_path)) == []


def test_bare_reports_and_shards_are_listed_and_nothing_else(tmp_path: Path) -> None:
    shards.open_run(tmp_path, RUN)
    shards.write_finished(tmp_path, HERE, text())
    lost = dataclasses.replace(HERE, slot="1", outcome="lost")
    shards.write_failed(tmp_path, lost)
    (tmp_path / "node3.json").write_text(text())
    (tmp_path / ".hidden.json").write_text(text())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.json").mkdir()
    found = list(shards.shards(tmp_path))
    assert [(one.key, bool(one.report), bool(one.sidecar)) for one in found] == [
        ("node3", True, False),
        *sorted([(HERE.key, True, True), (lost.key, False, True)]),
    ]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        list(shards.shards(tmp_path / "x"))


def test_only_a_valid_report_finishes_a_shard(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        shards.write_finished(tmp_path, HERE, "{}")
    with pytest.raises(UsageError):
        shards.write_finished(tmp_path, dataclasses.replace(HERE, outcome="lost"), text())
    with pytest.raises(UsageError):
        shards.write_failed(tmp_path, HERE)
    assert files(tmp_path) == []


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        Sidecar,
        run=st.just("r1"),
        node=st.text(max_size=40),
        slot=st.text(max_size=20),
        outcome=st.sampled_from(shards.OUTCOMES[1:]),
        detail=st.text(st.characters(codec=None), max_size=60),
        seconds=st.floats(0, 1e6),
        pci_bus_id=st.none() | st.text(max_size=20),
    )
)
def test_whatever_a_sidecar_says_comes_back(tmp_path_factory: pytest.TempPathFactory, sidecar: Sidecar) -> None:
    folder = tmp_path_factory.mktemp("fleet")
    assert shards.write_failed(folder, sidecar) == sidecar
    assert list(shards.failed(folder, "r1")) == [sidecar]
