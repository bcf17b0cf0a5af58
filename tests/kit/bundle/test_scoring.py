"""Log-probabilities of real models, the fingerprints chosen from them, and the gaps between them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from kit.base import NANO
from kit.bundle.scoring import (
    Weights,
    choose_fingerprints,
    gap_between,
    loaded_model,
    measure_noise,
    score,
    score_batch,
    score_in_fresh_process,
)
from kit.bundle.seal import Fingerprint
from kit.errors import KitError
from tests.kit.bundle.parts import TUNED, rows_of

FLOAT = Weights(NANO, "float32")


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, ...]]:
    return [*[row.ids for row in rows_of(TUNED)[:3]], rows_of(TUNED)[0].ids[:7]]


def test_scores_are_the_log_softmax_of_the_models_own_logits(rows: list[tuple[int, ...]]) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(NANO), dtype=torch.float32)
    for row, scores in zip(rows, score(FLOAT, rows), strict=True):
        with torch.no_grad():
            table = model(torch.tensor([row])).logits[0].log_softmax(-1)
        assert scores == pytest.approx([float(table[i, row[i + 1]]) for i in range(len(row) - 1)], abs=1e-4)


def test_rows_scored_together_score_as_they_do_alone(rows: list[tuple[int, ...]]) -> None:
    with loaded_model(FLOAT) as model:
        together = score_batch(model, rows)
    assert [len(scores) for scores in together] == [len(row) - 1 for row in rows]
    assert gap_between(together, score(FLOAT, rows)).largest < 1e-3


def test_a_fresh_process_reads_the_same_model(rows: list[tuple[int, ...]]) -> None:
    assert gap_between(score_in_fresh_process(FLOAT, rows), score(FLOAT, rows)).largest < 1e-3


def test_a_model_that_cannot_be_read_again_is_reported_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"cannot be loaded again: \S+"):
        score_in_fresh_process(Weights(tmp_path, "float32"), [(1, 2)])


def test_fingerprints_are_the_rows_and_positions_of_the_largest_gaps() -> None:
    rows = [(5, 6, 7, 8), (1,), (9, 10, 11, 12)]
    base = [[-1.0, -9.0, -1.0], [], [-3.0, -3.0, -3.00004]]
    tuned = [[-1.1, -8.0, -1.0], [], [-3.0, -0.5, -7.0]]
    best, second = choose_fingerprints(rows, base, tuned, sequences=2, positions=2)
    assert best == Fingerprint(ids=[9, 10, 11, 12], positions=[2, 3], base=[-3.0, -3.0], tuned=[-0.5, -7.0])
    assert second == Fingerprint(ids=[5, 6, 7, 8], positions=[1, 2], base=[-1.0, -9.0], tuned=[-1.1, -8.0])
    assert choose_fingerprints(rows, base, tuned, sequences=1, positions=9) == [
        Fingerprint(ids=[9, 10, 11, 12], positions=[1, 2, 3], base=[-3.0] * 3, tuned=[-3.0, -0.5, -7.0])
    ]


def test_the_gap_is_the_mean_and_the_largest_over_all_tokens() -> None:
    gap = gap_between([[-1.0, -2.0], [-3.0]], [[-1.5, -2.0], [-2.0]])
    assert [gap.mean, gap.largest] == pytest.approx([0.5, 1.0])


def test_the_noise_of_a_model_in_bfloat16_is_measured_and_is_not_zero(rows: list[tuple[int, ...]]) -> None:
    weights = Weights(NANO, "bfloat16")
    found = choose_fingerprints(rows, [[0.0] * (len(row) - 1) for row in rows], score(weights, rows))
    noise = measure_noise(weights, found)
    assert 0 < noise.mean <= noise.largest < 1
    threads = torch.get_num_threads()
    assert measure_noise(weights, found) == noise
    assert torch.get_num_threads() == threads
