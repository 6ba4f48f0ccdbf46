"""Trainings that stand still or run away because of what stands around the model: eps, decay, leftover gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn

import hwcompat

OPTIMIZER = "<optimizer>"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.NAdam])
def test_an_eps_that_is_all_of_the_divisor(kind: Any) -> None:
    for eps, cause in ((1e6, "optimizer-eps"), (1e-8, None)):
        model = loops.mlp()
        finding = loops.watched(model, nn.functional.mse_loss, loops.pairs(20), kind(model.parameters(), 0.02, eps=eps))
        assert (finding and finding.cause) == cause
        assert finding is None or "lower eps" in finding.remedy


def test_an_eps_for_half_weights_is_left_alone() -> None:
    model = loops.mlp()
    optimizer = torch.optim.Adam(model.parameters(), 0.02, eps=1e-3)
    assert loops.watched(model, nn.functional.mse_loss, loops.pairs(40), optimizer) is None


def test_a_decay_that_erases_what_was_learnt() -> None:
    model = loops.mlp()
    with torch.no_grad():
        model[2].weight.mul_(0.1)
    batches = [(x, y / 3) for x, y in loops.pairs(20)]
    optimizer = torch.optim.AdamW(model.parameters(), 0.02, weight_decay=45.0)
    finding = loops.watched(model, nn.functional.mse_loss, batches, optimizer)
    assert (finding.cause, finding.module) == ("weight-decay", OPTIMIZER)


@pytest.mark.parametrize("factor", [-2.5, 0.999])
def test_a_decay_that_the_loop_does_itself(factor: float) -> None:
    model = loops.mlp()
    optimizer = torch.optim.Adagrad(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(factor)
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs(40))
    assert (finding and finding.cause) == ("weight-decay" if factor < 0 else None)


@pytest.mark.parametrize(
    ("norm", "place"), [(nn.GroupNorm(8, 8), "1"), (nn.GroupNorm(2, 8), ""), (nn.LayerNorm(1), "3")]
)
def test_a_normalisation_of_one_value_leaves_nothing(norm: nn.Module, place: str) -> None:
    wide = isinstance(norm, nn.GroupNorm)
    layers = [nn.Linear(8, 8), norm if wide else nn.ReLU(), nn.Linear(8, 1), nn.Identity() if wide else norm]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    finding = loops.watched(model, nn.functional.mse_loss, loops.pairs(40), optimizer)
    assert (
        (finding.cause, finding.module, finding.certainty) == ("batch-statistics", place, "proved") if place else True
    )
    assert place or finding is None


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.critic, self.generator = loops.mlp(4), loops.mlp(2, outputs=4)


@pytest.mark.parametrize("cleared", [False, True])
def test_gradients_that_the_generators_loss_leaves_on_the_critic(cleared: bool) -> None:
    gan = Pair()
    first, second = torch.optim.SGD(gan.critic.parameters(), 0.1), torch.optim.SGD(gan.generator.parameters(), 0.01)

    def train_step(real: Tensor) -> Tensor:
        noise = torch.randn(len(real), 2)
        (10 * (gan.critic(gan.generator(noise)) - 1).square().mean()).backward()
        second.step()
        second.zero_grad()
        if cleared:
            first.zero_grad()
        loss = (gan.critic(real) - 1).square().mean() + gan.critic(gan.generator(noise).detach()).square().mean()
        loss.backward()
        first.step()
        first.zero_grad()
        return loss

    batches = [torch.randn(32, 4) * 0.3 + torch.tensor([2.0, -2.0, 1.0, 1.0]) for _ in range(40)]
    finding = loops.run(hwcompat.watch(gan, optimizer=[first, second]), train_step, batches)
    assert (finding and finding.cause) == (None if cleared else "zero-grad")


def test_a_loss_of_random_inputs_is_no_penalty_on_the_weights() -> None:
    model = loops.mlp(4)
    optimizer = torch.optim.SGD(model.parameters(), 50.0)

    def train_step(_batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = (model(torch.randn(32, 4)) - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, range(30))
    assert finding.cause == "learning-rate"


@pytest.mark.parametrize("own", [False, True])
def test_a_weight_that_the_optimizer_spoils_once(own: bool) -> None:
    """Loss and gradients of the live step come back, the infinity does not; of an optimizer that may keep a secret
    nothing is claimed."""

    class Mine(torch.optim.Adam):
        pass

    model = loops.mlp()
    optimizer = (Mine if own else torch.optim.Adam)(model.parameters(), 0.01, foreach=False)
    batches, seen = loops.pairs(20), []
    step = loops.step_of(model, optimizer)

    class Glitch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__ == "addcdiv_" and out.shape == (1, 16):
                seen.append(1)
                if len(seen) == 6:
                    out[0, 3] = float("inf")
            return out

    with Glitch():
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    if own:
        assert finding.cause == "unknown"
    else:
        assert (finding.cause, finding.kind, finding.phase, finding.module) == (
            "hardware",
            "transient",
            "optimizer",
            "2",
        )
        assert (finding.certainty, finding.step) == ("suspected", 5)


@pytest.mark.parametrize("foreach", [False, True])
def test_the_module_whose_weight_an_optimizer_divides_by_zero(foreach: bool) -> None:
    """Named for single tensors and for lists of them alike."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.aux = nn.Linear(8, 1), nn.Linear(8, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.main(x), self.aux(x)

    model = Two()
    optimizer = torch.optim.RMSprop(model.parameters(), 0.01, eps=0.0, foreach=foreach)
    known = [(x, (y + 1, torch.ones(16, 1))) for x, y in loops.pairs(12)]

    def loss(outputs: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        (main, aux), (y, there) = outputs, target
        return (main - y).square().mean() + ((aux - y).square() * there).mean()

    known[0][1][1].zero_()
    finding = loops.watched(model, loss, known, optimizer)
    assert (finding.cause, finding.phase, finding.module, finding.step) == ("optimizer-eps", "optimizer", "aux", 0)


def test_a_mask_in_a_buffer_is_no_bad_start() -> None:
    """The buffer holds -inf at every step; the row that hides everything comes with the batch."""

    class Banded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 1)
            self.register_buffer("band", torch.full((5, 5), float("-inf")).triu(1))

        def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
            return self.out(self.attn(x, x, x, attn_mask=self.band + hidden)[0].mean(1))

    model = Banded()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = (model(batch[0], batch[1]) - batch[2]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.rand(4, 5, 8), torch.zeros(5, 5), torch.rand(4, 1)) for _ in range(8)]
    batches[5][1][:2, 0] = float("-inf")
    batches[5][1][1, 1] = float("-inf")
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding.cause, finding.step, finding.module) == ("masked-softmax", 5, "attn")


def test_a_fill_value_that_half_does_not_have() -> None:
    model = loops.mlp()
    finding = loops.watched(
        model, lambda p, y: p.masked_fill(y > 0, -1e9).float().mean(), loops.pairs(), amp=torch.float16
    )
    assert (finding.cause, finding.step) == ("fp16-overflow", 0)
