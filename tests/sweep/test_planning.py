"""What is planned is what the resolver would accept; the order is fixed; a narrower wish never adds a build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat import gates, resolver, tables
from hwcompat.errors import NoBuildError, UsageError
from hwcompat.model import Gpu, TorchFacts
from hwcompat.sweep import planning
from hwcompat.sweep.planning import Candidate, Place, Plan, Python

KNOWN = tables.load_tables(Path(__file__).resolve().parents[2] / "matrix")
CAPABILITIES = sorted({card.compute_capability for card in KNOWN.cards if card.segment != "jetson"})
MINORS = sorted({".".join(build.torch.split(".")[:2]) for build in KNOWN.builds})
TAGS = sorted({build.tag for build in KNOWN.builds if build.tag.startswith("cu")})

cards = st.sampled_from(CAPABILITIES).map(lambda each: (Gpu(name=f"card {each}", compute_capability=each),))
systems = st.sampled_from([("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"), ("macos", "arm64")])
drivers = st.sampled_from(["390.48", "452.39", "470.82", "530.30", "560.35", "580.65"])
pythons = st.lists(st.integers(7, 15).map(lambda minor: Python(f"3.{minor}", f"3.{minor}")), min_size=1, max_size=3)


@st.composite
def places(draw: st.DrawFn) -> Place:
    system, arch = draw(systems)
    gpus = () if system == "macos" else draw(st.one_of(st.just(()), cards))
    return Place(gpus, draw(drivers) if gpus else None, system, arch)


wishes = st.lists(st.sampled_from(MINORS), max_size=4, unique=True)
tag_lists = st.lists(st.sampled_from([*TAGS, "cpu"]), max_size=4, unique=True)


def ask(place: Place, pythons: Sequence[Python], torch: Sequence[str] = (), tags: Sequence[str] = ()) -> Plan:
    return planning.plan(place, pythons, KNOWN, torch=torch, tags=tags)


def builds(plan: Plan) -> list[tuple[str, str]]:
    return [(each.build, each.python.version) for each in plan.candidates]


def accepted(place: Place, python: str, build: str) -> bool:
    """Whether the resolver takes it: as a wish, or, on a CPU, where it is installed already."""
    asked = {"driver": place.driver, "os": place.os, "arch": place.arch, "python": python, "tables": KNOWN}
    try:
        if not place.gpus and not build.endswith("+cpu"):
            facts = TorchFacts(build, "cuda", cuda="12.1")
            pin = resolver.resolve(place.gpus, installed=facts, **asked)
            return pin.installed and has_wheel(build, place, python)
        return f"{(pin := resolver.resolve(place.gpus, torch=build, **asked)).torch}+{pin.tag}" == build
    except (NoBuildError, UsageError):
        return False


def has_wheel(build: str, place: Place, python: str) -> bool:
    """The installed build is there whatever the tables say; one that is to be installed needs a wheel."""
    key = (build, place.os, place.arch)
    [row] = [each for each in KNOWN.builds if (f"{each.torch}+{each.tag}", each.os, each.arch) == key]
    return not gates.python_refusal(row, python)


@settings(max_examples=25, deadline=None)
@given(places(), pythons, wishes, tag_lists)
def test_every_planned_build_is_one_that_the_resolver_accepts_and_no_refused_one_is(
    place: Place, pythons: list[Python], torch: list[str], tags: list[str]
) -> None:
    plan = ask(place, pythons, torch, tags)
    assert all(accepted(place, each.python.version, each.build) for each in plan.candidates)
    assert not {each.build for each in plan.candidates} & {each.build for each in plan.refused}
    for each in plan.refused:
        assert each.reason
        assert not any(accepted(place, python.version, each.build) for python in pythons)


@settings(max_examples=30, deadline=None)
@given(places(), pythons, wishes, tag_lists, st.data())
def test_narrowing_never_adds_a_build(
    place: Place, pythons: list[Python], torch: list[str], tags: list[str], data: st.DataObject
) -> None:
    wide = set(builds(ask(place, pythons, torch, tags)))
    fewer = (
        data.draw(st.lists(st.sampled_from(torch), unique=True, min_size=1)) if torch else [data.draw(wishes_of_one)]
    )
    assert set(builds(ask(place, pythons, fewer, tags))) <= wide
    if tags or place.gpus:  # on a CPU, naming a tag is what asks for builds that are not made for it
        named = data.draw(st.lists(st.sampled_from(tags or TAGS), unique=True, min_size=1))
        assert set(builds(ask(place, pythons, torch, named))) <= wide


wishes_of_one = st.sampled_from(MINORS)


@settings(max_examples=30, deadline=None)
@given(places(), pythons, wishes, tag_lists, st.randoms())
def test_the_order_is_fixed_and_each_build_comes_once(
    place: Place, pythons: list[Python], torch: list[str], tags: list[str], chance: object
) -> None:
    shuffled, mixed = list(torch), list(tags)
    chance.shuffle(shuffled)
    chance.shuffle(mixed)
    plan = ask(place, pythons, torch, tags)
    assert plan == ask(place, pythons, shuffled, mixed)
    named = [each.build for each in plan.candidates]
    assert len(named) == len(set(named))


@settings(max_examples=40, deadline=None)
@given(places(), pythons, st.integers(0, 8))
def test_a_limit_keeps_what_is_installed_and_the_first_builds(place: Place, pythons: list[Python], most: int) -> None:
    here = Candidate("2.7.1", "cu126", Python("3.11", ""), "/somewhere/python")
    whole = planning.plan(place, pythons, KNOWN, installed=[here])
    kept, left_out = planning.cut(whole, most)
    assert kept.candidates == whole.candidates[: most + 1]
    assert len(kept.candidates) + left_out == len(whole.candidates)
    assert whole.candidates[0] == here


# --- by hand ----------------------------------------------------------------------------------------------------------

LINUX = ("linux", "x86_64")
P311 = [Python("3.11", "3.11")]


def test_a_wish_without_its_patch_means_the_newest_one_and_a_named_patch_itself() -> None:
    place = Place(resolver_card("7.5"), "580.65.06", *LINUX)
    assert [each.torch for each in ask(place, P311, ["2.7"], ["cu126"]).candidates] == ["2.7.1"]
    assert [each.torch for each in ask(place, P311, ["2.7.0"], ["cu126"]).candidates] == ["2.7.0"]


def resolver_card(capability: str) -> tuple[Gpu, ...]:
    return (Gpu(name="a card", compute_capability=capability),)


def test_the_first_builds_are_of_different_releases() -> None:
    plan = ask(Place(resolver_card("8.9"), "580.65.06", *LINUX), P311)
    first = [each.torch for each in plan.candidates[:6]]
    assert len(set(first)) == 6
    assert len({each.torch for each in plan.candidates}) < len(plan.candidates)


def test_a_build_takes_the_first_python_that_has_a_wheel() -> None:
    both = [Python("3.12", "3.12"), Python("3.8", "/old/python")]
    plan = ask(Place((), None, *LINUX), both, ["2.4", "1.12"], ["cpu"])
    assert {(each.build, each.python.version) for each in plan.candidates} == {
        ("2.4.1+cpu", "3.12"),
        ("1.12.1+cpu", "3.8"),
    }


def test_a_cpu_is_served_by_a_cuda_build_that_is_named_and_by_none_that_is_not() -> None:
    old = [Python("3.8", "3.8")]
    place = Place((), None, *LINUX)
    assert [each.build for each in ask(place, old, ["1.12.1+cu102"]).candidates] == ["1.12.1+cu102"]
    assert [each.build for each in ask(place, old, ["1.12.1"], ["cu102"]).candidates] == ["1.12.1+cu102"]
    assert [each.build for each in ask(place, old, ["1.12.1"]).candidates] == ["1.12.1+cpu"]
    assert ask(place, old, ["1.12.1+cu102"]).candidates[0].on_package_index


def test_what_is_installed_is_not_planned_again_for_the_same_python() -> None:
    here = Candidate("2.13.0", "cpu", Python("3.11", "/env/python"), "/env/python")
    plan = planning.plan(Place((), None, *LINUX), P311, KNOWN, torch=["2.13"], installed=[here])
    assert plan.candidates == (here,)


def test_refusals_give_their_reason() -> None:
    plan = ask(Place(resolver_card("6.1"), "580.65.06", *LINUX), P311, ["2.13"], ["cu130"])
    assert [each.build for each in plan.refused] == ["2.13.0+cu130"]
    assert "no kernel for 6.1" in plan.refused[0].reason
    error = planning.no_candidates(plan, Place(resolver_card("6.1"), "580.65.06", *LINUX))
    assert "no kernel for 6.1" in error.message
    assert error.exit_code == 3


@pytest.mark.parametrize(
    ("torch", "tags", "python"), [(["2.99"], [], "3.11"), (["x"], [], "3.11"), ([], ["cu999"], "3.11"), ([], [], "2.7")]
)
def test_words_that_no_table_knows_are_refused(torch: list[str], tags: list[str], python: str) -> None:
    with pytest.raises(UsageError) as error:
        ask(Place((), None, *LINUX), [Python(python, python)], torch, tags)
    assert error.value.hint
