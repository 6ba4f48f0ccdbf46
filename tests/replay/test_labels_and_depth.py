"""Labels that a loss cannot end on, depth that multiplies, numbers past float16, probabilities that round to 0 or 1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat
from hwcompat.replay.copies import copied
from hwcompat.replay.signs import ABOVE, BELOW, UNIT, Signs

LOSS, OPTIMIZER = "<loss>", "<optimizer>"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def binary(absent: float, present: float, steps: int = 40) -> list[tuple[Tensor, Tensor]]:
    return [(x, torch.where(y > 0, present, absent)) for x, y in loops.pairs(steps, 32)]


@pytest.mark.parametrize(("present", "lr"), [(255.0, 1.0), (255.0, 1e-3), (1.0, 1.0)])
def test_targets_beyond_a_binary_cross_entropy(present: float, lr: float) -> None:
    """Whether the weights run away or not: the loss falls below 0, and a proper one cannot."""
    model = loops.mlp()
    batches = binary(0.0, present)
    optimizer = torch.optim.SGD(model.parameters(), lr)
    finding = loops.watched(model, functional.binary_cross_entropy_with_logits, batches, optimizer)
    if present == 1.0:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty, finding.module) == ("bad-labels", "proved", LOSS)
        assert "0 to 255" in finding.evidence[0]


@pytest.mark.parametrize("form", ["by the logits alone", "by its logarithms"])
def test_labels_that_a_loss_written_out_has_no_end_for(form: str) -> None:
    """Where the logarithms of the probabilities are seen the labels are convicted at once, else by trying others."""
    model = loops.mlp(outputs=4)
    batches = [(x, y.repeat(1, 4)) for x, y in binary(-1.0, 1.0)]
    optimizer = torch.optim.SGD(model.parameters(), 1.0, momentum=0.9)

    def by_logits(p: Tensor, y: Tensor) -> Tensor:
        return (functional.softplus(p) - y * p).mean()

    loss = by_logits if form == "by the logits alone" else functional.multilabel_soft_margin_loss
    finding = loops.watched(model, loss, batches, optimizer)
    how = "by counterfactual" if loss is by_logits else "proved"
    assert (finding.cause, finding.certainty, finding.module) == ("bad-labels", how, LOSS)


def test_a_likelihood_may_fall_below_zero() -> None:
    """A density has no upper end: a loss of -30 after some steps is what was wanted."""
    model = loops.mlp(outputs=2)

    def density(p: Tensor, y: Tensor) -> Tensor:
        return 20 * (p[:, 1:] + (p[:, :1] - y).square() * (-2 * p[:, 1:]).exp() / 2).mean()

    batches = [(x, 0.01 * y) for x, y in binary(-1.0, 1.0, 60)]
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    assert loops.watched(model, density, batches, optimizer) is None


class Deep(nn.Module):
    def __init__(self, blocks: int, norm: bool) -> None:
        super().__init__()
        self.inp, self.head = nn.Linear(6, 16), nn.Linear(16, 3)
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(16) if norm else nn.Identity() for _ in range(blocks))
        for block in self.blocks:
            nn.init.kaiming_normal_(block.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inp(x)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = x + block(norm(x)).relu()
        return self.head(x)


@pytest.mark.parametrize("norm", [False, True])
def test_blocks_that_add_up_without_a_norm(norm: bool) -> None:
    model = Deep(16, norm)
    batches = loops.labelled(30, 32, inputs=6, classes=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    finding = loops.watched(model, functional.cross_entropy, batches, optimizer)
    assert (finding and finding.cause) == (None if norm else "exploding-gradients")


def test_a_rate_that_is_too_high_for_a_deep_net_is_still_a_rate() -> None:
    """Normalised blocks let nothing grow with the depth."""
    model = Deep(12, norm=True)
    optimizer = torch.optim.SGD(model.parameters(), 300.0)
    finding = loops.watched(model, functional.cross_entropy, loops.labelled(30, 32, inputs=6, classes=3), optimizer)
    assert finding.cause == "learning-rate"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_count_that_half_does_not_hold(dtype: torch.dtype) -> None:
    model = loops.mlp(outputs=1200)

    def mean(p: Tensor, y: Tensor) -> Tensor:
        return (p - y.to(p.dtype)).abs().sum() / torch.tensor(float(p.numel()), dtype=dtype)

    batches = [(x, y.tanh().repeat(1, 1200)) for x, y in loops.pairs(20, 64)]
    finding = loops.watched(model, mean, batches, torch.optim.Adam(model.parameters(), 0.02), amp=torch.float16)
    if dtype == torch.float32:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty, finding.module) == ("fp16-overflow", "suspected", LOSS)


@pytest.mark.parametrize("cleared", [False, True])
def test_gradients_never_cleared_in_a_training_that_does_not_run_away(cleared: bool) -> None:
    model = loops.mlp(width=32, outputs=3)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        if cleared:
            optimizer.zero_grad(set_to_none=False)
        loss = functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.clouds(70, 1.0))
    assert (finding and finding.cause) == (None if cleared else "zero-grad")


@pytest.mark.parametrize("sure", [False, True])
def test_the_odds_of_an_answer_that_is_certain(sure: bool) -> None:
    model = nn.Linear(8, 4)

    def odds(p: Tensor, y: Tensor) -> Tensor:
        said = p.log_softmax(1).gather(1, y[:, None]).squeeze(1)
        return -(said - (1 - said.exp()).log()).mean()

    batches = loops.labelled(12)
    if sure:
        batches[5] = (1e5 * model.weight.detach()[:1].repeat(16, 1), torch.zeros(16, dtype=torch.long))
        with torch.no_grad():
            model.weight[1:] = -model.weight[:1]
    finding = loops.watched(model, odds, batches, torch.optim.SGD(model.parameters(), 1e-4))
    assert (finding and finding.cause) == ("underflow" if sure else None)


# --- what numbers can be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "arguments", "kind"),
    [
        ("rsub", [UNIT], [None, 1.0], UNIT),
        ("rsub", [ABOVE], [None, 1.0], ""),
        ("exp", [BELOW], [None], UNIT),
        ("exp", [""], [None], ABOVE),
        ("neg", [BELOW], [None], ABOVE),
        ("mul", [UNIT, UNIT], [None, None], UNIT),
        ("mul", [UNIT], [None, -2.0], BELOW),
        ("mul", [UNIT], [None, 0.0], ""),
        ("mul", [UNIT, ""], [None, None], ""),
        ("sum", [UNIT], [None], ABOVE),
        ("add", [ABOVE, BELOW], [None, None], ""),
        ("log", [UNIT], [None], BELOW),
        ("log", [ABOVE], [None], ""),
        ("clamp_max", [BELOW], [None, -1e-4], ""),
        ("sub", [UNIT, UNIT], [None, None], ""),
    ],
)
def test_what_a_result_can_be(name: str, given: list[str], arguments: list[Any], kind: str) -> None:
    signs = Signs(id)
    tensors = [torch.ones(2) for _ in given]
    for tensor, known in zip(tensors, given, strict=True):
        signs.table[id(tensor)] = (known, "softmax" if known else "")
    out = torch.ones(2)
    signs.follow(name, tensors, arguments, [out])
    assert signs.table[id(out)][0] == kind
    assert bool(signs.origin(out)) == (kind in (ABOVE, UNIT))


# --- copies of operands -----------------------------------------------------------------------------------------------


def test_operands_of_one_memory_are_copied_as_such() -> None:
    memory = torch.randn(40)
    a, b, c = memory[3:19].view(4, 4), memory[3:19].view(4, 4).t(), torch.randn(4, 4)
    (x, y, z), _kwargs = copied([a, b, c], {})
    assert x.data_ptr() == y.data_ptr() != z.data_ptr()
    assert x.data_ptr() != a.data_ptr()
    assert (x.stride(), y.stride(), x.storage_offset()) == (a.stride(), b.stride(), a.storage_offset())
    assert torch.equal(x, a)
    assert torch.equal(y, b)
    assert torch.equal(z, c)


def test_a_change_of_one_copy_leaves_the_original_alone() -> None:
    memory = torch.zeros(16)
    (x, y), _kwargs = copied([memory.view(4, 4), memory.view(2, 8)], {})
    x.fill_(3.0)
    assert bool((y == 3.0).all())
    assert not bool(memory.any())


def test_two_far_ends_of_a_large_memory_are_copied_apart() -> None:
    memory = torch.randn(1000)
    (x, y), _kwargs = copied([memory[:4], memory[-4:]], {})
    assert torch.equal(x, memory[:4])
    assert torch.equal(y, memory[-4:])
    assert x.untyped_storage().nbytes() < memory.untyped_storage().nbytes()
