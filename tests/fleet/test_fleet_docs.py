"""docs/fleet.md: its recipes are valid and use what exists; its numbers are those that the code judges by."""

from __future__ import annotations

import random
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hwcompat.commands.fleet_merge import merge
from hwcompat.commands.probe import probe
from hwcompat.fleet import card, robust, shards

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_job_asks_for_what_it_needs() -> None:
    job = yaml.safe_load(blocks("yaml")[0])
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completions"] == spec["parallelism"]
    assert pod["restartPolicy"] == "Never"
    labels = spec["template"]["metadata"]["labels"]
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["labelSelector"]["matchLabels"] == labels
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 8
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounts.keys() == {one["name"] for one in pod["volumes"]}
    assert f"{mounts['reports']}/$NODE.json" in container["args"][0]
    assert [one["name"] for one in container["env"]] == ["NODE"]


def test_the_playbook_fetches_what_it_makes() -> None:
    (play,) = yaml.safe_load(blocks("yaml")[1])
    make, fetch = play["tasks"]
    made = make["ansible.builtin.command"]
    assert made["argv"][-1] == made["creates"] == fetch["ansible.builtin.fetch"]["src"]
    assert all(isinstance(word, str) for word in made["argv"])


@pytest.mark.parametrize(("name", "command"), [("probe", probe), ("fleet merge", merge)])
def test_the_recipes_use_options_that_exist(name: str, command) -> None:
    known = {option for parameter in command.params for option in parameter.opts}
    lines = [line for line in TEXT.replace(", ", " ").splitlines() if f"hwcompat {name}" in line]
    used = {word for line in lines for word in re.findall(r"(?<=\s)--[a-z-]+", line.partition(f"hwcompat {name}")[2])}
    assert used
    assert used <= known


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")
def test_the_shell_recipes_are_shell() -> None:
    (container,) = yaml.safe_load(blocks("yaml")[0])["spec"]["template"]["spec"]["containers"]
    for script in (*blocks("bash"), container["args"][0]):
        assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""


def _loss(cards: int, noise: float, kinds: int) -> str:
    """What a card must lose to be named: the median of some simulated kinds with six speeds."""
    found = []
    for seed in range(15):
        some = random.Random(seed)
        bound = robust.bound([some.gauss(1, noise) for _ in range(cards)], robust.RATE / (kinds * 6 * cards))
        assert bound is not None
        found.append(bound.distance)
    return f"{100 * statistics.median(found):.0f} %"


def test_the_table_of_what_is_found_is_computed() -> None:
    rows = re.findall(r"^\| (\d+)[^|]*\| (\d+ %) \| (\d+ %) \| (\d+ %) \| (\d+ %) \|$", TEXT, re.MULTILINE)
    assert [int(cards) for cards, *_ in rows] == [8, 10, 16, 40, 160]
    for cards, *told in rows:
        assert told == [_loss(int(cards), noise, kinds) for kinds in (1, 10) for noise in (0.005, 0.015)]


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"**{robust.RATE:g} healthy cards**" in PLAIN
    assert f"**{100 * robust.SICK_RATE:g} %** of a kind" in PLAIN
    assert f"never less than **{100 * robust.FLOOR:g} %**" in PLAIN
    assert f"fewer than **{robust.FEWEST}** cards" in PLAIN
    assert f"fewer than {robust.MANY} cards" in PLAIN
    assert f"{card.RETIRED_PAGES} retired pages" in PLAIN
    assert f"power brake in {card.THROTTLED_SHARE} % of the samples" in PLAIN
    counts = [robust.voters(robust.RATE / kinds) for kinds in (1, 5, 20, 100)]
    assert counts == [3, 5, 7, 9]
    assert (
        "3 cards in a fleet of one kind, 5 in a fleet of five kinds, 7 in one of twenty, 9 in one of a hundred" in PLAIN
    )
    assert all(outcome in TEXT for outcome in shards.OUTCOMES)
