"""The static site: what strangers wrote is harmless, links hold, and what pages say is what the program says."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
import xml.etree.ElementTree as ElementTree
from functools import cached_property
from pathlib import Path

import pytest
from sites import CARDS, DATE, Reading, measured, reported, small_tables

from hwcompat import emitters, merging, site, target
from hwcompat.consensus import consensus_of
from hwcompat.model import CAPABILITIES, Row
from hwcompat.site import gathering
from hwcompat.site.answers import PYTHON
from hwcompat.site.texts import visible, web_address
from hwcompat.tables import Tables

TI = "gpu/nvidia-geforce-gtx-1660-ti.html"
ROWS = (
    measured(1),
    measured(2, fp16="faulty", failures="conv.forward:float16:fail", torch="2.8.0", cuda="cu128"),
    measured(3, fp16="faulty", failures="conv.forward:float16:fail", torch="2.8.0", cuda="cu128"),
    measured(4, torch="2.9.1", cuda="cu130", os="windows", fp32_tflops="5.5", fp16_tflops="0.4"),
    measured(5, gpu="NVIDIA GeForce GTX 1660", pci_id="10de:2184", fp32_tflops="4.9", amp_fp16_speedup="0.2"),
    measured(6, retracted="the cooler was loose", fp16="faulty"),
    reported(7, fp16="faulty", torch="2.7.1", note="a long note. " * 40),
    reported(8, gpu="NVIDIA GeForce GTX 1650", chip="", fp16="faulty", url="https://forum.example/1?a=b&c=d"),
    reported(9, gpu="Some Card 9000", chip="", amp_fp16="faulty"),
    reported(10, gpu="", chip="", note="no card named", url="https://example.org/10"),
    measured(11, gpu="AMD EPYC 7003", pci_id="", chip="cpu", compute_capability="", cuda="cpu", torch="2.13.0+cpu"),
)
PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onmouseover='alert(1)",
    "</script><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "\u202etxt.exe\u2066\u200f",
    "{{ 7*7 }}{% raw %}",
    "]]>--><!--</title></textarea>",
    "\x1b[31mred\x07\x00\x85",
    "CON",
    "../../../../etc/passwd",
    "x" * 4000,
)


class Files(dict[str, str]):
    """The files of a site, and its pages as a browser reads them."""

    @cached_property
    def read(self) -> dict[str, Reading]:
        return {path: Reading(text) for path, text in self.items() if path.endswith(".html")}


def html(files: Files) -> dict[str, Reading]:
    return files.read


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return small_tables(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="module")
def pages(tables: Tables) -> Files:
    return Files(site.files(ROWS, tables, DATE))


@pytest.fixture(scope="module")
def hostile(tables: Tables) -> Files:
    """Every payload in every cell, and in every cell but those that place the row on a card's page."""
    rows = [Row(*[payload] * len(Row._fields)) for payload in PAYLOADS]
    for n, payload in enumerate(PAYLOADS):
        everywhere = dict.fromkeys(Row._fields, payload)
        placed = {"gpu": CARDS[0], "chip": "TU116", "retracted": "", "supersedes": "", "report_id": f"{payload}{n}"}
        rows += [Row(**{**everywhere, **placed, "source": source}) for source in ("measured", "reported")]
        rows.append(Row(**{**everywhere, **placed, "source": "measured", "fp16": "faulty", "os": "linux"}))
    return Files(site.files([*rows, *ROWS], tables, DATE))


# --- strangers' texts -------------------------------------------------------------------------------------------------


def test_hostile_rows_bring_no_element_and_no_attribute_that_good_rows_do_not_have(
    pages: Files, hostile: Files
) -> None:
    known: dict[str, set[str]] = {}
    for page in html(pages).values():
        for tag, attributes in page.elements:
            known.setdefault(tag, set()).update(attributes)
    for path, page in html(hostile).items():
        strange = [
            (tag, set(found) - known.get(tag, set()))
            for tag, found in page.elements
            if set(found) - known.get(tag, set())
        ]
        assert not strange, path
        assert {tag for tag, _ in page.elements} <= set(known), path
        assert not page.doubled, path


def test_a_hostile_row_is_shown_and_shows_nothing_invisible(hostile: Files) -> None:
    page = html(hostile)[TI]
    assert "<script>alert(1)</script>" in page.text
    assert "\\u202etxt.exe" in page.text
    for path, text in hostile.items():
        if not path.endswith((".json", ".csv")):
            assert not [sign for sign in text if not sign.isprintable() and sign != "\n"], path


def test_links_lead_to_the_web_or_inside(hostile: Files) -> None:
    for path, page in html(hostile).items():
        for tag, attributes in page.elements:
            address = attributes.get("href") or ""
            if tag == "a" and not re.fullmatch(r"(\.\./)?[\w./-]*(#[\w.-]+)?", address):
                assert web_address(address), path
                assert attributes["rel"] == "nofollow noopener noreferrer"


def test_scripts_and_styles_are_only_the_packaged_ones(hostile: Files) -> None:
    for path, page in html(hostile).items():
        scripts = [found for tag, found in page.elements if tag == "script"]
        assert [found for found in scripts if found.get("type") != "application/json"] == [
            {"src": "../" * path.count("/") + "assets/site.js"}
        ]
        for tag, found in page.elements:
            assert "style" not in found
            assert not [name for name in found if name.startswith("on")], tag
        policy = [
            found["content"] for tag, found in page.elements if found.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy
        assert (policy[0] or "").startswith("default-src 'none';")
        assert "unsafe" not in (policy[0] or "")


def test_the_data_of_the_first_page_is_json_whatever_rows_hold(hostile: Files) -> None:
    data = json.loads(html(hostile)["index.html"].inside["index-data"])
    assert len(data["cards"]) == hostile["index.html"].count("<tr data-card")


def test_nothing_outside_the_site_is_loaded(hostile: Files) -> None:
    for path, page in html(hostile).items():
        for tag, found in page.elements:
            if tag != "a":
                for name in ("src", "href", "action", "data", "srcset"):
                    assert not re.match(r"[a-z]+:|//", found.get(name) or ""), path
    for path, text in hostile.items():
        if path.startswith("assets/"):
            assert not re.search(
                r"url\(|@import|https?://|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", text
            )


def test_file_names_stay_inside_and_differ_on_every_file_system(hostile: Files) -> None:
    lower = [path.lower() for path in hostile]
    assert len(lower) == len(set(lower))
    for path in hostile:
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9][a-z0-9-]*\.(html|svg|css|js|json|csv)", path), path


def test_every_svg_is_xml(hostile: Files) -> None:
    badges = [text for path, text in hostile.items() if path.endswith(".svg")]
    drawings = [svg for text in hostile.values() for svg in re.findall(r"<svg class.*?</svg>", text, re.S)]
    assert badges
    assert drawings
    for svg in [*badges, *drawings]:
        root = ElementTree.fromstring(svg)
        assert "script" not in {element.tag.rpartition("}")[2] for element in root.iter()}
        assert "".join(root.find("{*}title").itertext())


@pytest.mark.parametrize(
    "address",
    [
        *[
            "javascript:alert(1)",
            "JAVASCRIPT:x",
            "data:text/html,x",
            "//evil.example",
            "http://",
            "ftp://a.b/c",
            "https://a b",
        ],
        *[
            "https://user:pass@host/",
            "https://a.b/\u202e",
            "https://a.b/\nx",
            "https://a.b/" + "x" * 3000,
            "vbscript:x",
            "",
        ],
    ],
)
def test_only_plain_web_addresses_are_linked(address: str) -> None:
    assert web_address(address) == ""


def test_a_web_address_stays_as_it_is() -> None:
    address = "https://github.com/a/b/issues/1?x=y&z=%20#c-1"
    assert web_address(address) == address


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    assert visible("Größe 漢字 עברית, a\tb") == "Größe 漢字 עברית, a b"


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["pages", "hostile"])
def test_every_internal_link_and_anchor_resolves(which: str, request: pytest.FixtureRequest) -> None:
    files: Files = request.getfixturevalue(which)
    read = html(files)
    ids = {path: page.ids for path, page in read.items()}
    for path, page in read.items():
        assert len(ids[path]) == len(set(ids[path])), f"{path} has an id twice"
        for address in page.addresses():
            if web_address(address):
                continue
            name, _, anchor = address.partition("#")
            goal = posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) if name else path
            assert goal in files, f"{path}: {address}"
            assert not anchor or anchor in ids[goal], f"{path}: {address}"
        for _, found in page.elements:
            for name in ("for", "aria-labelledby", "data-copy"):
                assert not found.get(name) or found[name] in ids[path], f"{path}: {name}={found[name]}"


def test_every_page_has_one_heading_a_main_part_and_a_way_to_it(pages: Files) -> None:
    for path, page in html(pages).items():
        tags = [tag for tag, _ in page.elements]
        assert tags.count("h1") == tags.count("main") == tags.count("title") - tags.count("svg") == 1, path
        assert ("a", {"class": "skip", "href": "#main"}) in page.elements


def test_every_table_says_what_it_is_and_scrolls_in_a_region_of_its_own(pages: Files) -> None:
    for path, text in pages.items():
        assert text.count("<table") == text.count("<caption"), path
        if path.endswith(".html"):
            assert text.count("<table") + text.count('<svg class="chart"') == text.count(
                '<div class="scroll" role="region"'
            )


# --- what is said -----------------------------------------------------------------------------------------------------


def test_every_card_of_the_tables_and_of_rows_has_a_page_and_a_badge(pages: Files, tables: Tables) -> None:
    listed = json.loads(pages["data/index.json"])["cards"]
    names = {card["name"] for card in listed}
    assert names == {*CARDS, "AMD Radeon RX 7900 XTX", "Apple M4", "Some Card 9000", "AMD EPYC 7003"}
    for card in listed:
        assert card["page"] in pages
        assert card["badge"] in pages


def test_the_data_are_the_rows(pages: Files) -> None:
    found = [Row(*line) for line in list(csv.reader(io.StringIO(pages["data/rows.csv"])))[1:]]
    assert sorted(found) == sorted(merging.merge(ROWS))


def test_grids_say_what_consensus_says(tables: Tables) -> None:
    gathered = gathering.gather(ROWS, tables, DATE)
    [chip] = [one for one in gathered.chips if one.chip == "TU116"]
    standing = [row for row in merging.standing(ROWS) if row.chip == "TU116" and row.torch]
    told = 0
    for grid in chip.grids:
        for (torch, cuda), cells in grid.cells.items():
            for cell in cells:
                rows = [row for row in standing if (row.torch, row.cuda, row.os) == (torch, cuda, cell.os)]
                one = consensus_of(rows, grid.capability)
                assert cell.observations == one.observations > 0
                assert cell.word == ("suspected" if one.outcome == "suspected" else one.verdict)
                told += cell.observations
    assert told == sum(bool(getattr(row, name)) for row in standing for name in CAPABILITIES)


def test_a_page_shows_the_grid_its_counts_and_no_withdrawn_verdict(pages: Files) -> None:
    page = html(pages)[TI]
    grid = " ".join(page.inside["grid"].split())
    assert "2.8.0-faulty Linux, 2x, 2026-05-" in grid
    assert "Does not count: withdrawn: the cooler was loose" in " ".join(page.inside["evidence"].split())


def test_the_page_and_recommend_say_the_same_to_every_client(pages: Files, tables: Tables) -> None:
    for os in ("linux", "windows"):
        aim = target.of_words([CARDS[0]], driver=None, os=os, arch="x86_64", python=PYTHON, wsl=False, tables=tables)
        rec = target.decide(aim, ROWS, torch=None, prefer="speed", newest=False, date=DATE, tables=tables)
        page = html(pages)[TI]
        for name in emitters.names():
            if os == "windows" and name == "dockerfile":
                continue  # refused there
            assert page.inside[f"text-{os}-x8664-{name}"] == emitters.render(rec, name)


def test_a_card_that_no_build_serves_is_told_which_was_the_last(pages: Files) -> None:
    page = html(pages)["gpu/grid-k2.html"]
    assert "no torch build serves GRID K2" in page.inside["torch"]
    assert "0.3.0" in page.inside["torch"]
    assert "text-linux-x8664-yaml" not in page.ids


def test_systems_fit_the_card(pages: Files) -> None:
    systems = {
        card["name"]: [(one["os"], one["arch"]) for one in card["systems"]]
        for card in json.loads(pages["data/index.json"])["cards"]
    }
    assert systems["Apple M4"] == [("macos", "arm64")]
    assert systems["Jetson AGX Orin"] == systems["NVIDIA GB10"] == [("linux", "aarch64")]
    assert systems["NVIDIA H200"] == [("linux", "x86_64"), ("windows", "x86_64")]


def test_a_verdict_never_stands_without_its_observations_and_age(pages: Files) -> None:
    for card in json.loads(pages["data/index.json"])["cards"]:
        for system in card["systems"]:
            for said in system["capabilities"].values():
                assert (said["rows_say"] is None) == (said["observations"] == 0)
                assert said["newest"] or not said["rows_say"]


def test_rows_that_name_no_card_have_a_page(pages: Files) -> None:
    assert "no card named" in pages["other.html"]
    assert "no card named" not in pages[TI]


def test_a_fault_lists_its_cards_and_the_rows_that_show_it(pages: Files) -> None:
    page = html(pages)["fault/tu11x-fp16-conv.html"]
    assert ("a", {"href": f"../{TI}"}) in page.elements
    assert "H200" not in page.inside["affected"]
    assert "conv.forward:float16:fail" in page.inside["evidence"]
    assert ("a", {"href": "../probes.html#conv.forward"}) in page.elements


def test_charts_are_of_this_very_card_where_it_was_measured(pages: Files) -> None:
    assert "Of other cards" not in html(pages)[TI].inside["speed"]
    assert "fp32 5.5 (5.5 to 5.5)" in html(pages)[TI].inside["speed"]
    assert "4.9" not in html(pages)[TI].inside["speed"]
    assert "Nobody has measured its speed" in html(pages)["gpu/nvidia-h200.html"].inside["speed"]


def test_a_badge_says_what_is_known_and_how_often(pages: Files) -> None:
    assert "fp16: unknown, nobody measured it" in pages["badge/apple-m4.svg"]
    assert "fp16: faulty, 4 reports, 2026-05" in pages["badge/nvidia-geforce-gtx-1650.svg"]


# --- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_rows_give_the_same_bytes_in_any_order(pages: Files, tables: Tables) -> None:
    again = dict(site.files(reversed(ROWS), Tables(tables.folders), DATE))
    assert list(again) == list(pages)
    assert [path for path in pages if pages[path] != again[path]] == []


def test_pages_stay_small(pages: Files) -> None:
    for path, text in pages.items():
        if path.startswith("gpu/"):
            assert len(text.encode()) < 300_000, path


def test_the_packaged_assets_and_templates_are_plain_files_of_the_package() -> None:
    folder = Path(site.__file__).parent
    assert {path.name for path in (folder / "assets").iterdir()} == {"site.css", "site.js"}
    for path in (folder / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text, "escaping is never turned off in a template"
        assert "autoescape" not in text
