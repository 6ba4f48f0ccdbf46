"""Folklore: the table itself, and commands in which it is found or rightly not."""

from __future__ import annotations

import pytest
from diagnosing import found, known, written

from hwcompat import diagnose
from hwcompat.diagnose import folklore
from hwcompat.errors import UsageError

COMMANDS = [
    ("python train.py --data a.yaml --weights yolov5s.pt --noautoanchor", "noautoanchor-is-no-amp-switch", True),
    ("python train.py --data a.yaml --weights yolov5s.pt --img 640", "noautoanchor-is-no-amp-switch", False),
    ("python train.py --weights yolov5s.pt --imgsz 0.001", "imgsz-is-no-learning-rate", True),
    ("python train.py --weights yolov5s.pt --imgsz 640", "imgsz-is-no-learning-rate", False),
    ("python train.py --hyp data/hyps/hyp.scratch.yaml --weights a.pt", "hyp-scratch-yaml-is-gone", True),
    ("python train.py --hyp data/hyps/hyp.scratch-low.yaml --weights a.pt", "hyp-scratch-yaml-is-gone", False),
    ("python train.py --weights a.pt --amp False", "amp-flag-of-yolov5", True),
    ("yolo train model=yolov8n.pt data=a.yaml half=False", "half-does-not-govern-training", True),
    ("yolo train model=yolov8n.pt data=a.yaml amp=False", "half-does-not-govern-training", False),
    ("yolo train model=yolov8n.pt data=a.yaml half=True", "half-in-training", True),
    ("yolo train model=yolov8n.pt lr0=0.001", "lr0-with-optimizer-auto", True),
    ("yolo train model=yolov8n.pt lr0=0.001 optimizer=SGD", "lr0-with-optimizer-auto", False),
    ("yolo train resume=True model=runs/last.pt amp=False", "resuming-with-new-arguments", True),
    ("python run_clm.py --max_grad_norm 1.0 --fp16", "clipping-repairs-no-nan", True),
    ("python run_clm.py --fp16", "clipping-repairs-no-nan", False),
    ("python run_clm.py --adam_epsilon 1e-4", "eps-under-autocast", True),
    ("python train.py --weights a.pt --conf-thres 0.001", "nms-and-thresholds", True),
    ("pip install torch==1.10.2+cu102", "torch-1-10-cu102", True),
    ("CUDA_LAUNCH_BLOCKING=1 python train.py --weights a.pt", "cuda-launch-blocking", True),
    (r'C:\envs\yolo\Scripts\yolo.exe train data=C:\data\a.yaml half=False', "half-does-not-govern-training", True),
    (r"python C:\yolov5\train.py --weights C:\w\a.pt --noautoanchor", "noautoanchor-is-no-amp-switch", True),
]  # fmt: skip


@pytest.mark.parametrize(("command", "tale", "there"), COMMANDS)
def test_a_command_is_told_what_it_follows(command, tale, there):
    assert (f"folklore.{tale}" in found(diagnose.command(command, known()))) is there


def test_every_entry_has_a_source_a_reason_and_what_helps_instead() -> None:
    tales = known().tales
    assert len({tale.id for tale in tales}) == len(tales) >= 25
    for tale in tales:
        assert tale.sources
        assert all(source.startswith("https://") for source in tale.sources)
        assert tale.verdict in ("wrong", "stale", "partly")
        assert min(len(tale.why), len(tale.instead), len(tale.claim)) > 5
    listed = "\n".join(folklore.listing(tales))
    assert all(tale.id in listed for tale in tales)


def test_an_entry_without_source_or_with_odd_values_is_left_out(tmp_path):
    (tmp_path / "folklore.yaml").write_text(
        "folklore:\n"
        "  - {id: a, claim: b, verdict: wrong, why: c, instead: d}\n"
        "  - {id: a, claim: 1, verdict: wrong, why: c, instead: d, sources: [x]}\n"
        "  - {id: a, claim: b, verdict: wrong, why: c, instead: d, sources: [x], versions: new}\n"
        "  - just text\n"
        "  - {id: good, claim: b, verdict: wrong, why: c, instead: d, sources: [https://example.org]}\n",
        encoding="utf-8",
    )
    assert [tale.id for tale in folklore.read_tales([tmp_path])] == ["good"]


def test_a_command_is_never_run_and_open_quotes_are_refused(tmp_path):
    witness = tmp_path / "witness"
    diagnose.command(f"python train.py --noautoanchor; touch {witness} $(touch {witness}) `touch {witness}`", known())
    assert not witness.exists()
    with pytest.raises(UsageError, match="quotation"):
        diagnose.command('python train.py --name "open', known())
    with pytest.raises(UsageError, match="characters"):
        diagnose.command("x" * 200_000, known())


def test_what_is_true_of_newer_releases_is_not_told_of_older_ones(tmp_path):
    path = written(tmp_path, "cfg.yaml", "imgsz: 640\nclose_mosaic: 10\nhalf: false\n")
    tale = "folklore.half-does-not-govern-training"
    assert tale in found(diagnose.settings(path, known(), None, "8.3.250"))
    assert tale not in found(diagnose.settings(path, known(), None, "8.0.53"))
