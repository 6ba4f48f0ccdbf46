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


def test_a_gradient_of_a_skipped_step_that_nobody_clears() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)

    def train_step(batch: Any) -> Tensor:
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        scaler.scale(loss).backward()
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() >= before:
            optimizer.zero_grad()
        return loss

    batches = loops.pairs(12)
    model[2].weight.register_hook(lambda grad: grad * (float("inf") if scaler.get_scale() == 2.0**8 else 1))
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer, scaler=scaler), train_step, batches)
    assert (finding.cause, finding.step, finding.certainty) == ("zero-grad", 1, "proved")


def test_steps_inside_a_step_that_are_never_cleared() -> None:
    for cleared in (False, True):
        torch.manual_seed(0)
        model = loops.mlp()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def train_step(parts: Any, model: Any = model, optimizer: Any = optimizer, cleared: bool = cleared) -> Tensor:
            optimizer.zero_grad()
            for x, y in parts:
                if cleared:
                    optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
            return loss

        finding = loops.run(
            hwcompat.watch(model, optimizer=optimizer), train_step, [loops.pairs(30) for _ in range(20)]
        )
        assert (finding and finding.cause) == (None if cleared else "zero-grad")


def test_first_weights_that_no_layer_knows_and_that_are_too_large() -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factors = nn.Parameter(torch.randn(8, 64))

        def forward(self, x: Tensor) -> Tensor:
            return (x @ self.factors).square().sum(1, keepdim=True)

    finding = loops.watched(Pairs(), lambda p, y: torch.log(1 + torch.exp(p - y)).mean(), loops.pairs())
    assert (finding.cause, finding.step, finding.certainty) == ("initialisation", 0, "by counterfactual")


def test_raw_inputs_leave_a_formula_no_chance() -> None:
    def likelihood(p: Tensor, y: Tensor) -> Tensor:
        return -(p - torch.cumsum(p.exp(), 0).log()).mean()

    raw = [(x * 3e4, y) for x, y in loops.pairs()]
    finding = loops.watched(loops.mlp(), likelihood, raw)
    assert (finding.cause, finding.step) == ("input-scale", 0)
    assert loops.watched(loops.mlp(), likelihood, loops.pairs()) is None


def test_inputs_and_targets_of_ten_thousand() -> None:
    batches = [(1e4 + 3e3 * x, 1e4 + 3e3 * y) for x, y in loops.pairs(20)]
    finding = loops.watched(loops.mlp(), nn.functional.mse_loss, batches)
    assert finding.cause == "input-scale"


@pytest.mark.parametrize("scale", [12.0, 1.0])
def test_a_saturated_start(scale: float) -> None:
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), nn.Tanh())
    with torch.no_grad():
        for layer in (model[0], model[2], model[4]):
            layer.weight.mul_(scale)
        model[4].bias.fill_(40.0 * (scale > 1))
    finding = loops.watched(model, nn.functional.mse_loss, [(x, y.sign()) for x, y in loops.pairs(60)])
    assert (finding and finding.cause) == ("initialisation" if scale > 1 else None)


def test_a_count_for_a_likelihood_of_whole_numbers() -> None:
    def loss(p: Tensor, y: Tensor) -> Tensor:
        return -torch.distributions.Poisson(p.exp(), validate_args=True).log_prob(y).mean()

    finding = loops.watched(loops.mlp(), loss, [(x, y.abs() + 0.5) for x, y in loops.pairs()])
    assert (finding.cause, finding.step, finding.module) == ("bad-labels", 0, "<loss>")


def test_losses_that_leap_between_steps_that_are_fine() -> None:
    """Between the leaps the loss is all but 0, so that no level holds for long; the weights grow all the same."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.95)
    centres = 2 * torch.randn(4, 8)

    def train_step(batch: Any) -> Tensor:
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    labels = [torch.randint(4, (16,)) for _ in range(160)]
    batches = [(centres[y] + 0.7 * torch.randn(16, 8), y) for y in labels]
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert finding.cause == "zero-grad"


@pytest.mark.parametrize("wrong", [False, True])
def test_compiled_gradients_that_are_finite_and_wrong(wrong: bool) -> None:
    from torch._dynamo.backends.common import aot_autograd

    def transposed(graph: Any, inputs: Any) -> Any:
        def program(*args: Any) -> Any:
            outs = graph.forward(*args)
            return tuple(
                out.t().reshape(out.shape) if isinstance(out, Tensor) and out.dim() == 2 else out for out in outs
            )

        return program

    def right(graph: Any, inputs: Any) -> Any:
        return graph.forward

    torch._dynamo.reset()
    plain = loops.mlp(outputs=4)
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=transposed if wrong else right))
    optimizer = torch.optim.SGD(plain.parameters(), 0.05)
    finding = loops.run(
        hwcompat.watch(model, optimizer=optimizer),
        loops.step_of(model, optimizer, nn.functional.cross_entropy),
        loops.labelled(6),
    )
    assert (finding and (finding.cause, finding.kind)) == (("compiler", "silent") if wrong else None)


def test_a_compiled_dropout_draws_otherwise_and_is_not_blamed() -> None:
    torch._dynamo.reset()
    plain = nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.5), nn.Linear(32, 4))

    def noisy(graph: Any, inputs: Any) -> Any:
        def program(*args: Any) -> Any:
            torch.rand(7)
            return graph(*args)

        return program

    model = torch.compile(plain, backend=noisy)
    optimizer = torch.optim.SGD(plain.parameters(), 0.05)
    step = loops.step_of(model, optimizer, nn.functional.cross_entropy)
    assert loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.labelled(6)) is None


@pytest.mark.parametrize("code", [1, 0])
def test_a_step_that_ends_the_program_over_its_own_loss(code: int) -> None:
    """`sys.exit` over a loss that is NaN is explained instead; any other is let through."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        loss = (
            (model(batch[0]) - batch[1]).abs().log().mean()
            if code
            else nn.functional.mse_loss(model(batch[0]), batch[1])
        )
        if not torch.isfinite(loss) or (not code and len(seen) == 3):
            raise SystemExit(code)
        seen.append(1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    seen: list[int] = []
    batches = loops.pairs(8)
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.zero_()
    if code:
        batches[0][1][3] = 0.0
    watch = hwcompat.watch(model, optimizer=optimizer)
    if code:
        finding = loops.run(watch, train_step, batches)
        assert finding.cause in ("division-by-zero", "singular-gradient", "bad-labels")
        assert finding.step == 0
    else:
        with pytest.raises(SystemExit):
            loops.run(watch, train_step, batches)
        assert watch.finding is None


def test_steps_that_take_too_long_are_not_run_again_for_a_training_that_nobody_called_broken() -> None:
    """A flat training: with no seconds to spend nothing is claimed, and nothing fails."""
    for seconds, told in ((0.0, False), (60.0, True)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.02)
        batches = loops.clouds(40)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        watch = hwcompat.watch(model, optimizer=optimizer, seconds=seconds)
        finding = loops.run(watch, loops.step_of(model, optimizer, nn.functional.cross_entropy), batches)
        assert bool(finding) is told
        assert not any("failed" in note for note in watch.notes)
