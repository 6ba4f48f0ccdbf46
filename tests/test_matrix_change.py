"""What a change of rows means, told without obeying any row; and rows that come in an issue."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_rows import MEASURED

from hwcompat import contribute, markdown, matrix, report
from hwcompat.errors import DataError
from hwcompat.model import Row

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import matrix_change  # noqa: E402
import row_from_issue  # noqa: E402

CARD = Row(gpu="NVIDIA GeForce GTX 1660 Ti", chip="TU116", os="linux", torch="2.6.0+cu124", cuda="cu124", fp16="faulty")
ROW = CARD._replace(source="measured", report_id="0" * 16, date="2026-11-21", fp32="ok", level="full")
OTHER = ROW._replace(report_id="1" * 16, date="2026-11-22", contributor="bob")


def told(before: list[Row], after: list[Row]) -> str:
    side = matrix_change.Side
    return matrix_change.as_markdown(matrix_change.change(side(tuple(before)), side(tuple(after))))


def sections(text: str) -> dict[str, list[str]]:
    parts = [part.splitlines() for part in text.split("#### ")[1:]]
    return {title: [line for line in lines if line] for title, *lines in parts}


# --- the change -------------------------------------------------------------------------------------------------------


def test_the_same_rows_are_no_change_in_whatever_order():
    assert told([ROW, OTHER], [OTHER, ROW]) == f"{matrix_change.MARK}\n{matrix_change.NOTHING}\n"


def test_a_first_row_is_a_new_key():
    [line] = sections(told([], [ROW]))["New keys"]
    assert line == "- <code>TU116</code> <code>linux</code> <code>2.6.0</code> <code>cu124</code>"
    assert list(sections(told([], [ROW]))) == ["Who speaks in the added rows", "New keys"]


def test_a_second_voice_with_the_same_verdicts_changes_none():
    healthy = ROW._replace(fp16="ok")
    text = told([healthy], [healthy, OTHER._replace(fp16="ok")])
    assert "1 rows added" in text
    assert sections(text) == {"Who speaks in the added rows": ["- <code>bob</code>: 1"]}


def test_digests_that_disagree_within_a_key_are_told():
    before = [ROW._replace(exact_digest="a" * 16), OTHER._replace(exact_digest="a" * 16)]
    odd = ROW._replace(report_id="2" * 16, contributor="eve", exact_digest="b" * 16)
    [line] = sections(told(before, [*before, odd]))["Digests that disagree"]
    assert line.startswith("- exact digests of <code>NVIDIA GeForce GTX 1660 Ti</code>")
    assert line.endswith(f"look at <code>{'2' * 16}</code>")


def test_a_row_that_contradicts_is_told_first_with_counts_and_what_explains_it():
    healthy = ROW._replace(report_id="2" * 16, fp16="ok", contributor="eve", driver="552.22")
    found = sections(told([ROW._replace(driver="535.1")], [ROW._replace(driver="535.1"), healthy]))
    assert list(found)[:2] == ["Who speaks in the added rows", "Contradictions"]
    assert "fp16 is faulty in 1 and ok in 1, together unknown" in found["Contradictions"][0]
    assert "driver <code>552.22</code> passes, <code>535.1</code> fails" in found["Contradictions"][0]


def test_a_second_voice_can_change_a_verdict():
    [line] = sections(told([ROW], [ROW, OTHER]))["Changed verdicts"]
    assert line.endswith("fp16 was unknown, faulty in 1; now faulty, faulty in 2")


def test_the_names_of_one_card_are_one_key():
    healthy = ROW._replace(gpu="RTX 4090", chip="", report_id="2" * 16, fp16="ok", contributor="eve")
    sick = ROW._replace(gpu="NVIDIA GeForce RTX 4090", chip="AD102")
    assert "Contradictions" in sections(told([healthy], [healthy, sick]))
    assert "New keys" not in sections(told([healthy], [healthy, sick]))


def test_an_old_contradiction_is_not_told_again():
    old = [ROW, ROW._replace(report_id="2" * 16, fp16="ok")]
    assert "Contradictions" not in told(old, [*old, ROW._replace(torch="2.7.0+cu126", report_id="3" * 16)])


def test_removed_and_edited_rows_are_named():
    found = sections(told([ROW, OTHER], [ROW._replace(fp16="ok")]))
    assert ("1" * 16) in found["Rows removed"][0]
    assert "fp16 <code>faulty</code> -> <code>ok</code>" in found["Rows edited"][0]
    assert "Changed verdicts" in found


def test_withdrawn_and_replaced_rows_say_nothing():
    healthy = ROW._replace(report_id="2" * 16, fp16="ok")
    assert "Contradictions" not in told([], [ROW._replace(retracted="overclocked"), healthy])
    assert "Contradictions" not in told([], [ROW, healthy._replace(supersedes=ROW.report_id)])


def test_many_items_are_counted_and_the_text_stays_postable():
    rows = [ROW._replace(torch=f"2.{n}.0+cu126", gpu="@" * 190, report_id=f"{n:016x}") for n in range(400)]
    found = told([], rows)
    assert sections(found)["New keys"][-1] == f"- and {400 - matrix_change.SHOWN} more"
    assert len(found) < 65_536
    long = matrix_change._shortened("- a line\n" * 20_000)
    assert len(long) < 65_536
    assert set(long.splitlines()) == {"- a line", "", "The rest is too long for a comment."}


# --- hostile rows -----------------------------------------------------------------------------------------------------

HOSTILE = (
    *("@everyone", "#1", "owner/repo#1", "GH-1", "&#64;ann", "</code>@ann", "www.evil.example", "https://evil.example"),
    *("<script>alert(1)</script>", "<!-- -->", "`x`", "```", "| a | b |", "\\", "$(id)", "${{ github.token }}"),
    *("![x](http://evil.example/x)", "[x](javascript:alert(1))", "a\nb", "\u202eabc"),
    *("::set-output name=x::y", "##[error]x", "::add-mask::a"),
)
texts = st.sampled_from(HOSTILE) | st.text(max_size=30)


def assert_harmless(text: str) -> None:
    """Outside of code there are our own words only; inside, nothing but letters, digits and entities."""
    for inside in re.findall("<code>(.*?)</code>", text, re.DOTALL):
        assert re.fullmatch(r"(?:[A-Za-z0-9 ]|(?<=[0-9])[.-](?=[0-9])|&#\d+;)*", inside)
    outside = re.sub("<code>.*?</code>", "", text, flags=re.DOTALL).replace(matrix_change.MARK, "")
    outside = outside.replace(matrix_change.NOTHING, "")
    assert text.isascii()
    assert re.fullmatch(r"[A-Za-z0-9_ .,:;>\n#-]*", outside), outside
    assert not re.search(r"#\d|^\s*::|##\[", outside, re.MULTILINE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, texts, texts, st.sampled_from(["ok", "faulty"])), max_size=4), texts)
def test_no_cell_mentions_links_or_commands(cells: list[tuple[str, str, str, str]], name: str):
    rows = [
        matrix.clean_row(ROW._replace(gpu=a, torch=b, note=c, contributor=c, fp16=v, report_id=f"{n:016x}"))
        for n, (a, b, c, v) in enumerate(cells)
    ]
    edited = [row._replace(note=matrix.clean(name), fp16="ok") for row in rows]
    assert_harmless(told(rows, edited))
    assert_harmless(told([], rows))
    warned = matrix_change.Side((), (f"{name}.csv:3: gpu: {name}",))
    assert_harmless(matrix_change.as_markdown(matrix_change.change(matrix_change.Side(), warned)))


# --- reading both sides -----------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    settings_ = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *settings_, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    results = folder / "matrix" / "results"
    results.mkdir(parents=True)
    git(folder, "init", "-q")
    matrix.write_rows(results / "tu116.csv", [ROW])
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    matrix.write_rows(results / "tu116.csv", [ROW, OTHER._replace(fp16="ok")])
    (results / "bad @ann.csv").write_text("gpu\n@ann,1\n", encoding="utf-8")
    with suppress(OSError):  # Windows asks for a privilege
        (results / "link.csv").symlink_to("/etc/passwd")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "two")
    return folder


def test_revisions_and_folders_say_the_same(repository: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(repository)
    assert matrix_change.main(["HEAD^1", "HEAD"]) == 0
    text = capsys.readouterr().out
    assert "1 rows added" in text
    assert "Contradictions" in text
    assert sections(text)["Lines that are no rows"] == [
        f"- {markdown.code('bad @ann.csv:2: line: 2 cells under 1 columns')}"
    ]
    assert "passwd" not in text
    git(repository, "worktree", "add", "-q", "../before", "HEAD^1")
    assert matrix_change.main([str(repository.parent / "before"), str(repository / "matrix"), "-o", "out.md"]) == 0
    assert Path("out.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD:matrix", "a\0b", "@{"])
def test_what_is_no_revision_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch, capsys, revision: str):
    monkeypatch.chdir(repository)
    assert matrix_change.main(["HEAD", "--", revision]) == 4
    assert capsys.readouterr().err.startswith("error: git")


def test_large_and_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(matrix_change, "MAX_FILE", 10)
    (tmp_path / "x.csv").write_text("gpu\nabcdefgh\n", encoding="utf-8")
    assert matrix_change.main([str(tmp_path), str(tmp_path)]) == 4
    assert "the limit is 10" in capsys.readouterr().err
    monkeypatch.setattr(matrix_change, "MAX_FILES", 0)
    assert matrix_change.main([str(tmp_path), str(tmp_path)]) == 4


def test_it_needs_no_package_but_python_itself(tmp_path: Path):
    """As the workflow starts it: isolated, without site-packages, beside a tree that nothing was installed from."""
    script = str(ROOT / "scripts" / "matrix_change.py")
    command = [sys.executable, "-I", "-S", script, str(tmp_path), str(ROOT / "matrix" / "results")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(matrix_change.MARK)
    assert_harmless(done.stdout)


# --- rows in issues ---------------------------------------------------------------------------------------------------


def issue(csv: str, ends: str = "\n") -> str:
    body = f"### Row\n\n```csv\n{csv.rstrip()}\n```\n\n### Remarks\n\n_No response_\n\n### Terms\n\n- [X] mine\n"
    return body.replace("\n", ends)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_row_of_the_form_comes_back(ends: str):
    rows = (ROW, OTHER._replace(contributor="ann", note='a "quoted", note'))
    assert row_from_issue.rows_of_issue(issue(matrix.to_text(rows), ends), "Ann") == tuple(sorted(rows))


def test_the_rows_of_the_link_come_back():
    """What the link fills in and GitHub puts into the issue is what the script reads."""
    from urllib.parse import parse_qs, urlsplit

    [filled] = parse_qs(urlsplit(contribute.issue_link((ROW,)).url).query)["row"]
    assert row_from_issue.rows_of_issue(issue(filled)) == (ROW,)


def bad_issues() -> dict[str, str]:
    csv = matrix.to_text
    return {
        "no section": csv((ROW,)),
        "### Row": "### Row\n\n_No response_\n",
        "holds no row": issue(csv(())),
        "report_id: not 16": issue(csv((ROW._replace(report_id="reported-1"),))),
        "source: the form": issue(csv((ROW._replace(source="reported", report_id="0" * 16),))),
        "contributor: bob did not": issue(csv((ROW._replace(contributor="bob"),))),
        "formula": issue(csv((ROW,)).replace("NVIDIA", "=cmd|' /C calc'!A0 NVIDIA")),
        "is not one of": issue(csv((ROW,)).replace("faulty", "splendid")),
        "control character": issue(csv((ROW,)).replace("GeForce", "Ge\0Force")),
        "unknown column": issue(csv((ROW,)).replace("note", "host").rstrip() + "\n"),
        "bytes long": issue(csv((ROW,)) + "x" * 200_000),
        "cells under": issue(csv((ROW,)) + "x\n"),
    }


@pytest.mark.parametrize(("words", "body"), [(w, b) for w, b in bad_issues().items() if w != "### Row"])
def test_what_is_no_row_is_refused_with_the_reason(words: str, body: str):
    with pytest.raises(DataError, match=re.escape(words)):
        row_from_issue.rows_of_issue(body, "ann")


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text(alphabet="#Row `csv\n,\"'gpu").map(lambda text: issue(text)))
def test_no_issue_crashes_the_reader(body: str):
    with suppress(DataError):
        rows = row_from_issue.rows_of_issue(body)
        assert contribute.findings(rows, None) == ((), ())


def test_the_script_prints_or_keeps_the_rows(tmp_path: Path, capsys):
    file = tmp_path / "issue.json"
    row = report.to_row(replace(MEASURED, speed={}), contributor="ann")

    def opened(row: Row, by: str) -> str:
        file.write_text(json.dumps({"body": issue(matrix.to_text((row,))), "author": {"login": by}}), encoding="utf-8")
        return str(file)

    assert row_from_issue.main([opened(row, "ann")]) == 0
    assert capsys.readouterr().out == matrix.to_text((row,))
    (tmp_path / "matrix" / "results").mkdir(parents=True)
    for words in ("got a row", "has this row already"):
        assert row_from_issue.main([str(file), "--matrix", str(tmp_path / "matrix")]) == 0
        assert words in capsys.readouterr().out
    assert matrix.read_rows(tmp_path / "matrix" / "results" / "tu116.csv")[0] == (row,)
    for words, arguments in {
        "did not open this issue": (row, "eve"),
        "fp32_tflops": (row._replace(fp32_tflops="4000"), "ann"),
        "torch": (row._replace(torch="9.9.0+cu124"), "ann"),
    }.items():
        assert row_from_issue.main([opened(*arguments)]) == 4
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[" * 5000, '{"body": 1}', '{"body": "x", "author": {"login": []}}', "{" * 9000])
def test_a_file_that_is_no_issue_is_refused(tmp_path: Path, capsys, text: str):
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert row_from_issue.main([str(tmp_path / "x.json")]) == 4
    assert capsys.readouterr().err.startswith("error: ")
    assert row_from_issue.main([str(tmp_path / "none.json")]) == 4
