"""`hwcompat diagnose -- python train.py`: real little programs that nobody edited, broken ones and healthy ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("torch", minversion="2.0")

REPOSITORY = Path(__file__).resolve().parents[2]

LOOP = """
import sys
import torch
import torch.nn.functional as F

torch.manual_seed(0)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.drop, self.leave = torch.nn.Linear(8, 16), torch.nn.Dropout(0.1), torch.nn.Linear(16, 4)

    def forward(self, x, loud=False):
        hidden = self.drop(self.enter(x))
        if loud:
            hidden = (hidden.half() * 6e4).float()
        return self.leave(hidden)

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

def batch(n):
    generator = torch.Generator().manual_seed(n)
    return torch.randn(6, 8, generator=generator), torch.randint(0, 4, (6,), generator=generator)

def step(x, y, loud=False):
    loss = F.cross_entropy(net(x, loud=loud), y) + 1e-3 * net.enter.weight.pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    return loss
"""
END = """
flat = torch.cat([p.detach().reshape(-1) for p in net.parameters()])
print("WEIGHTS", flat.numpy().tobytes().hex())
"""


def diagnose(folder, *command, **variables):
    """What `hwcompat diagnose --json -o found.json -- command` did: (process, the file)."""
    out = Path(folder) / "found.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **variables}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(REPOSITORY), variables.get("PYTHONPATH")) if p)
    done = subprocess.run(
        [sys.executable, "-m", "hwcompat", "diagnose", "--json", "-o", str(out), "--", *map(str, command)],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    return done, json.loads(out.read_text(encoding="utf-8")) if out.exists() else None


def program(folder, body, name="train.py", begin=LOOP):
    path = Path(folder) / name
    path.write_text(begin + dedent(body), encoding="utf-8")
    return path


def only(found):
    assert len(found["findings"]) == 1, found
    return found["findings"][0]


def test_an_overflow_in_float16_is_found_where_it_is(tmp_path):
    script = program(tmp_path, "for n in range(9):\n    print(n, float(step(*batch(n), loud=n == 6)))\n")
    done, found = diagnose(tmp_path, sys.executable, script)
    finding = only(found)
    assert (finding["cause"], finding["certainty"], finding["step"]) == ("fp16-overflow", "proved", 6), finding["text"]
    assert (finding["phase"], finding["op"]) == ("forward", "mul")
    assert finding["source"].startswith(str(script))
    assert "fp16-overflow" in done.stderr
    assert (done.returncode, found["exit_code"]) == (0, 0)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [str(n) for n in range(9)]


def test_a_bad_pixel_is_found_with_its_sample(tmp_path):
    body = """
    for n in range(6):
        x, y = batch(n)
        if n == 4:
            x[2, 3] = float("nan")
        step(x, y)
    """
    finding = only(diagnose(tmp_path, sys.executable, program(tmp_path, body))[1])
    assert (finding["cause"], finding["step"], finding["sample"]) == ("bad-data", 4, 2), finding["text"]


def test_a_learning_rate_is_found_by_trying_a_smaller_one(tmp_path):
    body = """
    for group in optimizer.param_groups:
        group["lr"] = 100.0
    for n in range(24):
        x, y = batch(n)
        loss = ((net(x) - x[:, :4] - 3.0) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
    finding = only(diagnose(tmp_path, sys.executable, program(tmp_path, body))[1])
    assert (finding["cause"], finding["certainty"]) == ("learning-rate", "by counterfactual"), finding["text"]


def test_not_a_bit_of_a_healthy_training_changes_and_the_bill_says_what_was_checked(tmp_path):
    script = program(tmp_path, "for n in range(8):\n    step(*batch(n))\n" + END)
    plain = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    done, found = diagnose(tmp_path, sys.executable, script)
    assert done.stdout == plain.stdout
    assert found["findings"] == []
    assert found["processes"][0]["steps"] == 8
    assert "no bad step in 8 steps; checked: loss, gradients" in done.stderr
    assert "not checked: " in done.stderr


def test_a_scaler_and_autocast_are_followed(tmp_path):
    body = """
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for n in range(6):
        x, y = batch(n)
        with torch.autocast("cpu", dtype=torch.float16):
            out = net(x, loud=n == 4)
        loss = F.cross_entropy(out.float(), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    """
    if not hasattr(__import__("torch").amp, "GradScaler"):
        pytest.skip("this torch has a scaler for CUDA only")
    finding = only(diagnose(tmp_path, sys.executable, program(tmp_path, body))[1])
    assert (finding["cause"], finding["step"]) == ("fp16-overflow", 4), finding["text"]


def test_workers_of_a_loader_arguments_and_exit_code_stay(tmp_path):
    body = """
    import argparse
    import multiprocessing

    class Numbers(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, n):
            return torch.full((8,), float(n)), n % 4, "_hwcompat_hooks" in sys.modules

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int)
        epochs = parser.parse_args().epochs
        spawn = multiprocessing.get_context("spawn")
        loader = torch.utils.data.DataLoader(Numbers(), batch_size=6, num_workers=2, multiprocessing_context=spawn)
        for _ in range(epochs):
            for x, y, seen in loader:
                step(x / 12.0, y)
                assert not bool(seen.any()), "a worker is watched"
        sys.exit(3)
    """
    done, found = diagnose(tmp_path, sys.executable, program(tmp_path, body), "--epochs", 2)
    assert done.returncode == found["exit_code"] == 3, done.stderr
    assert [process["steps"] for process in found["processes"]] == [4]
    assert found["findings"] == []


def test_a_program_that_raises_raises_and_a_label_out_of_range_is_named(tmp_path):
    body = """
    for n in range(4):
        x, y = batch(n)
        y[1] = 9 if n == 3 else y[1]
        step(x, y)
    """
    done, found = diagnose(tmp_path, sys.executable, program(tmp_path, body))
    assert done.returncode == 1
    assert "IndexError" in done.stderr
    assert only(found)["cause"] == "bad-labels", found


def test_a_program_that_ends_itself_at_nan_before_backward_is_understood(tmp_path):
    body = """
    import math

    for n in range(5):
        x, y = batch(n)
        loss = F.cross_entropy(net(x, loud=n == 3), y)
        if not math.isfinite(loss.item()):
            sys.exit("loss is nan, stopping")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
    done, found = diagnose(tmp_path, sys.executable, program(tmp_path, body))
    assert done.returncode == 1
    assert (only(found)["cause"], only(found)["step"]) == ("fp16-overflow", 3), found


def test_a_package_a_folder_with_an_accent_and_the_programs_own_sitecustomize(tmp_path):
    folder = tmp_path / "d\u00e9p\u00f4t \u6570\u636e"
    (folder / "trainer").mkdir(parents=True)
    program(folder / "trainer", "for n in range(4):\n    step(*batch(n), loud=n == 2)\n", "__main__.py")
    (folder / "own").mkdir()
    (folder / "own" / "sitecustomize.py").write_text("print('own sitecustomize ran')\n", encoding="utf-8")
    done, found = diagnose(folder, sys.executable, "-m", "trainer", PYTHONPATH=str(folder / "own"))
    assert only(found)["cause"] == "fp16-overflow"
    assert done.stdout.count("own sitecustomize ran") >= 1
    assert "Error in sitecustomize" not in done.stderr


def test_a_program_that_swallows_its_output_still_leaves_the_file(tmp_path):
    body = """
    import os
    null = open(os.devnull, "w")
    sys.stdout = sys.stderr = null
    for n in range(4):
        step(*batch(n), loud=n == 2)
    """
    done, found = diagnose(tmp_path, sys.executable, program(tmp_path, body))
    assert done.stdout == ""
    assert only(found)["cause"] == "fp16-overflow"
    assert "found 1 thing, first: step 2: fp16-overflow" in done.stderr


def test_code_that_cannot_be_recorded_is_said(tmp_path):
    body = """
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, grad):
            return grad * 2.0

    for n in range(4):
        x, y = batch(n)
        if n == 3:
            x[0, 0] = float("nan")
        loss = F.cross_entropy(Odd.apply(net(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
    finding = only(diagnose(tmp_path, sys.executable, program(tmp_path, body))[1])
    assert (finding["step"], finding["certainty"]) == (3, "unknown")
    assert "could not be recorded" in finding["text"]


def test_compiled_code_is_left_alone_and_said(tmp_path):
    body = "net = torch.compile(net, backend='eager')\nfor n in range(3):\n    step(*batch(n))\n"
    done, found = diagnose(tmp_path, sys.executable, program(tmp_path, body))
    assert done.returncode == 0
    assert found["findings"] == []
    assert "torch.compile" in done.stderr


def test_what_cannot_be_watched_is_said(tmp_path):
    script = program(tmp_path, "print('ran')\n", begin="")
    done, _found = diagnose(tmp_path, sys.executable, "-I", script)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "nothing was watched" in done.stderr


def run(*arguments):
    command = [sys.executable, "-m", "hwcompat", "diagnose", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_a_missing_program_and_options_that_read_files_are_refused(tmp_path):
    missing = run("--", "no-such-program-here")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "cannot start no-such-program-here" in missing.stderr
    mixed = run("--results", "results.csv", "--", sys.executable, "-c", "pass")
    assert mixed.returncode == 2
    assert "--result" in mixed.stderr
    assert run("--json", "--", sys.executable, "-c", "pass").returncode == 2


def test_check_turns_a_finding_into_an_exit_code(tmp_path):
    script = program(tmp_path, "for n in range(3):\n    step(*batch(n), loud=n == 1)\n")
    assert run("--check", "--", sys.executable, script).returncode == 1


def test_a_capture_is_kept_where_the_user_wants_it_and_without_inputs_unless_he_says_so(tmp_path):
    script = program(tmp_path, "for n in range(3):\n    step(*batch(n), loud=n == 1)\n")
    target = tmp_path / "bad.capture"
    done = run("--save-capture", target, "--", sys.executable, script)
    assert done.returncode == 0, done.stderr
    assert "without the inputs" in done.stderr
    assert "hwcompat probe --capture bad.capture" in done.stderr
    assert str(tmp_path).encode() not in target.read_bytes()
    done = run("--save-capture", target, "--include-inputs", "--", sys.executable, script)
    assert "(with the inputs)" in done.stderr
    assert run("--save-capture", target).returncode == 2
