"""Training records: each pattern where it fits, and healthy ones in which nothing is found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from diagnosing import FAULTY, GOOD, clue, found, known, written

from hwcompat import diagnose
from hwcompat.diagnose.record import number, read_messages, role
from hwcompat.errors import DataError
from hwcompat.tables import data_folders

HEADER = "epoch,train/box_loss,train/cls_loss,metrics/precision(B),metrics/mAP50(B),val/box_loss,lr/pg0"


def table(*rows: tuple[float, ...]) -> str:
    return (
        "\n".join(
            [
                HEADER,
                *(
                    ",".join(f"{n + 1 if not at else cell}" for at, cell in enumerate((0, *row)))
                    for n, row in enumerate(rows)
                ),
            ]
        )
        + "\n"
    )


def healthy(count: int = 12) -> list[tuple[float, ...]]:
    return [(3.0 / n, 4.0 / n, 0.1 * min(n, 9), 0.08 * min(n, 9), 3.1 / n, 0.01) for n in range(1, count + 1)]


def read(folder: Path, text: str, name: str = "results.csv", gpu: str | None = GOOD) -> diagnose.Answer:
    return diagnose.results(written(folder, name, text), known(gpu))


def test_a_healthy_table_has_nothing_to_find(tmp_path):
    assert read(tmp_path, table(*healthy())).clues == ()


def test_a_loss_that_is_never_finite(tmp_path):
    rows = [(math.nan, math.nan, 0.0, 0.0, math.nan, 0.07)] * 5
    answer = read(tmp_path, table(*rows))
    told = clue(answer, "curve.nonfinite-at-once")
    assert told.places[0].line == 2
    assert "epoch 1" in told.what
    assert "0.07" in told.what
    assert "curve.metrics-zero" not in found(answer)


def test_a_sudden_nan_is_told_from_a_divergence(tmp_path):
    nan = (math.nan,) * 2 + (0.5, 0.4, 1.0, 0.01)
    answer = read(tmp_path, table(*healthy(6), nan))
    told = clue(answer, "curve.nonfinite-suddenly")
    assert told.places[0].line == 8
    growing = [(3.0, 1.0, 0.1, 0.1, 1.0, 0.5), (2.0, 1.0, 0.1, 0.1, 1.0, 0.5), (900.0, 1.0, 0.1, 0.1, 1.0, 0.5)]
    answer = read(tmp_path, table(*growing, (math.inf, 1.0, 0.1, 0.1, 1.0, 0.5)))
    told = clue(answer, "curve.diverged")
    assert told.cause == "learning-rate"
    assert "450" in told.why
    assert "0.5" in told.what


def test_a_validation_that_breaks_alone(tmp_path):
    rows = [(*row[:4], math.nan, 0.01) for row in healthy()]
    assert "curve.validation-nonfinite" in found(read(tmp_path, table(*rows)))


def test_metrics_of_zero_with_a_finite_loss(tmp_path):
    rows = [(*row[:2], 0.0, 0.0, row[4], 0.01) for row in healthy()]
    assert clue(read(tmp_path, table(*rows)), "curve.metrics-zero").weight == 79
    assert clue(read(tmp_path, table(*rows[:5])), "curve.metrics-zero").weight == 40
    assert "curve.metrics-zero" not in found(read(tmp_path, table(*rows[:3])))
    late = [*rows[:3], *healthy()[3:]]
    assert "curve.metrics-zero" not in found(read(tmp_path, table(*late)))


def test_a_loss_that_grows_or_does_not_move(tmp_path):
    up = [(2.0 * 1.6**n, 1.0 + 0.5 / (n + 1), 0.1, 0.1, 1.0, 0.3) for n in range(10)]
    assert "curve.diverging" in found(read(tmp_path, table(*up)))
    flat = [(2.3025, 2.3026, 0.1, 0.1, 2.3, 0.01)] * 10
    assert "curve.flat" in found(read(tmp_path, table(*flat)))
    assert "curve.flat" not in found(read(tmp_path, table(*healthy())))


def test_a_run_that_went_wrong_on_a_card_known_for_it(tmp_path):
    rows = [(math.nan, math.nan, 0.0, 0.0, math.nan, 0.07)] * 5
    assert read(tmp_path, table(*rows), gpu=FAULTY).clues[0].check == "hardware.card-is-known"
    assert "hardware.card-is-known" not in found(read(tmp_path, table(*rows), gpu=GOOD))
    assert "hardware.card-is-known" not in found(read(tmp_path, table(*healthy()), gpu=FAULTY))


def test_yolov5_and_lightning_tables(tmp_path):
    v5 = "               epoch,      train/box_loss,   metrics/mAP_0.5,        val/box_loss,               x/lr0\n"
    v5 += "".join(f"   {n},   nan,   0,   nan,  0.1\n" for n in range(5))
    assert "curve.nonfinite-at-once" in found(read(tmp_path, v5))
    pl = "epoch,lr-SGD,step,train_loss_step,val_loss\n0,,49,1.5,\n0,,99,0.9,\n0,0.1,99,,1.2\n1,,149,nan,\n"
    told = clue(read(tmp_path, pl, "metrics.csv"), "curve.nonfinite-suddenly")
    assert told.places[0].line == 5


def state(entries: list[dict]) -> str:
    return json.dumps({"global_step": 30, "log_history": entries})


def test_the_trainer_that_hides_nan(tmp_path):
    entries = [
        {"loss": 0.0, "grad_norm": math.nan, "learning_rate": 5e-5, "epoch": n / 10, "step": 10 * n}
        for n in range(1, 6)
    ]
    answer = read(tmp_path, state(entries), "trainer_state.json")
    told = clue(answer, "curve.loss-zero")
    assert told.certainty == "proved"
    assert told.count == 5
    assert "curve.gradients-nonfinite" in found(answer)
    good = [{"loss": 2 / n, "grad_norm": 1.0, "step": 10 * n} for n in range(1, 6)]
    good[0]["grad_norm"] = math.inf
    answer = read(tmp_path, state(good), "trainer_state.json")
    assert [each.check for each in answer.findings] == []
    assert clue(answer, "curve.gradients-nonfinite").certainty == "note"


def test_a_deepspeed_log(tmp_path):
    def line(tried: int, then: int) -> str:
        return f"[2026-01-01 00:00:00,018] [INFO] [loss_scaler.py:181:update_scale] [deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: {tried}, reducing to {then}"  # noqa: E501

    down = [line(2**n, 2 ** (n - 1)) for n in range(16, 0, -1)]
    answer = read(tmp_path, "\n".join(down), "train.log")
    told = clue(answer, "log.skipped-steps")
    assert (told.count, told.certainty, told.places[0].line) == (16, "suspected", 1)
    answer = read(tmp_path, "\n".join(down[:4]) + "\n{'loss': 1.0}\n", "train.log")
    assert clue(answer, "log.skipped-steps").certainty == "note"
    new = "[deepspeed] OVERFLOW! Skipping step. Gradients are non-finite, weights were not updated.\n" * 30
    assert clue(read(tmp_path, new, "train.log"), "log.skipped-steps").certainty == "suspected"


def test_apex_lines_and_progress_bars_and_colours(tmp_path):
    text = "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 0.5\n"
    assert clue(read(tmp_path, text, "a.log"), "log.skipped-steps").certainty == "suspected"
    bar = "\x1b[K      1/100      2.5G      1.2      2.3      1.1     23    640:  10%\r      1/100      2.5G      nan      nan      nan     23    640: 100%\n"  # noqa: E501
    told = clue(read(tmp_path, bar, "a.log"), "curve.nonfinite-at-once")
    assert told.places[0].line == 1


MESSAGES = {
    "log.nan-recovery": "WARNING Loss NaN/Inf detected (attempt 1/3), recovering from last.pt...",
    "log.nan-recovery-failed": "RuntimeError: Training failed: NaN persisted for 4 epochs",
    "log.poisoned-checkpoint": "RuntimeError: Checkpoint runs/last.pt is corrupted with NaN/Inf weights",
    "log.amp-check-failed": "AMP: checks failed. Anomalies were detected with AMP on your system",
    "log.all-nan-slice": "RuntimeWarning: All-NaN slice encountered",
    "log.deepspeed-least-scale": "Exception: Current loss scale already at minimum - cannot decrease scale anymore.",
    "log.scheduler-before-optimizer": "UserWarning: Detected call of `lr_scheduler.step()` before `optimizer.step()`.",
    "log.lr0-ignored": "optimizer: 'optimizer=auto' found, ignoring 'lr0=0.01' and 'momentum=0.937'",
    "log.no-labels": "WARNING No labels found in labels/train.cache.",
    "log.no-labels-in-validation": "WARNING no labels found in detect set, cannot compute metrics without labels",
    "log.corrupt-labels": "train: a.jpg: ignoring corrupt image/label: non-normalized or out of bounds coordinates [2]",
    "log.cuda-error": "RuntimeError: CUDA error: an illegal memory access was encountered",
    "log.device-assert": "RuntimeError: CUDA error: device-side assert triggered",
    "log.resume-ignores": "WARNING Resume ignores ['amp'], using checkpoint values.",
    "log.lightning-nan-loss": "ValueError: The loss returned in `training_step` is nan.",
    "log.nan-in-backward": "RuntimeError: Function 'LogBackward0' returned nan values in its 0th output.",
    "log.amp-loss-scale-zero": "FloatingPointError: Minimum loss scale reached (0.0001).",
    "log.apex-overflow": "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0",
}


@pytest.mark.parametrize("check", MESSAGES)
def test_a_message_is_understood_and_counted(tmp_path, check):
    answer = read(tmp_path, f"epoch 1\n{MESSAGES[check]}\n{MESSAGES[check]}\n", "train.log")
    told = clue(answer, check)
    assert (told.count, told.places[0].line) == (2, 2)


def test_every_message_of_the_table_has_an_example_and_a_source() -> None:
    messages = read_messages(data_folders())
    assert {f"log.{message.id}" for message in messages} == set(MESSAGES)
    assert all(message.clue.source.startswith("https://") for message in messages)


def test_an_ordinary_log_has_nothing_to_find(tmp_path):
    text = "".join(
        f"{{'loss': {2 / n}, 'grad_norm': 1.1, 'learning_rate': 5e-05, 'epoch': {n}}}\n" for n in range(1, 20)
    )
    assert read(tmp_path, "torch 2.13\n" + text, "train.log").clues == ()
    answer = read(tmp_path, "hello\nworld\n", "train.log")
    assert answer.clues == ()
    assert any("no loss" in note for note in answer.notes)


def test_folklore_shows_in_logs_too(tmp_path):
    assert "folklore.amp-check-passed" in found(read(tmp_path, "AMP: checks passed\n", "a.log"))


@pytest.mark.parametrize(
    ("name", "what"),
    [("train/box_loss", "loss"), ("val/cls_loss", "held-out loss"), ("eval_loss", "held-out loss"), ("loss", "loss"),
     ("metrics/mAP50-95(B)", "metric"), ("lr/pg0", "lr"), ("x/lr1", "lr"), ("learning_rate", "lr"), ("lr-Adam", "lr"),
     ("grad_norm", "grad_norm"), ("epoch", ""), ("validation.loss", "held-out loss")],
)  # fmt: skip
def test_what_a_column_is(name, what):
    assert role(name) == what


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nan", math.nan),
        (" -inf ", -math.inf),
        ("tensor(0.5, device='cuda')", 0.5),
        ("1e-3", 1e-3),
        ("", None),
        ("abc", None),
        (True, None),
    ],
)
def test_numbers_in_cells(text, value):
    got = number(text)
    assert (got is None) == (value is None)
    assert value is None or got == value or math.isnan(got) == math.isnan(value)


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(DataError, match="no header"):
        read(tmp_path, "\n\n", "results.csv")
    with pytest.raises(DataError, match="log_history"):
        read(tmp_path, "{}", "trainer_state.json")
    with pytest.raises(DataError, match="no JSON"):
        read(tmp_path, '{"log_history": [', "trainer_state.json")
    with pytest.raises(DataError, match="cannot be read"):
        diagnose.results(tmp_path / "none.csv", known())
