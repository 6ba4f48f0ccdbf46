"""The nodes there should be, from whatever tool printed them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcompat.errors import DataError
from hwcompat.fleet import inventory

SINFO = """\
NODELIST   NODES PARTITION STATE
gpu-0001       1      gpu* idle
gpu-0001       1     debug idle
gpu-0002       1      gpu* down*
"""
SINFO_GRES = """\
NODELIST            GRES
gpu-0001            gpu:h100:8(S:0-1)
gpu-0002            gpu:a100:2,gpu:t4:1
gpu-0003            (null)
"""
KUBECTL = """\
NAME       STATUS                     ROLES           AGE   VERSION
node-a     Ready                      control-plane   12d   v1.30.2
node-b     Ready,SchedulingDisabled   <none>          12d   v1.30.2
"""
KUBECTL_COLUMNS = "NAME     GPUS\nnode-a   8\nnode-b   <none>\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n1\nn2\n", {"n1": None, "n2": None}),
        ("# all of them\n\nn1  # spare\n", {"n1": None}),
        ("n1,8\nn2,4\n", {"n1": 8, "n2": 4}),
        ("n1, 8\nn2 , 4\n", {"n1": 8, "n2": 4}),
        ("n1 8\n", {"n1": 8}),
        ("node,gpus\nn1,8\nn2,\n", {"n1": 8, "n2": None}),
        ('"node","rack","gpus"\r\n"n1","r1","8"\r\n', {"n1": 8}),
        ("node/n1\nnode/n2\n", {"n1": None, "n2": None}),
        ("n1 1 gpu idle\nn2 1 gpu idle\n", {"n1": None, "n2": None}),
        ("n1 gpu:8\n", {"n1": 8}),
        (SINFO, {"gpu-0001": None, "gpu-0002": None}),
        (SINFO_GRES, {"gpu-0001": 8, "gpu-0002": 3, "gpu-0003": None}),
        (KUBECTL, {"node-a": None, "node-b": None}),
        (KUBECTL_COLUMNS, {"node-a": 8, "node-b": None}),
    ],
)
def test_what_tools_print(text: str, expected: dict[str, int | None]) -> None:
    assert inventory.parse(text) == expected


@pytest.mark.parametrize("text", ["", "# nothing\n", "node,gpus\n", "n1\n../x\n", "n1\n\x1b[2J\n", "x" * 300])
def test_what_is_no_inventory_is_told(text: str) -> None:
    with pytest.raises(DataError) as caught:
        inventory.parse(text)
    assert caught.value.hint
    assert caught.value.message.isprintable()


@given(st.text(max_size=200))
def test_any_text_is_an_inventory_or_an_error_of_one_line(text: str) -> None:
    told = ""
    try:
        found = inventory.parse(text)
    except DataError as error:
        found, told = {}, error.message
    assert bool(found) != bool(told)
    assert "\n" not in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nodes\.txt"):
        inventory.read(tmp_path / "nodes.txt")
    (tmp_path / "nodes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"nodes\.txt"):
        inventory.read(tmp_path / "nodes.txt")


@pytest.mark.parametrize(
    ("word", "node"),
    [
        ("gpu-1", "gpu-1"),
        ("GPU-1", "gpu-1"),
        ("gpu-1.cluster.example", "gpu-1"),
        ("gpu-1.3", "gpu-1"),
        ("gpu-1_3", "gpu-1"),
        ("gpu-1-gpu3", "gpu-1"),
        ("gpu-12", "gpu-12"),
        ("gpu-12-0", "gpu-12"),
        ("login", "login.a.example"),
        ("twin", None),
        ("twin.a", "twin.a"),
        ("elsewhere", None),
    ],
)
def test_names_are_matched_as_machines_spell_them(word: str, node: str | None) -> None:
    known = inventory.matcher(["gpu-1", "gpu-12", "login.a.example", "twin.a", "twin.b"])
    assert inventory.named(known, word) == node
