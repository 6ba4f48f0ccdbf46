"""The build that is recommended is correct, no slower than another correct one, and never chosen by a spoilt time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.sweep import choice, ledger, telling
from hwcompat.sweep.ledger import Outcome, Step

VERDICTS = st.sampled_from(["ok", "slow", "emulated", "unsupported", "unknown", "faulty"])
NAMES = ("fp32", "amp_fp16", "amp_bf16", "fp32 channels_last", "amp_fp16 channels_last")


def step(milliseconds: float, note: str = "", spread: float = 0.01) -> Step:
    seconds = milliseconds / 1e3
    return Step(seconds, seconds * (1 - spread), seconds * (1 + spread), note)


def measured(build: str, steps: dict[str, Step] | None = None, **verdicts: str) -> Outcome:
    given = {"fp32": "ok", "amp_fp16": "ok", "amp_bf16": "ok", **verdicts}
    return Outcome(build, "3.11", "measured", verdicts=given, steps=steps or {}, batch=8 if steps else 0)


steps = st.builds(step, st.floats(0.1, 100), st.sampled_from(["", "", "noisy", "busy", "throttled"]), st.floats(0, 0.4))
outcomes = st.builds(
    Outcome,
    build=st.builds("{}.{}.{}+{}".format, *[st.integers(1, 20)] * 3, st.sampled_from(["cpu", "cu118", "cu126"])),
    python=st.sampled_from(["3.8", "3.11"]),
    outcome=st.sampled_from(["measured", "measured", "measured", *ledger.OUTCOMES]),
    detail=st.text(max_size=20),
    installed=st.booleans(),
    verdicts=st.fixed_dictionaries(dict.fromkeys(("fp32", "amp_fp16", "amp_bf16", "memory"), VERDICTS)),
    failures=st.lists(st.just("a:b:fail"), max_size=3).map(tuple),
    steps=st.dictionaries(st.sampled_from(NAMES), steps),
    batch=st.sampled_from([8, 8, 16]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(outcomes, max_size=6), st.randoms())
def test_the_choice_is_correct_the_fastest_and_does_not_depend_on_the_order(
    found: list[Outcome], chance: object
) -> None:
    chosen = choice.choose(found)
    shuffled = list(found)
    chance.shuffle(shuffled)
    again = choice.choose(shuffled)
    assert chosen.because
    if chosen.best is None:
        assert not any(each.outcome == "measured" and each.verdicts["fp32"] in choice.RIGHT for each in found)
        return
    assert again.best is not None
    assert telling.name_of(again.best) == telling.name_of(chosen.best) or again.best in found
    assert chosen.best.verdicts["fp32"] in choice.RIGHT
    sound = [each for each in found if is_sound(each)]
    assert not sound or is_sound(chosen.best)
    mine = choice.fastest(chosen.best)
    if mine:
        rivals = [choice.fastest(each) for each in sound if each.batch == chosen.best.batch]
        assert all(mine.step.low <= rival.step.high for rival in rivals if rival)


def is_sound(outcome: Outcome) -> bool:
    return (
        outcome.outcome == "measured"
        and outcome.verdicts["fp32"] in choice.RIGHT
        and "faulty" not in outcome.verdicts.values()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(outcomes, max_size=6))
def test_every_outcome_can_be_told_and_is_read_back_as_it_was_written(found: list[Outcome]) -> None:
    chosen = choice.choose(found)
    lines = [*telling.table(found, chosen.best), *telling.remarks(found), telling.answer(chosen)]
    assert len([line for line in lines if line]) >= len(found) + 1
    assert all(line.isascii() for line in lines)
    assert [ledger.from_json(ledger.to_json(each)) for each in found] == found


def test_the_fastest_step_in_a_correct_precision_wins() -> None:
    quick_but_wrong = measured("2.8.0+cu128", {"fp32": step(10), "amp_fp16": step(2)}, amp_fp16="faulty")
    quick = measured("2.6.0+cu124", {"fp32": step(10), "amp_fp16": step(4)})
    slower = measured("2.7.0+cu126", {"fp32": step(9), "amp_fp16": step(5)})
    chosen = choice.choose([quick_but_wrong, slower, quick])
    assert chosen.best == quick
    assert "amp_fp16 step takes 4 ms" in chosen.because
    assert "1.25x the speed of 2.7.0+cu126" in chosen.because


def test_where_fp16_is_slow_the_fp32_step_decides() -> None:
    old = measured("1.12.1+cu102", {"fp32": step(5), "amp_fp16": step(50)}, amp_fp16="slow")
    new = measured("2.6.0+cu124", {"fp32": step(8), "amp_fp16": step(40)}, amp_fp16="slow")
    assert choice.choose([new, old]).best == old


def test_equal_times_leave_the_build_that_is_there_and_else_take_the_newest() -> None:
    here = replace(measured("2.6.0+cu124", {"fp32": step(10)}), installed=True)
    newer = measured("2.7.0+cu126", {"fp32": step(9.9)})
    newest = measured("2.8.0+cu126", {"fp32": step(10.05)})
    assert choice.choose([newer, here, newest]).best == here
    assert choice.choose([newer, newest]).best == newest


def test_a_time_beside_other_programs_decides_nothing_and_the_answer_says_so() -> None:
    old = measured("2.6.0+cu124", {"fp32": step(1, "busy")})
    new = measured("2.7.0+cu126", {"fp32": step(9, "busy")})
    chosen = choice.choose([old, new])
    assert chosen.best == new
    assert "no step time decides" in chosen.because


def test_nothing_is_recommended_where_fp32_is_wrong_everywhere() -> None:
    chosen = choice.choose([measured("2.6.0+cu124", fp32="faulty"), Outcome("2.7.0+cu126", "3.11", "failed")])
    assert chosen.best is None
    assert "do not train" in chosen.because


def test_a_foreign_file_is_no_outcome() -> None:
    good = ledger.to_json(measured("2.6.0+cu124", {"fp32": step(1)}))
    assert ledger.from_json(good) is not None
    steps = {"fp32": {"seconds": []}}
    spoilt = [{"schema": 2}, {"outcome": "fine"}, {"bytes": "9"}, {"steps": steps}, {"verdicts": 3}, {"more": 1}]
    steps = {"fp32": {"seconds": []}}
    spoilt = [{"schema": 2}, {"outcome": "fine"}, {"bytes": "9"}, {"steps": steps}, {"verdicts": 3}, {"more": 1}]
    for bad in (None, [], {}, *({**good, **change} for change in spoilt)):
        assert ledger.from_json(bad) is None
