"""Each of the four gates between a wheel and a machine, what it refuses first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pins import name, pin, refused

from hwcompat import resolver, tables, target
from hwcompat.errors import NoBuildError
from hwcompat.gates import serving_kernel
from hwcompat.model import Build, Gpu

MATRIX = Path(__file__).resolve().parents[1] / "matrix"


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


# --- gate 1: a wheel exists -------------------------------------------------------------------------------------------


def test_a_python_without_wheels_is_refused_with_what_would_do(known: tables.Tables) -> None:
    error = refused(known, "Tesla K80", python="3.14")
    last = "the last build for this card is 2.7.1+cu118: Python 3.9 to 3.13, driver 450.80.02 or newer"
    assert error.hint == f"{last}; the nearest Python with a build is 3.13"
    assert (
        refused(known, "RTX 4090", python="3.99").rejected[0] == "2.15.0+cu132: no wheel for Python 3.99 (3.11 to 3.15)"
    )


def test_python_ranges_are_compared_as_numbers(known: tables.Tables) -> None:
    assert pin(known, "RTX 4090", python="3.9").torch == "2.8.0"
    assert pin(known, "RTX 4090", python="3.10.4").torch == "2.14.1"


@pytest.mark.parametrize(("system", "arch"), [("windows", "arm64"), ("linux", "aarch64")])
def test_a_system_without_wheels_for_the_card_says_so(known: tables.Tables, system: str, arch: str) -> None:
    error = refused(known, "GTX 1080 Ti", os=system, arch=arch)
    assert error.hint


def test_an_unconfirmed_build_serves_only_where_nothing_confirmed_does(known: tables.Tables) -> None:
    last_resort = pin(known, "GTX 1080 Ti", python="3.15")
    assert (name(last_resort), last_resort.verified) == ("2.15.0+cu126", "no")
    assert any("not confirmed" in warning for warning in last_resort.warnings)
    confirmed = pin(known, "GTX 1080 Ti", python="3.14")
    assert (confirmed.torch, confirmed.verified, confirmed.warnings) == ("2.14.1", "yes", ())
    assert "2.15.0+cu126: no wheel for Python 3.14 (3.11 to 3.15)" not in confirmed.rejected
    assert "2.15.0+cu126: would serve, but is not confirmed (no)" in confirmed.rejected


# --- gate 2: the driver -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "driver", "tags"),
    [
        ("linux", "579.99", "cu12"),
        ("linux", "580", "cu13"),
        ("linux", "525.60.13", "cu12"),
        ("linux", "525.60.12", "cu11"),
        ("linux", "450.80.02", "cu11"),
        ("windows", "528.33", "cu12"),
        ("windows", "528.32", "cu11"),
        ("windows", "452.39", "cu11"),
    ],
)
def test_the_floor_is_per_cuda_major_and_system(known: tables.Tables, system: str, driver: str, tags: str) -> None:
    assert pin(known, "RTX 3090", driver=driver, os=system, python="3.11").tag.startswith(tags)


def test_before_cuda_11_every_toolkit_has_its_own_floor(known: tables.Tables) -> None:
    assert pin(known, "GTX 1080 Ti", driver="440.33", python="3.8").tag == "cu102"
    assert pin(known, "GTX 1080 Ti", driver="440.32", python="3.8").tag in ("cu101", "cu92")
    assert "driver 390.1 < " in refused(known, "GTX 1080 Ti", driver="390.1").rejected[-1]


def test_under_wsl_the_number_is_the_windows_drivers(known: tables.Tables) -> None:
    number = "527.50"  # above the Linux floor of CUDA 12, below the Windows one
    assert pin(known, "RTX 3090", driver=number).tag.startswith("cu12")
    assert pin(known, "RTX 3090", driver=number, wsl=True).tag.startswith("cu11")
    assert pin(known, "RTX 3090", driver=number, os="wsl") == pin(known, "RTX 3090", driver=number, wsl=True)


def test_an_unknown_driver_passes_with_a_warning_that_names_the_floor(known: tables.Tables) -> None:
    answer = pin(known, "RTX 4090", driver=None)
    [warning] = answer.warnings
    assert "needs 580 or newer" in warning


def test_a_cpu_or_mac_needs_no_driver(known: tables.Tables) -> None:
    assert pin(known, driver=None).warnings == ()
    assert pin(known, "mps", driver=None, os="macos", arch="arm64").warnings == ()


# --- gates 3 and 4: kernels and PTX -----------------------------------------------------------------------------------


def wheel(archs: str = "", tag: str = "cu126", ptx: str = "", torch: str = "2.9.0", **cells: Any) -> Build:
    fields: dict[str, Any] = {
        "os": "linux",
        "arch": "x86_64",
        "cudnn": "",
        "python_min": "3.9",
        "python_max": "3.13",
        "default_on_pypi": False,
        "release_date": "",
        "source": "test",
        "verified": "yes",
        **cells,
    }
    return Build(torch=torch, tag=tag, archs=tuple(archs.split()), ptx=tuple(ptx.split()), **fields)


@pytest.mark.parametrize(
    ("archs", "capability", "kernel"),
    [
        ("sm_50 sm_60", "7.5", ""),
        ("sm_80", "7.5", ""),
        ("sm_75", "7.0", ""),
        ("sm_100", "12.0", ""),
        ("sm_90", "10.0", ""),
        ("sm_70", "7.5", "sm_70"),
        ("sm_70 sm_75", "7.5", "sm_75"),
        ("sm_80 sm_86", "8.9", "sm_86"),
        ("sm_60", "6.1", "sm_60"),
        ("sm_61", "6.0", ""),
        ("sm_100", "10.3", "sm_100"),
        ("sm_120", "12.1", "sm_120"),
        ("sm_90a", "9.0", "sm_90a"),
        ("sm_120a", "12.1", ""),
        ("sm_50 sm_52", "5.3", ""),
        ("sm_60 sm_61", "6.2", ""),
        ("sm_70", "7.2", ""),
        ("sm_80 sm_86", "8.7", ""),
        ("sm_87", "8.7", "sm_87"),
        ("gfx1100 gfx1030", "gfx1100", "gfx1100"),
        ("gfx1100", "gfx1101", ""),
        ("", "7.5", ""),
    ],
)
def test_a_cubin_serves_its_major_upwards_and_a_jetson_only_its_own(
    known: tables.Tables, archs: str, capability: str, kernel: str
) -> None:
    assert serving_kernel(wheel(archs), capability, known) == kernel


def test_from_cuda_13_2_on_server_kernels_serve_orin(known: tables.Tables) -> None:
    assert serving_kernel(wheel("sm_80", tag="cu130"), "8.7", known) == ""
    assert serving_kernel(wheel("sm_80", tag="cu132"), "8.7", known) == "sm_80"
    assert serving_kernel(wheel("sm_60", tag="cu132"), "6.2", known) == ""


def folder_with(tmp_path: Path, builds: list[str]) -> tables.Tables:
    """Tables whose torch_builds.csv holds only `builds` (torch,tag,sm_list,ptx_list,verified)."""
    for source in MATRIX.glob("*.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    header = (MATRIX / "torch_builds.csv").read_text(encoding="utf-8").splitlines()[0]
    lines = [header]
    for row in builds:
        torch, tag, archs, ptx, verified = row.split(",")
        lines.append(f"{torch},{tag},linux,x86_64,{archs},{ptx},,3.9,3.13,no,,test,{verified},")
    (tmp_path / "torch_builds.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tables.load_tables(tmp_path)


def test_ptx_needs_a_driver_as_new_as_the_toolkit(tmp_path: Path) -> None:
    some = folder_with(tmp_path, ["2.9.0,cu128,sm_80,sm_80,yes"])
    assert pin(some, "H100", driver="570.124.06").because[-1].startswith("PTX of sm_80")
    assert refused(some, "H100", driver="570.124.05").rejected == ("2.9.0+cu128: no kernel for 9.0",)
    assert refused(some, "H100", driver=None)
    assert refused(some, "RTX 2080").rejected == ("2.9.0+cu128: no kernel for 7.5",)


def test_a_wheel_whose_list_nobody_read_is_doubted_and_never_trusted_beyond_its_kind(tmp_path: Path) -> None:
    some = folder_with(tmp_path, ["2.9.0,cu128,sm_75 sm_80,,yes", "2.9.1,cu128,,,yes"])
    assert pin(some, "RTX 2080").torch == "2.9.0"
    assert "no kernel for 6.1 in any wheel of its kind" in refused(some, "GTX 1080 Ti").rejected[0]
    alone = pin(some, "RTX 2080", torch="2.9.1")
    assert alone.verified == "no"
    assert any("nobody has read" in warning for warning in alone.warnings)


def test_a_build_with_a_fault_worth_avoiding_loses_to_one_without(tmp_path: Path) -> None:
    some = folder_with(tmp_path, ["2.5.0,cu124,sm_90,,yes", "2.4.1,cu124,sm_90,,yes"])
    hopper = pin(some, "H100")
    assert hopper.torch == "2.4.1"
    assert "2.5.0+cu124: known fault torch250-cudnn-sdpa-hopper" in hopper.rejected
    assert any("cuDNN attention" in warning for warning in pin(some, "H100", torch="2.5").warnings)


def test_a_confirmed_build_with_a_fault_still_beats_an_unconfirmed_one(tmp_path: Path) -> None:
    """A fault has a workaround; a wheel that does not exist has none."""
    some = folder_with(tmp_path, ["2.5.0,cu124,sm_90,,yes", "2.4.1,cu124,sm_90,,inferred"])
    assert pin(some, "H100").torch == "2.5.0"


def test_a_fault_that_only_warns_chooses_nothing(known: tables.Tables) -> None:
    """cuDNN attention on Hopper with torch 2.11 to 2.13, bf16 conv3d with cuDNN 9.10: told as cautions, not here."""
    words = {"driver": "580.65.06", "os": "linux", "arch": "x86_64", "python": "3.11", "wsl": False}
    aim = target.of_words(["H100"], tables=known, **words)
    for torch, fault_id in (("2.12", "cudnn-sdpa-hopper-nan-gradient"), ("2.8.0+cu128", "cudnn-bf16-conv3d-wrong")):
        assert pin(known, "H100", torch=torch).warnings == ()
        decided = target.decide(aim, (), torch=torch, prefer="speed", newest=False, date="", tables=known)
        [fault] = [each for each in known.faults if each.id == fault_id]
        assert set(fault.citations) & {caution.source for caution in decided.cautions}


def test_ptx_of_an_exact_target_serves_that_card_only(tmp_path: Path) -> None:
    some = folder_with(tmp_path, ["2.9.0,cu128,sm_80,sm_90a,yes"])
    assert pin(some, "H100").because[-1].startswith("PTX of sm_90a")
    assert refused(some, "RTX 5090")


def test_kepler_never_had_a_kernel(known: tables.Tables) -> None:
    error = refused(known, "GTX 680")
    assert "ever had a kernel" in error.hint
    assert "2.15.0" in error.hint
    assert len(error.rejected) == resolver.SHOWN_REJECTIONS


def test_a_gfx_that_no_list_names_is_refused(known: tables.Tables) -> None:
    assert refused(known, "gfx1010")
    assert refused(known, "gfx1100", os="windows")


def test_a_jetson_gets_a_generic_wheel_only_with_a_known_driver_new_enough(known: tables.Tables) -> None:
    assert "Jetson" in refused(known, "Jetson AGX Orin", arch="aarch64", driver=None).message
    assert refused(known, "Jetson AGX Orin", arch="aarch64", driver="540.4.0")


def test_the_hint_for_a_jetson_without_a_known_driver_says_which_driver_would_do(known: tables.Tables) -> None:
    error = refused(known, "Jetson AGX Orin", driver=None, arch="aarch64")
    assert error.hint.startswith("the last build for this card is ")
    assert ", driver " in error.hint
    assert "nearest" not in error.hint


@pytest.mark.parametrize("archs", ["native", "sm_", "sm_x sm_75", "7"])
def test_an_arch_that_names_no_capability_serves_no_card(known: tables.Tables, archs: str) -> None:
    assert serving_kernel(wheel(archs), "7.5", known) == ("sm_75" if "sm_75" in archs else "")
    assert serving_kernel(wheel(archs), "8.0", known) == ""


def test_an_unknown_capability_is_refused(known: tables.Tables) -> None:
    with pytest.raises(NoBuildError, match="capability"):
        resolver.resolve([Gpu(name="new card")], driver="580.1", os="linux", arch="x86_64", python="3.11", tables=known)


def test_mps_needs_a_mac(known: tables.Tables) -> None:
    assert "MPS needs macOS" in refused(known, "mps").message
    assert pin(known, "mps", os="macos", arch="arm64", torch="1.12", python="3.10").torch == "1.12.1"
    assert "MPS needs" in refused(known, "mps", os="macos", arch="arm64", torch="1.11", python="3.9").rejected[0]
