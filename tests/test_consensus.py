"""The rules of trust: their laws for arbitrary rows, each rule by an example, and the page that explains them."""

from __future__ import annotations

import hashlib
import random
import re
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat import consensus as rules
from hwcompat import matrix, merging
from hwcompat.consensus import consensus, consensus_of
from hwcompat.model import CAPABILITIES, VERDICTS, Gpu, Row
from hwcompat.nearness import FAR, Near, Place, alike, near_rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "trust.md"
GOOD = Row(
    gpu="Tesla T4", pci_id="10de:1eb8", chip="TU104", os="linux", driver="550.54", torch="2.13.0+cu126", cuda="cu126",
    fp32="ok", fp16="ok", amp_fp16="ok", source="measured", level="standard", date="2026-11-01", report_id="a1",
    contributor="ann",
)  # fmt: skip
BAD = GOOD._replace(fp16="faulty", failures="conv.forward:float16:fail", report_id="b1", contributor="bob")
PLACE = Place(Gpu("Tesla T4", pci_id="10de:1eb8", chip="TU104"), "linux", "2.13.0", "cu126")


def verdict(*rows: Row, name: str = "fp16") -> str:
    return consensus_of(rows, name).verdict


def good(voice: str, **cells: str) -> Row:
    return GOOD._replace(**{"contributor": voice, "report_id": f"good-{voice}", **cells})


def bad(voice: str, **cells: str) -> Row:
    return BAD._replace(**{"contributor": voice, "report_id": f"bad-{voice}", **cells})


def told(url: str, **cells: str) -> Row:
    return bad("", source="reported", url=url, report_id=f"reported-{url}", level="", failures="", **cells)


# --- laws -------------------------------------------------------------------------------------------------------------

_words = st.sampled_from(["", "ok", "ok", "emulated", "slow", "unknown", "unsupported"])


@st.composite
def some_row(draw, failing: bool = False, with_id: bool = True) -> Row:
    cells = {
        "source": draw(st.sampled_from(["measured", "measured", "reported"])),
        "level": draw(st.sampled_from(["standard", "full", "quick", ""])),
        "contributor": draw(st.sampled_from(["", "ann", "bob", "cy", "di", "ed"])),
        "pci_id": draw(st.sampled_from(["10de:1eb8", "", "10de:1eb9"])),
        "os": draw(st.sampled_from(["linux", "windows"])),
        "torch": draw(st.sampled_from(["2.13.0+cu126", "2.12.0", "1.13.1", ""])),
        "driver": draw(st.sampled_from(["550.54", "552.22", ""])),
        "date": draw(st.sampled_from(["2025-01-01", "2026-11-01", ""])),
        "url": draw(st.sampled_from(["", "https://x/1", "https://x/2"])),
        "fp32": draw(_words),
        "fp16": "faulty" if failing else draw(_words | st.just("faulty")),
        "amp_fp16": draw(_words | st.just("faulty")),
        "fp16_tflops": draw(st.sampled_from(["", "3", "9"])),
        "fp32_tflops": draw(st.sampled_from(["", "5"])),
        "note": draw(st.sampled_from(["", "again"])),
    }
    row = Row(chip="TU104", **cells)
    if not with_id:
        return row
    # As a probe makes them: another content, another report; now and then a copy under another name.
    content = "".join(row._replace(contributor="" if draw(st.booleans()) else row.contributor))
    return row._replace(report_id=hashlib.sha256(content.encode()).hexdigest()[:16])


some_rows = st.lists(some_row() | some_row(with_id=False), max_size=12)


def verdicts(rows: list[Row]) -> dict[str, str]:
    near = near_rows(rows, PLACE)
    return {name: consensus(near, name).verdict for name in CAPABILITIES}


def none_better(after: dict[str, str], before: dict[str, str]) -> bool:
    return all(VERDICTS.index(after[name]) >= VERDICTS.index(before[name]) for name in CAPABILITIES)


@settings(max_examples=500, deadline=None)
@given(some_rows, some_row(failing=True) | some_row(failing=True, with_id=False))
def test_one_more_failing_row_never_raises_a_verdict(rows: list[Row], failing: Row):
    assert none_better(verdicts([*rows, failing]), verdicts(rows))


@settings(max_examples=200, deadline=None)
@given(some_rows, some_row(failing=True), st.data())
def test_a_failing_row_under_the_id_of_another_report_never_raises_a_verdict(rows: list[Row], failing: Row, data):
    ids = [row.report_id for row in rows] or [""]
    assert none_better(verdicts([*rows, failing._replace(report_id=data.draw(st.sampled_from(ids)))]), verdicts(rows))


@settings(max_examples=200, deadline=None)
@given(some_rows, some_row(failing=True), st.data())
def test_nor_does_it_once_rows_were_merged_or_read_from_several_folders(rows: list[Row], failing: Row, data):
    ids = [row.report_id for row in rows] or [""]
    failing = failing._replace(report_id=data.draw(st.sampled_from([failing.report_id, *ids])))
    for merge in (merging.merge, matrix.merge):
        assert none_better(verdicts([*merge([*rows, failing])]), verdicts([*merge(rows)]))


def test_a_report_copied_to_another_thread_takes_no_thread_away():
    one, two = told("a"), told("b")
    copied = one._replace(url="b")
    for merge in (merging.merge, matrix.merge):
        assert consensus_of(merge([one, two, copied]), "fp16").outcome == "suspected"


@settings(max_examples=300, deadline=None)
@given(some_rows, some_row(failing=True))
def test_retracting_a_failing_row_never_lowers_a_verdict(rows: list[Row], failing: Row):
    rows = [row for row in rows if row.report_id != failing.report_id]
    with_it = verdicts([*rows, failing])
    without = verdicts([*rows, failing._replace(retracted="broken fan")])
    assert none_better(with_it, without)
    assert verdicts([*rows, failing, failing._replace(retracted="broken fan")]) == without == verdicts(rows)


@settings(deadline=None)
@given(some_rows, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[Row], shuffle: random.Random):
    mixed = list(rows)
    shuffle.shuffle(mixed)
    for name in ("fp16", "amp_fp16"):
        assert consensus(near_rows(rows, PLACE), name) == consensus(near_rows(mixed, PLACE), name)


@settings(deadline=None)
@given(some_rows)
def test_duplicates_do_not_count_twice(rows: list[Row]):
    for name in ("fp16", "amp_fp16"):
        assert consensus_of([*rows, *rows], name) == consensus_of(rows, name)


@settings(deadline=None)
@given(some_rows)
def test_folding_resubmissions_changes_neither_votes_nor_the_number_of_observations(rows: list[Row]):
    for name in ("fp16", "amp_fp16"):
        loose, folded = consensus_of(rows, name), consensus_of(merging.merge(rows), name)
        for part in ("outcome", "votes", "counts", "observations", "measured", "voices"):
            assert getattr(loose, part) == getattr(folded, part), part


@settings(deadline=None)
@given(some_rows)
def test_the_number_of_observations_is_that_of_distinct_reports(rows: list[Row]):
    rows = [row._replace(source="measured", torch="2.13.0") for row in rows if row.report_id and row.fp16]
    assert consensus_of(rows, "fp16").observations == len({row.report_id for row in rows})


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("WXYZ"), st.booleans()),
        max_size=7,
        unique_by=lambda t: t[:2],
    )
)
def test_votes_are_the_best_matching_of_reports_and_voices(pairs):
    """Against trying every assignment."""
    rows = [
        Near(Row(source="measured" if measured else "", report_id=one, contributor=voice), (0, 0, 0))
        for one, voice, measured in pairs
    ]
    reports, voices = sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs})
    allowed = {p[:2] for p in pairs}
    padded = [*voices, *[None] * len(reports)]
    best = max(
        sum((one, voice) in allowed for one, voice in zip(reports, order, strict=False))
        for order in permutations(padded, len(reports))
    ) if reports else 0  # fmt: skip
    assert rules._votes(rows) == rules.MEASURED * best


# --- each rule --------------------------------------------------------------------------------------------------------


def test_one_sick_specimen_never_convicts_a_model():
    many = [bad("ann", report_id=f"r{n}") for n in range(50)]
    assert verdict(*many) == "unknown"
    assert consensus_of(many, "fp16").outcome == "suspected"
    assert verdict(*many, bad("bob")) == "faulty"


def test_all_who_give_no_name_are_one_voice():
    assert verdict(*[bad("", report_id=f"r{n}") for n in range(9)]) == "unknown"


def test_a_report_sent_in_under_two_names_is_one_vote():
    copies = [bad(voice, report_id="same") for voice in ("ann", "bob", "cy")]
    assert consensus_of(copies, "fp16").votes == (0, rules.MEASURED)
    assert verdict(*copies) == "unknown"


def test_two_reports_of_users_weigh_one_measurement():
    outcomes = [consensus_of([told(str(n)) for n in range(count)], "fp16").outcome for count in range(5)]
    assert outcomes == ["none", "none", "suspected", "suspected", "faulty"]
    assert verdict(*[told(str(n), torch="") for n in range(9)]) == "unknown"


def test_a_report_of_a_user_that_it_works_clears_nothing():
    assert verdict(good("", source="reported", url="https://x")) == "unknown"


@pytest.mark.parametrize(
    "cells", [{"level": "quick"}, {"level": ""}, {"failures": "mm:float32:fail"}, {"fp32": "faulty"}]
)
def test_an_incomplete_or_partly_failing_run_vouches_for_nothing(cells: dict[str, str]):
    assert verdict(good("ann", **cells)) == "unknown"


def test_passing_votes_outvote_a_failing_one_and_the_contradiction_stays_visible():
    found = consensus_of([good("ann"), good("cy"), bad("bob")], "fp16")
    assert (found.verdict, found.votes, found.contradicted) == ("ok", (4, 2), True)
    assert consensus_of([good("ann"), bad("bob")], "fp16").verdict == "unknown"
    convicted = [bad("bob"), bad("di")]
    assert verdict(good("ann"), good("cy"), *convicted) == "faulty"
    assert verdict(*map(good, ("ann", "cy", "ed", "flo")), *convicted) == "unknown"


def test_two_near_passing_voices_outdo_what_is_farther_away():
    far = [bad("bob", torch="1.13.1"), bad("di", torch="1.13.1")]
    near = near_rows([good("ann"), good("cy"), *far], PLACE)
    assert consensus(near, "fp16").verdict == "ok"
    assert consensus(near_rows([good("ann"), *far], PLACE), "fp16").verdict == "faulty"


def test_withdrawn_rows_never_count():
    assert verdict(bad("bob"), bad("di", retracted="broken fan")) == "unknown"
    assert verdict(bad("bob"), bad("di"), good("di", supersedes="bad-di")) == "unknown"
    assert verdict(bad("bob", retracted="x"), good("ann")) == "ok"


FASTER = [good(voice, fp16_tflops="9", fp32_tflops="5") for voice in ("bob", "cy")]


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "unknown"),
        ([good("ann", fp16="unsupported")], "unsupported"),
        ([good("ann", fp16="unsupported"), bad("bob")], "unsupported"),
        ([good("ann", fp16="emulated"), good("bob")], "emulated"),
        ([good("ann", fp16="slow"), good("bob", fp16_tflops="1", fp32_tflops="5")], "slow"),
        ([good("ann", fp16="slow"), *FASTER], "ok"),
        ([good("ann", source="reported", fp16="unsupported")], "unknown"),
    ],
    ids=["nothing", "unsupported", "unsupported and a failure", "emulated", "slow", "faster for most", "told"],
)  # fmt: skip
def test_the_word_of_a_verdict(rows: list[Row], word: str):
    assert verdict(*rows) == word


def test_a_verdict_shows_counts_age_and_spread():
    rows = [
        good("ann", fp16_tflops="8", date="2026-01-01"),
        good("bob", fp16_tflops="9", date="2026-11-01"),
        good("cy", fp16_tflops="13"),
        bad("di", date="2024-02-29"),
        told("1", date=""),
    ]
    found = consensus_of(rows, "fp16")
    assert found.counts == {"faulty": 2, "ok": 3}
    assert (found.observations, found.measured, found.voices) == (5, 4, 5)
    assert (found.oldest, found.newest) == ("2024-02-29", "2026-11-01")
    assert found.age_days("2026-11-21") == 20
    assert found.spread == (rules.Spread("fp16_tflops", 8, 9, 13, 3),)
    assert consensus_of([], "fp16").age_days("2026-11-21") is None
    assert consensus_of([good("ann", date="2026-02-30")], "fp16").age_days("2026-11-21") is None


def test_a_contradiction_names_the_circumstances_that_part_the_rows():
    rows = [good("ann", driver="552.22"), good("cy", driver="560.70"), bad("bob", pci_subsystem="1458:3fc7")]
    assert consensus_of(rows, "fp16").explanations == (rules.Explanation("driver", ("552.22", "560.70"), ("550.54",)),)
    assert consensus_of([good("ann"), bad("bob")], "fp16").explanations == ()
    windows = consensus_of([good("ann"), bad("bob", os="windows", cudnn="9.1")], "fp16")
    assert [one.column for one in windows.explanations] == ["os"]


def test_digests_that_disagree_within_a_key_are_flagged():
    rows = [
        good(voice, fingerprint_digest=digest * 16) for voice, digest in zip(("ann", "bob", "cy"), "aab", strict=True)
    ]
    (flag,) = consensus_of(rows, "fp16").digests
    assert (flag.kind, flag.golden, [row.contributor for row in flag.suspects]) == ("fingerprint", "a" * 16, ["cy"])
    assert consensus_of(rows[:2], "fp16").digests == ()


def test_every_word_that_may_stand_in_a_row_is_judged_without_error():
    for name in CAPABILITIES:
        assert {verdict(good("ann", **{name: word}), name=name) for word in VERDICTS} <= set(VERDICTS)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_states_the_numbers_of_the_code():
    numbers = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert numbers == {
        "MEASURED": str(rules.MEASURED),
        "REPORTED": str(rules.REPORTED),
        "SUSPECTED": str(rules.SUSPECTED),
        "CONVICTED": str(rules.CONVICTED),
        "OUTVOTED": str(rules.OUTVOTED),
        "ENOUGH_VOICES": str(rules.ENOUGH_VOICES),
        "COMPLETE_LEVELS": ", ".join(rules.COMPLETE_LEVELS),
        "FAR": str(FAR),
        "CIRCUMSTANCES": ", ".join(rules.CIRCUMSTANCES),
        "MAX_CELL": str(merging.MAX_CELL),
    }


def test_every_rule_of_the_function_has_its_heading_on_the_page():
    numbered = re.findall(r"^    (\d)\. ", consensus.__doc__ or "", re.MULTILINE)
    assert re.findall(r"^## (\d)\. ", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == numbered


def test_alike_takes_rows_of_one_key_as_equally_near():
    assert {near.tier for near in alike([GOOD, GOOD._replace(torch="", report_id="x")])} == {(0, 0, 0), (0, 0, FAR)}
    assert len(alike([GOOD, GOOD])) == 1
