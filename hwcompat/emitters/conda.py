"""An environment.yml for conda, mamba and micromamba: `conda env create -f environment.yml`.

channels   the channel `pytorch` stopped at torch 2.5 (https://github.com/pytorch/pytorch/issues/138506); conda-forge
           builds its own, with `cuda-version` naming the CUDA and the build string beginning cuda130_ or cpu_
           https://github.com/conda-forge/pytorch-cpu-feedstock/blob/74dd3d46/recipe/meta.yaml
pytorch    is taken from conda-forge only where its recipe was seen to build the very torch and CUDA of the pin, for
           that system, Python and card, and torchvision beside it (BUILDS; read from the last commit of each version
           in that repository and in https://github.com/conda-forge/torchvision-feedstock). It is another build than
           PyTorch's wheel: other architectures, cuDNN and BLAS
pip        else PyTorch's wheels, in a pip section: conda writes it to a requirements file for pip, so an index may be
           named there, and it is exact
           https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
__cuda     conda-forge's CUDA builds install only where conda sees a driver; CONDA_OVERRIDE_CUDA stands in for one
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hwcompat.model import Gpu, Pin, Recommendation

from ._pins import command, index, published, python_for, requirements, specifiers, told
from ._text import comments

PROOF = "schema"
FILE = "environment.yml"
PROVED = (
    "rattler 0.28.0 (the library of pixi) parsed every specification and solved the environments against channels of "
    "empty packages, and pip resolved the pip section against an index of empty wheels. conda itself was not run; that "
    "conda-forge's builds exist was read from its recipes."
)

NEWEST_PYTHON = 14
"""Minor version of the newest Python that conda-forge's recipe was seen to build."""

CARDS = {"13.0": ("7.5", "8.0", "8.6", "9.0", "10.0", "11.0", "12.0")}
"""CUDA -> capabilities that conda-forge compiles kernels for (TORCH_CUDA_ARCH_LIST in its build.sh and bld.bat)."""

JETSON = ("5.3", "6.2", "7.2", "8.7")
"""Capabilities that kernels of the same major version do not serve."""


class Builds(NamedTuple):
    """What conda-forge's recipes built of one torch, for the CPU of every system and for CUDA."""

    torchvision: str
    pythons: tuple[int, int]  # first and last minor version
    cuda: tuple[str, ...]  # on Linux x86_64 and aarch64 and on Windows x86_64


BUILDS = {
    "2.13.0": Builds("0.28.0", (10, 14), ("13.0",)),
    "2.12.1": Builds("0.27.1", (10, 14), ("13.0",)),
    "2.12.0": Builds("0.27.0", (10, 14), ("13.0",)),
}
"""Only the CUDA versions that PyTorch's wheels of the same torch come with."""

SYSTEMS = (("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"))


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Channels and packages; `version`, conda's, changes nothing.

    Raises MachineError where no build was chosen or it is on no index.
    """
    pin = published(rec, "conda")
    specifiers(pin)
    python = python_for(rec, pin)
    cuda = _conda_cuda(rec, pin, python)
    packages = _from_pip(rec, pin) if cuda is None else _from_conda_forge(pin, cuda)
    header = comments(["Create with:"]) + command(f"conda env create -f {FILE}")
    notes = comments([*told(rec, pin), *_notes(rec, pin, python, cuda)])
    lines = [
        "name: training",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python={python}",
    ]
    return header + notes + "\n".join([*lines, *packages]) + "\n"


def _from_conda_forge(pin: Pin, cuda: str) -> list[str]:
    build = f"cuda{cuda.replace('.', '')}*" if cuda else "cpu*"
    vision = [f"  - torchvision={pin.torchvision}"] if pin.torchvision else []
    return [f"  - pytorch={pin.torch}={build}", *([f"  - cuda-version={cuda}"] if cuda else []), *vision]


def _from_pip(rec: Recommendation, pin: Pin) -> list[str]:
    url = index(rec, pin)
    lines = [*([f"--index-url {url}"] if url else []), *requirements(pin)]
    return ["  - pip", "  - pip:", *(f"      - {line}" for line in lines)]


def _conda_cuda(rec: Recommendation, pin: Pin, python: str) -> str | None:
    """The CUDA of conda-forge's build of this very torch, "" for its CPU build; None: it has none, or not surely."""
    builds = BUILDS.get(pin.torch)
    if builds is None or pin.torchvision not in (None, builds.torchvision) or pin.torchaudio:
        return None
    if not builds.pythons[0] <= int(python.partition(".")[2]) <= builds.pythons[1]:
        return None
    place = (rec.os, rec.arch)
    if pin.tag == "cpu":
        known = place in SYSTEMS or place == ("macos", "arm64")
        return "" if known and rec.device in ("cpu", "mps") else None
    cuda = next((each for each in builds.cuda if pin.tag == f"cu{each.replace('.', '')}"), None)
    served = bool(cuda and place in SYSTEMS and rec.gpus and all(_served(gpu, CARDS[cuda]) for gpu in rec.gpus))
    return cuda if served else None


def _served(gpu: Gpu, cards: tuple[str, ...]) -> bool:
    """Kernels serve their own capability and later ones of the same major version."""
    capability = gpu.compute_capability or ""
    if capability in JETSON or gpu.vendor != "nvidia":
        return False
    major, _, minor = capability.partition(".")
    return any(each.split(".")[0] == major and int(each.split(".")[1]) <= int(minor or -1) for each in cards)


def _notes(rec: Recommendation, pin: Pin, python: str, cuda: str | None) -> Iterator[str]:
    if cuda is None:
        yield (
            f"torch comes from PyTorch's wheels through pip: conda-forge is not known to build torch {pin.torch} "
            f"({pin.tag}) for this system, Python and card"
        )
        yield "leave pytorch out of further conda packages, or there are two of them"
    else:
        yield "pytorch here is conda-forge's build, not the wheel that was judged: run hwcompat probe there"
    if cuda:
        yield f"where conda sees no driver (login nodes, containers): set CONDA_OVERRIDE_CUDA={cuda} when creating it"
    if int(python.partition(".")[2]) > NEWEST_PYTHON:
        yield f"warning: nobody looked whether conda-forge has Python {python}"
