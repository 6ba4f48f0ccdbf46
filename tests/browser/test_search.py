"""The list of all cards: what is searched and filtered is what the rows and tables say; the address keeps the state."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import browsing
import pytest

from hwcompat import query, tables
from hwcompat.cardnames import card_name
from hwcompat.coverage import minor
from hwcompat.model import Row
from hwcompat.spelling import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Profile, Site
    from playwright.sync_api import Page

FILTERS = ("chip", "architecture", "torch", "cuda", "capability", "verdict", "source")


@pytest.fixture
def index(laptop: Profile, site: Site) -> Page:
    return laptop.open(site.page("index.html"))


def shown(page: Page) -> set[str]:
    """The names of the cards that can be seen in the list."""
    names = page.evaluate(
        """() => [...document.querySelectorAll('#results tbody tr[data-card]')]
            .filter(row => row.checkVisibility()).map(row => row.querySelector('a').textContent.trim())"""
    )
    assert len(names) == len(set(names))
    return set(names)


def every_card(page: Page) -> set[str]:
    return set(page.locator("#results tbody tr[data-card] a").all_inner_texts())


def settled(page: Page) -> str:
    """What the live region says once the script has answered the last key."""
    browsing.still(page)
    return page.locator("#result-count").inner_text()


# --- search -----------------------------------------------------------------------------------------------------------


def named(text: str) -> set[str]:
    """The cards of gpus.csv that `hwcompat matrix show --gpu TEXT` would find rows of."""
    cards = tables.load_tables().cards
    rows = [Row(gpu=card.name, chip=card.chip, pci_id=pci[:9]) for card in cards for pci in (*card.pci_ids, "")]
    return {row.gpu for row in query.select(rows, query.Filter(gpu=text))}


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("1660ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("GTX 1660 Ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("gtx-1660-TI", "NVIDIA GeForce GTX 1660 Ti"),
        ("nvidia geforce gtx 1660 ti", "NVIDIA GeForce GTX 1660 Ti"),
        ("  1660   ti ", "NVIDIA GeForce GTX 1660 Ti"),
        ("tu116", "NVIDIA GeForce GTX 1660 SUPER"),
        ("TU116", "NVIDIA GeForce GTX 1660 SUPER"),
        ("10de:2182", "NVIDIA GeForce GTX 1660 Ti"),
        ("t4", "Tesla T4"),
        ("3090", "NVIDIA GeForce RTX 3090 Ti"),
        ("a100 80gb", "NVIDIA A100 80GB PCIe"),
    ],
)
def test_a_card_is_found_however_it_is_spelt(index: Page, text: str, among: str):
    index.locator("#search").press_sequentially(text)
    told = settled(index)
    found = shown(index)
    assert among in found
    assert named(text) <= found, "whatever the command finds"
    assert len(found) < 80, "and few others"
    assert str(len(found)) in told


def test_nothing_found_is_said(index: Page):
    index.locator("#search").fill("zzz no such card")
    told = settled(index)
    assert shown(index) == set()
    assert told.startswith("0 cards")
    index.locator("#search").fill("")
    settled(index)
    assert shown(index) == every_card(index)


def test_the_answer_is_told_to_a_screen_reader(index: Page):
    region = index.locator("#result-count")
    assert region.get_attribute("role") == "status"
    index.locator("#search").fill("1660 ti")
    assert "2" in settled(index)


# --- filters ----------------------------------------------------------------------------------------------------------


class Oracle:
    """What the filters must find, from rows and tables alone."""

    def __init__(self, rows: Iterable[Row]):
        self.known = tables.load_tables()
        self.rows = list(rows)
        self.chips: dict[str, set[str]] = {}
        self.architectures: dict[str, set[str]] = {}
        first: dict[str, str] = {}  # "RTX 2070 SUPER" and "RTX 2070 Super" share a page, and so a line of the list
        for card in self.known.cards:
            name = first.setdefault(spellings(card.name)[0], card.name)
            self.chips.setdefault(name, set()).add(card.chip)
            self.architectures.setdefault(name, set()).add(card.architecture)

    def cards(self, chosen: dict[str, str]) -> set[str]:
        """The cards of gpus.csv that satisfy the filters `chosen`."""
        found = set(self.chips)
        if "chip" in chosen:
            found = {name for name in found if chosen["chip"] in self.chips[name]}
        if "architecture" in chosen:
            found = {name for name in found if chosen["architecture"] in self.architectures[name]}
        asked = {name: chosen[name] for name in ("torch", "cuda", "source") if name in chosen}
        if asked or chosen.get("rows"):
            found &= self._with_rows({**asked, **_verdict(chosen)})
        return found

    def _with_rows(self, asked: dict[str, object]) -> set[str]:
        found = query.select(self.rows, query.Filter(**asked))
        chips = {row.chip or tables.chip_of(row.pci_id or None, row.gpu or None, self.known) for row in found}
        names = {card_name(row.gpu, self.known) for row in found if not row.pci_id}
        return {name for name, own in self.chips.items() if name in names or own & chips}


def _verdict(chosen: dict[str, str]) -> dict[str, object]:
    capability, verdict = chosen.get("capability", ""), chosen.get("verdict", "")
    if verdict:
        return {"verdict": (f"{capability}={verdict}" if capability else verdict,)}
    return {"capability": (capability,)} if capability else {}


@pytest.fixture(scope="module")
def oracle(site: Site) -> Oracle:
    return Oracle(site.rows)


def choices(page: Page, name: str) -> list[str]:
    values = page.locator(f"#filter-{name} option").evaluate_all("options => options.map(option => option.value)")
    assert values[0] == ""
    assert len(values) > 1
    return values[1:]


def choose(page: Page, chosen: dict[str, str]) -> None:
    now = page.evaluate("names => names.map(name => document.getElementById(`filter-${name}`).value)", list(FILTERS))
    for name, value in zip(FILTERS, now, strict=True):
        if value != chosen.get(name, ""):
            page.locator(f"#filter-{name}").select_option(chosen.get(name, ""))
    page.locator("#filter-rows").set_checked(bool(chosen.get("rows")))


def of_tables(page: Page, oracle: Oracle) -> set[str]:
    return shown(page) & set(oracle.chips)


def test_the_filters_offer_what_the_rows_hold(index: Page, site: Site):
    assert set(choices(index, "cuda")) == {row.cuda for row in site.rows if row.cuda}
    assert set(choices(index, "torch")) == {minor(row.torch) for row in site.rows if row.torch}


@pytest.mark.parametrize("name", ["chip", "architecture", "torch", "cuda", "source"])
def test_each_value_of_a_filter_finds_what_the_rows_say(index: Page, oracle: Oracle, name: str):
    for value in choices(index, name)[:25]:
        choose(index, {name: value})
        settled(index)
        assert of_tables(index, oracle) == oracle.cards({name: value}), value


def test_filters_together_ask_for_one_row_that_satisfies_all(index: Page, oracle: Oracle):
    some = random.Random(7)
    offered = {name: choices(index, name) for name in FILTERS if name not in ("chip", "architecture")}
    found = []
    for _ in range(40):
        names = {some.choice(("torch", "cuda", "source")), *some.sample(sorted(offered), some.randint(1, 3))}
        chosen = {name: some.choice(offered[name][:8]) for name in names}
        choose(index, chosen)
        settled(index)
        assert of_tables(index, oracle) == oracle.cards(chosen), chosen
        found.append(len(of_tables(index, oracle)))
    assert 0 in found
    assert max(found) > 10


def test_only_cards_with_rows(index: Page, oracle: Oracle):
    choose(index, {"rows": "1"})
    settled(index)
    assert of_tables(index, oracle) == oracle.cards({"rows": "1"})
    assert shown(index) < every_card(index)


def test_search_and_filters_narrow_each_other(index: Page, oracle: Oracle):
    index.locator("#search").fill("1660")
    choose(index, {"source": "measured", "verdict": "faulty"})
    settled(index)
    assert of_tables(index, oracle) == named("1660") & oracle.cards({"source": "measured", "verdict": "faulty"})


def test_clear_brings_everything_back(index: Page):
    index.locator("#search").fill("1660")
    choose(index, {"verdict": "faulty", "rows": "1"})
    index.locator("#clear-filters").click()
    settled(index)
    assert shown(index) == every_card(index)
    assert urlsplit(index.url).query == ""
    assert index.evaluate("() => document.activeElement !== document.body"), "the focus is not lost"


# --- the address ------------------------------------------------------------------------------------------------------


def test_the_address_keeps_the_state_and_brings_it_back(laptop: Profile, site: Site, index: Page):
    index.locator("#search").fill("gtx 1650 & co?")
    index.locator("#search").fill("gtx 1650")
    choose(index, {"source": "measured", "capability": "fp16", "rows": "1"})
    told = settled(index)
    found = shown(index)
    assert parse_qs(urlsplit(index.url).query) == {
        "q": ["gtx 1650"],
        "capability": ["fp16"],
        "source": ["measured"],
        "rows": ["1"],
    }
    index.reload()
    assert (settled(index), shown(index)) == (told, found)
    assert index.locator("#search").input_value() == "gtx 1650"
    assert index.locator("#filter-capability").input_value() == "fp16"
    other = laptop.open(site.page("index.html"), f"?{urlsplit(index.url).query}")
    assert (settled(other), shown(other)) == (told, found)


def test_going_back_to_the_list_finds_it_as_it_was_left(index: Page):
    index.locator("#search").fill("1660")
    told = settled(index)
    index.locator("#results tbody tr:visible a").first.click()
    index.locator("h1", has_text="1660").wait_for()
    index.go_back()
    assert settled(index) == told
    assert index.locator("#search").input_value() == "1660"


@pytest.mark.parametrize(
    "state",
    [
        {"q": "<script>window.ran = 1</script>"},
        {"q": "%"},
        {"q": "\ufffd" * 500},
        {"chip": "no such chip", "torch": "javascript:alert(1)"},
        {"rows": "many", "verdict": "constructor", "capability": "__proto__"},
    ],
)
def test_an_address_that_asks_for_nonsense_harms_nothing(laptop: Profile, site: Site, state: dict[str, str]):
    page = laptop.open(site.page("index.html"), f"?{urlencode(state)}")
    settled(page)
    assert page.evaluate("() => window.ran") is None
    page.locator("#clear-filters").click()
    settled(page)
    assert shown(page) == every_card(page)


def test_a_broken_escape_in_the_address_harms_nothing(laptop: Profile, site: Site):
    page = laptop.open(site.page("index.html"), "?q=%E0%A4%A&torch=%")
    settled(page)
    page.locator("#clear-filters").click()
    settled(page)
    assert shown(page) == every_card(page)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_enter_in_the_search_keeps_the_page(index: Page):
    index.locator("#search").fill("tu116")
    index.locator("#search").press("Enter")
    settled(index)
    assert "NVIDIA GeForce GTX 1660" in shown(index)
    assert index.locator("#search").input_value() == "tu116"


def test_escape_empties_the_search(index: Page):
    index.locator("#search").fill("tu116")
    settled(index)
    index.locator("#search").press("Escape")
    settled(index)
    assert shown(index) == every_card(index)
    assert urlsplit(index.url).query == ""


def test_a_filter_is_changed_by_keys_alone(index: Page):
    index.locator("#filter-source").focus()
    index.keyboard.press("m")
    settled(index)
    assert index.locator("#filter-source").input_value() == "measured"
    index.locator("#filter-rows").focus()
    index.keyboard.press("Space")
    settled(index)
    assert parse_qs(urlsplit(index.url).query) == {"source": ["measured"], "rows": ["1"]}
