"""Digests: what is known beforehand, and which rows of one key disagree."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from hwcompat import digests
from hwcompat.model import Result, Row


class FakeProbe(NamedTuple):
    rule: str


PROBES = {"conv.forward": FakeProbe("EXACT"), "fingerprint.random": FakeProbe("FEATURE")}
KEY = "exact/conv.forward/float16/v1/standard/cpu"
CARD = Row(gpu="T4", pci_id="10de:1eb8", torch="2.13.0", cuda="cu126", driver="570.1", hwcompat="1", level="standard")


def row(fingerprint="", exact="", contributor="", **facts):
    return CARD._replace(fingerprint_digest=fingerprint, exact_digest=exact, contributor=contributor, **facts)


def test_a_feature_probe_gives_a_fingerprint_and_every_other_an_exact_digest():
    results = [Result(name, "float16", "pass", digest="ab" * 32) for name in PROBES]
    found = digests.named([*results, Result("conv.wgrad", "float16", "fail")], PROBES, "standard", large=False)
    assert found == {KEY: "ab" * 32, "fingerprint/fingerprint.random/float16/v1/standard/cpu": "ab" * 32}
    assert digests.combined(found, "exact") != digests.combined(found, "fingerprint") != ""


def test_a_known_digest_that_differs_blames_the_host():
    [caution] = digests.cautions({KEY: "ab" * 32}, {KEY: "cd" * 8})
    assert "conv.forward/float16" in caution.detail
    assert "memory" in caution.workaround


@pytest.mark.parametrize("known", [{}, {KEY: "ab" * 8}, {"exact/other/float16/v1/standard/cpu": "cd" * 8}])
def test_an_unknown_or_equal_digest_says_nothing(known):
    assert digests.cautions({KEY: "ab" * 32}, known) == ()


def test_two_contributors_make_a_golden_digest_and_a_third_a_suspect():
    rows = [row("a" * 16, contributor="one"), row("a" * 16, contributor="two"), row("b" * 16, contributor="three")]
    [found] = digests.disagreements(rows)
    assert (found.kind, found.golden) == ("fingerprint", "a" * 16)
    assert [r.contributor for r in found.suspects] == ["three"]
    assert found.key["gpu"] == "T4"


def test_without_a_majority_everybody_is_suspect():
    [found] = digests.disagreements([row("a" * 16, contributor="one"), row("b" * 16, contributor="two")])
    assert found.golden == ""
    assert len(found.suspects) == 2


def test_all_anonymous_rows_are_one_voice():
    [found] = digests.disagreements([row("a" * 16), row("a" * 16), row("b" * 16, contributor="x")])
    assert found.golden == ""


@pytest.mark.parametrize(
    "change", [{"torch": "2.12.0"}, {"driver": "580.1"}, {"gpu": "T4 MIG 1g"}, {"level": "quick"}, {"vram_gb": "16"}]
)
def test_rows_of_other_keys_are_not_compared(change):
    assert digests.disagreements([row("a" * 16), row("b" * 16, **change)]) == ()


def test_a_newer_driver_of_the_same_major_version_is_compared():
    assert digests.disagreements([row("a" * 16), row("b" * 16, driver="570.99")])


def test_the_order_of_rows_is_irrelevant_and_exact_digests_are_compared_too():
    rows = [row("a" * 16, "1" * 16, c) for c in "pqr"] + [row("b" * 16, "2" * 16, "s"), row(), row("a" * 16)]
    expected = digests.disagreements(rows)
    assert [found.kind for found in expected] == ["exact", "fingerprint"]
    for seed in range(5):
        assert digests.disagreements(random.Random(seed).sample(rows, len(rows))) == expected


def test_the_shipped_table_names_probes_and_versions_of_today():
    from hwcompat import tables
    from hwcompat.probes import catalogue

    known = tables.load_tables().exact_digests
    today = {p.id: p for p in catalogue.listing()}
    for key in known:
        _, probe, dtype, version, level, _ = key.split("/")
        assert version == f"v{today[probe].version}", key
        assert dtype in today[probe].dtypes, key
        assert catalogue.LEVELS.index(today[probe].level) <= catalogue.LEVELS.index(level), key
    assert len({key.split("/")[1] for key in known}) > 70


def test_a_quick_run_computes_the_shipped_digests():
    import hwcompat
    from hwcompat import tables

    report = hwcompat.probe(device="cpu", level="quick", isolate=False)
    known = tables.load_tables().exact_digests
    exact = {key: digest[: digests.LENGTH] for key, digest in report.digests.items() if key.startswith("exact/")}
    assert len(exact) > 15
    assert exact == {key: known[key] for key in exact}
    assert not [c for c in report.cautions if "digest" in c.operation]
