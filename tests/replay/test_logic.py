"""The rules as pure functions: what may and what may not be claimed from given observations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.replay import logic
from hwcompat.replay.finding import CAUSES, CERTAINTIES, Finding
from hwcompat.replay.observations import Gradients, Observations, OptimizerFacts, Outlier, Root, Trial
from hwcompat.replay.opreplay import OpEvidence

ROOT = Root("head", "forward", "addmm", "train.py:3", nan=True)
EVIDENCE = OpEvidence(
    name="addmm",
    dtype="float16",
    linear=True,
    limit=65504.0,
    shapes=((4,), (16, 8), (8, 4)),
    repeats=(True, True, True),
    wide=False,
    rounded=False,
    first_finite=True,
    second_finite=True,
    agree=True,
    true_max=3.0,
    bound=10.0,
    terms=9,
)
WRONG = Observations(step=3, trip="loss", bad="loss", root=ROOT, replay=EVIDENCE)


def test_a_certificate_and_two_referees_convict_the_hardware() -> None:
    finding = logic.decide(WRONG)
    assert (finding.cause, finding.certainty, finding.kind) == ("hardware", "proved", "persistent")
    assert finding.module == "head"


LACKING: list[dict[str, Any]] = [
    {"first_finite": False},
    {"second_finite": False},
    {"second_finite": None},
    {"agree": False},
    {"agree": None},
    {"bound": 70000.0},
    {"bound": None},
    {"inputs_finite": False},
    {"repeats": ()},
]


@pytest.mark.parametrize("lack", LACKING, ids=str)
def test_without_any_one_of_them_it_does_not(lack: dict[str, Any]) -> None:
    finding = logic.decide(replace(WRONG, replay=replace(EVIDENCE, **lack)))
    assert finding.cause not in ("hardware", "library")


def test_a_convolution_needs_a_margin() -> None:
    near = replace(EVIDENCE, margin=100.0, bound=1000.0)
    assert logic.decide(replace(WRONG, replay=near)).cause != "hardware"
    assert logic.decide(replace(WRONG, replay=replace(near, bound=600.0))).cause == "hardware"


def test_another_implementation_that_is_right_convicts_the_library() -> None:
    other = replace(EVIDENCE, other=(("contiguous inputs", True), ("without oneDNN", False)))
    finding = logic.decide(replace(WRONG, replay=other))
    assert finding.cause == "library"
    assert "mkldnn" in finding.remedy


def test_wrong_only_now_and_then_is_transient_and_suspected() -> None:
    finding = logic.decide(replace(WRONG, replay=replace(EVIDENCE, repeats=(True, False, False))))
    assert (finding.cause, finding.kind, finding.certainty) == ("hardware", "transient", "suspected")


def test_partial_sums_and_range_are_told_apart() -> None:
    sums = replace(EVIDENCE, bound=90000.0)
    assert logic.decide(replace(WRONG, replay=sums)).cause == "fp16-accumulation"
    range_ = replace(sums, true_max=80000.0, rounded=True)
    assert logic.decide(replace(WRONG, replay=range_)).cause == "fp16-overflow"


def test_bad_data_comes_before_everything_else() -> None:
    finding = logic.decide(replace(WRONG, batch_bad=("batch[0][0]", 2, False)))
    assert (finding.cause, finding.sample) == ("bad-data", 2)


def test_a_lighter_watch_suspects_where_a_full_one_proves() -> None:
    assert logic.decide(replace(WRONG, light=True)).certainty == "suspected"


def test_the_first_single_change_that_helps_names_the_cause() -> None:
    bad, good = Trial(False, 2.0, None, "no"), Trial(True, 2.0, 1.5, "yes")
    observations = Observations(
        step=9,
        trip="loss",
        bad="loss",
        diverged=True,
        growth=1e6,
        losses=(2.0, 1e6),
        trials={"zero_grad": bad, "lr": good},
    )
    assert logic.decide(observations).cause == "learning-rate"
    both = replace(observations, trials={"weight_decay": good, "lr": good})
    assert logic.decide(both).cause == "weight-decay"
    assert logic.decide(replace(observations, trials={"lr": bad})).cause == "unknown"


def test_nothing_known_is_said_to_be_unknown() -> None:
    finding = logic.decide(Observations(step=1, trip="loss", bad="loss"))
    assert (finding.cause, finding.certainty) == ("unknown", "unknown")


flags = st.booleans()
maybe = st.sampled_from([None, True, False])
sizes = st.sampled_from([0.0, 1.0, 600.0, 1e5, 1e39, float("inf")])
evidence = st.builds(
    OpEvidence,
    name=st.sampled_from(["addmm", "convolution", "log", "div", "_softmax"]),
    dtype=st.sampled_from(["float16", "float32"]),
    linear=flags,
    limit=st.sampled_from([65504.0, 3.4e38]),
    shapes=st.just(((2, 2),)),
    repeats=st.lists(flags, max_size=4).map(tuple),
    other=st.lists(st.tuples(st.sampled_from(["contiguous inputs", "x"]), flags), max_size=2).map(tuple),
    wide=maybe,
    rounded=maybe,
    first_finite=maybe,
    second_finite=maybe,
    agree=maybe,
    true_max=sizes,
    bound=st.none() | sizes,
    terms=st.integers(0, 99),
    error=st.none() | sizes,
    inputs_finite=flags,
    input_max=sizes,
)
roots = st.builds(
    Root,
    module=st.sampled_from(["head", "<loss>", "<optimizer>"]),
    phase=st.sampled_from(["forward", "loss", "backward", "optimizer"]),
    op=st.sampled_from(["addmm", "log", "div", "sqrt"]),
    source=st.just("train.py:1"),
    nan=flags,
    labels_only=flags,
    zero_operand=flags,
    positive=st.sampled_from(["", "exp", "softplus"]),
    single=flags,
    full_mask=flags,
    shadow_finite=maybe,
    shadow_max=sizes,
    calls=st.integers(0, 60),
    inputs_had_inf=flags,
)
trials = st.builds(Trial, flags, st.none() | sizes, st.none() | sizes, st.just("tried"))
observed = st.builds(
    Observations,
    step=st.integers(0, 50),
    trip=st.sampled_from(
        ["loss", "gradient", "weights", "skipped", "still", "zero gradients", "shrinks", "scale", "audit", "diverges"]
    ),
    bad=st.sampled_from(["", "loss", "gradient"]),
    reproduced=flags,
    eager_reproduced=flags,
    compiled=flags,
    exact=flags,
    not_replayable=st.sampled_from([(), ("it is an iterator",)]),
    error=st.sampled_from([None, ("ValueError", "Expected more than 1 value per channel", "", ""), ("E", "x", "", "")]),
    batch_bad=st.sampled_from([None, ("batch[0]", 1, True)]),
    root=st.none() | roots,
    replay=st.none() | evidence,
    shadow_alive=flags,
    scaled=flags,
    unscaled=flags,
    clipped_scaled=st.sampled_from([(), (1e-4, 65536.0)]),
    scaler_on=flags,
    scale=st.sampled_from([None, 65536.0]),
    losses=st.lists(sizes, max_size=5).map(tuple),
    optimizer=st.builds(OptimizerFacts, eps=st.sampled_from([None, 1e-8]), eps_vanishes=flags),
    grads=st.builds(Gradients, sizes, sizes),
    first_bad_module=st.tuples(st.sampled_from(["", "head"]), flags),
    live_inputs_same=maybe,
    loop=st.sampled_from([("", 1.0, 0), ("rnn", 1e9, 100)]),
    cleared=flags,
    past_infinity=flags,
    scale_shift=st.sampled_from([(), (0.9, 16.0), (0.9, 0.06), (0.3, 1.2)]),
    trials=st.dictionaries(
        st.sampled_from(["baseline", "outlier", "zero_grad", "weight_decay", "input", "init", "clip", "lr"]), trials
    ),
    light=flags,
    audit=st.none() | st.lists(evidence, max_size=2),
    diverged=flags,
    outlier=st.sampled_from([Outlier(), Outlier("batch[0][0]", 1, 2, 1e6), Outlier("batch[0][1]", 0, 2, 1e6, True)]),
    zero_matrices=st.sampled_from([(), ("a.weight", "b.weight")]),
)


@settings(max_examples=600, deadline=None)
@given(observed)
def test_any_observations_give_a_finding_and_never_an_unfounded_claim_about_the_device(seen: Observations) -> None:
    finding = logic.decide(seen)
    assert isinstance(finding, Finding)
    assert finding.cause in CAUSES
    assert finding.certainty in CERTAINTIES
    assert str(finding)
    if finding.cause in ("hardware", "library"):
        grounds = [seen.replay] if seen.reproduced else (seen.audit or [])
        assert grounds
        assert all(g is not None and g.inputs_finite and g.two_referees and g.certified for g in grounds)
    if seen.light:
        assert finding.certainty != "proved"
