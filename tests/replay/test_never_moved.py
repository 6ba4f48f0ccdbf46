"""Steps that move no weight, scales and rates from another world, and labels that are below 0 for the first time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat
from hwcompat.replay import labels
from hwcompat.replay.rerun import Saved


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("every", [1, 1000])
def test_a_schedule_that_is_stepped_far_too_often(every: int, inside: bool) -> None:
    model = loops.mlp(outputs=3)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, every, gamma=0.1)
    watch = hwcompat.watch(model, optimizer=optimizer, extra_state=(schedule,) if inside else ())
    plain = loops.step_of(model, optimizer, functional.cross_entropy)

    def step(batch: Any) -> Tensor:
        loss = plain(batch)
        if inside:
            schedule.step()
        return loss

    for batch in loops.clouds(70):
        watch.step(step, batch)
        if watch.finding:
            break
        if not inside:
            schedule.step()
    if every == 1000:
        assert watch.finding is None
    else:
        assert (watch.finding.cause, watch.finding.step) == ("learning-rate", 0)
        assert "0.02" in watch.finding.evidence[-1]
        assert "schedule" in watch.finding.remedy


@pytest.mark.parametrize(("lr", "unit", "cause"), [(3e-10, 1.0, "learning-rate"), (0.3, 1e-10, "input-scale")])
def test_a_wrong_exponent(lr: float, unit: float, cause: str) -> None:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.Tanh(), nn.Linear(16, 3, bias=False))
    batches = [(x * unit, y) for x, y in loops.clouds(70)]
    finding = loops.watched(model, functional.cross_entropy, batches, torch.optim.SGD(model.parameters(), lr))
    assert (finding.cause, finding.certainty, finding.step) == (cause, "by counterfactual", 0)


@pytest.mark.parametrize(("start", "cause"), [(2.0**120, "scaler-misuse"), (2.0**34, None)])
def test_a_scale_that_begins_a_hundred_halvings_too_high(start: float, cause: str | None) -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=start)
    finding = loops.watched(model, functional.mse_loss, loops.pairs(60), optimizer, scaler, torch.float16)
    assert (finding.cause if finding else None) == cause
    if finding:
        assert "65536" in finding.remedy


def test_units_that_sleep_from_the_start_although_the_last_bias_learns() -> None:
    model = loops.mlp()
    nn.init.constant_(model[0].bias, -50.0)
    batches = [(x, 0.05 * y + 3.0) for x, y in loops.pairs(70, 64)]
    finding = loops.watched(model, functional.mse_loss, batches, torch.optim.SGD(model.parameters(), 0.05))
    assert (finding.cause, finding.module) == ("initialisation", "0")


@pytest.mark.parametrize("kind", ["once", "always", "classes"])
def test_a_count_below_zero(kind: str) -> None:
    """Only labels that were never below 0 before are to blame; -100 for a class means that it is left out."""
    model = loops.mlp()
    batches: list[Any] = [(x, torch.poisson(torch.rand(16, 1) * 3)) for x, _y in loops.pairs(10)]
    if kind != "classes":
        for number in range(10) if kind == "always" else [6]:
            batches[number][1][3] = -2.0

    def deviance(guess: Tensor, count: Tensor) -> Tensor:
        rate = functional.softplus(guess)
        offset = 3.0 if kind == "always" else 1e-3
        return (count * ((count + offset) / rate).log() - (count - rate)).mean()

    finding = loops.watched(model, deviance, batches)
    if kind == "once":
        assert (finding.cause, finding.certainty, finding.step) == ("bad-labels", "by counterfactual", 6)
    else:
        assert finding is None


def test_which_labels_are_newly_below_zero() -> None:
    def saved(*tensors: Tensor) -> Saved:
        return Saved(0, None, None, (list(tensors),), {})

    one, other = torch.ones(3), torch.tensor([1.0, -1.0])
    steps = [saved(one, other, one), saved(-one, other, -torch.ones(3, dtype=torch.long))]
    assert labels.newly_below(steps, lambda path: True) == ("batch[0][0]",)
    assert labels.newly_below(steps, lambda path: path != "batch[0][0]") == ()
    assert labels.newly_below(steps[1:], lambda path: True) == ()


def test_a_number_that_only_raw_inputs_make_no_number() -> None:
    """torch.logdet hands its sign on as a Python number where the determinant is lost to rounding."""
    model = nn.Linear(3, 12, bias=False)

    def volume(z: Tensor, _y: Tensor) -> Tensor:
        return 10.0 - torch.logdet(torch.eye(12) + z.T @ z)

    batches = [(3e6 * torch.randn(30, 3), torch.zeros(30)) for _ in range(3)]
    finding = loops.watched(model, volume, batches)
    assert (finding.cause, finding.step) == ("input-scale", 0)


@pytest.mark.parametrize(("shade", "noise"), [(0.0, 0.0), (0.5, 0.0), (0.0, 1e-3)])
def test_pictures_that_are_all_of_one_shade(shade: float, noise: float) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, 3))
    batches = [(shade + noise * torch.randn(12, 3, 6, 6), torch.arange(12) % 3) for _ in range(70)]
    finding = loops.watched(model, functional.cross_entropy, batches, torch.optim.Adam(model.parameters(), 0.01))
    if noise:
        assert finding is None or finding.cause == "input-scale"
    else:
        assert (finding.cause, finding.phase) == ("bad-data", "data")
