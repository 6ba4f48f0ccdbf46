"""Faults of a device, as an outer dispatch mode: found, placed, told from kernel faults, claimed with proof only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import hwcompat
from hwcompat.replay import places


class Faulty(TorchDispatchMode):
    """Damages the outputs of some operators in float16; `calls`: only these calls, from 0."""

    def __init__(
        self,
        ops: Sequence[str],
        damage: Callable[[Tensor], None],
        when: Callable[..., bool] = lambda args, out: True,
        calls: Sequence[int] | None = None,
        dtype: torch.dtype = torch.float16,
    ) -> None:
        super().__init__()
        self.ops, self.damage, self.when, self.calls, self.dtype, self.count = ops, damage, when, calls, dtype, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, (tuple, list)) else out
        if func.overloadpacket.__name__ in self.ops and first.dtype == self.dtype and self.when(args, first):
            if self.calls is None or self.count in self.calls:
                self.damage(first)
            self.count += 1
        return out


def nan_first(out: Tensor) -> None:
    out[(0,) * out.dim()] = float("nan")


def half_more(out: Tensor) -> None:
    out.mul_(1.5)


def images(steps: int = 6, batch: int = 8) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(batch, 3, 8, 8), torch.randint(4, (batch,))) for _ in range(steps)]


def convolutional() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 4))


def train(device: Any, model: nn.Module, batches: list[Any], amp: torch.dtype | None = torch.float16) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def loss(p: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(p.float(), y)

    watch = hwcompat.watch(model, optimizer=optimizer)
    with device:
        return loops.run(watch, loops.step_of(model, optimizer, loss, amp=amp), batches)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_wrong_matrix_product_is_the_hardware_and_proved() -> None:
    device = Faulty(["addmm"], nan_first, when=lambda args, out: out.shape[1] == 4)
    finding = train(device, loops.mlp(outputs=4), loops.labelled())
    assert (finding.cause, finding.kind, finding.certainty) == ("hardware", "persistent", "proved")
    assert (finding.step, finding.phase, finding.module, finding.dtype) == (0, "forward", "2", "float16")
    assert any("no order of additions" in line for line in finding.evidence)
    assert "float32" in finding.remedy


def test_a_convolution_wrong_only_for_large_batches_keeps_its_shape_in_the_replay() -> None:
    device = Faulty(["convolution"], nan_first, when=lambda args, out: out.shape[0] >= 7 and out.shape[1] == 8)
    batches = images(3, 6) + images(3, 7)
    finding = train(device, convolutional(), batches)
    assert (finding.cause, finding.step, finding.module) == ("hardware", 3, "2")


def test_a_kernel_wrong_only_in_channels_last_is_the_library() -> None:
    def strided(args: Any, out: Tensor) -> bool:
        return not args[0].is_contiguous()

    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in images()]
    model = convolutional().to(memory_format=torch.channels_last)
    finding = train(Faulty(["convolution"], nan_first, when=strided), model, batches)
    assert (finding.cause, finding.certainty) == ("library", "proved")
    assert "contiguous" in finding.remedy


def test_a_wrong_weight_gradient_is_found_in_the_backward_pass() -> None:
    device = Faulty(["mm"], nan_first, when=lambda args, out: out.shape == (4, 16))
    finding = train(device, loops.mlp(outputs=4), loops.labelled())
    assert (finding.cause, finding.phase, finding.module) == ("hardware", "backward", "2")


def test_a_fault_that_does_not_come_back_is_transient_and_only_suspected() -> None:
    device = Faulty(["addmm"], nan_first, when=lambda args, out: out.shape[1] == 4, calls=[5])
    finding = train(device, loops.mlp(outputs=4), loops.labelled())
    assert (finding.cause, finding.kind, finding.certainty) == ("hardware", "transient", "suspected")
    assert (finding.step, finding.module) == (5, "2")


@pytest.mark.parametrize("where", ["gradient", "layer"])
def test_code_of_others_inside_the_step_is_no_card(where: str) -> None:
    """A hook counts its calls and spoils one; no snapshot covers its counter, so that the re-run is sane."""
    model = loops.mlp(outputs=4)
    seen = []

    def spoil(value: Tensor) -> Tensor:
        seen.append(1)
        return value * float("nan") if len(seen) == 6 else value

    if where == "gradient":
        model[2].bias.register_hook(spoil)
    else:
        model[2].register_forward_hook(lambda module, given, value: spoil(value))
    finding = train(contextlib.nullcontext(), model, loops.labelled())
    assert (finding.cause, finding.step) == ("unknown", 5)
    assert any("hook" in line for line in finding.evidence)


def test_hooks_of_torch_itself_are_no_code_of_others() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.utils.spectral_norm(nn.Linear(4, 4)))
    assert places.hooks_of_others([model]) == ()


def test_a_product_that_is_finite_and_wrong() -> None:
    device = Faulty(["addmm"], half_more, when=lambda args, out: out.shape[1] == 16)
    finding = train(device, loops.mlp(outputs=4), loops.labelled())
    assert (finding.cause, finding.kind, finding.module) == ("hardware", "silent", "0")
    assert finding.step == 0


@pytest.mark.parametrize("beta", [-4.775, 2.0315])
def test_a_product_with_a_negative_factor_is_no_wrong_product(beta: float) -> None:
    """Newton and Schulz, as Muon runs them in bfloat16: the bound of a b + beta c takes the magnitude of beta."""

    class Iterated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            gram = (x @ x.t()).bfloat16()
            return torch.addmm(gram, gram, gram, beta=beta, alpha=2.0315).float()

    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), Iterated())
    batches = [(torch.randn(16, 8), torch.randn(16, 16)) for _ in range(6)]
    assert loops.watched(model, functional.mse_loss, batches) is None


def test_a_training_in_float64_is_watched() -> None:
    model = loops.mlp().double()
    batches = [(x.double(), y.double()) for x, y in loops.pairs()]
    batches[5][0][2, 1] = float("nan")
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer)
    finding = loops.run(watch, loops.step_of(model, optimizer), batches)
    assert (finding.cause, finding.step, watch.notes) == ("bad-data", 5, [])


def test_a_range_fault_is_not_blamed_on_a_device_that_is_right() -> None:
    model = loops.mlp(outputs=4)
    with torch.no_grad():
        model[0].weight.mul_(1e5)
    finding = train(Faulty([], nan_first), model, loops.labelled())
    assert finding.cause in ("fp16-overflow", "initialisation")


def test_a_fault_in_an_operator_without_a_certificate_is_not_blamed_on_the_device() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sort(x, 1).values

    model = nn.Sequential(nn.Linear(8, 4), Sorted())
    finding = train(Faulty(["sort"], nan_first), model, loops.labelled())
    assert finding.cause == "unknown"
    assert finding.module == "1"


def test_kernels_without_a_formula_of_ours_have_a_second_referee() -> None:
    """torch's decompositions judge what no formula here covers; a wrong one is the device, wherever it stands."""
    cases = {
        "embedding": nn.Sequential(nn.Embedding(9, 8), nn.Flatten(), nn.Linear(16, 4)),
        "native_group_norm": nn.Sequential(nn.Embedding(9, 8), nn.GroupNorm(2, 2), nn.Flatten(), nn.Linear(16, 4)),
        "gelu_backward": nn.Sequential(nn.Embedding(9, 8), nn.GELU(), nn.Flatten(), nn.Linear(16, 4)),
        "native_layer_norm_backward": nn.Sequential(
            nn.Embedding(9, 8), nn.LayerNorm(8), nn.Flatten(), nn.Linear(16, 4)
        ),
    }
    for op, model in cases.items():
        batches = [(torch.randint(9, (8, 2)), torch.randint(4, (8,))) for _ in range(4)]
        finding = train(Faulty([op], nan_first, dtype=torch.float32), model, batches, amp=None)
        assert (finding.cause, finding.op, finding.certainty) == ("hardware", op, "proved"), op


@pytest.mark.parametrize("op", ["", "_backward"])
def test_attention_that_is_right_when_written_out_is_the_library(op: str) -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], is_causal=True)[:, 0]

    model = nn.Sequential(nn.Linear(8, 8), Attention(), nn.Flatten(), nn.Linear(40, 4))
    batches = [(torch.randn(8, 5, 8), torch.randint(4, (8,))) for _ in range(3)]
    name = "_scaled_dot_product_flash_attention_for_cpu" + op
    finding = train(Faulty([name], nan_first, dtype=torch.float32), model, batches, amp=None)
    assert (finding.cause, finding.op, finding.module) == ("library", name, "1")
    assert "math attention" in finding.remedy


def test_an_operand_that_does_not_begin_at_the_start_of_its_memory() -> None:
    """The replay keeps where a view begins; a copy that is right elsewhere convicts the kernel, not the unit."""

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x[:, 8:])

    device = Faulty(["mm"], nan_first, when=lambda args, out: args[0].storage_offset() == 8, dtype=torch.float32)
    finding = train(device, nn.Sequential(nn.Linear(8, 16), Half()), loops.labelled(), amp=None)
    assert (finding.cause, finding.module, finding.kind) == ("library", "1.inner", "persistent")


def test_one_matrix_that_stands_for_many() -> None:
    class Query(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.randn(1, 1, 8))

        def forward(self, x: Tensor) -> Tensor:
            return torch.bmm(self.query.expand(len(x), -1, -1), x[:, :, None])[:, 0]

    device = Faulty(["bmm"], nan_first, when=lambda args, out: args[0].stride(0) == 0, dtype=torch.float32)
    model = nn.Sequential(nn.Linear(8, 8), Query(), nn.Linear(1, 4))
    finding = train(device, model, loops.labelled(), amp=None)
    assert (finding.cause, finding.module) == ("library", "1")


def test_a_transposed_convolution_has_two_referees() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 3, 2, 1, 1), nn.Flatten(), nn.LazyLinear(4))
    model(torch.randn(1, 3, 8, 8))
    device = Faulty(["convolution"], nan_first, when=lambda args, out: bool(args[6]))
    finding = train(device, model, images(3))
    assert (finding.cause, finding.module, finding.certainty) == ("hardware", "1", "proved")


def test_a_fused_recurrent_kernel_is_judged_by_the_step_without_its_library() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.lstm(x)[0].mean(1))

    batches = [(torch.randn(16, 6, 4), torch.randint(4, (16,))) for _ in range(3)]
    finding = train(Faulty(["mkldnn_rnn_layer"], nan_first, dtype=torch.float32), Net(), batches, amp=None)
    assert (finding.cause, finding.module, finding.certainty) == ("library", "lstm", "by counterfactual")


def test_an_optimizer_of_others_is_no_card() -> None:
    class Outside(torch.optim.SGD):
        calls = 0

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step()
            Outside.calls += 1
            if Outside.calls == 5:
                self.param_groups[0]["params"][2][0, 1] = float("nan")

    model = loops.mlp(outputs=4)
    optimizer = Outside(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer)
    finding = loops.run(watch, loops.step_of(model, optimizer, functional.cross_entropy), loops.labelled())
    assert (finding.cause, finding.step) == ("unknown", 4)


def nan_backend(graph: Any, inputs: Any) -> Any:
    """A compiler whose program is wrong from its fifth run on; one of these is the comparison with eager Python."""
    calls = [0]

    def program(*args: Any) -> Any:
        calls[0] += 1
        out = graph(*args)
        return tuple(part * float("nan") for part in out) if calls[0] > 4 else out

    return program


def test_compiled_code_that_is_wrong_is_told_from_the_same_code_run_eagerly() -> None:
    model = loops.mlp(outputs=4)
    compiled = torch.compile(model, backend=nan_backend)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(compiled, optimizer=optimizer)
    finding = loops.run(watch, loops.step_of(compiled, optimizer, functional.cross_entropy), loops.labelled())
    assert (finding.cause, finding.certainty, finding.step) == ("compiler", "proved", 3)


def test_a_compiled_training_stays_compiled_while_it_is_watched() -> None:
    runs = [0]

    def backend(graph: Any, inputs: Any) -> Any:
        def program(*args: Any) -> Any:
            runs[0] += 1
            return graph(*args)

        return program

    model = loops.mlp(outputs=4)
    compiled = torch.compile(model, backend=backend)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(compiled, optimizer=optimizer)
    assert loops.run(watch, loops.step_of(compiled, optimizer, functional.cross_entropy), loops.labelled(9)) is None
    assert runs == [10]  # one of them again beside the same step run eagerly
    assert any("compile" in note for note in watch.notes)


@pytest.mark.parametrize("several", [False, True])
def test_a_bit_of_the_momentum_that_is_lost_once(several: bool) -> None:
    """One number of one weight is then where no replay brings it; a change of more of them may be the program's own."""
    model = loops.mlp(6, 16, 5)
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9, foreach=False)

    def flip(out: Tensor) -> None:
        out.view(-1)[: 3 if several else 1].view(torch.int32).bitwise_xor_(1 << 30)

    card = Faulty(["mul_"], flip, lambda _args, out: out.shape == (5, 16), [8], torch.float32)
    with card:
        batches = loops.pairs(20, 16, 6, 5)
        step = loops.step_of(model, optimizer)
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    if several:
        assert finding.cause != "hardware"
    else:
        assert (finding.cause, finding.kind, finding.phase, finding.module) == (
            "hardware",
            "transient",
            "optimizer",
            "2",
        )
