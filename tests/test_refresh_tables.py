"""Rows of torch_builds.csv come out of wheels: real ones where a torch is installed, and wheels made here."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pytest

import hwcompat
from hwcompat import tables
from hwcompat.tablerows import version_key

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import kernel_lists  # noqa: E402
import refresh_tables  # noqa: E402
import wheel_facts  # noqa: E402

TABLES = ("torch_builds.csv", "torch_companions.csv", "cuda_drivers.csv", "gpus.csv")
MANYLINUX = "manylinux_2_28_x86_64"
CUDA_13 = "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
ODD = 3 * (1 << 20) + 41  # where the list stands in the library: in the fourth chunk, at no round offset


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    folder = tmp_path / "matrix"
    folder.mkdir()
    for path in [*(ROOT / "matrix").glob("*.csv"), ROOT / "matrix" / "faults.yaml"]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def library(*lists: str, offset: int = ODD) -> bytes:
    """Some MB with strings as a linker lays them out, each between two NUL bytes."""
    filler = hashlib.sha256(b"filler").digest() * ((offset + (1 << 20)) // 32)
    strings = b"\0" + b"\0".join(each.encode() for each in lists) + b"\0"
    return filler[:offset] + strings + filler[offset:]


def files_of(
    version: str = "2.16.0",
    local: str = "+cu133",
    cuda: str = "13.3",
    archs: str = CUDA_13,
    pin: str = "",
    name: str = "",
) -> dict[str, bytes]:
    """The members of a wheel that matter; `pin` is its cuDNN, `name` what METADATA calls the version."""
    cudnn = f'Requires-Dist: nvidia-cudnn-cu13=={pin}; platform_system == "Linux"\n' if pin else ""
    known = f"Optional[str] = {cuda!r}" if cuda else "Optional[str] = None"
    info = f"torch-{name or version}.dist-info"
    return {
        "torch/version.py": f"__version__ = '{version}{local}'\ncuda: {known}\nhip: Optional[str] = None\n".encode(),
        "torch/lib/libtorch_python.so": library("set_memory_fraction", archs, "major="),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: torch\nVersion: {name or version}\n{cudnn}\ntext".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_28_x86_64\n",
    }


def wheel(folder: Path, tags: str = f"cp312-cp312-{MANYLINUX}", files: dict[str, bytes] | None = None) -> Path:
    files = files_of() if files is None else files
    [info] = {name.split("/")[0] for name in files if name.endswith("METADATA")}
    path = folder / f"{info.removesuffix('.dist-info')}-{tags}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 11, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return path


def refresh(*arguments: object) -> int:
    return refresh_tables.main([str(each) for each in arguments])


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "torch_builds.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def row_of(folder: Path, *key: str) -> dict[str, str]:
    [row] = [row for row in rows_of(folder) if tuple(row[column] for column in refresh_tables.KEY) == key]
    return row


# --- real installations -----------------------------------------------------------------------------------------------


def test_the_torch_that_is_installed_is_read_without_importing_it_and_the_table_agrees(matrix: Path) -> None:
    distribution = importlib.metadata.distribution("torch")
    folder = Path(str(distribution.locate_file("")))
    facts = wheel_facts.read_installed(folder)
    assert facts.torch == distribution.version.partition("+")[0]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in [f"{a}.{b}" for a, b in facts.pythons]
    assert facts.default_on_pypi == ("+" not in distribution.version)
    assert bool(facts.archs) == facts.tag.startswith(("cu", "rocm"))
    if facts.key in {tuple(row[column] for column in refresh_tables.KEY) for row in rows_of(matrix)}:
        assert refresh(folder, "--matrix", matrix, "--check") == 0


OLD_PYTHON = os.environ.get("HWCOMPAT_TEST_OLD_PYTHON", "")


@pytest.mark.old_python
@pytest.mark.skipif(not OLD_PYTHON, reason="HWCOMPAT_TEST_OLD_PYTHON names no Python 3.8 with an old torch")
def test_the_arch_list_of_a_real_cuda_build_is_the_one_in_the_table(matrix: Path) -> None:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    told = subprocess.run([OLD_PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    facts = wheel_facts.read_installed(Path(told))
    assert facts.tag.startswith("cu")
    assert facts.archs
    assert refresh(told, "--matrix", matrix, "--check") == 0


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_new_build_becomes_a_row_at_its_place_and_no_other_byte_changes(matrix: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, files=files_of(pin="9.30.0.12"))
    before = (matrix / "torch_builds.csv").read_bytes().splitlines(keepends=True)
    assert refresh(path, "--matrix", matrix, "--release-date", "2027-01-20") == 0
    after = (matrix / "torch_builds.csv").read_bytes().splitlines(keepends=True)
    assert [line for line in after if line in before] == before
    row = row_of(matrix, "2.16.0", "cu133", "linux", "x86_64")
    assert after.index(next(line for line in after if line.startswith(b"2.16.0"))) == len(after) - 1
    assert row == {
        "torch": "2.16.0",
        "build_tag": "cu133",
        "os": "linux",
        "arch": "x86_64",
        "sm_list": CUDA_13,
        "ptx_list": "",
        "cudnn": "9.30.0.12",
        "python_min": "3.12",
        "python_max": "3.12",
        "is_default_on_pypi": "yes",
        "release_date": "2027-01-20",
        "source": f"read from the wheel {path.name}; sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}",
        "verified": "yes",
        "note": "",
    }


def test_a_row_goes_where_the_order_of_the_file_wants_it(matrix: Path, tmp_path: Path) -> None:
    files = files_of("2.13.0", "+cu136", "13.6", name="2.13.0+cu136")
    assert refresh(wheel(tmp_path, files=files), "--matrix", matrix) == 0
    keys = [refresh_tables.sort_key(row) for row in rows_of(matrix)]
    assert keys == sorted(keys)
    row = row_of(matrix, "2.13.0", "cu136", "linux", "x86_64")
    assert row["is_default_on_pypi"] == "no", "its name has a local version: this is not the wheel of PyPI"
    assert row["release_date"] == row_of(matrix, "2.13.0", "cu130", "linux", "x86_64")["release_date"]


def test_wheels_of_one_build_share_a_row_in_any_order_at_once_or_one_by_one(matrix: Path, tmp_path: Path) -> None:
    tags = [f"cp3{minor}-cp3{minor}-{MANYLINUX}" for minor in (12, 11, 15)]
    paths = [wheel(tmp_path, each) for each in tags] + [wheel(tmp_path, f"cp315-cp315t-{MANYLINUX}")]
    assert refresh(*paths, "--matrix", matrix) == 0
    at_once = (matrix / "torch_builds.csv").read_bytes()
    row = row_of(matrix, "2.16.0", "cu133", "linux", "x86_64")
    assert (row["python_min"], row["python_max"], row["source"].count("sha256")) == ("3.11", "3.15", 4)
    (matrix / "torch_builds.csv").write_bytes((ROOT / "matrix" / "torch_builds.csv").read_bytes())
    for path in reversed(paths[:3]):
        assert refresh(path, "--matrix", matrix) == 0
    assert refresh(tmp_path, "--matrix", matrix) == 0, "a folder of wheels"
    assert (matrix / "torch_builds.csv").read_bytes() == at_once


def test_what_the_wheel_says_replaces_what_others_said_and_is_told(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of("2.15.0", "+cu126", "12.6", archs="sm_50 sm_60 sm_70", name="2.15.0+cu126")
    path = wheel(tmp_path, files=files)
    old = row_of(matrix, "2.15.0", "cu126", "linux", "x86_64")
    before = (matrix / "torch_builds.csv").read_bytes()
    assert refresh(path, "--matrix", matrix, "--check") == 1
    assert "2.15.0+cu126 linux x86_64: sm_list: table " in capsys.readouterr().out
    assert refresh(path, "--matrix", matrix, "--dry-run") == 0
    assert re.search(r"^\+2\.15\.0,cu126,linux,x86_64,sm_50 sm_60 sm_70,", capsys.readouterr().out, re.M)
    assert (matrix / "torch_builds.csv").read_bytes() == before
    assert refresh(path, "--matrix", matrix) == 0
    new = row_of(matrix, "2.15.0", "cu126", "linux", "x86_64")
    assert (old["verified"], new["verified"], new["sm_list"]) == ("no", "yes", "sm_50 sm_60 sm_70")
    assert f"sm_list read from the wheel, other sources: {old['sm_list']}" in new["note"]
    assert "unchecked" not in new["note"]
    assert new["source"].startswith(f"read from the wheel {path.name}")
    assert new["source"].endswith(old["source"])
    assert (new["python_min"], new["python_max"]) == (old["python_min"], old["python_max"]), "one wheel shrinks nothing"
    assert refresh(path, "--matrix", matrix, "--check") == 0
    assert refresh(path, "--matrix", matrix, "--complete", "--check") == 1, "unless it is said to be all"


def test_a_second_run_changes_nothing(matrix: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, files=files_of("2.15.0", "+cu126", "12.6", archs="sm_50", name="2.15.0+cu126"))
    assert refresh(path, "--matrix", matrix) == 0
    once = (matrix / "torch_builds.csv").read_bytes()
    assert refresh(path, "--matrix", matrix) == 0
    assert (matrix / "torch_builds.csv").read_bytes() == once


@pytest.mark.parametrize(
    ("tags", "platform"),
    [
        ("cp312-cp312-linux_x86_64", ("linux", "x86_64")),
        ("cp312-cp312-manylinux2014_aarch64.manylinux_2_17_aarch64", ("linux", "aarch64")),
        ("cp312-cp312-win_amd64", ("windows", "x86_64")),
        ("cp312-none-macosx_14_0_arm64", ("macos", "arm64")),
    ],
)
def test_platforms_and_a_pin_of_cudnn_that_is_for_linux_alone(
    tmp_path: Path, tags: str, platform: tuple[str, str]
) -> None:
    on_linux = platform[0] == "linux"
    files = files_of(pin="9.30.0.12") if on_linux else files_of(local="", cuda="", pin="9.30.0.12")
    facts = wheel_facts.read_wheel(wheel(tmp_path, tags, files))
    assert (facts.os, facts.arch) == platform
    assert facts.tag == ("cu133" if on_linux else "cpu")
    assert facts.cudnn == ("9.30.0.12" if on_linux else ""), "METADATA of every wheel names it, for Linux"


def test_ptx_and_special_targets_are_told_apart(tmp_path: Path) -> None:
    facts = wheel_facts.read_wheel(wheel(tmp_path, files=files_of(archs="sm_100 sm_80 sm_90a sm_90 compute_120")))
    assert facts.archs == ("sm_80", "sm_90", "sm_90a", "sm_100")
    assert facts.ptx == ("sm_120",)


def test_a_rocm_wheel(tmp_path: Path) -> None:
    files = files_of("2.16.0", "+rocm7.2", "", archs="gfx1100 gfx90a gfx942", name="2.16.0+rocm7.2")
    files["torch/version.py"] = b"__version__ = '2.16.0+rocm7.2'\ncuda: X = None\nhip: X = '7.2.53211'\n"
    facts = wheel_facts.read_wheel(wheel(tmp_path, files=files))
    assert (facts.tag, facts.archs, facts.cudnn) == ("rocm7.2", ("gfx90a", "gfx942", "gfx1100"), "")


@pytest.mark.parametrize("offset", [0, 1, (1 << 20) - 9, (1 << 20) - 1, 1 << 20, ODD])
def test_the_list_is_found_wherever_it_stands(offset: int) -> None:
    found = kernel_lists.arch_strings(BytesIO(library("x", CUDA_13, "y", offset=offset)))
    assert found == [CUDA_13]


@pytest.mark.parametrize(
    "text", ["sm_75 sm_80 and more", "arch=sm_75 sm_80", "sm_", "sm_7", "SM_75 SM_80", "sm_75  sm_80"]
)
def test_other_strings_are_no_list(text: str) -> None:
    assert kernel_lists.arch_strings(BytesIO(library(text))) == []


# --- fat binaries -----------------------------------------------------------------------------------------------------


def fatbin(*images: tuple[int, int, int]) -> bytes:
    """A fat binary of (kind, capability, bytes) as nvcc writes it: kind 1 is PTX, 2 a cubin."""
    body = b""
    for kind, arch, size in images:
        header = struct.pack("<HHIQIIHHI", kind, 0x101, 64, size, 0, 0, 0, 0, arch)
        body += header.ljust(64, b"\0") + bytes(size)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def test_images_are_counted_across_chunks_and_rubbish_is_passed_over() -> None:
    one = fatbin((2, 80, 3 << 20), (2, 90, 40), (1, 90, 100))
    rubbish = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 1 << 60) + b"\xff" * 200
    content = b"x" * 12345 + one + rubbish + b"y" * (1 << 20) + fatbin((2, 80, 8))
    assert kernel_lists.fatbin_images(BytesIO(content)) == {"sm_80": 2, "sm_90": 1, "compute_90": 1}
    assert kernel_lists.fatbin_images(BytesIO(content[: 12345 + 20])) == {}
    assert kernel_lists.fatbin_images(BytesIO(b"")) == {}


def test_fatbins_say_which_ptx_is_really_there(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(archs="sm_80 sm_90 sm_120 compute_120")
    few = fatbin(*[(2, 80, 64)] * 9, *[(2, 90, 64)] * 9, (1, 120, 64))
    path = wheel(tmp_path, files={**files, "torch/lib/libtorch_cuda.so": few})
    assert refresh(path, "--matrix", matrix, "--fatbins") == 0
    told = capsys.readouterr().err
    assert "compute_120:1 sm_80:9 sm_90:9" in told
    assert "names sm_120, and no kernel of it was found" in told
    assert row_of(matrix, "2.16.0", "cu133", "linux", "x86_64")["ptx_list"] == ""
    many = fatbin(*[(2, 80, 64)] * 9, *[(1, 120, 64)] * 9)
    path = wheel(tmp_path, files={**files, "torch/lib/libtorch_cuda.so": many})
    assert refresh(path, "--matrix", matrix, "--fatbins") == 0
    assert row_of(matrix, "2.16.0", "cu133", "linux", "x86_64")["ptx_list"] == "sm_120"


# --- hostile and broken wheels ----------------------------------------------------------------------------------------


def refused(arguments: Iterable[object], matrix: Path, capsys: pytest.CaptureFixture[str]) -> str:
    before = (matrix / "torch_builds.csv").read_bytes()
    assert refresh(*arguments, "--matrix", matrix) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  ")
    assert first.isascii()
    assert len(first) < 500
    assert (matrix / "torch_builds.csv").read_bytes() == before
    return first


CHANGES = {
    "a file outside": ({"../../etc/passwd": b"x"}, "points outside"),
    "an absolute file": ({"/etc/passwd": b"x"}, "points outside"),
    "a Windows path": ({"C:/x": b"x"}, "points outside"),
    "a bomb": ({"torch/lib/libtorch_python.so": bytes(60 << 20)}, "would unpack to"),
    "an endless METADATA": ({"torch-2.16.0.dist-info/METADATA": b"Name: torch\n" * 200_000}, "longer than"),
    "an endless version.py": ({"torch/version.py": b"# " * 1_000_000}, "longer than"),
    "no version": ({"torch/version.py": b"__version__ = open('x').read()\n"}, "do not name one and the same"),
    "another version": ({"torch/version.py": b"__version__ = '2.15.0+cu133'\ncuda = '13.3'\n"}, "do not name"),
    "code as a version": ({"torch/version.py": b"__version__ = '=cmd()'\n"}, "do not name"),
    "another CUDA": ({"torch/version.py": b"__version__ = '2.16.0+cu133'\ncuda = '12.6'\n"}, "version.py names cu126"),
    "a formula": ({"torch/version.py": b"__version__ = '2.16.0+=1+1'\n"}, "no rows for builds such as"),
    "an Intel build": ({"torch/version.py": b"__version__ = '2.16.0+xpu'\nxpu = '1'\n"}, "builds such as 'xpu'"),
    "another name": ({"torch-2.16.0.dist-info/METADATA": b"Name: torchx\nVersion: 2.16.0\n"}, "is not torch"),
    "no METADATA version": ({"torch-2.16.0.dist-info/METADATA": b"Name: torch\n"}, "METADATA names another"),
    "binary text": ({"torch/version.py": bytes(range(256))}, "do not name"),
    "no list": ({"torch/lib/libtorch_python.so": b"nothing"}, "no arch list"),
    "two lists": ({"torch/lib/libtorch_python.so": library("sm_50 sm_60", "sm_80 sm_90")}, "several arch lists"),
    "two pins": (
        {
            "torch-2.16.0.dist-info/METADATA": b"Name: torch\nVersion: 2.16.0\nRequires-Dist: nvidia-cudnn-cu13==9.1\n"
            b"Requires-Dist: nvidia-cudnn-cu13==9.2\n"
        },
        "several versions of cuDNN",
    ),
}


@pytest.mark.parametrize(("changes", "told"), CHANGES.values(), ids=CHANGES)
def test_a_hostile_wheel_ends_with_one_line(
    changes: dict[str, bytes], told: str, matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused([wheel(tmp_path, files={**files_of(), **changes})], matrix, capsys)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ("cp312-cp312-win32", "no rows for the platform"),
        ("cp312-cp312-musllinux_1_2_x86_64", "no rows for the platform"),
        ("cp312-cp312-any", "no rows for the platform"),
        ("py3-none-linux_x86_64", "is for no CPython"),
        ("cp312-cp312-linux_x86_64.win_amd64", "no single system"),
        ("cp312-cp312t-linux_x86_64", "free-threaded wheels alone"),
    ],
)
def test_a_wheel_for_something_else_is_refused(
    tags: str, told: str, matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused([wheel(tmp_path, tags)], matrix, capsys)


@pytest.mark.parametrize(
    "name",
    [
        "torch-2.16.0.dev20261120-cp312-cp312-linux_x86_64.whl",
        "torch.whl",
        "t;x.whl" if os.name == "nt" else "t\x1b[2J\n.whl",
    ],
)
def test_a_name_that_no_release_has_is_refused(
    name: str, matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel(tmp_path).rename(tmp_path / name)
    assert "is not named like" in refused([tmp_path / name], matrix, capsys)


@pytest.mark.parametrize("kept", [0, 1, 1000, 0.5, 0.999])
def test_a_wheel_cut_short_is_refused(
    kept: float, matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wheel(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    refused([path], matrix, capsys)


def test_damage_anywhere_in_a_wheel_ends_in_a_line_or_in_the_true_row(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = library(CUDA_13, offset=1)[:500]
    path = wheel(tmp_path, files={**files_of(), "torch/lib/libtorch_python.so": small})
    content = path.read_bytes()
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        if refresh(path, "--matrix", matrix, "--diff") == 0:
            assert f",{CUDA_13},,," in capsys.readouterr().out
        assert "Traceback" not in capsys.readouterr().err


def test_members_that_stand_twice_or_are_encrypted_are_refused(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("torch/version.py", b"__version__ = '9.9.9'")
    assert "twice" in refused([path], matrix, capsys)
    path = wheel(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "packed as no wheel is" in refused([path], matrix, capsys)


def test_a_table_of_contents_too_large_to_hold_is_refused_before_it_is_read(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wheel(tmp_path)
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = (0xF0000000).to_bytes(4, "little")
    path.write_bytes(content)
    assert "table of contents has" in refused([path], matrix, capsys)


def test_wheels_of_one_build_that_disagree_are_refused(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [wheel(tmp_path), wheel(tmp_path, f"cp313-cp313-{MANYLINUX}", files_of(archs="sm_80 sm_90"))]
    assert "differ" in refused(paths, matrix, capsys)


def test_a_second_default_of_a_release_is_left_to_a_person(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wheel(tmp_path, files=files_of("2.15.0", "+cu133", "13.3"))
    assert "2.15.0+cu132 linux x86_64 the default" in refused([path], matrix, capsys)


def test_folders_without_one_torch_are_refused(
    matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in refused([tmp_path / "absent"], matrix, capsys)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has 0 folders torch-*.dist-info" in refused([empty], matrix, capsys)
    for info in ("torch-2.16.0.dist-info", "torch-2.15.0.dist-info"):
        (empty / info).mkdir()
    assert "has 2 folders" in refused([empty], matrix, capsys)
    (empty / info).rmdir()
    assert "has no METADATA" in refused([empty], matrix, capsys)


def test_an_installed_cuda_torch_is_read_like_its_wheel(matrix: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    for name, content in files_of(pin="9.30.0.12").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert refresh(folder, "--matrix", matrix) == 0
    row = row_of(matrix, "2.16.0", "cu133", "linux", "x86_64")
    assert (row["sm_list"], row["cudnn"], row["is_default_on_pypi"]) == (CUDA_13, "9.30.0.12", "yes")
    assert row["source"].startswith(
        "read from an installed torch 2.16.0 of the wheel for cp312-cp312-manylinux_2_28_x86_64"
    )


@pytest.mark.parametrize("content", [b"", b"torch\n", b"\xff\xfe", b"torch,build_tag\n1,2,3\n"])
def test_a_table_that_is_none_is_refused(
    content: bytes, matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (matrix / "torch_builds.csv").write_bytes(content)
    assert "torch_builds.csv" in refused([wheel(tmp_path)], matrix, capsys)


# --- a release is a data change ---------------------------------------------------------------------------------------


def append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(line + "\n")


@pytest.mark.parametrize(("cuda", "floor"), [("13.3", "580"), ("14.0", "620.10")])
def test_a_new_torch_on_a_new_cuda_takes_rows_and_no_code(
    cuda: str,
    floor: str,
    matrix: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole way of a maintainer: wheels in a folder, one command, and the rows that it asks for."""
    tag = "cu" + cuda.replace(".", "")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for minor in (11, 12, 13):
        wheel(wheels, f"cp3{minor}-cp3{minor}-{MANYLINUX}", files_of("2.16.0", f"+{tag}", cuda, pin="9.30.0.12"))
    assert refresh(wheels, "--matrix", matrix) == 0
    asked = capsys.readouterr().err
    assert "torch_companions.csv has no row for 2.16.0" in asked
    assert ("cuda_drivers.csv has no row for" in asked) == (cuda == "14.0")
    append(matrix / "torch_companions.csv", "2.16.0,0.30.0,,https://github.com/pytorch/vision,yes,")
    if cuda == "14.0":
        append(
            matrix / "cuda_drivers.csv", f"{cuda}.0,625.1,626.2,{floor},{floor},,,https://docs.nvidia.com/cuda/,yes,"
        )
    monkeypatch.setenv("HWCOMPAT_MATRIX", str(matrix))
    assert tables.load_tables().warnings == ()
    newest = {"gpu": "NVIDIA GeForce RTX 4090", "os": "linux", "arch": "x86_64", "python": "3.12"}
    pin = hwcompat.resolve(driver="630.10", **newest)
    assert (pin.torch, pin.tag, pin.torchvision, pin.index_url) == (
        "2.16.0",
        tag,
        "0.30.0",
        f"https://download.pytorch.org/whl/{tag}",
    )
    older = hwcompat.resolve(driver="579.99", **newest)
    assert version_key(older.torch) < (2, 16)
    assert any(f"2.16.0+{tag}" in each and floor in each for each in older.rejected)
    old_card = hwcompat.resolve(**{**newest, "gpu": "Tesla V100-SXM2-16GB"}, driver="630.10")
    assert any(each.startswith(f"2.16.0+{tag}") and "no kernel for 7.0" in each for each in old_card.rejected)
