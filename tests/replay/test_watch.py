"""The watch itself: healthy loops of many kinds stay silent, its failures stay inside, its report says what it must."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat
from hwcompat.replay import watcher

ISLAND = Path(watcher.__file__).parent
Loop = tuple[nn.Module, Any, Callable[[Any], Any], list[Any]]


def accumulating() -> Loop:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    calls = [0]

    def train_step(batch: Any) -> Tensor:
        loss = functional.mse_loss(model(batch[0]), batch[1]) / 4
        loss.backward()
        calls[0] += 1
        if calls[0] % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return model, optimizer, train_step, loops.pairs(40)


def lbfgs() -> Loop:
    model = nn.Linear(8, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

    def train_step(batch: Any) -> Any:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = functional.mse_loss(model(batch[0]), batch[1])
            loss.backward()
            return loss

        return optimizer.step(closure)

    return model, optimizer, train_step, loops.pairs(10)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(8, 1, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(torch.cfloat) @ self.weight).abs()


def returning(shape: Callable[[Tensor], Any]) -> Callable[[], Loop]:
    def build() -> Loop:
        model = loops.mlp()
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        plain = loops.step_of(model, optimizer)
        return model, optimizer, lambda batch: shape(plain(batch)), loops.pairs(20)

    return build


def ordinary(model: nn.Module, batches: list[Any], criterion: Any = functional.mse_loss, **settings_: Any) -> Loop:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], settings_.pop("lr", 0.05))
    return model, optimizer, loops.step_of(model, optimizer, criterion, **settings_), batches


def sparse() -> Loop:
    model = nn.Sequential(nn.Embedding(500, 8, sparse=True), nn.Linear(8, 4))
    batches = [(torch.randint(500, (16,)), torch.randint(4, (16,))) for _ in range(20)]
    return ordinary(model, batches, functional.cross_entropy)


def frozen() -> Loop:
    model = loops.mlp()
    model[0].requires_grad_(False)
    return ordinary(model, loops.pairs(20))


def zero_last_layer() -> Loop:
    model = loops.mlp()
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    return ordinary(model, loops.pairs(20))


def from_an_iterator() -> Loop:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    source = iter(loops.pairs(60))
    plain = loops.step_of(model, optimizer)
    return model, optimizer, lambda _number: plain(next(source)), list(range(50))


HEALTHY: dict[str, Callable[[], Loop]] = {
    "gradient accumulation": accumulating,
    "LBFGS": lbfgs,
    "complex weights": lambda: ordinary(Complex(), [(x, y.abs()) for x, y in loops.pairs(20)]),
    "loss is None": returning(lambda loss: None),
    "loss in a tuple": returning(lambda loss: (loss, {"note": 3})),
    "loss in a dictionary": returning(lambda loss: {"loss": loss}),
    "loss is a float": returning(float),
    "sparse gradients": sparse,
    "frozen layer": frozen,
    "last layer starts at zero": zero_last_layer,
    "mostly unused embedding": lambda: ordinary(
        nn.Sequential(nn.Embedding(5000, 8), nn.Linear(8, 4)),
        [(torch.randint(5000, (16,)), torch.randint(4, (16,))) for _ in range(20)],
        functional.cross_entropy,
    ),
    "data from an iterator": from_an_iterator,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_loops_stay_silent(name: str) -> None:
    torch.manual_seed(0)
    model, optimizer, train_step, batches = HEALTHY[name]()
    watch = hwcompat.watch(model, optimizer=optimizer)
    assert loops.run(watch, train_step, batches) is None
    report = watch.report()
    assert f"no bad step in {len(batches)} steps" in report
    assert "not checked" in report
    watch.close()


def test_data_read_inside_the_step_are_not_blamed_on_the_machine() -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    data = loops.pairs(20)
    data[7][0][2] = float("nan")
    source = (batch for batch in data)
    plain = loops.step_of(model, optimizer)
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), lambda _n: plain(next(source)), range(15))
    assert (finding.cause, finding.certainty, finding.step) == ("bad-data", "suspected", 7)
    assert any("iterator" in line for line in finding.evidence)


def test_an_index_error_outside_torch_is_the_users() -> None:
    numpy = pytest.importorskip("numpy")
    model = loops.mlp()
    watch = hwcompat.watch(model, optimizer=torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(IndexError, match="out of bounds"):
        watch.step(lambda batch: numpy.zeros(3)[batch], 7)
    assert watch.finding is None


def test_an_exception_that_no_finding_explains_is_the_users() -> None:
    model = loops.mlp()
    watch = hwcompat.watch(model, optimizer=torch.optim.SGD(model.parameters(), 0.1))

    def train_step(batch: Any) -> Tensor:
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        watch.step(train_step, None)
    assert watch.finding is None


def test_where_snapshots_do_not_fit_nothing_is_called_proved() -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    one = sum(4 * p.numel() for p in model.parameters())
    batches = loops.pairs()
    batches[3][0][0] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer, memory_limit=int(3.5 * one))
    finding = loops.run(watch, loops.step_of(model, optimizer), batches)
    assert (finding.cause, finding.certainty) == ("bad-data", "suspected")
    assert any("do not fit" in note for note in watch.notes)


def test_a_failure_of_the_watch_is_a_note_and_the_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("inside the watch")

    monkeypatch.setattr(watcher.tripwire, "read", broken)
    watch = hwcompat.watch(model, optimizer=optimizer)
    losses = [watch.step(loops.step_of(model, optimizer), batch) for batch in loops.pairs(6)]
    assert len(losses) == 6
    assert watch.finding is None, "who breaks on a finding would end a sound training"
    assert "inside the watch" in watch.report()
    assert capsys.readouterr().err.count("inside the watch") == 1


def test_a_failure_inside_a_diagnosis_leaves_the_training_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any) -> Any:
        raise ZeroDivisionError("inside the diagnosis")

    monkeypatch.setattr(watcher.Diagnosis, "finding", broken)
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    batches = loops.pairs()
    batches[3][0][0] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer)
    finding = loops.run(watch, loops.step_of(model, optimizer), batches)
    assert (finding.cause, finding.step) == ("unknown", 3)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(8, 8),
    lambda: nn.LayerNorm(8),
    lambda: nn.Dropout(0.5),
    lambda: nn.Softmax(-1),
    lambda: nn.PReLU(),
    lambda: nn.BatchNorm1d(8),
    lambda: nn.Sequential(nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 2, 3, padding=1), nn.Flatten()),
    lambda: nn.GELU(),
]


class Mixed(nn.Module):
    """Random layers, one of them called twice, and a value spoilt at a random place."""

    def __init__(self, kinds: list[int], spoil: tuple[int, float]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8), *(LAYERS[kind]() for kind in kinds)])
        self.spoil = spoil

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate([*self.layers, self.layers[0]]):
            x = layer(x)
            if number == self.spoil[0]:
                x = x * self.spoil[1]
        return x


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, len(LAYERS) - 1), min_size=1, max_size=5),
    st.tuples(st.integers(0, 5), st.sampled_from([1.0, 0.0, -1.0, 1e30, 1e-30, float("inf"), float("nan")])),
    st.sampled_from(["SGD", "Adam", "Adagrad"]),
    st.sampled_from([None, torch.float16, torch.bfloat16]),
)
def test_nothing_ever_gets_out_of_the_watch(kinds: list[int], spoil: Any, name: str, amp: Any) -> None:
    torch.manual_seed(0)
    model = Mixed(kinds, spoil)
    optimizer = getattr(torch.optim, name)(model.parameters(), 0.01)
    watch = hwcompat.watch(model, optimizer=optimizer)
    plain = loops.step_of(model, optimizer, lambda p, y: (p.float() - y).square().mean(), amp=amp)
    for batch in loops.pairs(3, inputs=8, outputs=8):
        watch.step(plain, batch)
        if watch.finding:
            break
    assert not any("the watch itself failed" in note for note in watch.notes), watch.notes
    assert spoil[1] != 1.0 or watch.finding is None
    assert watch.finding is None or watch.finding.cause not in ("hardware", "library")


# ---- the island


def modules() -> list[Path]:
    return sorted(ISLAND.glob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.name)
def test_the_island_is_python_3_8_with_torch_and_the_standard_library_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, "imports from outside its folder"
            imported |= {(node.module or "").split(".")[0]} if not node.level else set()
    assert imported <= {"torch", *sys.stdlib_module_names}


def test_the_island_loads_by_path_without_the_package() -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('loader', {str(ISLAND / '__main__.py')!r})\n"
        "loader = importlib.util.module_from_spec(spec); spec.loader.exec_module(loader)\n"
        "replay = loader.load(); assert loader.load() is replay\n"
        "import torch; model = torch.nn.Linear(2, 1); opt = torch.optim.SGD(model.parameters(), 0.1)\n"
        "watch = replay.watch(model, optimizer=opt)\n"
        "def step(batch):\n"
        "    opt.zero_grad(); loss = (model(batch) / 0).sum(); loss.backward(); opt.step(); return loss\n"
        "watch.step(step, torch.ones(3, 2))\n"
        "print(watch.finding.cause, 'hwcompat' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ISLAND.anchor)
    assert done.stdout.split() == ["division-by-zero", "False"]


@pytest.mark.parametrize("zero", [torch.sign, torch.round, torch.floor, torch.sgn])
def test_gradients_of_zeros_without_memory_are_no_end_of_the_process(zero: Any) -> None:
    """torch gives the derivative of a step function as zeros that have no memory; a recorder must not read it."""

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.unused = nn.Parameter(torch.ones(8)), nn.Parameter(torch.ones(8))

        def forward(self, x: Tensor) -> Tensor:
            return zero(self.scale * x) + zero(self.unused) + self.scale * x

    model = nn.Sequential(nn.Linear(8, 8), Steps(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    batches = loops.pairs(6)
    batches[4][0][2, 1] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer)
    finding = loops.run(watch, loops.step_of(model, optimizer), batches)
    assert (finding.cause, finding.step, watch.notes) == ("bad-data", 4, [])


@pytest.mark.parametrize("cleared", [True, False])
def test_a_second_optimizer_whose_gradients_nobody_clears(cleared: bool) -> None:
    """Its gradients belong to the snapshots, although those of the first optimizer are made anew in every step."""
    model = nn.ModuleDict({"first": loops.mlp(), "second": loops.mlp()})
    first = torch.optim.SGD(model["first"].parameters(), 0.05)
    second = torch.optim.SGD(model["second"].parameters(), 0.05)

    def step(batch: Any) -> Tensor:
        x, y = batch
        first.zero_grad()
        if cleared:
            second.zero_grad()
        losses = [nn.functional.mse_loss(model[name](x), y) for name in ("first", "second")]
        sum(losses).backward()
        first.step()
        second.step()
        return losses[1]

    finding = loops.run(hwcompat.watch(model, optimizer=[first, second]), step, loops.pairs(70))
    if cleared:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty) == ("zero-grad", "by counterfactual")


def test_a_torch_without_dispatch_modes_is_trained_on_unwatched(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(watcher.recorder, "able", lambda: False)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer)
    step = loops.step_of(model, optimizer)
    assert all(watch.step(step, batch) is not None for batch in loops.pairs(3))
    assert "needs torch 1.13 or newer" in watch.report()
    assert capsys.readouterr().err.count("unwatched") == 1
