"""A small matrix for the tests of the site: a dozen cards of the real tables, and rows made for the purpose."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from hwcompat.model import Row
from hwcompat.tables import Tables, data_dir

DATE = "2026-11-21"
CARDS = (
    "NVIDIA GeForce GTX 1660 Ti",
    "NVIDIA GeForce GTX 1660",
    "NVIDIA GeForce GTX 1650",
    "NVIDIA GeForce RTX 3090",
    "NVIDIA H200",
    "Tesla P100 PCIe 16GB",
    "GRID K2",
    "Jetson AGX Orin",
    "NVIDIA GB10",
)


def small_tables(folder: Path) -> Tables:
    """The packaged tables with few cards, in `folder`."""
    for path in data_dir().iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    _keep(folder / "gpus.csv", CARDS)
    _keep(folder / "other_gpus.csv", ("AMD Radeon RX 7900 XTX", "Apple M4"))
    (folder / "aliases.csv").unlink()
    return Tables((folder,))


def _keep(path: Path, names: tuple[str, ...]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *(line for line in lines if line[0] in names)])


def measured(n: int, **cells: str) -> Row:
    """A complete run on a GTX 1660 Ti; `n` makes its report and its contributor."""
    usual = {
        "gpu": "NVIDIA GeForce GTX 1660 Ti", "pci_id": "10de:2182", "chip": "TU116", "compute_capability": "7.5",
        "driver": "580.10", "os": "linux", "arch": "x86_64", "torch": "2.6.0", "cuda": "cu126", "cudnn": "9.5.1",
        "fp32": "ok", "fp16": "ok", "source": "measured", "contributor": f"user{n}", "date": "2026-05-04",
        "level": "standard", "report_id": f"{n:016x}",
    }  # fmt: skip
    return Row(**{**usual, **cells})


def reported(n: int, **cells: str) -> Row:
    usual = {"gpu": "GTX 1660 Ti", "chip": "TU116", "source": "reported", "date": "2024-01-02"}
    return Row(
        **{**usual, "url": f"https://github.com/example/example/issues/{n}", "report_id": f"reported-{n}", **cells}
    )


class Reading(HTMLParser):
    """The elements of a page with their attributes, its ids, links, and text by the id of the element around it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.doubled: list[str] = []
        self.text = ""
        self.inside: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.doubled += [name for name, _ in attrs if [each for each, _ in attrs].count(name) > 1]
        if tag not in ("meta", "link", "input", "img", "br", "rect", "line"):
            self._open.append((tag, dict(attrs).get("id") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            self.doubled.append(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        self.text += data
        for _, name in self._open:
            if name:
                self.inside[name] = self.inside.get(name, "") + data

    @property
    def ids(self) -> list[str]:
        return [str(one["id"]) for _, one in self.elements if "id" in one]

    def addresses(self) -> Iterator[str]:
        """Everything that a browser might load or follow."""
        for _, attributes in self.elements:
            for name in ("href", "src", "action", "srcset", "data", "poster", "xlink:href"):
                if name in attributes:
                    yield attributes[name] or ""
