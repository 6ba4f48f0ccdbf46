"""Two processes with gloo: the rank that saw bad data says so, and both stay in step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
import hwcompat

rank, store, bad = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)))
optimizer = torch.optim.SGD(model.parameters(), 0.05)
torch.manual_seed(rank + 1)
batches = [(torch.randn(4, 8), torch.randn(4, 1)) for _ in range(10)]
if bad >= 0 and rank == 1:
    batches[bad][0][2] = float("nan")

def train_step(batch):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return loss

watch = hwcompat.watch(model, optimizer=optimizer)
steps = 0
for batch in batches:
    watch.step(train_step, batch)
    steps += 1
    if watch.finding:
        break
total = sum(p.double().sum().item() for p in model.parameters())
found = watch.finding
print("RESULT", steps, found.cause if found else None, found.step if found else -1, total)
dist.destroy_process_group()
"""


def both(tmp_path: Path, bad: int) -> list[list[str]]:
    """The words of the result line of each rank."""
    script = tmp_path / "train.py"
    script.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script)]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), str(bad)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [rank.communicate(timeout=240)[0] for rank in ranks]
    lines = [[line for line in output.splitlines() if line.startswith("RESULT")] for output in outputs]
    assert all(lines), outputs
    return [found[0].split()[1:] for found in lines]


def test_healthy_ranks_train_on(tmp_path: Path) -> None:
    one, other = both(tmp_path, -1)
    assert one[:3] == other[:3] == ["10", "None", "-1"]
    assert one[3] == other[3]


def test_both_ranks_stop_at_the_step_that_one_of_them_spoilt(tmp_path: Path) -> None:
    one, other = both(tmp_path, 6)
    assert one == other
    assert one[:3] == ["7", "bad-data", "6"]
