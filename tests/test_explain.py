"""`recommend --explain` tells what decided each setting, what lost and how to change it; a broken machine's repair
comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recommendations import BROKEN, GOOD, recommendation

from hwcompat import api, explain, repair, target
from hwcompat.model import Environment, Gpu, Recommendation, Setting, TorchFacts
from hwcompat.tables import load_tables

T4 = Gpu("Tesla T4", pci_id="10de:1eb8", chip="TU104", compute_capability="7.5")
CUDA = TorchFacts("2.13.0+cu126", "cuda", cuda="12.6", arch_list=("sm_75", "sm_80"))
MACHINE = Environment("linux", "x86_64", python="3.11.7", driver="550.54", driver_cuda="12.4", gpus=(T4,), torch=CUDA)
NAMES = ("amp", "half", "dtype", "grad_scaler", "channels_last", "cudnn_benchmark", "tf32")


def described(**machine: str) -> Recommendation:
    words = {"driver": "552.22", "os": "windows", "arch": "x86_64", "python": "3.11", **machine}
    return api.recommend(gpu="NVIDIA GeForce GTX 1660 Ti", **words)


def test_every_setting_is_explained_with_its_reason_what_lost_and_what_would_change_it() -> None:
    rec = described()
    text = explain.explanation(rec)
    for name in NAMES:
        assert f"\n  {name}: " in text
    assert "considered  float16 autocast: faulty" in text
    assert "considered  bfloat16 autocast: emulated" in text
    assert "to change   hwcompat probe" in text
    assert "torch 2.14.1+cu126" in text
    assert "considered  2.15.0+cu130: driver 552.22 < 580" in text
    assert any(rec.evidence[0].split()[0] in line for line in text.splitlines())


def test_commands_are_never_folded() -> None:
    rec = described()
    lines = explain.explanation(rec).splitlines()
    assert rec.next_steps
    for number, step in enumerate(rec.next_steps, 1):
        assert f"  {number}. {step}" in lines


def test_a_correct_but_slow_dtype_names_the_option_that_lets_it_win() -> None:
    rec = api.recommend(gpu="Tesla P100-PCIE-16GB", driver="550.54", os="linux", arch="x86_64", python="3.11")
    assert rec.amp is False
    assert any("--prefer memory" in text for text in rec.settings["amp"].change)
    memory = api.recommend(
        gpu="Tesla P100-PCIE-16GB", driver="550.54", os="linux", arch="x86_64", python="3.11", prefer="memory"
    )
    assert memory.amp is True


def test_a_card_that_cannot_train_is_explained_too() -> None:
    assert "do not train on this card" in explain.explanation(BROKEN)


@given(st.text(max_size=300))
def test_whatever_the_reasons_hold_it_is_plain_ascii(text: str) -> None:
    odd = recommendation(because=text, evidence=(text,), warnings=(text,))
    odd = replace(odd, settings={**odd.settings, "amp": Setting(False, text, (text,), (text,))}, repair=(text,))
    told = explain.explanation(odd)
    assert told.isascii()
    assert all(line.isprintable() for line in told.splitlines())


def test_nothing_is_told_of_a_machine_where_nothing_blocks() -> None:
    assert "Repair" not in explain.explanation(GOOD)


# --- a machine whose torch cannot use its card ------------------------------------------------------------------------

UNSEEN = replace(MACHINE, gpus=(replace(T4, torch_index=None),))
RTX5090 = Gpu("NVIDIA GeForce RTX 5090", pci_id="10de:2b85", chip="GB202", compute_capability="12.0", torch_index=0)
PLAIN = TorchFacts("2.13.0+cpu", "cpu")
BLOCKED = {
    "CPU wheel": (replace(UNSEEN, torch=PLAIN), "CPU-only", "pip install --force-reinstall torch=="),
    "no torch": (replace(UNSEEN, torch=None), "no torch", "pip install torch=="),
    "driver too old": (
        replace(UNSEEN, driver="470.57.02", driver_cuda="11.4"), "470.57.02 is too old", "/cu118",
    ),
    "card newer than the wheel": (
        replace(MACHINE, gpus=(RTX5090,), driver="580.65.06", torch=replace(CUDA, devices=({"index": 0},))),
        "no kernel", "pip install",
    ),
    "no driver": (replace(UNSEEN, driver=None, driver_cuda=None), "no NVIDIA driver answers", "nvidia-smi must list"),
    "hidden by a variable": (
        replace(UNSEEN, torch=replace(CUDA, error="No CUDA GPUs are available")), "does not see it", "hwcompat env",
    ),
}  # fmt: skip


def decided(env: Environment) -> Recommendation:
    aim = target.of_environment(env, ())
    return target.decide(aim, (), torch=None, prefer="speed", newest=False, date="2026-11-21", tables=load_tables())


@pytest.mark.parametrize(("env", "what", "line"), BLOCKED.values(), ids=BLOCKED)
def test_a_broken_machine_leads_with_what_blocks_and_the_line_that_repairs_it(
    env: Environment, what: str, line: str
) -> None:
    rec = decided(env)
    blocks, fix = rec.repair
    assert what in blocks
    assert line in fix
    told = explain.explanation(rec)
    assert told.index("Repair first") < told.index("Settings")
    assert f"  2. {fix}" in told.splitlines()
    assert api.render(rec, "yaml").splitlines()[1].startswith("# repair first: ")
    if "pip install" in fix:
        assert rec.next_steps[0] == fix


def test_a_machine_in_order_needs_no_repair() -> None:
    seen = replace(MACHINE, gpus=(replace(T4, torch_index=0),), torch=replace(CUDA, devices=({"index": 0},)))
    assert repair.blocks(seen) == ""
    assert decided(seen).repair == ()
    assert decided(replace(MACHINE, gpus=(), driver=None, torch=PLAIN)).repair == ()


def test_the_line_starts_with_the_interpreter_that_was_asked_about() -> None:
    env = replace(BLOCKED["CPU wheel"][0], executable="/opt/my envs/bin/python")
    assert repair.line_here(env).startswith('"/opt/my envs/bin/python" -m pip install ')


# --- the clients found beside torch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "served"),
    [
        ({"ultralytics": "8.4.190", "no-such-client": "1"}, {"ultralytics": "8.4.190"}),
        ({"pytorch-lightning": "1.9.5"}, {"lightning": "1.9.5"}),
        ({"pytorch-lightning": "1.9.5", "lightning": "2.6.6"}, {"lightning": "2.6.6"}),
        ({}, {}),
    ],
)
def test_the_installed_clients_are_offered_under_the_names_of_their_formats(
    installed: dict[str, str], served: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target.emitters, "names", lambda: ("lightning", "ultralytics", "yaml"))
    env = replace(MACHINE, torch=replace(CUDA, clients=installed))
    assert target.of_environment(env, ()).clients == served
