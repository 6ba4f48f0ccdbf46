"""Where a site is written, what it is called, and the command that writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import DATE, measured, reported, small_tables

from hwcompat import query
from hwcompat.errors import MachineError, UsageError
from hwcompat.site import slugs, writing
from hwcompat.site.observed import judged, newest, versions
from hwcompat.site.subjects import canonical
from hwcompat.site.values import Cell, Grid
from hwcompat.tables import load_tables

# --- the folder -------------------------------------------------------------------------------------------------------


def _write(out: Path, **files: str) -> None:
    writing.write(writing.claim(out), [(name.replace("__", "/") + ".html", text) for name, text in files.items()])


def _listing(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != writing.MANIFEST
    }


def test_a_second_site_replaces_the_first_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    _write(tmp_path / "out", index="1", gpu__a="a", gpu__b="b", old__x="x")
    _write(tmp_path / "out", index="2", gpu__b="b")
    assert _listing(tmp_path / "out") == {"index.html": "2", "gpu/b.html": "b"}
    assert not (tmp_path / "out" / "old").exists()


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        _write(tmp_path, index="1")
    assert _listing(tmp_path) == {"thesis.txt": "mine"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        writing.claim(tmp_path / "f")


def test_files_that_people_put_into_a_site_stay(tmp_path: Path) -> None:
    _write(tmp_path, index="1", gpu__a="a")
    (tmp_path / "CNAME").write_text("gpus.example", encoding="utf-8")
    (tmp_path / "gpu" / "mine.txt").write_text("mine", encoding="utf-8")
    _write(tmp_path, index="2")
    assert _listing(tmp_path) == {"CNAME": "gpus.example", "gpu/mine.txt": "mine", "index.html": "2"}


def test_a_page_never_replaces_a_file_that_is_not_of_the_site(tmp_path: Path) -> None:
    _write(tmp_path, index="1")
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu" / "a.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.html is not a file of the site"):
        _write(tmp_path, index="2", gpu__a="a")
    assert _listing(tmp_path) == {"gpu/a.html": "mine", "index.html": "1"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": 2, "files": []}', '{"schema": 1, "files": ["../../home"]}',
     '{"schema": 1, "files": ["/etc/x"]}', '{"schema": 1, "files": [1]}', '{"schema": 1, "files": "index.html"}',
     '{"schema": 1, "files": ["gpu/../../x"]}'],
)  # fmt: skip
def test_a_list_that_no_site_wrote_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / writing.MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="is not the list"):
        writing.claim(tmp_path)


def test_after_a_site_that_was_cut_short_the_next_one_is_whole(tmp_path: Path) -> None:
    _write(tmp_path, index="1", gpu__a="a", gpu__b="b")

    def interrupted() -> object:
        yield "index.html", "2"
        yield "gpu/c.html", "c"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write(writing.claim(tmp_path), interrupted())
    assert _listing(tmp_path)["index.html"] == "1", "nothing is written before all pages are made"
    _write(tmp_path, index="3", gpu__c="c")
    assert _listing(tmp_path) == {"gpu/c.html": "c", "index.html": "3"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(MachineError):
        _write(tmp_path / "file" / "out", index="1")


@pytest.mark.parametrize(
    "name", ["../x.html", "/x.html", "a/../b.html", "A.html", "a//b.html", "c:x.html", ".html", "a b.html"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError):
        writing.write(writing.claim(tmp_path / "out"), [(name, "")])
    assert not (tmp_path / "out").exists()


# --- names ------------------------------------------------------------------------------------------------------------

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@given(st.text())
def test_a_slug_is_a_plain_file_name(name: str) -> None:
    for made in (slugs.slug(name), slugs.marked(name)):
        assert writing._SAFE.fullmatch(f"gpu/{made}.html")
        assert made not in RESERVED
        assert len(made) <= 80
        assert not made.startswith("-")


@given(st.lists(st.text(max_size=12)), st.lists(st.text(max_size=12)))
def test_slugs_differ_for_different_names(known: list[str], others: list[str]) -> None:
    found = slugs.distinct(known, others)
    assert set(found) == {*known, *others}
    assert len(set(found.values())) == len(found)


@given(st.lists(st.text(max_size=8)), st.text(max_size=8))
def test_a_new_card_of_a_row_moves_no_known_one(known: list[str], other: str) -> None:
    before, after = slugs.distinct(known), slugs.distinct(known, [other])
    assert all(after[name] == before[name] for name in known)


def test_every_card_of_the_tables_has_its_plain_name() -> None:
    tables = load_tables()
    names = {*canonical(tables).values(), *(gpu.name for gpu in tables.other_gpus.values())}
    assert {name: slugs.slug(name) for name in names} == slugs.distinct(names)


def test_names_that_windows_reserves_get_a_mark() -> None:
    assert slugs.slug("CON").startswith("con-")
    assert slugs.slug("lpt1").startswith("lpt1-")
    assert slugs.slug("漢字").startswith("card-")


# --- versions ---------------------------------------------------------------------------------------------------------


def test_the_first_known_good_release_is_the_oldest_good_one_after_every_bad_one() -> None:
    words = {"2.10.0": {"good"}, "2.9.1": {"good", "told"}, "2.6.0": {"good"}, "2.8.0": {"bad", "good"}, "2.9.0": set()}
    found = judged("TU116", "fp16", words)
    assert found.good == ("2.6.0", "2.9.1", "2.10.0")
    assert found.bad == ("2.8.0",)
    assert found.told == ("2.9.1",)
    assert found.first == "2.9.1"
    assert judged("TU116", "fp16", {"2.9.0": {"good"}, "2.10.0": {"bad"}}).first == ""
    assert judged("TU116", "fp16", {"2.9.0": {"good"}}).first == "2.9.0"
    assert judged("TU116", "fp16", {"2.9.0": {"told"}}).first == ""


def test_versions_come_from_the_rules_of_trust() -> None:
    bad = {"fp16": "faulty", "failures": "conv.forward:float16:fail"}
    rows = [measured(1), measured(2, torch="2.7.1", level="quick"), measured(3, torch="2.8.0", **bad)]
    rows += [reported(4, torch="2.5.0", fp16="faulty")]
    [fp16] = [one for one in versions(rows, "TU116") if one.capability == "fp16"]
    assert (fp16.good, fp16.bad, fp16.told, fp16.first) == (("2.6.0",), ("2.8.0",), ("2.5.0",), "")


def test_a_page_keeps_the_newest_releases_of_a_large_grid() -> None:
    cell = (Cell("linux", "ok", 1, 1, "", False),)
    releases = tuple(f"2.{n}.0" for n in range(20))
    grids = [
        Grid("X", name, releases, ("cu126",), {(torch, "cu126"): cell for torch in releases})
        for name in ("fp16", "bf16")
    ]
    small = newest(grids, 11)
    assert [grid.releases for grid in small] == [("2.19.0", "2.18.0", "2.17.0", "2.16.0", "2.15.0")] * 2
    assert [grid.releases for grid in newest(grids, 1)] == [("2.19.0",)] * 2
    assert sum(len(grid.cells) for grid in newest(grids, 100)) == 40


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix")
    small_tables(folder)
    (folder / "results").mkdir()
    (folder / "results" / "tu116.csv").write_text(query.csv_text([measured(1)]), encoding="utf-8")
    return folder


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwcompat", "matrix", "site", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def test_the_command_tells_what_it_wrote_and_dates_it(matrix: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "out", "--matrix", matrix, SOURCE_DATE_EPOCH="1795219200")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "of 1 rows" in done.stderr
    assert str(tmp_path / "out" / "index.html") in done.stderr
    assert json.loads((tmp_path / "out" / "data" / "index.json").read_text(encoding="utf-8"))["date"] == "2026-11-21"
    again = run(tmp_path / "again", "--matrix", matrix, "--date", DATE)
    assert again.returncode == 0, again.stderr
    assert _listing(tmp_path / "out") == _listing(tmp_path / "again")


def test_the_rows_of_this_machine_are_not_published_unless_asked_for(matrix: Path, tmp_path: Path) -> None:
    results = tmp_path / "home" / "matrix" / "results"
    results.mkdir(parents=True)
    (results / "tu116.csv").write_text(query.csv_text([measured(2, note="my own")]), encoding="utf-8")
    for arguments, there in (((), False), (("--local",), True)):
        done = run(
            tmp_path / "out", "--matrix", matrix, "--date", DATE, *arguments, HWCOMPAT_HOME=str(tmp_path / "home")
        )
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "out" / "data" / "rows.csv").read_text(encoding="utf-8")
        assert ("my own" in text) is there


def test_what_cannot_be_meant_is_refused(matrix: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "out", "--matrix", matrix, "--date", "tomorrow").returncode == 2
    assert run(matrix, "--matrix", matrix).returncode == 2
    assert run(tmp_path / "out", "--matrix", tmp_path / "none").returncode == 2
    (tmp_path / "empty.csv").write_text("what,is,this\n1,2,3\n", encoding="utf-8")
    assert run(tmp_path / "out", tmp_path / "empty.csv", "--matrix", matrix).returncode == 4
    assert not (tmp_path / "out").exists()


def test_without_jinja2_the_install_line_is_told(matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text("raise ImportError('hidden')", encoding="utf-8")
    done = run(
        tmp_path / "out", "--matrix", matrix, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path[:1], os.getcwd()])
    )
    assert done.returncode == 3
    assert 'pip install "Jinja2>=3.1"' in done.stderr
    assert not (tmp_path / "out").exists()
