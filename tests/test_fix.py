"""`matrix fix`: one form for every row file, reached at once, with every row and every cell it does not understand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_lint import CLEAN, LINE, NAMES, OTHER, REPORTED, TODAY, hostile

from hwcompat import lint, matrix
from hwcompat.errors import DataError
from hwcompat.lint import fixing, reading
from hwcompat.lint.spelled import spelled
from hwcompat.model import Row

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def facts() -> lint.Facts:
    return lint.read_facts(TODAY)


@pytest.mark.parametrize(
    ("name", "written", "wanted"),
    [
        ("gpu", "GeForce GTX 1660 Ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("gpu", "nvidia  geforce gtx1660 ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("gpu", "GTX 1660", "NVIDIA GeForce GTX 1660"),
        ("gpu", "NVIDIA H200 MIG 1g.18gb", None),
        ("gpu", "my own card", None),
        ("chip", "tu116", "TU116"),
        ("chip", "CPU", "cpu"),
        ("chip", "zz999", None),
        ("compute_capability", "sm_75", "7.5"),
        ("compute_capability", "GFX1100", "gfx1100"),
        ("pci_id", "10DE:2182", "10de:2182"),
        ("pci_id", "0x10de:0x2182", "10de:2182"),
        ("pci_id", "2182", None),
        ("driver", "31.0.15.5222", "552.22"),
        ("driver", "v552.22", "552.22"),
        ("driver", "newest", None),
        ("os", "Windows 11", "windows"),
        ("os", "WSL2", "wsl"),
        ("os", "Darwin", "macos"),
        ("os", "BeOS", None),
        ("arch", "AMD64", "x86_64"),
        ("python", "Python 3.11.7", "3.11.7"),
        ("torch", "v2.6.0", "2.6.0"),
        ("torch", "PyTorch 2.6.0+cu124", "2.6.0+cu124"),
        ("cuda", "CUDA 12.4", "cu124"),
        ("cuda", "CU124", "cu124"),
        ("cudnn", "91002", "9.10.2"),
        ("cudnn", "8902", "8.9.2"),
        ("fp16", "Faulty", "faulty"),
        ("fp16", "broken", None),
        ("fp16", "N/A", ""),
        ("vram_gb", "6 GiB", "6"),
        ("fp32_tflops", "1e1", "10"),
        ("fp32_tflops", "05.10", "5.10"),
        ("fp32_tflops", "5,1", None),
        ("fp32_tflops", "nan", None),
        ("failures", "b:float16:fail a:float16:fail b:float16:fail ...", "a:float16:fail b:float16:fail ..."),
        ("failures", "b:float16:fail a:what", None),
        ("exact_digest", "0123456789ABCDEF", "0123456789abcdef"),
        ("report_id", "FEDCBA9876543210 0123456789abcdef", "0123456789abcdef fedcba9876543210"),
        ("supersedes", "the old one", None),
        ("date", "2026/1/2", "2026-01-02"),
        ("date", "20260102", "2026-01-02"),
        ("date", "2026-01-02T03:04:05Z", "2026-01-02"),
        ("date", "2/1/2026", None),
        ("date", "2026-02-30", None),
        ("level", "Quick", "quick"),
        ("note", "  two   spaces ", "two spaces"),
        ("note", "None", ""),
    ],
)
def test_cells_are_spelled_as_the_tables_do(facts: lint.Facts, name: str, written: str, wanted: str | None) -> None:
    cells = {**CLEAN._asdict(), name: written}
    if name == "gpu":
        cells["chip"] = ""
    assert spelled(cells, facts)[name] == (written if wanted is None else wanted)


def test_a_report_keeps_its_words_for_the_card(facts: lint.Facts) -> None:
    assert spelled(REPORTED._asdict(), facts) == REPORTED._asdict()


def test_a_clean_row_is_spelled_as_it_is(facts: lint.Facts) -> None:
    assert spelled(CLEAN._asdict(), facts) == CLEAN._asdict()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_spelling_twice_changes_nothing_more(data: st.DataObject) -> None:
    facts = _facts()
    words = [
        "GTX 1660 Ti",
        "31.0.15.5222",
        "Windows 11",
        "CUDA 12.4",
        "1e3 GB",
        "sm_75",
        "N/A",
        "91002",
        "v v2.6",
        "2026.1.2",
    ]
    cells = {
        name: data.draw(
            st.sampled_from(words) | st.text(max_size=20) | st.from_regex(r"[a-zA-Z0-9 .:/_-]{0,12}", fullmatch=True)
        )
        for name in data.draw(st.sets(st.sampled_from(Row._fields), max_size=6))
    }
    once = spelled({**CLEAN._asdict(), **cells}, facts)
    assert spelled(once, facts) == once


_FACTS: list[lint.Facts] = []


def _facts() -> lint.Facts:
    if not _FACTS:
        _FACTS.append(lint.read_facts(TODAY))
    return _FACTS[0]


cell = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(Row._fields), cell, cell), max_size=6),
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and line.strip(b"\r, \t")), max_size=3),
)
def test_nothing_is_lost_and_fixing_twice_changes_nothing_more(
    changes: list[tuple[str, str, str]], broken: list[bytes]
) -> None:
    rows = [CLEAN._replace(**{name: value}) for name, value, _ in changes]
    lines = [f"extra,{NAMES}".encode()]
    lines += [reading.joined([extra, *row]).encode() for row, (_, _, extra) in zip(rows, changes, strict=True)]
    lines += broken
    once = fixing.fixed(b"\n".join(lines), _facts())
    assert fixing.fixed(once.content, _facts()).content == once.content
    after = once.content.split(b"\n")
    unread = [line for line in broken if line in after]
    assert once.rows + len(once.unread) == len(rows) + len(broken)
    assert len(once.unread) == len(unread)
    kept = Counter(extra.strip() for *_, extra in changes)
    read = [reading.split(line.decode()) for line in after[1 : 1 + once.rows]]
    assert Counter(row[-1] for row in read) >= kept
    assert all(len(row) == len(Row._fields) + 1 for row in read)


def test_hostile_files_are_fixed_once_or_refused(facts: lint.Facts) -> None:
    done = [once for seed in (*range(150), 1088, 1178, 1371) if (once := fixed_or_none(hostile(seed), facts))]
    assert len(done) > 20
    assert all(fixing.fixed(once.content, facts).content == once.content for once in done)


def fixed_or_none(content: bytes, facts: lint.Facts) -> fixing.Fixed | None:
    try:
        return fixing.fixed(content, facts)
    except DataError:
        return None


def test_a_fixed_file_has_no_finding_that_fix_promises_to_correct(tmp_path: Path, facts: lint.Facts) -> None:
    shuffled = (
        f"\ufeffnote,{NAMES.removesuffix(',note')}\r\n ,{LINE.removesuffix(',')}\r\n\r\n,{OTHER.removesuffix(',')}"
    )
    path = tmp_path / "tu116.csv"
    path.write_bytes(shuffled.encode())
    assert len(list(lint.check(path, lint.Rules(facts)))) >= 5
    path.write_bytes(fixing.fixed(path.read_bytes(), facts).content)
    assert list(lint.check(path, lint.Rules(facts))) == []
    assert path.read_text(encoding="utf-8") == f"{NAMES}\n{OTHER}\n{LINE}\n"


def test_no_column_is_added_while_a_line_has_another_number_of_cells(facts: lint.Facts) -> None:
    """It could fit the new columns by chance, each cell under a wrong name."""
    short = f"{NAMES.removesuffix(',note')}\n{LINE.removesuffix(',')}\n"
    assert fixing.fixed(short.encode(), facts).content.startswith(f"{NAMES}\n".encode())
    once = fixing.fixed(f"{short}{OTHER}\n".encode(), facts)
    assert (once.rows, once.unread) == (1, (3,))
    assert once.content.decode() == f"{short}{OTHER}\n"


def test_rows_that_stand_twice_both_stay(facts: lint.Facts) -> None:
    assert fixing.fixed(f"{NAMES}\n{LINE}\n{LINE}\n".encode(), facts).rows == 2


def test_what_the_writer_of_the_matrix_wrote_needs_no_fix(facts: lint.Facts) -> None:
    content = matrix.to_text([CLEAN, REPORTED]).encode()
    assert fixing.fixed(content, facts).content == content


def test_the_packaged_rows_need_no_fix(facts: lint.Facts) -> None:
    for path in sorted((ROOT / "matrix" / "results").glob("*.csv")):
        assert fixing.fixed(path.read_bytes(), facts).content == path.read_bytes()


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fix(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> tuple[int, str, str]:
        from hwcompat.cli import run as command_line

        with pytest.raises(SystemExit) as end:
            command_line(["matrix", "fix", *map(str, arguments)])
        said = capsys.readouterr()
        return int(str(end.value.code)), said.out, said.err

    return run


def test_check_and_diff_change_nothing_and_tell(fix, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    before = f"{NAMES}\n{LINE.replace(',windows,', ',Windows 11,')}\nthree,cells,\n".encode()
    path.write_bytes(before)
    code, out, err = fix("--check", path)
    assert (code, out) == (1, "")
    assert "would change" in err
    code, out, _ = fix("--diff", path)
    assert code == 0
    assert any(line.startswith("-") and ",Windows 11," in line for line in out.splitlines())
    assert any(line.startswith("+") and ",windows," in line for line in out.splitlines())
    assert path.read_bytes() == before
    code, out, err = fix(path)
    assert (code, out) == (0, "")
    assert f"{path}:3: kept as it is" in err
    assert path.read_text(encoding="utf-8") == f"{NAMES}\n{LINE}\nthree,cells,\n"
    assert fix("--check", path)[0] == 0


@pytest.mark.parametrize("content", [None, b"", b"no,header\n", b"gpu,gpu\n", b"\xff\xfe\x00g"])
def test_a_file_that_cannot_be_understood_is_refused_and_left_alone(fix, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "folder" / "a.csv"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    code, out, err = fix(path)
    assert (code, out) == (4, "")
    assert str(path) in err
    assert "what to do:" in err
    assert path.exists() == (content is not None)
    assert path.parent.exists() == (content is not None)
    assert content is None or path.read_bytes() == content


def test_a_file_that_is_too_large_is_refused(fix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixing, "MAX_FIX", 10)
    (tmp_path / "a.csv").write_text(f"{NAMES}\n", encoding="utf-8")
    assert fix(tmp_path / "a.csv")[0] == 4
