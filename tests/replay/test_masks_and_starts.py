"""Exponentials that a mask hides, starts that are too wide, inputs that faded, scalers and objects that steps hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat
from hwcompat.replay.signs import ABOVE, HIDDEN, MASK, Signs


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


# --- exponentials and masks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bool", "float", "int", "filled", "nothing"])
def test_a_softmax_by_hand_over_a_row_that_is_all_hidden(kind: str) -> None:
    """0 / 0 of exponentials that a mask of 0 and 1 hid; without a mask the exponentials themselves rounded to 0."""
    score = nn.Linear(8, 5)

    def criterion(scores: Tensor, mask: Tensor) -> Tensor:
        raised = (scores - 2000.0 * (kind == "nothing") * (mask.sum(1, keepdim=True) == 0)).exp()
        if kind == "filled":
            raised = raised.masked_fill(~mask, 0.0)
        elif kind != "nothing":
            raised = raised * {"bool": mask, "float": mask.float(), "int": mask.long()}[kind]
        return (raised / raised.sum(1, keepdim=True)).square().mean()

    masks = [torch.ones(4, 5, dtype=torch.bool) for _ in range(6)]
    masks[4][2] = False
    batches = [(torch.randn(4, 8), mask) for mask in masks]
    finding = loops.watched(score, criterion, batches)
    assert (finding.cause, finding.step) == ("underflow" if kind == "nothing" else "masked-softmax", 4)


def known(signs: Signs, kind: str, like: Tensor) -> Tensor:
    signs.table[id(like)] = (kind, "exp")
    return like


@pytest.mark.parametrize(
    ("name", "given", "arguments", "kind"),
    [
        ("mul", [ABOVE, MASK], [], HIDDEN),
        ("mul", [HIDDEN, ABOVE], [], HIDDEN),
        ("mul", [MASK, MASK], [], ""),
        ("sum", [HIDDEN], [], HIDDEN),
        ("sum", [MASK], [], ""),
        ("add", [HIDDEN, ABOVE], [], ""),
        ("clone", [MASK], [], MASK),
        ("mul", [ABOVE, torch.ones(2, dtype=torch.bool)], [], HIDDEN),
        ("mul", [ABOVE, torch.ones(2, dtype=torch.long)], [], HIDDEN),
        ("mul", ["", torch.ones(2, dtype=torch.bool)], [], ""),
        ("masked_fill", [ABOVE, torch.ones(2, dtype=torch.bool)], [0.0], HIDDEN),
        ("masked_fill", [ABOVE, torch.ones(2, dtype=torch.bool)], [-1.0], ""),
        ("index", [ABOVE, torch.ones(2, dtype=torch.long)], [], ABOVE),
        ("_to_copy", [torch.ones(2, dtype=torch.bool)], [], MASK),
        ("_to_copy", [torch.ones(2, dtype=torch.long)], [], ""),
    ],
)
def test_what_a_mask_makes_of_a_number(name: str, given: list[Any], arguments: list[Any], kind: str) -> None:
    signs = Signs(id)
    tensors = [known(signs, item, torch.ones(2)) if isinstance(item, str) else item for item in given]
    out = torch.ones(2)
    signs.follow(name, tensors, [*tensors, *arguments], [out])
    assert signs.table[id(out)][0] == kind


# --- starts, inputs, rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("drawn", "cause"), [("all", "initialisation"), ("one", "fp16-overflow")])
def test_layers_drawn_with_unit_spread_in_half_precision(drawn: str, cause: str) -> None:
    """Nine layers that multiply are hopeless in float64 too; of one that a norm follows only the type is too narrow."""
    layers: list[nn.Module] = []
    for number in range(9):
        layer = nn.Linear(64, 64)
        if drawn == "all":
            nn.init.normal_(layer.weight)
        elif number == 8:
            layer.weight.data.mul_(1e6)
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers, *([] if drawn == "all" else [nn.LayerNorm(64)]), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    batches = [(10.0 * torch.randn(16, 64), torch.randint(3, (16,))) for _ in range(4)]
    finding = loops.watched(model, functional.cross_entropy, batches, optimizer, amp=torch.float16)
    assert (finding.cause, finding.step) == (cause, 0)


@pytest.mark.parametrize("divisor", [1.0, 255.0])
def test_pixels_that_were_divided_twice(divisor: float) -> None:
    patterns = torch.rand(3, 25)
    labels = [torch.randint(3, (32,)) for _ in range(60)]
    batches = [((patterns[y] + 0.05 * torch.randn(32, 25)) / divisor, y) for y in labels]
    model = nn.Sequential(nn.Linear(25, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 3))
    finding = loops.watched(model, functional.cross_entropy, batches, torch.optim.SGD(model.parameters(), 0.3))
    if divisor == 1.0:
        assert finding is None
    else:
        assert (finding.cause, finding.step, finding.phase) == ("input-scale", 0, "data")


def test_grey_levels_for_labels_although_the_loss_is_logged_without_its_sign() -> None:
    model = loops.mlp()
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    batches = [(x, 255.0 * (y > 0).float()) for x, y in loops.pairs(40, 32)]

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.abs()

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    assert (finding.cause, finding.certainty) == ("bad-labels", "by counterfactual")


def test_a_loss_that_comes_down_again_from_where_it_had_jumped_to() -> None:
    """An adaptive rate may throw a training far away in its first steps, and bring it back."""
    model = loops.mlp()
    losses = [1.0, 3e3, *[300.0 * 0.8**n for n in range(30)]]
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss * 0 + batch[2]

    batches = [(x, y, loss) for (x, y), loss in zip(loops.pairs(len(losses)), losses, strict=True)]
    assert loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches) is None


# --- norms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [1.9, 0.1])
def test_a_running_variance_below_zero(momentum: float) -> None:
    norm = nn.BatchNorm1d(8, momentum=momentum)
    model = nn.Sequential(norm, nn.Linear(8, 1))

    def criterion(guess: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
        x, y = pair
        norm.eval()
        calm = model(x)
        norm.train()
        return functional.mse_loss(guess, y) + 0.1 * functional.mse_loss(calm, y)

    sizes = [1.5 if number % 2 == 0 else 0.2 for number in range(8)]
    batches = [(s * x, (s * x, y)) for s, (x, y) in zip(sizes, loops.pairs(8), strict=True)]
    finding = loops.watched(model, criterion, batches)
    if momentum == 0.1:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty, finding.module) == ("batch-statistics", "proved", "0")


# --- scalers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("backoff", "cause"), [(0.9999, "scaler-misuse"), (0.5, None), (0.9, None)])
def test_a_scale_that_hardly_backs_off(backoff: float, cause: str | None) -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, backoff_factor=backoff)
    finding = loops.watched(model, functional.mse_loss, loops.pairs(90), optimizer, scaler, torch.float16)
    assert (finding.cause if finding else None) == cause


@pytest.mark.parametrize("scale", [2.0**30, 2.0**10])
def test_an_object_that_is_called_holds_its_scaler_and_its_counter(scale: float) -> None:
    """A scaler that warms up there is no misuse, and a counter there goes back before the step runs again."""

    class Loop:
        def __init__(self) -> None:
            self.model = loops.mlp()
            self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01)
            self.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
            self.seen = 0

        def __call__(self, batch: Any) -> Tensor:
            self.seen += 1
            self.optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                guess = self.model(batch[0])
            loss = functional.mse_loss(guess.float(), batch[1])
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            return loss

    loop = Loop()
    watch = hwcompat.watch(loop.model, optimizer=loop.optimizer)
    batches = loops.pairs(40)
    batches[38][0][3, 2] = float("nan")
    finding = loops.run(watch, loop, batches)
    assert (finding.cause, finding.step) == ("bad-data", 38)
    assert loop.seen == 39


@pytest.mark.parametrize(("every", "cause"), [(6, "scaler-misuse"), (100, None)])
def test_a_scaler_that_is_made_anew_every_few_steps(every: int, cause: str | None) -> None:
    class Epochs:
        def __init__(self) -> None:
            self.model = loops.mlp()
            self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01)
            self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**26)
            self.seen = 0

        def step(self, batch: Any) -> Tensor:
            if self.seen and self.seen % every == 0:
                self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**26)
            self.seen += 1
            self.optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                guess = self.model(batch[0])
            loss = functional.mse_loss(guess.float(), batch[1])
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            return loss

    epochs = Epochs()
    finding = loops.run(hwcompat.watch(epochs.model, optimizer=epochs.optimizer), epochs.step, loops.pairs(60))
    assert (finding.cause if finding else None) == cause


# --- steps of several parts, optimizers of one's own ------------------------------------------------------------------


@pytest.mark.parametrize("between", [True, False])
def test_heads_whose_gradients_are_cleared_in_front_of_the_next_one(between: bool) -> None:
    """No second backward() reaches a head: it is the optimizer that finds nothing there."""
    body, heads = nn.Linear(6, 20), nn.ModuleList(nn.Linear(20, 1) for _ in range(6))
    for parameter in heads.parameters():
        nn.init.zeros_(parameter)
    model = nn.ModuleDict({"body": body, "heads": heads})
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    teacher = functional.normalize(torch.randn(6, 6, 1), dim=1)

    def step(batch: Any) -> Tensor:
        total = torch.zeros(())
        optimizer.zero_grad()
        for task, x in enumerate(batch):
            if between:
                optimizer.zero_grad(set_to_none=False)
            loss = functional.mse_loss(heads[task](body(x).relu()), x @ teacher[task] + 0.5) / len(heads)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    batches = [[torch.randn(32, 6) for _ in heads] for _ in range(40)]
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    if between:
        assert (finding.cause, finding.certainty) == ("zero-grad", "by counterfactual")
    else:
        assert finding is None


class RootProp(torch.optim.Optimizer):
    """RMSprop with its eps under the root, and a name of its own for the mean square."""

    def __init__(self, parameters: Any, lr: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                mean = self.state[weight].setdefault("delta", torch.zeros_like(weight))
                mean.mul_(0.95).addcmul_(weight.grad, weight.grad, value=0.05)
                weight.addcdiv_(weight.grad, (mean + group["eps"]).sqrt(), value=-group["lr"])


@pytest.mark.parametrize("eps", [1e-2, 1e-12])
def test_an_eps_under_the_root_that_decides_alone(eps: float) -> None:
    model = loops.mlp()
    optimizer = RootProp(model.parameters(), 0.01, eps)
    batches = 60 * loops.pairs(1, 32)
    finding = loops.watched(model, lambda p, y: 1e-3 * functional.mse_loss(p, y + 1), batches, optimizer)
    if eps == 1e-2:
        assert (finding.cause, finding.certainty) == ("optimizer-eps", "by counterfactual")
    else:
        assert finding is None
