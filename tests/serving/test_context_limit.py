"""The cheap bound refuses only dialogues that cannot fit, for every kind of tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.base import NANO
from kit.chat import Renderer
from kit.task import Message
from serving.limits.context_limit import ContextLimit
from tests.kit.families import FAMILIES, build

texts = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.text(" \n\t", max_size=200))


@pytest.fixture(scope="session", params=["nano", *FAMILIES])
def renderer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    if request.param == "nano":
        return Renderer(NANO)
    return Renderer(build(FAMILIES[request.param], tmp_path_factory.mktemp(request.param)))


@given(text=texts)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_dialogue_that_fits_is_never_refused(renderer: Renderer, text: str) -> None:
    dialogue = [Message.of("user", text)]
    tokens = len(renderer.dialogue(dialogue, generation=True))
    assert ContextLimit.of(renderer, tokens).problem(dialogue) is None


def test_too_much_text_and_too_many_messages_for_the_context_are_refused() -> None:
    limit = ContextLimit.of(Renderer(NANO), 2048)
    assert "The dialogue has" in str(limit.problem([Message.of("user", "word " * 6_300_000)]))
    assert "2049 messages" in str(limit.problem([Message.of("user", "")] * 2049))


def test_text_that_a_template_may_drop_is_not_counted() -> None:
    limit = ContextLimit.of(Renderer(NANO), 64)
    thought = Message.of("assistant", "<think>" + "word " * 100_000 + "</think>Yes.")
    assert limit.problem([Message.of("user", " " * 1_000_000), thought]) is None


@pytest.mark.parametrize(
    "change", [{"normalizer": {"type": "StripAccents"}}, {"pre_tokenizer": None}, {"normalizer": {"type": "NFKD"}}]
)
def test_there_is_no_character_limit_if_the_tokenizer_may_drop_characters(
    tmp_path: Path, change: dict[str, object]
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / name).write_bytes((NANO / name).read_bytes())
    definition = {**json.loads((tmp_path / "tokenizer.json").read_bytes()), **change}
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition))
    assert ContextLimit.of(Renderer(tmp_path), 64).longest is None
