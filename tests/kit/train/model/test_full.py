"""Full fine-tuning trains the head too; its gradient equals that of the whole logits, tied to the embeddings or not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from kit.train.model.methods import attach
from kit.train.model.split import split_model
from kit.train.step import loss
from kit.train.step.batch import collate
from kit.train.step.loss import batch_loss
from tests.kit.train.parts import PAD, copy_rows, section
from tests.kit.train.tiny import CONFIG


@pytest.mark.parametrize("tied", [True, False])
def test_every_gradient_is_that_of_the_whole_logits(tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", 3)
    config = copy.deepcopy(CONFIG)
    config.tie_word_embeddings = tied
    torch.manual_seed(0)
    model = attach(AutoModelForCausalLM.from_config(config, dtype=torch.float32), section(method="full"), "tiny")
    body, rows = split_model(model), copy_rows(3)
    labels = sum(len(row.ids) - row.answer_start for row in rows)
    torch.autograd.backward(batch_loss(body, collate(rows, PAD, torch.device("cpu")), labels).total)
    found = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    assert len(found) == len(dict(model.named_parameters()))

    model.zero_grad()
    for row in rows:
        ids = torch.tensor([row.ids])
        logits = model(input_ids=ids).logits[0, row.answer_start - 1 : -1]
        total = functional.cross_entropy(logits, ids[0, row.answer_start :], reduction="sum")
        torch.autograd.backward(total / labels)
    for name, value in model.named_parameters():
        assert value.grad is not None
        gap = float((found[name] - value.grad).norm() / value.grad.norm())
        assert gap < 1e-5, f"{name} differs by {gap:.1e}"
