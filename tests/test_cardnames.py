"""The many names of one card, and the alias table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hwcompat import query, tables
from hwcompat.cardnames import card_name, card_of_row
from hwcompat.model import Row

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
ALIASES = list(csv.DictReader((MATRIX / "aliases.csv").read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GeForce GTX 1660 Ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("gtx1660ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("TU116 [GeForce GTX 1660 Ti]", "NVIDIA GeForce GTX 1660 Ti"),
        ("GTX 1660S", "NVIDIA GeForce GTX 1660 SUPER"),
        ("MSI  Something", "MSI Something"),
        ("Orin", "Orin"),
        ("DGX Spark", "NVIDIA GB10"),
        ("Instinct MI300X", "AMD Instinct MI300X"),
        ("", ""),
    ],
)
def test_names_of_one_card_are_one_name(known: tables.Tables, text: str, name: str):
    assert card_name(text, known) == name


def test_rows_of_one_card_stand_together_whatever_it_is_called(known: tables.Tables):
    names = ["NVIDIA GeForce RTX 3080", "RTX 3080 LHR", "GA102 [GeForce RTX 3080]"]
    rows = [Row(gpu=name) for name in names] + [Row(gpu="x", chip="GA102"), Row(gpu="y", pci_id="10de:2206")]
    assert [key.card for key in query.together(rows, card_of_row(known))] == ["GA102"]
    several = [Row(gpu="GTX 1660S"), Row(gpu="NVIDIA GeForce GTX 1660 SUPER"), Row(gpu="GTX 1660 Super")]
    assert len(query.together(several, card_of_row(known))) == 1
    assert len(query.together(several)) == 3


@pytest.mark.parametrize("row", ALIASES, ids=lambda row: f"{row['alias']}={row['name']}")
def test_every_alias_is_needed_and_means_the_card_it_names(known: tables.Tables, row: dict[str, str]):
    assert row["name"] in {card.name for card in tables.find_cards(row["alias"], known)}
    assert row["name"] in {card.name for card in known.cards}
    plain = tables.Tables((MATRIX,))
    object.__setattr__(plain, "_aliases", ((), ()))
    assert tables.find_cards(row["alias"], plain) == ()


def test_a_folder_without_aliases_and_a_broken_alias_are_no_trouble(tmp_path: Path):
    (tmp_path / "gpus.csv").write_bytes((MATRIX / "gpus.csv").read_bytes())
    assert tables.Tables((tmp_path,)).aliases == ()
    (tmp_path / "aliases.csv").write_text(
        "alias,name,used_by,source,verified,note\nMy Card,Tesla T4,shop,,yes,\nOther,Tesla T4,shop,https://x,yes,\n"
        "Ghost,No Such Card,shop,https://x,yes,\n",
        encoding="utf-8",
    )
    found = tables.Tables((tmp_path,))
    assert found.aliases == (("Other", "Tesla T4"), ("Ghost", "No Such Card"))
    assert [warning.split(": ")[1] for warning in found._aliases[1]] == ["source"]
    assert tables.find_cards("Ghost", found) == ()
    assert tables.find_cards("other", found)[0].chip == "TU104"
