"""One training for each way in which a step goes bad: the cause, where, and at which step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat

LOSS, DATA, OPTIMIZER = "<loss>", "<data>", "<optimizer>"
NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def told(finding: Any) -> tuple[str, int, str]:
    return finding.cause, finding.step, finding.module


def scaled(model: nn.Sequential, factor: float, layer: int = 2) -> nn.Sequential:
    with torch.no_grad():
        model[layer].weight.mul_(factor)
    return model


def spoilt(batches: list[tuple[Tensor, Tensor]], step: int, part: int, index: Any, value: float) -> list[Any]:
    batches[step][part][index] = value
    return batches


# ---- the formula


def test_a_softmax_that_underflows_before_its_logarithm() -> None:
    def loss(p: Tensor, y: Tensor) -> Tensor:
        return -torch.log(functional.softmax(p, 1))[torch.arange(16), y].mean()

    finding = loops.watched(scaled(loops.mlp(outputs=4), 600.0), loss, loops.labelled())
    assert told(finding) == ("underflow", 0, LOSS)
    assert (finding.certainty, finding.phase, finding.op) == ("proved", "loss", "log")
    assert "test_causes.py" in finding.source


def test_a_product_of_probabilities_that_underflows() -> None:
    model = nn.Sequential(nn.Linear(8, 64), nn.Sigmoid())
    nn.init.constant_(model[0].bias, -4.0)
    finding = loops.watched(model, lambda p, y: -torch.log(p.prod(1)).mean(), loops.pairs())
    assert told(finding) == ("underflow", 0, LOSS)


def test_an_exponential_beyond_half_precision() -> None:
    model = loops.mlp()
    nn.init.constant_(model[2].bias, 13.0)
    finding = loops.watched(model, lambda p, y: torch.exp(p.half()).mean(), loops.pairs())
    assert told(finding) == ("fp16-overflow", 0, LOSS)
    assert finding.dtype == "float16"


@pytest.mark.parametrize("kind", ["mean over nothing", "divided by the sum of the mask", "every label ignored"])
def test_a_mean_over_nothing(kind: str) -> None:
    if kind == "every label ignored":
        batches: list[Any] = loops.labelled()
        batches[6] = (batches[6][0], torch.full((16,), -100))
        assert told(loops.watched(loops.mlp(outputs=4), functional.cross_entropy, batches)) == (
            "division-by-zero",
            6,
            LOSS,
        )
        return
    batches = [(x, (y, torch.ones(16, 1))) for x, y in loops.pairs()]
    batches[4][1][1].zero_()

    def by_sum(p: Tensor, y: Any) -> Tensor:
        return ((p - y[0]).square() * y[1]).sum() / y[1].sum()

    def by_index(p: Tensor, y: Any) -> Tensor:
        return (p - y[0])[y[1] > 0].square().mean()

    criterion = by_index if kind == "mean over nothing" else by_sum
    assert told(loops.watched(loops.mlp(), criterion, batches)) == ("division-by-zero", 4, LOSS)


def test_a_vector_divided_by_its_length_of_zero() -> None:
    model = nn.Sequential(nn.Linear(8, 4, bias=False))
    batches = loops.pairs(outputs=4)
    batches[5][0][3] = 0.0
    finding = loops.watched(model, lambda p, y: (p / p.norm(dim=1, keepdim=True) - y).square().mean(), batches)
    assert told(finding) == ("division-by-zero", 5, LOSS)
    assert finding.sample == 3


def test_the_derivative_of_a_root_at_zero() -> None:
    finding = loops.watched(
        loops.mlp(), lambda p, y: (p - p.detach()).square().sqrt().mean() + functional.mse_loss(p, y), loops.pairs()
    )
    assert told(finding) == ("singular-gradient", 0, LOSS)
    assert finding.phase == "backward"


def test_a_branch_that_where_hides_from_the_value_but_not_from_the_gradient() -> None:
    def loss(p: Tensor, y: Tensor) -> Tensor:
        gap = p - p.detach()
        return torch.where(gap > 0, torch.log(gap), p - y).square().mean()

    finding = loops.watched(loops.mlp(), loss, loops.pairs())
    assert told(finding) == ("singular-gradient", 0, LOSS)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project, self.out = nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, hidden = batch
        q = self.project(x)
        scores = (q @ q.transpose(1, 2)).masked_fill(hidden[:, None, :], -INF)
        return self.out(scores.softmax(-1) @ q).mean(1)


@pytest.mark.parametrize("everything", [False, True])
def test_only_a_mask_that_hides_everything_is_found(everything: bool) -> None:
    batches = []
    for _ in range(8):
        hidden = torch.zeros(4, 5, dtype=torch.bool)
        hidden[:, 3:] = True
        batches.append(((torch.randn(4, 5, 8), hidden), torch.randn(4, 1)))
    if everything:
        batches[6][0][1][2] = True
    finding = loops.watched(Attention(), functional.mse_loss, batches)
    assert finding is None if not everything else told(finding)[:2] == ("masked-softmax", 6)


@pytest.mark.parametrize("kind", ["variance", "batch norm raises"])
def test_a_statistic_over_one_sample(kind: str) -> None:
    batches = loops.pairs()
    batches[7] = (batches[7][0][:1], batches[7][1][:1])
    if kind == "variance":
        finding = loops.watched(loops.mlp(), lambda p, y: functional.mse_loss(p, y) + p.var(0).mean(), batches)
        assert told(finding) == ("batch-statistics", 7, LOSS)
    else:
        model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        assert told(loops.watched(model, functional.mse_loss, batches)) == ("batch-statistics", 7, "1")


# ---- the data


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_bad_number_in_the_input_names_its_sample(value: float) -> None:
    finding = loops.watched(loops.mlp(), functional.mse_loss, spoilt(loops.pairs(), 4, 0, (3, 1), value))
    assert told(finding) == ("bad-data", 4, DATA)
    assert (finding.certainty, finding.phase, finding.sample) == ("proved", "data", 3)


def test_a_bad_number_in_the_target() -> None:
    finding = loops.watched(loops.mlp(), functional.mse_loss, spoilt(loops.pairs(), 4, 1, (2, 0), NAN))
    assert finding.cause == "bad-labels"
    assert finding.sample == 2


def test_a_target_that_the_loss_cannot_take_the_logarithm_of() -> None:
    batches = [(x, y.abs() + 0.1) for x, y in loops.pairs()]
    finding = loops.watched(
        loops.mlp(), lambda p, y: (p - torch.log(y)).square().mean(), spoilt(batches, 4, 1, (5, 0), 0.0)
    )
    assert told(finding) == ("bad-labels", 4, LOSS)


@pytest.mark.parametrize("value", [4, -1])
def test_a_class_that_does_not_exist_is_told_instead_of_raised(value: int) -> None:
    finding = loops.watched(loops.mlp(outputs=4), functional.cross_entropy, spoilt(loops.labelled(), 3, 1, 2, value))
    assert told(finding) == ("bad-labels", 3, LOSS)
    assert finding.sample == 2


def test_labels_of_the_wrong_type() -> None:
    batches = [(x, y.float()) for x, y in loops.labelled()]
    assert loops.watched(loops.mlp(outputs=4), functional.cross_entropy, batches).cause == "bad-labels"


def test_one_giant_sample() -> None:
    finding = loops.watched(loops.mlp(), functional.mse_loss, spoilt(loops.pairs(), 5, 0, 3, 1e30))
    assert told(finding) == ("bad-data", 5, DATA)
    assert finding.sample == 3


def test_a_feature_a_million_times_larger_than_the_others() -> None:
    batches = [(torch.cat([x[:, :7], 1e6 * x[:, 7:].abs()], 1), y) for x, y in loops.pairs(30)]
    assert loops.watched(loops.mlp(), functional.mse_loss, batches).cause == "input-scale"


# ---- the training


@pytest.mark.parametrize(("name", "lr"), [("SGD", 20.0), ("Adam", 1e9)])
def test_a_learning_rate_far_too_high(name: str, lr: float) -> None:
    model = loops.mlp()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr)
    finding = loops.watched(model, functional.mse_loss, loops.pairs(40), optimizer)
    assert (finding.cause, finding.certainty) == ("learning-rate", "by counterfactual")


def test_weight_decay_that_turns_the_weights_over() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, weight_decay=100.0)
    assert loops.watched(model, functional.mse_loss, loops.pairs(40), optimizer).cause == "weight-decay"


def test_gradients_that_nobody_clears() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        loss = functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs(100))
    assert (finding.cause, finding.certainty) == ("zero-grad", "by counterfactual")


def test_weights_that_start_far_too_large() -> None:
    model = nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(16, 16), nn.ReLU())], nn.Linear(16, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e5)
    assert loops.watched(model, functional.mse_loss, loops.pairs(inputs=16)).cause == "initialisation"


def test_weights_that_all_start_at_zero() -> None:
    model = loops.mlp(outputs=4)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    finding = loops.watched(model, functional.cross_entropy, loops.labelled(20))
    assert (finding.cause, finding.module) == ("initialisation", "0")


def test_a_weight_that_is_nan_before_the_first_step() -> None:
    finding = loops.watched(scaled(loops.mlp(), NAN), functional.mse_loss, loops.pairs())
    assert told(finding) == ("initialisation", 0, "2")


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inp, self.cell, self.out = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 1)
        with torch.no_grad():
            self.cell.weight.copy_(6.0 * torch.eye(16) + 0.05 * torch.randn(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        for _ in range(60):
            h = self.cell(h)
        return self.out(h)


def test_a_recurrence_that_grows() -> None:
    finding = loops.watched(Recurrent(), functional.mse_loss, loops.pairs())
    assert (finding.cause, finding.module) == ("exploding-gradients", "cell")


# ---- precision, optimizer, loss scale


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad"])
def test_eps_that_is_zero_in_half_precision(name: str) -> None:
    model = loops.mlp().half()
    optimizer = getattr(torch.optim, name)(model.parameters(), 1e-3)
    batches = [(x.half(), y) for x, y in loops.pairs()]
    finding = loops.watched(model, lambda p, y: 1e-3 * functional.mse_loss(p.float(), y), batches, optimizer)
    assert (finding.cause, finding.module, finding.certainty) == ("optimizer-eps", OPTIMIZER, "proved")


def test_a_loss_too_small_for_half_gradients() -> None:
    model = loops.mlp().half()
    batches = [(x.half(), y) for x, y in loops.pairs()]
    finding = loops.watched(model, lambda p, y: 1e-7 * functional.mse_loss(p.float(), y), batches)
    assert (finding.cause, finding.phase) == ("gradient-underflow", "backward")


@pytest.mark.parametrize("kind", ["unscaled twice", "half weights", "loss not scaled", "stepped past it"])
def test_a_scaler_used_wrongly(kind: str) -> None:
    model = loops.mlp().half() if kind == "half weights" else loops.mlp()
    optimizer, scaler = torch.optim.SGD(model.parameters(), 0.05), torch.amp.GradScaler("cpu")

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(batch[0].to(model[0].weight.dtype)).float(), batch[1])
        big = scaler.scale(loss)
        (loss if kind == "loss not scaled" else big).backward()
        if kind == "unscaled twice":
            scaler.unscale_(optimizer)
            scaler.unscale_(optimizer)
        if kind == "stepped past it":
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer, scaler=scaler), train_step, loops.pairs(60))
    assert (finding.cause, finding.certainty) == ("scaler-misuse", "proved")


# ---- what is hidden, outsized, or multiplied too often


def test_a_mask_that_sums_to_minus_infinity_is_a_full_mask_and_no_outlier() -> None:
    class Attention(nn.Module):
        def forward(self, given: Any) -> Tensor:
            x, padding = given
            hidden = padding[:, None, :] * torch.finfo(x.dtype).min
            return (x @ x.transpose(1, 2) + hidden + hidden).softmax(-1) @ x

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.attention, self.out = nn.Linear(4, 8), Attention(), nn.Linear(8, 1)

        def forward(self, given: Any) -> Tensor:
            return self.out(self.attention((self.embed(given[0]), given[1])).mean(1))

    batches = [((torch.randn(8, 5, 4), torch.zeros(8, 5)), torch.randn(8, 1)) for _ in range(8)]
    batches[4][0][1][3] = 1
    assert told(loops.watched(Net(), functional.mse_loss, batches)) == ("masked-softmax", 4, "attention")


def test_minus_infinity_in_a_feature_is_bad_data_although_a_mask_may_hold_it() -> None:
    batches = spoilt(loops.pairs(), 5, 0, (3, 1), -INF)
    finding = loops.watched(loops.mlp(), functional.mse_loss, batches)
    assert told(finding) == ("bad-data", 5, DATA)
    assert finding.sample == 3


def test_equal_labels_are_no_bad_label() -> None:
    """What was computed over a whole batch convicts no single label."""
    batches = loops.pairs()
    batches[5][1].fill_(1.0)
    finding = loops.watched(loops.mlp(), lambda p, y: ((p - (y - y.mean()) / y.std()) ** 2).mean(), batches)
    assert told(finding) == ("division-by-zero", 5, LOSS)


def test_a_box_without_width_is_a_bad_label_still() -> None:
    batches = [(x, y.abs() + 1) for x, y in loops.pairs()]
    batches[5][1][2] = 0.0
    finding = loops.watched(loops.mlp(), lambda p, y: (p - y.log()).square().mean(), batches)
    assert told(finding) == ("bad-labels", 5, LOSS)


def test_a_formula_that_divides_by_a_label_of_zero() -> None:
    """Nothing sold on a day, silence in a source: the label is right, the formula is not."""
    batches = [(x, y.abs() + 1) for x, y in loops.pairs()]
    batches[5][1][2] = 0.0
    finding = loops.watched(loops.mlp(), lambda p, y: ((p - y) / y).abs().mean(), batches)
    assert told(finding) == ("division-by-zero", 5, LOSS)
    assert "labels alone" in " ".join(finding.evidence)


def test_a_label_a_million_times_too_large() -> None:
    batches = spoilt(loops.pairs(12), 7, 1, (2, 0), 1e9)
    finding = loops.watched(loops.mlp(), functional.mse_loss, batches)
    assert (finding.cause, finding.step, finding.sample) == ("bad-labels", 7, 2)
    assert finding.certainty == "by counterfactual"


def test_a_target_longer_than_its_sound_has_no_alignment() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.LogSoftmax(-1))
    targets = [torch.randint(1, 5, (6, 3)) for _ in range(8)]
    batches = [(torch.randn(6, 12, 4), (t, torch.full((6,), 12), torch.full((6,), 3))) for t in targets]
    batches[3][1][1][4] = 2
    finding = loops.watched(model, lambda p, y: functional.ctc_loss(p.transpose(0, 1), *y), batches)
    assert told(finding) == ("bad-labels", 3, LOSS)
    assert finding.sample == 4
    assert "no alignment" in finding.evidence[1]


def test_a_parameter_that_nobody_filled() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.randn(16) * 2e38)

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    model = nn.Sequential(nn.Linear(8, 16), Scale(), nn.Linear(16, 1))
    with torch.no_grad():
        model[0].weight.mul_(9)
    finding = loops.watched(model, functional.mse_loss, loops.pairs())
    assert told(finding) == ("initialisation", 0, "1")


def test_a_long_product_in_one_operator() -> None:
    class Gates(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (1.5 + 0.01 * x.tanh()).cumprod(1)[:, -1:]

    model = nn.Sequential(nn.Linear(8, 300), Gates())
    assert told(loops.watched(model, functional.mse_loss, loops.pairs())) == ("exploding-gradients", 0, "1")


def test_a_schedule_that_climbs_too_high_is_not_undone_by_the_trial_itself() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=100.0, total_steps=60, div_factor=1e4)
    plain = loops.step_of(model, optimizer)

    def step(batch: Any) -> Tensor:
        loss = plain(batch)
        schedule.step()
        return loss

    watch = hwcompat.watch(model, optimizer=optimizer, extra_state=schedule)
    finding = loops.run(watch, step, loops.pairs(50))
    assert (finding.cause, finding.certainty) == ("learning-rate", "by counterfactual")


def test_features_of_different_units() -> None:
    sizes = torch.tensor([1.0, 1.0, 3e3, 1.0, 1.0, 8e3, 1.0, 1.0])
    batches = [(x * sizes, y) for x, y in loops.pairs(40)]
    finding = loops.watched(loops.mlp(), functional.mse_loss, batches)
    assert (finding.cause, finding.module) == ("input-scale", DATA)


def test_weights_that_decay_to_nothing() -> None:
    """The loss stays finite and stands still: only the shrinking weights tell."""
    model = loops.mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=20.0)
    batches = [(x, 3 + y) for x, y in loops.pairs(60, 32)]
    finding = loops.watched(model, functional.mse_loss, batches, optimizer)
    assert (finding.cause, finding.certainty) == ("weight-decay", "by counterfactual")


def test_a_strong_decay_that_helps_is_left_alone() -> None:
    model = loops.mlp()
    with torch.no_grad():
        model[2].weight.mul_(30)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=5.0)
    assert loops.watched(model, functional.mse_loss, loops.pairs(60, 32), optimizer) is None


def test_a_recurrence_is_blamed_though_the_range_ends_in_the_loss() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.RNN(4, 16, nonlinearity="relu", batch_first=True), nn.Linear(16, 1)
            with torch.no_grad():
                self.cell.weight_hh_l0.mul_(6.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.cell(x)[0][:, -1])

    batches = [(torch.randn(8, 100, 4), torch.randn(8, 1)) for _ in range(3)]
    assert told(loops.watched(Net(), functional.mse_loss, batches)) == ("exploding-gradients", 0, "cell")


# ---- what lies outside, and what has another name


def test_a_number_from_outside_torch_is_nobodys_division() -> None:
    factors = iter([1.0] * 4 + [NAN] * 20)
    model, seen = loops.mlp(), {"factor": 1.0}
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = seen["factor"] * functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    watch = hwcompat.watch(model, optimizer=optimizer)
    for batch in loops.pairs():
        seen["factor"] = next(factors)
        watch.step(step, batch)
        if watch.finding:
            break
    assert told(watch.finding) == ("unknown", 4, LOSS)
    assert "Python number" in watch.finding.evidence[1]


def test_an_exponential_beyond_float64_is_too_large_and_no_singular_point() -> None:
    batches = [(1e5 * x, y) for x, y in loops.pairs()]
    finding = loops.watched(nn.Linear(8, 1), lambda p, y: (p.exp() - y).square().mean(), batches)
    assert told(finding)[:2] == ("input-scale", 0)


def test_a_covariance_of_one_sample() -> None:
    batches = loops.pairs()
    batches[5] = (batches[5][0][:1], batches[5][1][:1])
    finding = loops.watched(loops.mlp(outputs=3), lambda p, y: torch.cov(p.t()).square().mean(), batches)
    assert told(finding) == ("batch-statistics", 5, LOSS)


def test_a_class_that_one_hot_does_not_know() -> None:
    batches = spoilt(loops.labelled(), 3, 1, 2, 9)
    loss = lambda p, y: functional.mse_loss(p, functional.one_hot(y, 4).float())  # noqa: E731
    assert told(loops.watched(loops.mlp(outputs=4), loss, batches)) == ("bad-labels", 3, LOSS)


@pytest.mark.parametrize("kind", ["penalty", "lambd"])
def test_a_decay_by_another_name(kind: str) -> None:
    model = loops.mlp()
    lambd = 35.0 if kind == "lambd" else 1e-4
    optimizer = torch.optim.ASGD(model.parameters(), lr=0.1, alpha=0.0, lambd=lambd)

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(batch[0]), batch[1])
        if kind == "penalty":
            loss = loss + 30 * sum(p.square().sum() for p in model.parameters())
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.pairs(60, 32))
    how = "proved" if kind == "lambd" else "by counterfactual"  # a penalty lies in the gradient
    assert (finding.cause, finding.certainty) == ("weight-decay", how)


def test_biases_that_keep_every_unit_asleep() -> None:
    model = loops.mlp()
    nn.init.constant_(model[0].bias, -60.0)
    batches = [(x, x[:, :1].abs() + 2) for x, _y in loops.pairs(40, 32)]
    finding = loops.watched(model, functional.mse_loss, batches)
    assert (finding.cause, finding.module) == ("initialisation", "0")


def test_what_is_computed_before_the_model_and_never_given_to_it_is_part_of_the_loss() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        weight = 1 / batch[1].half().square()
        loss = (weight.float() * (model(batch[0]) - batch[1]).square()).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(x, y.abs() + 0.5) for x, y in loops.pairs()]
    batches[4][1][3] = 0.003
    assert told(loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)) == ("fp16-overflow", 4, LOSS)


def test_a_rate_that_is_multiplied_at_a_milestone_is_no_cliff() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [9], gamma=500.0)
    plain = loops.step_of(model, optimizer)

    def step(batch: Any) -> Tensor:
        loss = plain(batch)
        schedule.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer, extra_state=schedule), step, loops.pairs(30, 32))
    assert finding.cause == "learning-rate"


def test_a_bad_number_in_a_sparse_batch() -> None:
    model = nn.Sequential(nn.Linear(8, 1))
    batches = [(x.to_sparse(), y) for x, y in loops.pairs()]
    batches[4][0]._values()[3] = NAN
    finding = loops.watched(model, lambda p, y: functional.mse_loss(p, y), batches)
    assert (finding.cause, finding.step) == ("bad-data", 4)
