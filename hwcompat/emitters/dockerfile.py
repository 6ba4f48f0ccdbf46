"""A Dockerfile: an image of Python and pip installing the torch build into it, `docker build -t training .`.

  base     python:<version>-slim-bookworm, as the list of the official images names them: 3.10 to 3.14 in August 2026
           and 3.15 as a release candidate then; 3.7 to 3.9, and 3.6 on bullseye, until they left the list, while
           Docker Hub keeps their tags (https://github.com/docker-library/official-images/commits/master/library/python).
           No tag of a CUDA or PyTorch image is written: nobody looked up which exist for a build
  glibc    2.36 in bookworm. Trixie's 2.41 loads no library that asks for an executable stack, and the wheel of torch
           1.12.1 does (its libtorch_cpu.so; 1.13.1, 2.1.2, 2.6.0 and 2.13.0 do not)
           https://github.com/conda-forge/pytorch-cpu-feedstock/issues/350
  CUDA     PyTorch's wheels bring the CUDA libraries; the host needs NVIDIA's driver and Container Toolkit, no CUDA
           (https://github.com/NVIDIA/nvidia-container-toolkit). The two variables do for runtimes other than
           `docker --gpus`, such as Kubernetes and Compose, what that option does
           https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
  ROCm     a container needs /dev/kfd and /dev/dri
           https://rocm.docs.amd.com/projects/install-on-linux/en/latest/how-to/docker.html
  systems  a container runs Linux, on Windows too; no container sees an Apple GPU
Docker takes a comment for a directive (`# escape=`) only above the first other comment, and continues no comment on a
next line (https://docs.docker.com/reference/dockerfile/#parser-directives).
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.errors import MachineError
from hwcompat.model import Pin, Recommendation

from ._pins import command, index, published, python_for, requirements, told
from ._text import comments

PROOF = "schema"
FILE = "Dockerfile"
PROVED = (
    "hadolint 2.15.1 parsed the file and had no objection, and pip resolved its install line against an index of empty "
    "wheels. No image was built or pulled: that the tags of python exist was read from the list of the official images."
)

IMAGES = {
    "3.6": "3.6-slim-bullseye",
    **{f"3.{minor}": f"3.{minor}-slim-bookworm" for minor in range(7, 15)},
    "3.15": "3.15-rc-slim-bookworm",
}
"""Python -> tag of the image `python`; only tags that the official list was seen to have."""

RUN = {
    "cuda": "docker run --rm --gpus all",
    "rocm": "docker run --rm --device=/dev/kfd --device=/dev/dri --group-add video",
    "xpu": "docker run --rm --device=/dev/dri",
}


def emit(rec: Recommendation, version: str | None = None) -> str:
    """FROM and RUN lines; `version`, Docker's, changes nothing.

    Raises MachineError where no build was chosen, where it is on no index or not for Linux, and for a Python whose
    image nobody looked up.
    """
    pin = published(rec, "a container")
    _require_linux(rec)
    tag = _image(python_for(rec, pin))
    test = 'python -c "import torch; print(torch.__version__, torch.cuda.is_available())"'
    header = (
        comments(["Build with:"])
        + command("docker build -t training .")
        + comments(["and see whether torch finds its device:"])
        + command(RUN.get(rec.device, "docker run --rm"), "training", test)
        + comments([*told(rec, pin), *_notes(rec, pin, tag)])
    )
    install = ["python -m pip install --no-cache-dir", *_options(index(rec, pin)), *requirements(pin)]
    lines = ["", f"FROM python:{tag}", *_visible(rec), f"RUN {' '.join(install)}"]
    return header + "\n".join(lines) + "\n"


def _require_linux(rec: Recommendation) -> None:
    if rec.os in ("linux", ""):
        return
    sees = "and sees no Apple GPU" if rec.os == "macos" else "and has other wheels"
    gpu = "cpu" if rec.os == "macos" or rec.device == "cpu" else "NAME --driver VERSION"
    raise MachineError(
        f"a container runs Linux {sees}, and this build was chosen for {rec.os}",
        f"ask for Linux: hwcompat recommend --gpu {gpu} --os linux --python VERSION --for dockerfile",
    )


def _image(python: str) -> str:
    """The tag for "3.11". Raises MachineError for a Python without a tag that was seen."""
    if python not in IMAGES:
        raise MachineError(
            f"no image is known for Python {python}", f"known are {', '.join(IMAGES)}: choose one with --python"
        )
    return IMAGES[python]


def _options(url: str) -> list[str]:
    return [f"--index-url {url}"] if url else []


def _visible(rec: Recommendation) -> list[str]:
    """What `--gpus all` stands for, for runtimes that know only the variables."""
    if rec.device != "cuda":
        return []
    return ["ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"]


def _notes(rec: Recommendation, pin: Pin, tag: str) -> Iterator[str]:
    if rec.device == "cuda":
        driver = f" (the build was chosen for {rec.driver})" if rec.driver else ""
        yield f"the host needs NVIDIA's driver{driver} and the NVIDIA Container Toolkit; CUDA comes with the wheels"
    if rec.device == "rocm":
        yield "the host needs AMD's kernel driver; ROCm comes with the wheels"
    if "-rc-" in tag:
        yield f"the image is a release candidate: python:{tag.replace('-rc', '')} is to be preferred once it is there"
    yield f"other packages go into a further RUN line without --index-url: torch {pin.torch} is kept"
