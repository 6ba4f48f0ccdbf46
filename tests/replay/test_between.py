"""What a loop does between its watched steps belongs to a replay of several of them, and nothing of it is lost."""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn

import hwcompat
from hwcompat.replay import trees
from hwcompat.replay.counterfactual import Counterfactuals


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def loop(clear: str, to_none: bool, later: float, lr: float = 0.02, steps: int = 40) -> Any:
    """Clears gradients inside or outside its step, and changes the learning rate outside from step 12 on."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step < 12 else later)
    watch = hwcompat.watch(model, optimizer=optimizer)

    def train_step(batch: Any) -> Tensor:
        if clear == "inside":
            optimizer.zero_grad(to_none)
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    for batch in loops.pairs(steps, 32):
        if clear == "before":
            optimizer.zero_grad(to_none)
        watch.step(train_step, batch)
        if watch.finding:
            break
        if clear == "after":
            optimizer.zero_grad(to_none)
        scheduler.step()
    return watch.finding


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("clear", ["inside", "before", "after"])
@pytest.mark.parametrize(("later", "lr"), [(1000.0, 0.02), (1.0, 2.0), (1.0, 0.02)])
def test_it_does_not_matter_where_gradients_are_cleared_and_rates_are_set(
    clear: str, to_none: bool, later: float, lr: float
) -> None:
    finding = loop(clear, to_none, later, lr)
    if later == 1.0 and lr == 0.02:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty) == ("learning-rate", "by counterfactual")


def unfrozen(model: nn.Module, step: int) -> None:
    for parameter in model[0].parameters():
        parameter.requires_grad_(step >= 3)


def drawn(model: nn.Module, step: int) -> None:
    torch.rand(step)  # as a loader does that shuffles


def switched(model: nn.Module, step: int) -> None:
    model.train(step < 3)


@pytest.mark.parametrize("change", [unfrozen, switched, drawn])
@pytest.mark.parametrize("inside", [True, False])
def test_a_replay_gives_the_losses_of_the_live_steps(change: Any, inside: bool, monkeypatch: Any) -> None:
    """Layers that are frozen at first, dropout that is switched off later: from the step or from the loop."""
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    watch = hwcompat.watch(model, optimizer=optimizer)
    plain = loops.step_of(model, optimizer)
    done, seen, again = [0], [], []

    def train_step(batch: Any) -> Tensor:
        if inside:
            change(model, done[0])
        done[0] += 1
        return plain(batch)

    def baseline(self: Counterfactuals) -> Any:
        self.replayer.restore(self.timeline[0])
        for saved in self.timeline:
            self._begins(saved)
            again.append(self.replayer.plain(saved, restore=False).value)
        raise RuntimeError("enough")

    monkeypatch.setattr(Counterfactuals, "idle", baseline)
    batches = loops.pairs(8)
    batches[7][1].fill_(1e30)  # ends the training: the steps before are run again
    for number, batch in enumerate(batches):
        if not inside:
            change(model, number)
        seen.append(float(watch.step(train_step, batch)))
        if again:
            break
    assert again == seen[-len(again) :]
    assert len(again) == 8


def test_the_milestones_of_a_scheduler_outlive_a_bad_step() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5, 7])
    before = copy.deepcopy(scheduler.state_dict())
    watch = hwcompat.watch(model, optimizer=optimizer, extra_state=(scheduler,))
    plain = loops.step_of(model, optimizer)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    batches = loops.pairs(3)
    batches[0][0][2, 3] = float("nan")
    assert loops.run(watch, train_step, batches).cause == "bad-data"
    assert scheduler.state_dict() == before
    assert scheduler.milestones == Counter((5, 7))


@pytest.mark.parametrize(
    "value",
    [Counter("aab"), OrderedDict(b=1, a=torch.zeros(1)), defaultdict(list, a=[torch.zeros(1)]), {"a": torch.zeros(1)}],
)
def test_a_mapping_stays_what_it_is(value: Any) -> None:
    made = trees.mapped(value, lambda t: t + 1)
    assert type(made) is type(value)
    assert list(made) == list(value)
    assert made is not value
    tensors = [t for _path, t in trees.leaves(made)]
    assert all(bool(t == 1) for t in tensors)
    if isinstance(value, defaultdict):
        assert made["missing"] == []
    if isinstance(value, Counter):
        assert made == value
