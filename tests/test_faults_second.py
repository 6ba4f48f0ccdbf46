"""Each fault of the second set changes something: its trigger gives another result with the fault than without.

The set was written without sight of the probes and is frozen; ``held_out.txt`` names the half that is kept for the
final measurement.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

FOLDER = Path(__file__).parent / "faults_second"
AREAS = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def area(name: str) -> ModuleType:
    return importlib.import_module(f"faults_second.{name}")


def names() -> list[str]:
    return sorted(name for stem in AREAS for name in area(stem).FAULTS)


def flat(results: list) -> list[Any]:
    return [item for item in results if isinstance(item, torch.Tensor)]


def differs(first: list, second: list) -> bool:
    """Whether two lists of tensors differ in any element; two NaN are the same."""
    one, two = flat(first), flat(second)
    if len(one) != len(two) or any(a.shape != b.shape for a, b in zip(one, two, strict=True)):
        return True
    return any(
        not torch.equal(torch.nan_to_num(a.double(), nan=1e300), torch.nan_to_num(b.double(), nan=1e300))
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("name", names())
def test_the_fault_is_active(name: str) -> None:
    module = area(name.split(".")[0])
    _, factory = module.FAULTS[name]
    trigger = module.TRIGGERS[name]
    clean = trigger(torch)
    assert not differs(clean, trigger(torch)), "the trigger is not repeatable"
    with factory(torch):
        faulty = trigger(torch)
    assert differs(clean, faulty)


@pytest.mark.parametrize("stem", AREAS)
def test_each_fault_has_a_description_and_a_trigger(stem: str) -> None:
    module = area(stem)
    assert set(module.FAULTS) == set(module.TRIGGERS)
    for name, (description, _) in module.FAULTS.items():
        assert name.startswith(stem + ".")
        assert "; " in description
        assert "http" in description or "model of: " in description


def test_double_precision_stays_clean() -> None:
    """Results in float64 are the same under every fault."""

    def program() -> list:
        generator = torch.Generator().manual_seed(5)
        x = torch.randn(3, 4, 8, 8, dtype=torch.float64, generator=generator, requires_grad=True)
        weight = torch.randn(8, 4, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
        y = torch.nn.functional.silu(torch.nn.functional.conv2d(x, weight, padding=1))
        y = torch.nn.functional.max_pool2d(torch.nn.functional.group_norm(y, 2), 2)
        q = y.flatten(2).transpose(1, 2).unsqueeze(1)
        y = torch.nn.functional.scaled_dot_product_attention(q, q, q)
        loss = torch.nn.functional.cross_entropy(y.flatten(1), torch.tensor([1, 2, 3]))
        return [loss.detach(), *torch.autograd.grad(loss, [x, weight])]

    clean = program()
    for name in names():
        _, factory = area(name.split(".")[0]).FAULTS[name]
        with factory(torch):
            faulty = program()
        assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(clean, faulty, strict=True)), name


def test_the_held_out_half_is_drawn_by_hash() -> None:
    drawn = sorted(names(), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    held_out = (FOLDER / "held_out.txt").read_text(encoding="utf-8").split()
    assert held_out == drawn[: len(drawn) // 2]
