"""From a machine to the torch build that exists and runs there: whole answers, wishes, several cards, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pins import name, pin, refused

from hwcompat import api, emitters, resolver, tables, target
from hwcompat.errors import MachineError, NoBuildError, UsageError
from hwcompat.model import Environment, Gpu, Report, TorchFacts, Verdict

MATRIX = Path(__file__).resolve().parents[1] / "matrix"


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


# --- whole answers ----------------------------------------------------------------------------------------------------


def test_gtx_1660_ti_on_windows_with_a_cuda_12_driver(known: tables.Tables) -> None:
    answer = pin(known, "NVIDIA GeForce GTX 1660 Ti", driver="552.22", os="windows")
    assert answer.tag.startswith("cu12")
    assert answer.verified == "yes"
    assert answer.index_url == f"https://download.pytorch.org/whl/{answer.tag}"
    assert any("kernel sm_75 in the wheel serves 7.5" in reason for reason in answer.because)
    assert any("driver 552.22 >= 528.33, the floor of CUDA 12.x on Windows" in reason for reason in answer.because)
    assert any(
        line == "2.14.1+cu132: driver 552.22 < 580, the floor of CUDA 13.x on Windows" for line in answer.rejected
    )
    [build] = [b for b in known.builds if (b.torch, b.tag, b.os) == (answer.torch, answer.tag, "windows")]
    assert "sm_75" in build.archs


@pytest.mark.parametrize(
    ("cards", "machine", "expected"),
    [
        (["GTX 1080 Ti"], {"driver": "570.86"}, "2.14.1+cu126"),
        (["GTX 1080 Ti"], {}, "2.14.1+cu126"),
        (["Tesla V100-SXM2-16GB"], {}, "2.14.1+cu126"),
        (["RTX 5090"], {"driver": "570.86"}, "2.11.0+cu128"),
        (["RTX 5090"], {}, "2.15.0+cu132"),
        (["RTX 4090"], {"driver": "525.60.13"}, "2.14.1+cu126"),
        (["RTX 4090"], {"driver": "525.60.12"}, "2.7.1+cu118"),
        (["Tesla K80"], {"driver": "470.82.01", "python": "3.10"}, "2.7.1+cu118"),
        (["GTX 980 Ti"], {"driver": "441.22", "os": "windows", "python": "3.9"}, "1.10.2+cu102"),
        (["Tesla V100-SXM2-16GB", "RTX 5090"], {}, "2.10.0+cu128"),
        (["RTX 5090", "GTX 1080 Ti"], {"os": "windows"}, "2.8.0+cu128"),
        (["NVIDIA GB10"], {"arch": "aarch64"}, "2.15.0+cu132"),
        (["Jetson AGX Orin"], {"arch": "aarch64"}, "2.15.0+cu132"),
        (["Jetson AGX Thor"], {"arch": "aarch64"}, "2.15.0+cu132"),
        (["RTX 2080"], {"driver": "552.22", "wsl": True}, "2.14.1+cu126"),
        (["gfx1100"], {}, "2.13.0+rocm7.2"),
        (["mps"], {"os": "macos", "arch": "arm64"}, "2.15.0+cpu"),
        ([], {"os": "macos", "arch": "arm64"}, "2.15.0+cpu"),
        ([], {"os": "macos", "arch": "x86_64"}, "2.2.2+cpu"),
        ([], {"os": "windows"}, "2.15.0+cpu"),
        ([], {}, "2.13.0+cpu"),
        ([], {"python": "3.8"}, "2.4.1+cpu"),
    ],
)
def test_known_machines(known: tables.Tables, cards: list[str], machine: dict[str, Any], expected: str) -> None:
    assert name(pin(known, *cards, **machine)) == expected


def test_companions_come_with_the_pin_and_a_missing_one_is_explained(known: tables.Tables) -> None:
    old = pin(known, "RTX 4090", torch="2.6")
    assert (old.torchvision, old.torchaudio) == ("0.21.0", "2.6.0")
    new = pin(known, "RTX 4090")
    assert (new.torchvision, new.torchaudio) == ("0.29.2", None)
    assert any(reason.startswith("no torchaudio is known for torch 2.15.0") for reason in new.because)


def test_the_index_base_can_be_a_mirror(known: tables.Tables) -> None:
    assert (
        pin(known, "RTX 4090", index_base="https://mirror.example/whl/").index_url == "https://mirror.example/whl/cu132"
    )


# --- several cards ----------------------------------------------------------------------------------------------------


def test_cards_that_no_build_serves_together_are_told_which_is_left_out_and_what_two_environments_would_be(
    known: tables.Tables,
) -> None:
    answer = pin(known, "RTX 5090", "GTX 1080 Ti")
    assert name(answer) == "2.15.0+cu132"
    assert answer.warnings == (
        "no build serves all cards: 2.15.0+cu132 leaves out NVIDIA GeForce GTX 1080 Ti (6.1). Environments for all: "
        "2.15.0+cu132 for NVIDIA GeForce RTX 5090 (12.0); 2.14.1+cu126 for NVIDIA GeForce GTX 1080 Ti (6.1)",
    )
    assert answer.rejected[0] == "2.15.0+cu132: no kernel for 6.1"


def test_the_build_that_serves_more_cards_wins(known: tables.Tables) -> None:
    answer = pin(known, "RTX 5090", "GTX 1080 Ti", "Tesla P100-PCIE-16GB")
    assert name(answer) == "2.14.1+cu126"
    assert "2.14.1+cu126 leaves out NVIDIA GeForce RTX 5090 (12.0)" in answer.warnings[-1]


def test_a_card_that_no_build_serves_is_left_out_and_said_so(known: tables.Tables) -> None:
    answer = pin(known, "RTX 4090", "Tesla K40c")
    assert name(answer) == "2.15.0+cu132"
    assert answer.warnings[-1].endswith("none for Tesla K40c (3.5), which no build serves")


def test_cards_of_two_makers_get_one_environment_each(known: tables.Tables) -> None:
    [*_, warning] = pin(known, "RTX 4090", "gfx1100").warnings
    assert "2.15.0+cu132 for NVIDIA GeForce RTX 4090 (8.9)" in warning
    assert "rocm7.2 for gfx1100" in warning


def test_an_installed_build_that_serves_the_cards_of_the_answer_is_kept(known: tables.Tables) -> None:
    own = installed("2.14.1+cu126", "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90", "12.6")
    assert pin(known, "RTX 4090", "GTX 1080 Ti", installed=own).installed
    assert (
        pin(known, "RTX 5090", "GTX 1080 Ti", installed=own)
        .rejected[0]
        .startswith("2.14.1+cu126 (installed): no kernel")
    )


def test_a_name_on_two_chips_is_answered_for_those_that_a_build_serves(known: tables.Tables) -> None:
    machine = {"driver": "552.22", "os": "windows", "arch": "x86_64", "python": "3.11", "tables": known}
    answer = resolver.resolve(tables.resolve_gpu("GTX 750 Ti", known), **machine, alternatives=True)
    assert answer.tag == "cu126"
    assert answer.warnings == ("NVIDIA GeForce GTX 750 Ti also exists on GK106 (3.0), which no build serves",)
    turing = resolver.resolve(tables.resolve_gpu("GTX 1650", known), **machine, alternatives=True)
    assert turing.warnings == ()
    with pytest.raises(NoBuildError):
        resolver.resolve(tables.resolve_gpu("GT 730", known), **machine, alternatives=True)


def test_an_ambiguous_name_lists_its_chips_and_is_answered_for_the_worst(known: tables.Tables) -> None:
    words = {"driver": "552.22", "os": "windows", "arch": "x86_64", "python": "3.12", "wsl": False, "tables": known}
    amp = {}
    for text in ("GTX 1650", "10de:1f0a", "10de:2188"):  # any of three chips; TU106; TU116, whose fp16 is faulty
        aim = target.of_words([text], **words)
        decided = target.decide(aim, (), torch=None, prefer="speed", newest=False, date="", tables=known)
        amp[text] = decided.amp
        assert bool([each for each in decided.warnings if "TU106 (7.5), TU116 (7.5), TU117 (7.5)" in each]) is (
            text == "GTX 1650"
        )
    assert amp["GTX 1650"] is False
    assert amp["10de:2188"] is False


# --- wishes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torch", "expected"),
    [
        ("2.6", "2.6.0+cu126"),
        ("2.6.0", "2.6.0+cu126"),
        ("2.6.0+cu124", "2.6.0+cu124"),
        ("2.5", "2.5.1+cu124"),
        ("1", "1.13.1+cu117"),
    ],
)
def test_a_wish_is_met_by_its_newest_patch_or_exactly(known: tables.Tables, torch: str, expected: str) -> None:
    assert name(pin(known, "RTX 3090", torch=torch, python="3.10")) == expected


@pytest.mark.parametrize(
    ("card", "torch", "nearest"),
    [
        ("RTX 5090", "2.6", "2.7.1+cu128"),
        ("RTX 5090", "2.6.0", "2.7.1+cu128"),
        ("RTX 4090", "2.5.0+cu126", "2.5.0+cu124"),
        ("GTX 1080 Ti", "2.14.1+cu130", "2.14.1+cu126"),
        ("RTX 4090", "2.6.0+cu132", "2.6.0+cu126"),
    ],
)
def test_a_refused_wish_names_the_reason_and_the_nearest_that_serves(
    known: tables.Tables, card: str, torch: str, nearest: str
) -> None:
    error = refused(known, card, torch=torch)
    assert error.hint == f"nearest that does: {nearest}"
    assert torch in error.message


@pytest.mark.parametrize(
    ("cards", "machine", "message", "hint"),
    [
        (["RTX 4090"], {"python": "3.5"}, ": no wheel for Python 3.5", "the nearest Python with a build is 3.6"),
        (
            ["RTX 4090"],
            {"driver": "390.10"},
            ": driver 390.10 is too old for every build",
            "the least driver for Python",
        ),
        (["GTX 680"], {}, ": no kernel for 3.0", "the last torch that did was 0.3.0, on Python 3.5 to 3.6"),
        (["GTX 680"], {"os": "windows"}, ": no kernel for 3.0", "no torch wheel for windows ever had a kernel"),
        (["Tesla K40c"], {}, ": no kernel for 3.5", "the last torch that did was 1.3.0, on Python 3.5 to 3.7"),
        (["Tesla K40c"], {"os": "windows"}, ": no kernel for 3.5", "was 1.3.1, on Python 3.5 to 3.7"),
        (
            ["Jetson AGX Orin"],
            {"arch": "aarch64", "driver": "540.4"},
            "serves",
            "the least driver for Python 3.11 is 580",
        ),
        (["Jetson Nano"], {"arch": "aarch64"}, ": no kernel for 5.3", "NVIDIA's own builds for its JetPack do"),
        (
            ["RTX 4090"],
            {"os": "macos", "arch": "arm64"},
            "serves",
            "the tables know no wheel for NVIDIA on macos arm64",
        ),
        (["gfx1100"], {"os": "windows"}, "serves", "the tables know no wheel for AMD on windows x86_64"),
        (["RTX 4090"], {"os": "freebsd"}, "no index has a torch wheel for freebsd", "linux, windows and macos"),
        (["RTX 4090"], {"arch": "riscv64"}, "no index has a torch wheel for riscv64", "x86_64 and aarch64"),
        ([], {"python": "3.4"}, ": no wheel for Python 3.4", "the last build for this system is 2."),
    ],
    ids=str,
)
def test_a_refusal_says_why_and_what_would_be_nearest(
    known: tables.Tables, cards: list[str], machine: dict[str, str], message: str, hint: str
) -> None:
    error = refused(known, *cards, **machine)
    assert message in error.message
    assert hint in error.hint
    assert error.exit_code == 3


def test_what_is_told_of_the_past_does_not_contradict_the_table_of_builds(known: tables.Tables) -> None:
    """Only capabilities that no wheel serves have a last build, and it is older than all of the table's."""
    oldest = min(tuple(map(int, build.torch.split("."))) for build in known.builds)
    for last in known.last_builds:
        cubin = "sm_" + last.compute_capability.replace(".", "")
        assert not any(cubin in build.archs for build in known.builds)
        assert not last.torch or tuple(map(int, last.torch.split("."))) < oldest
    assert {last.compute_capability for last in known.last_builds} == {"3.0", "3.5"}


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"driver": "abc"}, "what builds need on linux: 450.80.02, 525.60.13, 580"),
        ({"driver": "abc", "os": "windows"}, "what builds need on windows: 452.39, 528.33, 580"),
        ({"python": "2.7"}, "give one of 3.6 to 3.15"),
        ({"torch": "2.4.7"}, "the nearest known here: 2.4.1; the newest: 2.15.0"),
        ({"torch": "9.9"}, "the nearest known here: 2.15.0"),
        ({"torch": "2.6.0+cu999"}, "those of torch 2.6.0: cpu, rocm6.1, rocm6.2.4, cu118, cu124, cu126"),
        ({"os": "windwos"}, "use linux, wsl, windows or macos"),
        ({"driver": "31.0.15.5222", "os": "windows"}, "for example 552.22"),
        ({"driver": "32.0.15.8097"}, "for example 580.97"),
    ],
    ids=str,
)
def test_what_cannot_exist_gets_the_nearest_valid_values(
    known: tables.Tables, wrong: dict[str, str], hint: str
) -> None:
    with pytest.raises(UsageError) as error:
        pin(known, "RTX 4090", **wrong)
    assert hint in error.value.hint


def test_a_driver_without_its_minor_part_is_taken_as_the_first_of_its_branch(known: tables.Tables) -> None:
    branch = pin(known, "RTX 4090", driver="525")
    assert name(branch) == "2.7.1+cu118"
    assert branch.warnings == ("driver 525 is taken as 525.0: 525.60.13 or newer gets 2.14.1+cu126",)
    assert pin(known, "RTX 4090", driver="525.60.11").warnings == ()
    assert pin(known, "RTX 4090", driver="535").warnings == ()


def test_rocm_says_what_the_tables_do_not_know(known: tables.Tables) -> None:
    answer = pin(known, "RX 7900 XTX", driver="6.12")
    assert any("no table says which amdgpu driver" in reason for reason in answer.because)
    assert any("not confirmed" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"driver": "abc"},
        {"driver": ""},
        {"driver": "5522.2"},
        {"python": "2.7"},
        {"python": "three"},
        {"torch": "9.9.1"},
        {"torch": "new"},
        {"torch": "2.6.0+cu999"},
        {"os": "beos"},
        {"arch": "z80"},
        {"python": "3.14t"},
        {"python": "3"},
    ],
    ids=str,
)
def test_what_cannot_exist_is_a_usage_error(known: tables.Tables, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError) as error:
        pin(known, "RTX 4090", **wrong)
    assert error.value.hint


@pytest.mark.parametrize(
    ("system", "arch"), [("Windows", "AMD64"), ("linux", "arm64"), ("macos", "aarch64"), ("LINUX", "x64")]
)
def test_other_names_of_systems_and_processors_are_understood(known: tables.Tables, system: str, arch: str) -> None:
    assert pin(known, os=system, arch=arch).tag == "cpu"


# --- the installed build ----------------------------------------------------------------------------------------------


def installed(version: str = "2.8.0+cu128", archs: str = "sm_75 sm_80 sm_90 sm_120", cuda: str = "12.8") -> TorchFacts:
    return TorchFacts(version=version, build="cuda", cuda=cuda, cudnn="9.10.2", arch_list=tuple(archs.split()))


def test_an_installed_build_that_serves_is_kept(known: tables.Tables) -> None:
    answer = pin(known, "RTX 4090", installed=installed())
    assert (name(answer), answer.installed, answer.torchvision) == ("2.8.0+cu128", True, "0.23.0")
    assert answer.because[0] == "2.8.0+cu128 is installed and serves"


@pytest.mark.parametrize(
    "reason",
    [{"newest": True}, {"torch": "2.9"}, {"driver": "470.82.01"}, {"installed": installed(archs="sm_50 sm_60")}],
    ids=["newest", "wish", "driver", "kernels"],
)
def test_an_installed_build_is_replaced_for_a_reason(known: tables.Tables, reason: dict[str, Any]) -> None:
    answer = pin(known, "RTX 4090", **{"installed": installed(), **reason})
    assert not answer.installed
    assert name(answer) != "2.8.0+cu128"


FAILED = {"2.8.0+cu128": "fp32 is faulty, report of 2026-11-20"}


def test_an_installed_build_that_its_probe_found_wrong_is_replaced(known: tables.Tables) -> None:
    answer = pin(known, "RTX 4090", installed=installed(), failed=FAILED)
    assert (name(answer), answer.installed) == ("2.15.0+cu132", False)
    assert answer.rejected == ("2.8.0+cu128 (installed): its probe failed here: fp32 is faulty, report of 2026-11-20",)


def test_a_build_that_a_probe_found_wrong_is_the_last_resort(known: tables.Tables) -> None:
    assert name(pin(known, "RTX 4090", torch="2.8", failed=FAILED)) == "2.8.0+cu129"
    only = pin(known, "RTX 4090", torch="2.8.0+cu128", installed=installed(), failed=FAILED)
    assert not only.installed
    assert only.warnings == ("2.8.0+cu128: its probe failed here: fp32 is faulty, report of 2026-11-20",)


def measured(verdict: str, card: Gpu | None, **fields: Any) -> Report:
    here = Environment("linux", "x86_64", python="3.11", driver="580.65.06", torch=installed())
    return Report(
        id="r",
        date="2026-11-20T10:00:00Z",
        hwcompat="0",
        suite="1",
        level="standard",
        seed=0,
        device="cuda:0" if card else "cpu",
        environment=here,
        gpu=card,
        capabilities={"fp32": Verdict(verdict)},
        **fields,
    )


def test_the_newest_report_of_a_card_says_whether_its_build_failed(known: tables.Tables) -> None:
    [card] = tables.resolve_gpu("RTX 4090", known)
    aim = read_machine(known, torch=installed())
    for reports, kept in [
        ((measured("faulty", card),), False),
        ((measured("unsupported", card),), False),
        ((measured("ok", card), measured("faulty", card)), True),
        ((measured("ok", card, partial=True), measured("faulty", card)), False),
        ((measured("slow", card),), True),
        ((measured("faulty", card, simulated="wrong"),), True),
        ((measured("faulty", None),), True),
        ((measured("faulty", tables.resolve_gpu("RTX 2080", known)[0]),), True),
        ((measured("ok", replace(card, pci_bus_id="1")), measured("faulty", replace(card, pci_bus_id="2"))), False),
    ]:
        assert target.pin(aim._replace(reports=reports), None, False, known).installed is kept, reports


def test_an_installed_build_that_lost_is_named_with_its_reason(known: tables.Tables) -> None:
    cpu = TorchFacts(version="2.13.0+cpu", build="cpu")
    answer = pin(known, "RTX 4090", installed=cpu)
    assert answer.rejected[0] == "2.13.0+cpu (installed): a cpu build is not for NVIDIA"
    assert pin(known, installed=cpu).installed


@pytest.mark.parametrize("driver", [None, "390.10", "580.65.06"])
def test_an_installed_cuda_build_is_kept_where_there_is_no_card(known: tables.Tables, driver: str | None) -> None:
    """It computes on the processor as any other: a login node, or a notebook whose card is switched off."""
    answer = pin(known, driver=driver, installed=installed())
    assert (name(answer), answer.installed, answer.warnings) == ("2.8.0+cu128", True, ())


def test_an_installed_build_is_judged_by_its_own_kernels_not_by_the_table(known: tables.Tables) -> None:
    own = installed("2.10.0a0+git1234", archs="sm_61 compute_61", cuda="13.0")
    answer = pin(known, "GTX 1080 Ti", installed=own)
    assert (answer.installed, answer.tag, answer.torch) == (True, "cu130", "2.10.0a0+git1234")


@pytest.mark.parametrize(
    ("version", "cuda"),
    [
        ("2.9.0a0+50eac811a6.nv25.09", "13.0"),
        ("2.13.0a0+git5ad5b2a", "12.6"),
        ("2.13.0+gitabcdef0", "12.6"),
        ("unknown", "13.0"),
    ],
    ids=["vendor", "source", "release with a commit", "unknown"],
)
def test_a_build_that_no_index_has_keeps_its_whole_name_and_gets_no_index(
    known: tables.Tables, version: str, cuda: str
) -> None:
    own = installed(version, archs="sm_80 sm_89 sm_90", cuda=cuda)
    answer = pin(known, "RTX 4090", installed=own)
    assert (answer.installed, answer.torch, answer.index_url, answer.torchvision) == (True, version, "", None)
    assert any(version in warning and "no index" in warning for warning in answer.warnings)

    machine = target.Machine("linux", "x86_64", "3.11", "580.65.06", torch=own)
    aim = target.Target(machine, tables.resolve_gpu("RTX 4090", known)[:1])
    decided = target.decide(aim, (), torch=None, prefer="speed", newest=False, date="", tables=known)
    config = yaml.safe_load(emitters.render(decided, "yaml"))
    assert (config["torch"], config["index_url"]) == (version, None)
    assert not any("pip install" in step for step in decided.next_steps)


# --- the machine that is asked about ----------------------------------------------------------------------------------


def read_machine(known: tables.Tables, **facts: Any) -> target.Target:
    """A Linux machine with an RTX 4090 that was read, not described, with `facts` otherwise."""
    machine = target.Machine(**{"os": "linux", "arch": "x86_64", "python": "3.11", "driver": "580.65.06", **facts})
    return target.Target(machine, tables.resolve_gpu("RTX 4090", known)[:1])


@pytest.mark.parametrize("driver", ["Unknown", "570.86.15-foo"])
def test_a_driver_that_a_machine_spells_oddly_is_unknown_but_a_users_typo_is_an_error(
    known: tables.Tables, driver: str
) -> None:
    aim = read_machine(known, driver=driver)
    answer = target.pin(aim, None, False, known)
    assert any(repr(driver) in warning for warning in answer.warnings)
    assert any("the driver is unknown" in warning for warning in answer.warnings)
    with pytest.raises(UsageError, match="not a driver version"):
        target.pin(aim._replace(described=True), None, False, known)


def test_a_python_that_did_not_answer_is_the_machines_fault(known: tables.Tables) -> None:
    with pytest.raises(MachineError, match="the chosen Python cannot be used"):
        target.pin(read_machine(known, python=""), None, False, known)


@pytest.mark.parametrize("word", ["macos", "macOS"])
def test_a_mac_that_is_described_elsewhere_has_apples_processor(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(api, "_this_system", lambda: ("linux", "x86_64"))
    assert api.resolve("mps", os=word, python="3.12").torch == api.resolve("mps", os=word, arch="arm64").torch
    assert api._described("mps", None, word, None, None, tables.load_tables()).machine.arch == "arm64"
    assert api._described("Tesla T4", None, "windows", None, None, tables.load_tables()).machine.arch == "x86_64"


def test_resolve_without_a_card_takes_this_machines(known: tables.Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = tables.resolve_gpu("GTX 1080 Ti", known)[:1]
    here = Environment("linux", "x86_64", python="3.10.4", driver="525.60.13", gpus=cards)
    monkeypatch.setattr(api, "detect", lambda: here)
    answer = api.resolve()
    assert answer.tag.startswith("cu12")
    assert any("Python 3.10 on linux" in reason for reason in answer.because)
    assert any("driver 525.60.13 >=" in reason for reason in answer.because)
    assert api.resolve(driver="470.82.01", python="3.9").tag.startswith("cu11")
    assert api.resolve(gpu="cpu").tag == "cpu"
    with pytest.raises(UsageError, match="'abc' is not a driver version"):
        api.resolve(driver="abc")


def test_resolve_without_a_card_keeps_the_torch_that_is_here(
    known: tables.Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tables.resolve_gpu("RTX 4090", known)[:1]
    here = Environment("linux", "x86_64", python="3.11.7", driver="580.65.06", gpus=cards, torch=installed())
    monkeypatch.setattr(api, "detect", lambda: here)
    assert api.resolve().installed
    assert not api.resolve(newest=True).installed
    assert not api.resolve(python="3.12").installed
