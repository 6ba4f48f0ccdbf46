"""The loss scale: what the optimizer finds must not depend on it, and a step it forbids must not be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn

import hwcompat
from hwcompat.replay import entry

Step = Callable[[Any], Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Parts:
    """A model, its optimizer and a scaler, for loops that use them rightly or wrongly."""

    def __init__(self, scale: float = 2.0**14, optimizer: type[torch.optim.Optimizer] = torch.optim.SGD) -> None:
        self.model = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 1))
        self.optimizer = optimizer(self.model.parameters(), lr=0.05)  # type: ignore[call-arg]
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale)

    def loss(self, batch: Any) -> Tensor:
        x, y = batch
        with torch.autocast("cpu", dtype=torch.float16):
            return nn.functional.mse_loss(self.model(x).float(), y)

    def done(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def watched(self, step: Step, steps: int = 20) -> Any:
        watch = hwcompat.watch(self.model, optimizer=self.optimizer, scaler=self.scaler)
        return loops.run(watch, step, loops.pairs(steps, 32))


def divided_by_hand(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward()
    for parameter in parts.model.parameters():
        parameter.grad /= parts.scaler.get_scale()
    parts.done()


def one_loss_left_out(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(1e-3 * loss).backward(retain_graph=True)
    loss.backward()
    parts.done()


def noise_on_scaled_gradients(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward()
    for parameter in parts.model.parameters():
        parameter.grad += torch.randn_like(parameter.grad) * 1000
    parts.done()


def clipped_by_value_while_scaled(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward()
    nn.utils.clip_grad_value_(parts.model.parameters(), 1.0)
    parts.done()


def penalty_on_scaled_gradients(parts: Parts, loss: Tensor) -> None:
    grads = torch.autograd.grad(parts.scaler.scale(loss), [parts.model[0].weight], create_graph=True)
    parts.scaler.scale(loss + 1e-3 * grads[0].norm()).backward()
    parts.done()


@pytest.mark.parametrize(
    "misuse",
    [
        divided_by_hand,
        one_loss_left_out,
        noise_on_scaled_gradients,
        clipped_by_value_while_scaled,
        penalty_on_scaled_gradients,
    ],
    ids=lambda f: f.__name__,
)
def test_gradients_that_depend_on_the_loss_scale_are_a_misuse(misuse: Callable[[Parts, Tensor], None]) -> None:
    parts = Parts()

    def step(batch: Any) -> Tensor:
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        misuse(parts, loss)
        return loss

    finding = parts.watched(step)
    assert (finding.cause, finding.module, finding.certainty) == ("scaler-misuse", "<optimizer>", "proved")


def test_each_step_to_the_wrong_side_of_the_scale_gets_its_own_remedy() -> None:
    """The direction in which the gradient moves with the scale tells a second division from a missing one."""
    parts = Parts()

    def step(batch: Any) -> Tensor:
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        divided_by_hand(parts, loss)
        return loss

    assert "divided by the scale once too often" in parts.watched(step).evidence[0]


def unscaled_and_clipped(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward()
    parts.scaler.unscale_(parts.optimizer)
    nn.utils.clip_grad_norm_(parts.model.parameters(), 0.1)
    parts.done()


def two_losses(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward(retain_graph=True)
    parts.scaler.scale(0.1 * loss).backward()
    parts.done()


def penalty_divided_first(parts: Parts, loss: Tensor) -> None:
    grads = torch.autograd.grad(parts.scaler.scale(loss), [parts.model[0].weight], create_graph=True)
    parts.scaler.scale(loss + 1e-3 * (grads[0] / parts.scaler.get_scale()).norm()).backward()
    parts.done()


def noise_after_unscaling(parts: Parts, loss: Tensor) -> None:
    parts.scaler.scale(loss).backward()
    parts.scaler.unscale_(parts.optimizer)
    for parameter in parts.model.parameters():
        parameter.grad += 1e-3 * torch.randn_like(parameter.grad)
    parts.done()


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize(
    "use",
    [unscaled_and_clipped, two_losses, penalty_divided_first, noise_after_unscaling],
    ids=lambda f: f.__name__,
)
def test_right_use_of_the_scaler_is_left_alone(use: Callable[[Parts, Tensor], None], optimizer: Any) -> None:
    parts = Parts(optimizer=optimizer)

    def step(batch: Any) -> Tensor:
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        use(parts, loss)
        return loss

    assert parts.watched(step) is None


def test_accumulated_gradients_are_left_alone() -> None:
    parts, count = Parts(), [0]

    def step(batch: Any) -> Tensor:
        loss = parts.loss(batch)
        parts.scaler.scale(loss / 4).backward()
        count[0] += 1
        if count[0] % 4 == 0:
            parts.done()
            parts.optimizer.zero_grad()
        return loss

    assert parts.watched(step, 24) is None


def test_a_step_past_the_scaler_that_had_found_an_infinity() -> None:
    parts = Parts(scale=2.0**30)

    def step(batch: Any) -> Tensor:
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        parts.scaler.scale(loss).backward()
        parts.scaler.unscale_(parts.optimizer)
        parts.optimizer.step()
        parts.scaler.update()
        return loss

    finding = parts.watched(step)
    assert (finding.cause, finding.step) == ("scaler-misuse", 0)
    assert "called all the same" in finding.evidence[0]


def test_a_shift_needs_gradients_of_the_same_shapes() -> None:
    one = [torch.ones(3), torch.zeros(2)]
    assert entry.shift(one, [2 * t for t in one]) == (0.5, 0.5)
    assert entry.shift(one, one[:1]) == ()
    assert entry.shift(one, [torch.ones(4), torch.zeros(2)]) == ()
    assert entry.shift([torch.zeros(3)], [torch.zeros(3)]) == ()
    assert entry.shift([torch.full((3,), float("nan"))], [torch.ones(3)]) == ()


# ---- gradients that the optimizer never sees


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_gradients_cleared_between_backward_and_step(optimizer: str, to_none: bool) -> None:
    model = loops.mlp()
    chosen = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)

    def step(batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        chosen.zero_grad(set_to_none=to_none)
        chosen.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=chosen), step, loops.pairs())
    assert (finding.cause, finding.certainty, finding.module) == ("zero-grad", "proved", "<optimizer>")


def test_a_batch_that_is_left_out_on_purpose_is_no_finding() -> None:
    """Clearing the gradients of a step that looks bad, and stepping all the same, is a choice."""
    model, count = loops.mlp(), [0]
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        if count[0] in (2, 8):
            optimizer.zero_grad(set_to_none=False)
        count[0] += 1
        optimizer.step()
        return loss

    assert loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.pairs(20)) is None


def test_gradients_cleared_after_the_step_are_in_order() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        return loss

    assert loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.pairs(20)) is None


# ---- scalers and optimizers that nobody named


@pytest.mark.parametrize("named", ["in the closure", "in extra_state"])
def test_a_scaler_that_warms_up_is_found_although_nobody_named_it(named: str) -> None:
    parts = Parts(scale=2.0**33)

    def step(batch: Any) -> Tensor:
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        parts.scaler.scale(loss).backward()
        parts.done()
        return loss

    if named == "in extra_state":
        watch = hwcompat.watch(parts.model, optimizer=parts.optimizer, extra_state=[parts.scaler])
    else:
        model, optimizer, scaler = parts.model, parts.optimizer, parts.scaler

        def step(batch: Any) -> Tensor:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                loss = nn.functional.mse_loss(model(batch[0]).float(), batch[1])
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss

        watch = hwcompat.watch(model, optimizer=optimizer)
    assert loops.run(watch, step, loops.pairs(40, 32)) is None
    assert parts.scaler.get_scale() < 2.0**33


def test_a_scaler_that_is_made_anew_in_every_step() -> None:
    parts = Parts()

    def step(batch: Any) -> Tensor:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**34)
        parts.optimizer.zero_grad()
        loss = parts.loss(batch)
        scaler.scale(loss).backward()
        scaler.step(parts.optimizer)
        scaler.update()
        return loss

    finding = loops.run(hwcompat.watch(parts.model, optimizer=parts.optimizer), step, loops.pairs(20, 32))
    assert finding.cause == "scaler-misuse"
    assert "one GradScaler before the loop" in finding.remedy


def test_an_optimizer_beside_the_scaler() -> None:
    """One of two optimizers steps with scaled gradients, and is known only from the step's own closure."""
    parts = Parts()
    second = torch.optim.SGD(parts.model[0].parameters(), 1.0)
    first = torch.optim.Adam(parts.model[2].parameters(), 0.01)

    def step(batch: Any) -> Tensor:
        first.zero_grad()
        second.zero_grad()
        loss = parts.loss(batch)
        parts.scaler.scale(loss).backward()
        parts.scaler.step(first)
        second.step()
        parts.scaler.update()
        return loss

    watch = hwcompat.watch(parts.model, optimizer=first, scaler=parts.scaler)
    assert loops.run(watch, step, loops.pairs(20, 32)).cause == "scaler-misuse"


def test_gradients_added_up_over_watched_steps_are_not_compared_at_another_scale() -> None:
    """Those of the steps before carry the scale they were made with."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    seen = [0]

    def train_step(batch: Any) -> Tensor:
        seen[0] += 1
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        scaler.scale(loss / 3).backward()
        if seen[0] % 3 == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        return loss

    assert loops.run(hwcompat.watch(model, optimizer=optimizer, scaler=scaler), train_step, loops.pairs(20)) is None


def test_a_saturated_start_in_float32_is_no_underflow() -> None:
    """In float64 the gradient is 1e-130: no loss scale would help."""
    model = loops.mlp()
    torch.nn.init.constant_(model[2].bias, -300.0)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    batches = [(x, (y > 0).float()) for x, y in loops.pairs(20)]
    finding = loops.watched(model, lambda p, y: nn.functional.mse_loss(p.sigmoid(), y), batches, optimizer)
    assert finding.cause == "initialisation"


@pytest.mark.parametrize(
    ("scale", "undone", "lr", "cause"),
    [
        (1024.0, False, 0.05, "scaler-misuse"),
        (1024.0, True, 0.05, None),
        (1024.0, True, 50.0, "learning-rate"),
        (1000.0, False, 0.05, "learning-rate"),
    ],
)
def test_a_loss_scale_of_ones_own(scale: float, undone: bool, lr: float, cause: str | None) -> None:
    """A power of two whose gradients nobody divides again; other factors are weights of a loss."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9)

    def step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        (loss * scale).backward()
        for parameter in model.parameters():
            if undone and parameter.grad is not None:
                parameter.grad /= scale
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.pairs(30))
    assert (finding.cause if finding else None) == cause


@pytest.mark.parametrize("unscaled", [True, False])
def test_a_norm_that_is_compared_as_if_it_were_still_scaled(unscaled: bool) -> None:
    model = loops.mlp(outputs=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scale = 4096.0

    def step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        (loss * scale).backward()
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad /= scale
        norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
        factor = (1.0 / (norm * (1.0 if unscaled else scale))).clamp(max=1.0)
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad *= factor
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.clouds(50))
    if unscaled:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty, finding.step) == ("scaler-misuse", "suspected", 0)
