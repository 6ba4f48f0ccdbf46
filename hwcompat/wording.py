"""How every part of the program puts things in words. Pure text."""

from __future__ import annotations

from .model import Gpu


def ascii_line(text: str) -> str:
    """Printable ASCII on one line: every console can show it, nothing in it moves a cursor or ends a comment early."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else " " for c in plain).rstrip()


def gpu_words(gpu: Gpu) -> str:
    """NVIDIA GeForce GTX 1660 Ti (TU116, 7.5, 10de:2182)."""
    facts = [fact for fact in (gpu.chip, gpu.compute_capability, gpu.pci_id, gpu.mig_profile) if fact]
    return f"{gpu.name} ({', '.join(facts)})" if facts else gpu.name
