"""What a wheel of torch, or a torch that is installed, says of itself: read as text and bytes, never imported or run.

A wheel may come from anywhere. Everything read is bounded, nothing is extracted, and every value has to have the shape
of its kind before it is used; whatever does not fit ends as one DataError.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

import kernel_lists

from hwcompat.errors import DataError

MOST_MEMBERS = 100_000  # a wheel of 2026 has 13,000
MOST_DIRECTORY = 64 << 20  # bytes of the zip's own table of contents, which is held in memory
MOST_TEXT = 1 << 20  # bytes of version.py, METADATA and WHEEL; METADATA has 30,000
MOST_LIBRARY = 4 << 30  # bytes of one library; the largest so far has 1.6 GB
MOST_RATIO = 200  # a library shrinks to a fifth; a zip bomb to a thousandth

_VERSION = r"\d{1,3}\.\d{1,3}\.\d{1,3}"
_WHEEL_NAME = re.compile(
    rf"torch-(?P<version>{_VERSION})(?P<local>\+[a-z0-9._]{{1,40}})?(-\d\w{{0,20}})?"
    r"-(?P<python>[a-z0-9._]{1,60})-(?P<abi>[a-z0-9._]{1,60})-(?P<platform>[a-z0-9._]{1,120})\.whl"
)
_ASSIGNED = re.compile(
    r"^(\w{1,40})(?:[ ]?:[^=\n]{1,60})?[ ]?=[ ]?(?:None|'([^'\\\n]{0,80})'|\"([^\"\\\n]{0,80})\")[ \t\r]*$", re.M
)
_CUDNN = re.compile(r"Requires-Dist: ?nvidia-cudnn-cu\d{1,3} ?\(?== ?(\d{1,4}(?:\.\d{1,6}){1,4})\)?(?=[ ;]|$)")
_PLATFORMS = (
    (r"(linux|manylinux\w*?)_x86_64", ("linux", "x86_64")),
    (r"(linux|manylinux\w*?)_aarch64", ("linux", "aarch64")),
    (r"win_amd64", ("windows", "x86_64")),
    (r"win_arm64", ("windows", "arm64")),
    (r"macosx_\d+_\d+_arm64", ("macos", "arm64")),
    (r"macosx_\d+_\d+_x86_64", ("macos", "x86_64")),
)
_LIST_HOLDERS = ("libtorch_python.so", "torch_python.dll", "libtorch_cuda.so", "torch_cuda.dll", "libtorch_hip.so")
_KERNEL_HOLDERS = ("libtorch_cuda.so", "libtorch_cuda_cu.so", "libtorch_cuda_cpp.so", "torch_cuda.dll")


@dataclass(frozen=True)
class Facts:
    """One wheel, or one installed torch. `archs` and `ptx` as in torch_builds.csv; `images` only if asked for."""

    torch: str
    tag: str
    os: str
    arch: str
    archs: tuple[str, ...]
    ptx: tuple[str, ...]
    cudnn: str
    pythons: tuple[tuple[int, int], ...]
    default_on_pypi: bool
    source: str
    images: Counter[str]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.torch, self.tag, self.os, self.arch


class Place(Protocol):
    """Where the files of one torch lie."""

    @property
    def label(self) -> str:
        """For messages."""

    def names(self) -> set[str]:
        """The files that matter, as in the wheel."""

    def open(self, name: str) -> IO[bytes]: ...


def bad(label: str, problem: str, hint: str = "download the wheel again, or give another one") -> DataError:
    return DataError(f"{label}: {problem}", hint)


# --- wheels and folders -----------------------------------------------------------------------------------------------


class Wheel:
    """A wheel file, opened as a zip whose table of contents makes sense."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = printable(path.name)
        _check_directory_size(path)
        self._zip = zipfile.ZipFile(path)
        self._members = {each.filename: each for each in self._zip.infolist()}
        _check_members(self.label, self._zip.infolist())

    def names(self) -> set[str]:
        return set(self._members)

    def open(self, name: str) -> IO[bytes]:
        member = self._members[name]
        if member.file_size > MOST_LIBRARY or member.file_size > MOST_RATIO * max(member.compress_size, 1 << 16):
            raise bad(self.label, f"{name} would unpack to {member.file_size} bytes", "this is no wheel of torch")
        return self._zip.open(member)


def _check_directory_size(path: Path) -> None:
    """The table of contents is bounded before zipfile reads it into memory."""
    with path.open("rb") as handle:
        handle.seek(max(0, handle.seek(0, 2) - (1 << 16) - 100))
        tail = handle.read()
    end, wide = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    if end < 0:
        raise bad(printable(path.name), "is no zip file, or its end is missing")
    sizes = [int.from_bytes(tail[end + 12 : end + 16], "little")]
    if sizes == [0xFFFFFFFF]:
        sizes = [int.from_bytes(tail[wide + 40 : wide + 48], "little") if wide >= 0 else 0]
    if sizes[0] > MOST_DIRECTORY:
        raise bad(printable(path.name), f"its table of contents has {sizes[0]} bytes", "this is no wheel of torch")


def _check_members(label: str, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise bad(label, f"holds {len(members)} files", "this is no wheel of torch")
    seen = set()
    for member in members:
        name = member.filename
        if name.startswith("/") or "\\" in name or ":" in name[:3] or ".." in PurePosixPath(name).parts:
            raise bad(label, f"holds a file that points outside: {printable(name)}", "do not install this wheel")
        if name in seen:
            raise bad(label, f"holds {printable(name)} twice", "do not install this wheel")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise bad(label, f"{printable(name)} is packed as no wheel is", "this is no wheel of torch")
        seen.add(name)


class Installed:
    """A folder that holds `torch/` and one `torch-*.dist-info/`: site-packages, or a `--target` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = printable(str(folder))
        found = sorted(folder.glob("torch-*.dist-info"))
        if len(found) != 1:
            problem = f"has {len(found)} folders torch-*.dist-info; one is needed"
            raise bad(self.label, problem, "give the site-packages folder of one environment, or a wheel")
        self._info = found[0].name

    def names(self) -> set[str]:
        libraries = (self.folder / "torch" / "lib").glob("*torch_*")
        inner = [*libraries, self.folder / "torch" / "version.py", *(self.folder / self._info).iterdir()]
        return {each.relative_to(self.folder).as_posix() for each in inner if each.is_file()}

    def open(self, name: str) -> IO[bytes]:
        return (self.folder / name).open("rb")


def printable(text: str) -> str:
    """`text` cut to what a message can carry, in ASCII."""
    return text[-120:].encode("ascii", "backslashreplace").decode("ascii").replace("\n", " ").replace("\x1b", "?")


@contextmanager
def one_line(label: str) -> Iterator[None]:
    """Whatever goes wrong with an unreadable file becomes one DataError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise bad(label, f"cannot be read as a wheel: {printable(str(error)) or type(error).__name__}") from None
    except (OSError, MemoryError) as error:
        raise bad(label, f"cannot be read: {printable(str(error))}", "check the path and its permissions") from None


# --- the facts --------------------------------------------------------------------------------------------------------


def read_wheel(path: Path, images: bool = False) -> Facts:
    """The facts of a wheel file; `images` also counts the kernels in its fat binaries (slow). Raises DataError."""
    label = printable(path.name)
    with one_line(label):
        named = _WHEEL_NAME.fullmatch(path.name)
        if not named:
            raise bad(label, "is not named like a released wheel of torch", "keep the name it was published under")
        wheel = Wheel(path)
        tags = ["-".join(named.group("python", "abi", "platform"))]
        version = named["version"] + (named["local"] or "")
        with path.open("rb") as handle:
            source = f"read from the wheel {path.name}; sha256 {_sha256(handle)}"
        info = f"torch-{version}.dist-info"
        return _facts(wheel, info, tags, version, lambda: source, images)


def read_installed(folder: Path, images: bool = False) -> Facts:
    """The facts of the torch in a site-packages folder, as its wheel recorded them. Raises DataError."""
    label = printable(str(folder))
    with one_line(label):
        place = Installed(folder)
        [info] = {name.split("/")[0] for name in place.names() if name.endswith(".dist-info/METADATA")} or {""}
        if not info:
            raise bad(label, "torch has no METADATA there", "give the site-packages folder of one environment")
        tags = [line[5:].strip() for line in _headers(place, f"{info}/WHEEL") if line.startswith("Tag: ")]
        version = _header(place, f"{info}/METADATA", "Version")

        def source() -> str:
            name = next((n for n in sorted(place.names()) if "torch_python." in n), "torch/version.py")
            with place.open(name) as handle:
                return (
                    f"read from an installed torch {version} of the wheel for {tags[0]};"
                    f" sha256 {_sha256(handle)} of its {name}"
                )

        return _facts(place, info, tags, version, source, images)


def _facts(place: Place, info: str, tags: list[str], version: str, source: Callable[[], str], images: bool) -> Facts:
    own = _assigned(place)
    if _header(place, f"{info}/METADATA", "Name").lower() != "torch":
        raise bad(place.label, "is not torch", "give a wheel of torch")
    if _header(place, f"{info}/METADATA", "Version") != version:
        raise bad(place.label, "its METADATA names another version than its file name")
    torch, _, local = version.partition("+")
    if not re.fullmatch(_VERSION, torch) or own.get("__version__", "").partition("+")[0] != torch:
        raise bad(
            place.label, "version.py and METADATA do not name one and the same release", "give a release of torch"
        )
    tag = _tag(place.label, local or own["__version__"].partition("+")[2], own)
    pythons, platform = _tags(place.label, tags)
    lists = _targets(place, tag)
    return Facts(
        torch=torch,
        tag=tag,
        os=platform[0],
        arch=platform[1],
        archs=tuple(each for each in lists if not each.startswith("compute_")),
        ptx=tuple("sm_" + each.removeprefix("compute_") for each in lists if each.startswith("compute_")),
        cudnn=_cudnn(place, f"{info}/METADATA") if tag.startswith("cu") and platform[0] == "linux" else "",
        pythons=pythons,
        default_on_pypi=not local,
        source=source(),
        images=_images(place) if images else Counter(),
    )


def _text(place: Place, name: str) -> str:
    if name not in place.names():
        raise bad(place.label, f"has no {name}", "this is no complete wheel of torch")
    with place.open(name) as handle:
        content = handle.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise bad(place.label, f"{name} is longer than {MOST_TEXT} bytes", "this is no wheel of torch")
    return content.decode("utf-8", "replace").replace("\r\n", "\n")


def _assigned(place: Place) -> dict[str, str]:
    """The plain assignments of version.py: {"__version__": "2.6.0+cu124", "cuda": "12.4"}; None becomes ""."""
    return {hit[1]: hit[2] or hit[3] or "" for hit in _ASSIGNED.finditer(_text(place, "torch/version.py"))}


def _headers(place: Place, name: str) -> list[str]:
    return _text(place, name).partition("\n\n")[0].split("\n")


def _header(place: Place, name: str, field: str) -> str:
    return next((line.partition(":")[2].strip() for line in _headers(place, name) if line.startswith(field + ":")), "")


def _tag(label: str, local: str, own: dict[str, str]) -> str:
    """ "cu126", "rocm6.4" or "cpu", as local version and version.py agree."""
    cuda = "cu" + own.get("cuda", "").replace(".", "") if own.get("cuda") else ""
    rocm = "rocm" + ".".join(own.get("hip", "").split(".")[:2]) if own.get("hip") else ""
    tag = local or cuda or rocm or "cpu"
    if not re.fullmatch(r"cpu|cu\d{2,3}|rocm\d{1,2}\.\d{1,2}(\.\d{1,2})?", tag):
        raise bad(label, f"torch_builds.csv has no rows for builds such as {printable(tag)!r}", "give another wheel")
    agrees = tag == (cuda or "cpu") if not rocm else tag.startswith("rocm")
    if not agrees or own.get("xpu"):
        raise bad(
            label, f"is named {tag}, but version.py names {printable(cuda or rocm or own.get('xpu', '')) or 'no CUDA'}"
        )
    return tag


def _tags(label: str, tags: list[str]) -> tuple[tuple[tuple[int, int], ...], tuple[str, str]]:
    """(CPython versions, (os, arch)) of wheel tags; a free-threaded build counts for no version."""
    pythons, platforms = set(), set()
    for tag in tags:
        python, _, rest = tag.partition("-")
        abi, _, platform = rest.partition("-")
        found = re.findall(r"(?:^|\.)cp(3)(\d{1,2})(?=\.|$)", python)
        pythons |= {(int(major), int(minor)) for major, minor in found if not abi.endswith("t")}
        if not found:
            raise bad(label, f"is for no CPython: {printable(tag)}", "give a wheel for CPython 3")
        platforms |= {_platform(label, each) for each in platform.split(".")}
    if len(platforms) != 1:
        raise bad(label, "its tags name no single system", "give a wheel of torch")
    return tuple(sorted(pythons)), platforms.pop()


def _platform(label: str, tag: str) -> tuple[str, str]:
    for pattern, platform in _PLATFORMS:
        if re.fullmatch(pattern, tag):
            return platform
    raise bad(label, f"torch_builds.csv has no rows for the platform {printable(tag)!r}", "give another wheel")


def _cudnn(place: Place, metadata: str) -> str:
    """The version a CUDA wheel pins; "" where it brings cuDNN inside or pins none."""
    pins = {hit[1] for hit in map(_CUDNN.match, _headers(place, metadata)) if hit}
    if len(pins) > 1:
        raise bad(place.label, f"pins several versions of cuDNN: {' '.join(sorted(pins))}")
    return pins.pop() if pins else ""


def _targets(place: Place, tag: str) -> list[str]:
    """The arch list in the binary, sorted; [] for CPU builds. Raises DataError if there is none, or several."""
    if tag == "cpu":
        return []
    prefix = "gfx" if tag.startswith("rocm") else "sm_"
    present = place.names()
    for name in (f"torch/lib/{library}" for library in _LIST_HOLDERS):
        if name not in present:
            continue
        with place.open(name) as handle:
            lists = [each for each in kernel_lists.arch_strings(handle) if each.startswith(prefix)]
        longer = {" ".join(sorted(each.split(), key=kernel_lists.target_key)) for each in lists if " " in each} or {
            *lists
        }
        if len(longer) > 1:
            raise bad(
                place.label, f"{name} holds several arch lists: {' | '.join(sorted(longer))}", "fill the row by hand"
            )
        if longer:
            return longer.pop().split()
    raise bad(place.label, "no arch list in its libraries", "fill the row by hand from torch.cuda.get_arch_list()")


def _images(place: Place) -> Counter[str]:
    images: Counter[str] = Counter()
    for name in sorted(place.names() & {f"torch/lib/{library}" for library in _KERNEL_HOLDERS}):
        with place.open(name) as handle:
            images += kernel_lists.fatbin_images(handle)
    return images


def _sha256(handle: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in kernel_lists.chunks(handle):
        digest.update(chunk)
    return digest.hexdigest()
