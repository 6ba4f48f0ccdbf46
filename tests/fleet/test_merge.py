"""`hwcompat fleet merge`: from files to rows, a summary, the sick and the missing; and what it does with bad input."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import fleet_simulation
import pytest

from hwcompat import cli, matrix
from hwcompat import report as reports
from hwcompat.fleet import gathering, inventory, outliers, reading, shards, telling
from hwcompat.fleet.card import Card

CARDS, EACH, PROBES = 160, 1, 10


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, fleet_simulation.Planted]:
    """A small fleet; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("simulated") / "fleet"
    return folder, fleet_simulation.simulate(folder, CARDS, seed=1, each=EACH, probes=PROBES)


@pytest.fixture
def merge(capsys: pytest.CaptureFixture[str]):
    """(exit code, stdout, stderr) of `hwcompat fleet merge` in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.run(["fleet", "merge", *map(str, arguments)])
        told = capsys.readouterr()
        return end.value.code, told.out, told.err

    return run


def some_reports(simulated: tuple[Path, fleet_simulation.Planted], folder: Path, count: int) -> list[Path]:
    """`count` healthy report files of one model, copied into `folder` under names of nodes."""
    folder.mkdir(exist_ok=True)
    found = []
    for shard in shards.shards(simulated[0]):
        read = reading.read_shard(shard) if shard.report else None
        if read and read.cards and _is_healthy(read.cards[0], simulated[1]):
            found.append(Path(shutil.copy(shard.report, folder / f"node{len(found)}.json")))
        if len(found) == count:
            return found
    raise AssertionError("the fleet is too small")


def _is_healthy(card: Card, planted: fleet_simulation.Planted) -> bool:
    return tuple(card.place) not in planted.cards and card.key[0] == fleet_simulation.MODELS[0].name


# --- the whole --------------------------------------------------------------------------------------------------------


def test_exactly_the_planted_cards_are_named(simulated, merge) -> None:
    folder, planted = simulated
    code, out, _ = merge(folder, "--inventory", folder / "inventory.txt", "--json", "--jobs", 1)
    answer = json.loads(out)
    assert code == 0
    assert fleet_simulation.complaints(answer, planted) == []
    assert answer["private"] is True
    assert answer["expected"] == CARDS
    lost = len(planted.lost) + fleet_simulation.CARDS_A_NODE * len(planted.silent)
    assert answer["cards"] == CARDS - lost
    assert sum(one["cards"] for one in answer["missing"]) == lost
    assert sum(kind["cards"] for kind in answer["kinds"]) == answer["cards"]
    assert len(answer["problems"]) == EACH
    assert merge(folder, "--check", "--jobs", 1)[0] == 1


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_other_fleets_too(tmp_path: Path, seed: int) -> None:
    planted = fleet_simulation.simulate(tmp_path / "fleet", CARDS, seed=seed, each=EACH, probes=PROBES)
    fleet = gathering.gather(tmp_path / "fleet", inventory.read(tmp_path / "fleet" / "inventory.txt"), processes=1)
    told = telling.Told(fleet, outliers.judge(fleet.cards))
    assert fleet_simulation.complaints(json.loads(json.dumps(telling.document(told))), planted) == []


def test_processes_give_the_same_answer(simulated) -> None:
    folder, _ = simulated
    assert gathering.gather(folder, processes=2) == gathering.gather(folder, processes=1)


class _BrokenPool:
    """A pool whose processes are killed as soon as they are started, or when they are asked."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        self.asked = 0

    def submit(self, *_arguments: object) -> Future:
        self.asked += 1
        if self.asked > 2:
            raise BrokenProcessPool
        dead: Future = Future()
        dead.set_exception(BrokenProcessPool())
        return dead

    def shutdown(self, **_options: object) -> None:
        pass

    def __enter__(self) -> _BrokenPool:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


def test_killed_processes_cost_time_only(simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = gathering.gather(simulated[0], processes=1)
    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", _BrokenPool)
    assert gathering.gather(simulated[0], processes=2) == expected


def test_nothing_public_names_a_node(simulated, merge, tmp_path: Path) -> None:
    folder, planted = simulated
    names = [node for node, _ in planted.cards] + sorted(planted.slow_nodes | planted.silent)
    arguments = (folder, "--inventory", folder / "inventory.txt", "--jobs", 1)
    for options in ((), ("--json",)):
        private, public = merge(*arguments, *options)[1], merge(*arguments, *options, "--public")[1]
        assert all(name in private for name in names)
        assert "rack" not in public
        assert "0000:" not in public
    merge(*arguments, "-o", tmp_path / "rows.csv")
    assert "rack" not in (tmp_path / "rows.csv").read_text()


def test_rows_are_ordinary_rows_one_a_card(simulated, merge, tmp_path: Path) -> None:
    folder, _ = simulated
    rows = tmp_path / "rows.csv"
    code, _, err = merge(folder, "-o", rows, "--jobs", 1)
    found, warnings = matrix.read_rows(rows)
    assert (code, warnings) == (0, ())
    assert f"wrote {len(found)} rows" in err
    assert len(found) == len(gathering.gather(folder, processes=1).cards)
    assert {row.source for row in found} == {"measured"}


def test_rows_go_into_a_matrix_folder(simulated, merge, tmp_path: Path) -> None:
    folder, _ = simulated
    (tmp_path / "results").mkdir()
    assert merge(folder, "--matrix", tmp_path, "--jobs", 1)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "results").glob("*.csv")}
    assert "gh100.csv" in before
    assert merge(folder, "--matrix", tmp_path, "--jobs", 1)[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "results").glob("*.csv")} == before


def test_rows_are_added_beside_lines_that_cannot_be_read(simulated, merge, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "gh100.csv"
    file.write_text("gpu,fp16\nx,marvellous\n")
    code, out, err = merge(simulated[0], "--matrix", tmp_path, "--jobs", 1)
    assert code == 0
    assert "outliers" in out
    assert f"wrote {file}" in err
    assert "\nx,marvellous\n" in file.read_text()
    assert {row.gpu for row in matrix.read_rows(file)[0]} == {"NVIDIA H100 80GB HBM3"}


# --- bare reports -----------------------------------------------------------------------------------------------------


def test_bare_reports_are_named_by_their_files(simulated, merge, tmp_path: Path) -> None:
    files = some_reports(simulated, tmp_path / "bare", 9)
    document = json.loads(files[4].read_text())
    document["results"][0]["status"] = "fail"
    files[4].write_text(json.dumps(document))
    (tmp_path / "nodes").write_text("".join(f"node{n}\n" for n in range(11)))
    code, out, _ = merge(tmp_path / "bare", "--inventory", tmp_path / "nodes", "--json", "--check")
    answer = json.loads(out)
    assert code == 1
    assert [one["cards"][0]["node"] for one in answer["outliers"]] == ["node4"]
    assert [one["node"] for one in answer["missing"]] == ["node10", "node9"]


def test_a_report_on_several_devices_is_one_node(simulated, merge, tmp_path: Path) -> None:
    files = some_reports(simulated, tmp_path / "bare", 3)
    documents = [json.loads(file.read_text()) for file in files]
    for n, one in enumerate(documents):
        one["device"] = f"cuda:{n}"
        del one["schema"]
    documents[2]["gpu"]["ecc_uncorrected"] = 7
    for file in files:
        file.unlink()
    files[0].write_text(json.dumps({"schema": 1, **documents[0], "others": documents[1:]}))
    answer = json.loads(merge(tmp_path / "bare", "--json")[1])
    assert answer["cards"] == 3
    assert [(one["kind"], one["cards"][0]["node"], one["cards"][0]["slot"]) for one in answer["outliers"]] == [
        ("memory", "node0", "2")
    ]


def test_copies_count_once(simulated, merge, tmp_path: Path) -> None:
    files = some_reports(simulated, tmp_path / "bare", 3)
    shutil.copy(files[0], files[0].with_name("again.json"))
    answer = json.loads(merge(tmp_path / "bare", "--json")[1])
    assert answer["cards"] == 3
    assert len(answer["duplicates"]) == 1


BROKEN = {
    "empty": b"",
    "cut": b'{"schema": 1, "id": "00',
    "deep": b"[" * 100_000,
    "other": b'{"name": "package"}',
    "binary": b"\x00\xff\xfe",
    "newer": b'{"schema": 2}',
    "huge": b" " * (4 * 2**20 + 1),
    "list": b"[1, 2]",
}


def test_broken_files_are_named_and_cost_nothing(simulated, merge, tmp_path: Path) -> None:
    some_reports(simulated, tmp_path / "bare", 3)
    for name, content in BROKEN.items():
        (tmp_path / "bare" / f"{name}.json").write_bytes(content)
    (tmp_path / "bare" / "sly.private.json").write_text("[")
    code, out, _ = merge(tmp_path / "bare")
    assert code == 0
    assert out.startswith("3 cards")
    assert all(f"{name}.json" in out for name in (*BROKEN, "sly.private"))
    answer = json.loads(merge(tmp_path / "bare", "--json", "--public")[1])
    assert answer["problems"] == len(BROKEN) + 1
    assert merge(tmp_path / "bare", "--check")[0] == 1


def test_simulated_reports_are_no_evidence(simulated, merge, tmp_path: Path) -> None:
    (file,) = some_reports(simulated, tmp_path / "bare", 1)
    document = json.loads(file.read_text())
    some_reports(simulated, tmp_path / "bare", 2)
    (tmp_path / "bare" / "toy.json").write_text(json.dumps({**document, "simulated": "fp16_garbage"}))
    answer = json.loads(merge(tmp_path / "bare", "--json")[1])
    assert answer["cards"] == 2
    assert "simulated" in answer["problems"][0]["reason"]


def test_more_digests_than_any_suite_has_are_refused(simulated, merge, tmp_path: Path) -> None:
    files = some_reports(simulated, tmp_path / "bare", 2)
    document = json.loads(files[0].read_text())
    document["digests"] = {f"exact/p{n}/float16/v1": f"{n:016x}" for n in range(1500)}
    files[0].write_text(json.dumps(document))
    answer = json.loads(merge(tmp_path / "bare", "--json")[1])
    assert answer["cards"] == 1
    assert "digests" in answer["problems"][0]["reason"]


# --- shards -----------------------------------------------------------------------------------------------------------


def test_a_report_changed_after_it_was_written_is_not_used(simulated, tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    text = some_reports(simulated, tmp_path / "bare", 1)[0].read_text()
    path = shards.write_finished(folder, shards.Sidecar("r", "n", "0", "measured"), text)
    assert len(gathering.gather(folder).cards) == 1
    path.write_text(text.replace("GPU", "gpu").replace('"seed": 0', '"seed": 1'))
    fleet = gathering.gather(folder)
    assert fleet.cards == ()
    assert "SHA-256" in fleet.problems[0].reason
    assert [one.outcome for one in fleet.missing] == ["report unusable"]


def test_a_report_without_its_sidecar_is_judged_without_a_name(simulated, tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    text = some_reports(simulated, tmp_path / "bare", 1)[0].read_text()
    path = shards.write_finished(folder, shards.Sidecar("r", "n", "0", "measured"), text)
    path.with_name(f"{path.stem}.private.json").write_text("[")
    fleet = gathering.gather(folder)
    assert [str(card.place) for card in fleet.cards] == ["a node without a name slot 0"]
    assert len(fleet.problems) == 1


def test_an_unreachable_node_that_answered_later_is_not_missing(simulated, tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    text = some_reports(simulated, tmp_path / "bare", 1)[0].read_text()
    shards.write_failed(folder, shards.Sidecar("r", "n", "", "unreachable"))
    shards.write_failed(folder, shards.Sidecar("r", "m", "", "unreachable"))
    shards.write_finished(folder, shards.Sidecar("r", "n", "0", "measured"), text)
    missing = gathering.gather(folder, {"n": 1, "m": 8, "o": 2}).missing
    assert [(one.place.node, one.outcome, one.cards) for one in missing] == [
        ("m", "unreachable", 8),
        ("o", "never answered", 2),
    ]


# --- bad input --------------------------------------------------------------------------------------------------------


def refused(merge, code: int, *arguments: object) -> str:
    found, out, err = merge(*arguments)
    lines = err.splitlines()
    assert found == code, err
    assert out == ""
    assert [line.partition(":")[0] for line in lines] == ["error", "what to do"]
    return lines[0]


def test_a_folder_that_is_not_there(merge, tmp_path: Path) -> None:
    assert "no folder" in refused(merge, 4, tmp_path / "nowhere")
    (tmp_path / "file").write_text("{}")
    assert "no folder" in refused(merge, 4, tmp_path / "file")


def test_an_empty_folder(merge, tmp_path: Path) -> None:
    assert "holds no report" in refused(merge, 4, tmp_path)


def test_a_folder_without_a_report(merge, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert "none of 1 files" in refused(merge, 4, tmp_path)


def test_two_runs_in_one_folder(merge, tmp_path: Path) -> None:
    for run in ("r1", "r2"):
        shards.write_failed(tmp_path, shards.Sidecar(run, "n", "0", "lost"))
    assert "several runs: r1 (1 shards), r2 (1 shards)" in refused(merge, 4, tmp_path)


def test_mixed_versions_of_hwcompat(simulated, merge, tmp_path: Path) -> None:
    files = some_reports(simulated, tmp_path / "bare", 4)
    files[0].write_text(files[0].read_text().replace('"hwcompat": "0.1.0"', '"hwcompat": "0.0.9"'))
    assert "several versions" in refused(merge, 4, tmp_path / "bare")
    code, out, _ = merge(tmp_path / "bare", "--mixed", "--json")
    assert code == 0
    assert len(json.loads(out)["kinds"]) == 2


def test_an_inventory_or_matrix_that_is_not_there(simulated, merge, tmp_path: Path) -> None:
    assert "nodes.txt" in refused(merge, 4, simulated[0], "--inventory", tmp_path / "nodes.txt")
    assert "no folder" in refused(merge, 4, simulated[0], "--matrix", tmp_path / "matrix")


def test_rows_that_cannot_be_written_do_not_cost_the_answer(simulated, merge, tmp_path: Path) -> None:
    some_reports(simulated, tmp_path / "bare", 2)
    (tmp_path / "file").write_text("")
    code, out, err = merge(tmp_path / "bare", "-o", tmp_path / "file" / "rows.csv")
    assert code == 3
    assert out.startswith("2 cards")
    assert err.splitlines()[0].startswith("error: cannot write")
    assert err.splitlines()[1].startswith("what to do:")


def test_hostile_names_do_not_reach_the_terminal(simulated, merge, tmp_path: Path) -> None:
    text = some_reports(simulated, tmp_path / "bare", 1)[0].read_text()
    shards.write_finished(tmp_path / "f", shards.Sidecar("r", "\x1b[2J\u202e", "0", "measured"), text)
    shards.write_failed(tmp_path / "f", shards.Sidecar("r", "\x1b]0;x\x07", "0", "lost", detail="\x1b[31m\nx"))
    code, out, _ = merge(tmp_path / "f")
    assert code == 0
    assert all(character.isprintable() or character == "\n" for character in out)
    assert out.isascii()


def test_rows_are_readable_as_csv(simulated, merge, tmp_path: Path) -> None:
    merge(simulated[0], "-o", tmp_path / "rows.csv", "--jobs", 1)
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert {row["torch"] for row in csv.DictReader(file)} <= {one[0] for one in fleet_simulation.BUILDS}


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_folder_is_not_opened(simulated, merge, tmp_path: Path) -> None:
    some_reports(simulated, tmp_path / "bare", 2)
    os.mkfifo(tmp_path / "bare" / "pipe.json")
    assert merge(tmp_path / "bare")[1].startswith("2 cards")


def test_the_row_of_a_card_is_the_row_of_its_report(simulated, tmp_path: Path) -> None:
    """Reading a fleet takes short cuts; what comes out is what `probe` records."""
    for file in some_reports(simulated, tmp_path / "bare", 3):
        (read,) = reading.read_chunk([shards.Shard("x", file, None)])
        assert [card.row for card in read.cards] == list(reports.rows(reports.read_report(file)))
