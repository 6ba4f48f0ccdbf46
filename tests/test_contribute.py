"""What `hwcompat contribute` publishes of a report, what it refuses, and where it writes."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_rows import CARD, MEASURED

from hwcompat import api, contribute, markdown, matrix, report, store
from hwcompat.cli import main
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Measurement, Report, Result, Row, TorchFacts

ROOT = Path(__file__).resolve().parents[1]
RUN = replace(MEASURED, speed={"fp32_tflops": Measurement(5.1, "TFLOP/s", 5.1, 5.2, 9)})
"""A run that the rules of the matrix take."""
ROW = report.to_row(RUN)
KNOWN = ("NVIDIA GeForce GTX 1660 Ti", "TU116", "7.5", "cu124", "x86_64", "conv.forward", "conv.wgrad", "float16")


def only_row(run: Report, **arguments: Any) -> Row:
    [row] = contribute.contribution(run, **arguments).rows
    return row


# --- which reports ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"simulated": "tu116_conv"}, "simulated"),
        ({"interrupted": True}, "interrupted"),
        ({"results": ()}, "nothing was measured"),
        ({"results": (Result("bmm", "float16", "skipped"), Result("mm", "float16", "unsupported"))}, "nothing was"),
        ({"gpu": None}, "nothing is known of the card"),
        ({"id": "host-1234"}, "id"),
        ({"environment": replace(RUN.environment, os="beos", wsl=False)}, "os: 'beos'"),
    ],
)
def test_a_report_that_is_no_evidence_is_refused_with_the_reason(changes: Mapping[str, Any], reason: str):
    with pytest.raises(UsageError, match=reason) as refused:
        contribute.contribution(replace(RUN, **changes))
    assert refused.value.hint


def test_every_device_of_a_run_gives_a_row_and_the_others_a_reason():
    second = replace(RUN, id="1" * 16, device="cuda:1")
    silent = replace(RUN, id="2" * 16, device="cuda:2", results=())
    offer = contribute.contribution(replace(RUN, others=(second, silent)))
    assert [row.report_id for row in offer.rows] == [RUN.id, "1" * 16]
    assert offer.left_out == ("cuda:2: nothing was measured",)


def test_the_row_is_the_reports_row():
    assert only_row(RUN) == ROW
    assert only_row(RUN, contributor="ann-lee") == ROW._replace(contributor="ann-lee")


@pytest.mark.parametrize(
    "name", ["-ann", "ann-", "a--n", "ann lee", "@ann", "=ann", "none", "NaN", "x" * 40, "änn", "a\n"]
)
def test_a_contributor_is_a_github_name(name: str):
    with pytest.raises(UsageError, match="cannot be a contributor"):
        contribute.contribution(RUN, name)


# --- nobody is named --------------------------------------------------------------------------------------------------

NAMES = ("annabel", "secretbox", "secretbox.lab.example")
SECRETS = (
    *NAMES,
    "/home/annabel/venv",
    "GPU-1b2c3d4e-1234-1234-1234-123456789abc",
    "00000000:41:00.0",
    "00:1a:2b:3c:4d:5e",
    "1323819012345",
    "annabel@secretbox",
    "DESKTOP-AB12CD3",
    "192.168.17.4",
)
"""Of each, the part that must not come out: the whole."""
_FORMS = frozenset(
    ("id", "date", "level", "device", "status", "os", "digest", "simulated", "value", "pci_id", "pci_subsystem")
)


def planted(value: Any, secret: str, joint: str = " ", name: str = "") -> Any:
    """`value` with `secret` behind every text that may hold any text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return replace(value, **{f.name: planted(getattr(value, f.name), secret, joint, f.name) for f in fields})
    if isinstance(value, Mapping):
        keep = name in ("capabilities", "speed", "digests")
        return MappingProxyType(
            {
                (key if keep else f"{key} {secret}"): (item if name == "digests" else planted(item, secret, joint))
                for key, item in value.items()
            }
        )
    if isinstance(value, tuple):
        return tuple(planted(item, secret, joint, name) for item in value)
    if isinstance(value, str) and name not in _FORMS:
        return f"{value}.{secret}" if name in ("probe", "dtype") else f"{value}{joint}{secret}"
    return secret if value is None and name not in (*_FORMS, "gpu", "torch") else value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SECRETS), st.sampled_from(" -+_:/.("), st.booleans(), st.booleans())
def test_nothing_that_names_somebody_comes_out(secret: str, joint: str, cpu: bool, known: bool):
    """Words of the machine, its user and the card's own numbers stand everywhere in the report, and nowhere after."""
    whole = replace(RUN, notes=("a note",), others=(replace(RUN, id="1" * 16),))
    run = planted(replace(whole, device="cpu", gpu=None, others=()) if cpu else whole, secret, joint)
    offer = contribute.contribution(run, "", NAMES, KNOWN if known else ())
    texts = contribute.words(offer.rows)
    planned = contribute.edits(Path("matrix"), offer.rows)
    link = contribute.issue_link(offer.rows).url
    written = (
        matrix.to_text(offer.rows),
        texts.commit_message,
        texts.body,
        *contribute.git_lines(planned, texts, Path()),
        *contribute.shown(offer.rows),
        *(str(edit.path) for edit in planned),
        link,
        json.dumps(parse_qs(urlsplit(link).query)),
    )
    for text in written:
        for form in {
            secret,
            quote(secret, safe=""),
            re.sub(r"[^A-Za-z0-9 .-]", lambda sign: f"&#{ord(sign[0])};", secret),
        }:
            assert form.lower() not in text.lower()
        assert not any(name in text.lower() for name in NAMES)


def test_a_failure_of_a_probe_called_like_somebody_stays_a_failure():
    run = replace(RUN, results=(Result("conv.annabel", "float16", "fail"), Result("conv.wgrad", "float16", "fail")))
    assert only_row(run, names=NAMES).failures == "conv.wgrad:float16:fail unknown:float16:fail"


def test_words_of_the_tables_stay_though_somebody_is_called_so():
    row = only_row(RUN, names=("conv", "geforce", "x86", "tu116", "float16", "ti"), known=KNOWN)
    assert row == ROW
    slice_ = replace(RUN, gpu=replace(CARD, mig_profile="1g.10gb"))
    assert only_row(slice_, names=("geforce",), known=KNOWN).gpu == "NVIDIA GeForce GTX 1660 Ti MIG 1g.10gb"


def test_a_torch_that_somebody_built_keeps_its_release():
    build = replace(RUN.environment, torch=TorchFacts("2.13.0+annabel", "cuda", "12.4"))
    assert only_row(replace(RUN, environment=build), names=NAMES).torch == "2.13.0"


def test_every_cell_is_shown_and_the_empty_columns_are_named():
    lines = list(contribute.shown((ROW,)))
    for name, cell in matrix.cells(ROW).items():
        assert any(line.split()[0] == name and line.endswith(cell) for line in lines) if cell else name in lines[-1]


# --- texts ------------------------------------------------------------------------------------------------------------

HOSTILE = "x\"; rm -rf ~ `id` $(id) %PATH% !x ^&| <b>@everyone #1 | ``` ' \\"


def test_no_text_of_a_report_reaches_a_shell_line_as_more_than_text():
    rows = (ROW._replace(gpu=HOSTILE, torch=HOSTILE, chip="TU116"),)
    texts = contribute.words(rows)
    planned = contribute.edits(Path("co/matrix"), rows)
    lines = contribute.git_lines(planned, texts, Path("co"))
    assert [line.split()[1] for line in lines] == ["switch", "add", "commit", "push"]
    assert lines[1] == "git add matrix/results/tu116.csv"
    assert re.fullmatch(r'git commit -m "[A-Za-z0-9 .,:+()/_-]+" -m "[A-Za-z0-9 .,:+()/_-]+"', lines[2])
    assert not set('@#`<>"|\\$') & set(texts.commit_message)


def test_the_pull_request_shows_hostile_cells_as_code():
    body = contribute.words((ROW._replace(gpu=HOSTILE),)).body
    [line] = [line for line in body.splitlines() if line.startswith("| gpu ")]
    inside = line.removeprefix("| gpu | <code>").removesuffix("</code> |")
    assert re.fullmatch(r"(?:[A-Za-z0-9 .-]|&#\d+;)+", inside)
    assert "&#64;everyone" in inside


@given(st.text())
def test_code_holds_no_sign_that_markdown_or_html_could_obey(text: str):
    shown = markdown.code(text).removeprefix("<code>").removesuffix("</code>")
    assert re.fullmatch(r"(?:[A-Za-z0-9 ]|(?<=[0-9])[.-](?=[0-9])|&#\d+;)*", shown)


@given(st.text(alphabet="`~a\n "))
def test_a_fence_is_longer_than_every_run_of_backticks_in_it(text: str):
    first, *_, last = markdown.fenced(text, "csv").splitlines()
    assert first == last + "csv"
    assert last not in text


def test_a_commit_of_several_rows_has_a_line_for_each():
    texts = contribute.words((ROW, ROW._replace(report_id="1" * 16)))
    assert texts.subject.endswith("and 1 more")
    assert len(texts.subject) <= 100
    assert texts.commit_message.splitlines()[1] == ""
    assert [line.partition("Report ")[2][:16] for line in texts.details] == [ROW.report_id, "1" * 16]


def test_the_link_fills_in_the_form_with_the_rows():
    link = contribute.issue_link((ROW,))
    found = urlsplit(link.url)
    fields = {name: value for name, [value] in parse_qs(found.query).items()}
    assert link.filled
    assert (found.scheme, found.netloc) == ("https", "github.com")
    assert found.path == f"/{contribute.REPOSITORY}/issues/new"
    assert fields["template"] == "row.yml"
    assert fields["row"] == matrix.to_text((ROW,))


@given(st.text(max_size=150), st.integers(0, 400))
def test_a_link_is_plain_ascii_and_short_enough_even_behind_the_sign_in_page(gpu: str, failures: int):
    row = matrix.clean_row(ROW._replace(gpu=gpu, failures=" ".join(f"p{n}:float16:fail" for n in range(failures))))
    link = contribute.issue_link((row,))
    assert re.fullmatch(r"[A-Za-z0-9:/?&=%._~-]+", link.url)
    assert len("https://github.com/login?return_to=" + quote(link.url, safe="")) <= 8191
    assert link.filled == ("&row=" in link.url)
    assert link.filled or failures > 60 or len(gpu) > 50


# --- a checkout -------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "check out"
    (folder / "matrix" / "results").mkdir(parents=True)
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return folder


def test_this_tree_is_a_checkout_and_others_are_not(tmp_path: Path, checkout: Path):
    assert contribute.is_checkout(ROOT)
    assert contribute.is_checkout(checkout)
    assert not contribute.is_checkout(tmp_path)
    (checkout / "pyproject.toml").write_text('[project]\nname = "other"\n', encoding="utf-8")
    assert not contribute.is_checkout(checkout)
    (checkout / "pyproject.toml").write_bytes(b"\xff\xfe")
    assert not contribute.is_checkout(checkout)


def test_writing_twice_changes_nothing_and_keeps_what_cannot_be_read(checkout: Path):
    folder = checkout / "matrix"
    file = folder / "results" / "tu116.csv"
    file.write_text(",".join(Row._fields) + "\nbroken line\n", encoding="utf-8")
    [planned] = contribute.edits(folder, (ROW,))
    assert planned == (file, ROW, False)
    contribute.write([planned])
    once = file.read_bytes()
    assert b"broken line\n" in once
    [planned] = contribute.edits(folder, (ROW,))
    assert planned.there
    contribute.write([planned])
    assert file.read_bytes() == once


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({"contributor": "ann", "note": "water-cooled"}, True),
        ({"retracted": "overclocked"}, True),
        ({"report_id": f"{'0' * 16} {ROW.report_id}", "date": "2026-12-01", "fp32_tflops": "4"}, True),
        ({"report_id": "f" * 16}, False),
        ({"fp16": "ok"}, False),
    ],
)
def test_a_run_is_written_once_whatever_was_added_to_its_row_since(
    checkout: Path, changes: dict[str, str], there: bool
):
    folder = checkout / "matrix"
    matrix.write_rows(folder / "results" / "tu116.csv", [ROW._replace(**changes)])
    [planned] = contribute.edits(folder, (ROW,))
    assert planned.there == there


# --- the last run -----------------------------------------------------------------------------------------------------


def test_the_last_run_is_found_with_all_its_devices():
    with pytest.raises(MachineError, match="no run is recorded"):
        api.recorded_run()
    second = replace(RUN, id="1" * 16, device="cuda:1")
    api.record(replace(RUN, others=(second,)))
    assert [one.id for one in (api.recorded_run(), *api.recorded_run().others)] == [RUN.id, "1" * 16]
    assert api.recorded_run("1" * 16).id == RUN.id
    with pytest.raises(UsageError, match="no report"):
        api.recorded_run("f" * 16)
    with pytest.raises(UsageError, match="not a report id"):
        api.recorded_run("../../etc/passwd")


def test_a_run_that_finds_the_same_again_is_one_more_report_of_the_local_row():
    api.record(RUN)
    again = replace(RUN, id="1" * 16, date="2026-12-01T10:00:00Z")
    [path] = api.record(again)
    [row] = matrix.read_rows(path)[0]
    assert row.report_id == " ".join(sorted([RUN.id, again.id]))
    assert row.date == "2026-12-01"


def test_a_run_of_another_host_is_not_this_machines_last(monkeypatch: pytest.MonkeyPatch):
    api.record(RUN)
    sidecar = {**store.sidecar(None), "host": "other-host"}
    store.save_report("1" * 16, report.to_json(replace(RUN, id="1" * 16)), sidecar)
    assert api.recorded_run().id == RUN.id


def test_the_name_of_the_host_that_a_report_came_from_is_taken_out_too():
    torch = TorchFacts("2.6.0+secretbox", "cuda", "12.4")
    run = replace(RUN, environment=replace(RUN.environment, torch=torch))
    store.save_report(run.id, report.to_json(run), {"host": "secretbox.lab.example"})
    [row] = api.contribution(api.recorded_run(run.id)).rows
    assert row.torch == "2.6.0"
    assert row.gpu == "NVIDIA GeForce GTX 1660 Ti"


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    api.record(RUN)

    def start(*arguments: str, **options: Any):
        return CliRunner().invoke(main, ["contribute", *arguments], standalone_mode=False, **options)

    return start


def test_without_a_checkout_it_prints_a_link_and_the_row(command, tmp_path: Path):
    done = command()
    assert done.return_value == 0, done.output
    url, _, csv = done.stdout.partition("\n\n")
    assert url == contribute.issue_link((ROW,)).url
    assert csv == matrix.to_text((ROW,))
    for cell in filter(None, ROW):
        assert cell in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_can_be_asked_nothing_is_written(command, checkout: Path):
    done = command("--checkout", str(checkout))
    assert done.return_value == 0
    assert done.stdout == ""
    assert "gets a row" in done.stderr
    assert "--yes" in done.stderr
    assert not list((checkout / "matrix" / "results").iterdir())


def test_yes_writes_once_and_says_when_nothing_changed(command, checkout: Path):
    first = command("--checkout", str(checkout), "--yes")
    file = checkout / "matrix" / "results" / "tu116.csv"
    content = file.read_bytes()
    assert "git commit -m" in first.stdout
    assert "| gpu | <code>NVIDIA GeForce GTX 1660 Ti</code> |" in first.stdout
    assert first.stdout.isascii()
    second = command("--checkout", str(checkout), "--yes")
    assert "nothing changed" in second.stderr
    assert "written" not in second.stderr.replace("nothing was written", "")
    assert file.read_bytes() == content


def test_the_current_folder_counts_as_the_checkout(command, checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(checkout)
    done = command("--dry-run")
    assert "git add matrix/results/tu116.csv" in done.stdout
    assert "nothing was written" in done.stderr
    assert not list((checkout / "matrix" / "results").iterdir())


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(command, checkout: Path, monkeypatch: pytest.MonkeyPatch, answer: str, written: bool):
    monkeypatch.setattr("hwcompat.commands.contribute._can_ask", lambda: True)
    done = command("--checkout", str(checkout), input=answer)
    assert done.return_value == 0
    assert (checkout / "matrix" / "results" / "tu116.csv").exists() == written
    assert bool(done.stdout) == written


def test_json_says_the_same(command, checkout: Path, tmp_path: Path):
    found = json.loads(command("--checkout", str(checkout), "--yes", "--contributor", "ann", "--json").stdout)
    assert found["rows"] == [matrix.cells(ROW._replace(contributor="ann"))]
    assert found["written"] is True
    assert found["files"] == [{"path": "matrix/results/tu116.csv", "there": False}], "no folder of this machine"
    assert found["commit_message"].startswith("Add a row of NVIDIA GeForce GTX 1660 Ti (TU116)")
    found = json.loads(command("--json").stdout)
    assert found["csv"] == matrix.to_text((ROW,))
    assert command("-o", str(tmp_path / "row.txt")).stdout == ""
    assert (tmp_path / "row.txt").read_text(encoding="utf-8").startswith("https://github.com/")


def test_a_named_report_file_or_id_is_taken(command, tmp_path: Path):
    other = replace(RUN, id="2" * 16)
    (tmp_path / "other.json").write_text(report.to_json(other), encoding="utf-8")
    assert json.loads(command("--report", "other.json", "--json").stdout)["rows"][0]["report_id"] == "2" * 16
    assert json.loads(command("--id", RUN.id, "--json").stdout)["rows"][0]["report_id"] == RUN.id


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--report", "a.json", "--id", "0" * 16], 2, "both name a report"),
        (["--id", "0" * 16], 2, "no report"),
        (["--id", "x"], 2, "not a report id"),
        (["--report", "nowhere.json"], 4, "nowhere.json"),
        (["--checkout", "nowhere"], 4, "not a checkout"),
        (["--contributor", "not one"], 2, "cannot be a contributor"),
    ],
)
def test_bad_arguments_say_what_and_what_to_do(command, arguments: list[str], code: int, words: str):
    done = command(*arguments)
    assert done.exception.exit_code == code
    assert words in done.exception.message
    assert done.exception.hint


def test_an_interrupted_last_run_is_refused(command):
    api.record(replace(RUN, id="3" * 16, interrupted=True))
    done = command()
    assert "interrupted" in done.exception.message
    assert "--id" in done.exception.hint
