"""How every part of the program puts things in words. Pure text."""

from __future__ import annotations

from .model import Gpu, Pin


def ascii_line(text: str) -> str:
    """Printable ASCII on one line: every console can show it, nothing in it moves a cursor or ends a comment early."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else " " for c in plain).rstrip()


def gpu_words(gpu: Gpu) -> str:
    """NVIDIA GeForce GTX 1660 Ti (TU116, 7.5, 10de:2182)."""
    facts = [fact for fact in (gpu.chip, gpu.compute_capability, gpu.pci_id, gpu.mig_profile) if fact]
    return f"{gpu.name} ({', '.join(facts)})" if facts else gpu.name


def install_command(pin: Pin, python: str = "python", over: str | None = None) -> str:
    """The pip line for `pin`, for PowerShell as well as for a POSIX shell. over: the torch that is there already.

    pip takes 2.13.0+cpu for 2.13.0, and the same of torchvision and torchaudio: other builds are replaced by force.
    """
    packages = ("torch", "torchvision", "torchaudio")
    wanted = " ".join(f"{name}=={version}" for name in packages if (version := getattr(pin, name)))
    version, _, tag = (over or "").partition("+")
    force = "--force-reinstall " if over and (version == pin.torch or tag != pin.tag) else ""
    return f"{python} -m pip install {force}{wanted} --index-url {pin.index_url}"
