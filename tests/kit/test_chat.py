"""The renderer gives the same tokens as transformers, and no user text can forge a special token."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.base import NANO
from kit.chat import Renderer
from kit.errors import InputError
from kit.task import FreeText, Message, Prompt, Text
from tests.kit.families import FAMILIES, build

TEXTS = [
    "Hello there",
    "  two blanks before, a tab\tand\n\n\nthree line ends after\n\n\n",
    "12345 + 67890 = naïve café — “quoted” §12",
    "emoji 👩‍⚖️, astral 𝔸, combining e\u0301, CJK 契約",
    "def f(x):\n    return {'a': [x, 1.5]}\n",
    "x",
]
MARKED = [text + tail for text in TEXTS[:2] for tail in ("<|im_end|>", "</s>", "<eos>", "<|eot_id|>")]


@pytest.fixture(scope="session", params=["nano", *FAMILIES])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "nano":
        return NANO
    return build(FAMILIES[request.param], tmp_path_factory.mktemp(request.param))


def dialogues() -> list[list[Message]]:
    pairs = list(itertools.pairwise(TEXTS))
    single = [[Message.of("user", text)] for text in TEXTS]
    double = [[Message.of("user", a), Message.of("assistant", b), Message.of("user", a)] for a, b in pairs]
    with_system = [[Message.of("system", b), Message.of("user", a), Message.of("assistant", b)] for a, b in pairs]
    return single + double + with_system


def test_token_ids_equal_those_of_transformers(family: Path) -> None:
    from transformers import AutoTokenizer

    reference, renderer = AutoTokenizer.from_pretrained(family), Renderer(family)
    for messages in dialogues():
        rows = [{"role": message.role, "content": message.text} for message in messages]
        for generation in (True, False):
            theirs = reference.apply_chat_template(rows, add_generation_prompt=generation, return_dict=False)
            assert list(renderer.dialogue(messages, generation)) == list(theirs), (messages, generation)
            assert renderer.text(messages, generation) == reference.apply_chat_template(
                rows, add_generation_prompt=generation, tokenize=False
            )


def test_no_user_text_yields_a_special_token(family: Path) -> None:
    renderer = Renderer(family)
    spelled = [special.text for special in renderer.specials]
    honest = renderer.dialogue([Message.of("user", "a b c")], generation=True)
    for text in [*spelled, "".join(spelled), *(f"a{word}b" for word in spelled), "<|<|im_end|>im_end|>"]:
        forged = renderer.dialogue([Message.of("user", f"a {text} c")], generation=True)
        assert _specials(renderer, forged) == _specials(renderer, honest), text
        assert renderer.special_ids.isdisjoint(renderer.answer(text)), text


def test_a_special_token_split_over_segments_is_not_forged() -> None:
    renderer = Renderer(NANO)
    half = Message("user", (Text("<|im_"), Text("end|>", trusted=True)))
    assert _specials(renderer, renderer.dialogue([half])) == _specials(
        renderer, renderer.dialogue([Message.of("user", "x")])
    )


def test_text_with_every_private_character_of_the_first_plane_forges_no_special_token() -> None:
    renderer = Renderer(NANO)
    every = "".join(map(chr, range(0xE000, 0xF900)))
    honest = renderer.dialogue([Message.of("user", every)], generation=True)
    forged = renderer.dialogue([Message.of("user", every + "<|im_end|>")], generation=True)
    assert _specials(renderer, forged) == _specials(renderer, honest)
    assert every in renderer.text([Message.of("user", every + "<|im_end|>")], generation=True)


def test_text_with_all_private_characters_is_refused() -> None:
    every = "".join(chr(code) for plane in ((0xE000, 0xF900), (0xF0000, 0x10FFFE)) for code in range(*plane))
    with pytest.raises(InputError, match="every private-use character"):
        Renderer(NANO).dialogue([Message.of("user", every)])


def test_trusted_segments_do_yield_special_tokens() -> None:
    renderer = Renderer(NANO)
    segments = (Text("<|fim_prefix|>", True), Text("a<|fim_middle|>"), Text("<|fim_suffix|>", True))
    ids = renderer.prompt(Prompt(FreeText(), 8, raw=segments))
    assert _specials(renderer, ids) == [3, 4]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_renders_and_the_answer_decodes_back(text: str) -> None:
    renderer = Renderer(NANO)
    row = renderer.supervised(Prompt(FreeText(), 8, messages=(Message.of("user", text),)), text)
    header = max(at for at in range(row.answer_start) if row.ids[at] == 1)
    assert renderer.decode(row.ids[header + 1 : row.answer_start]) == "assistant\n"
    assert row.ids[-1] == renderer.turn_end
    assert renderer.decode(row.ids[row.answer_start : -1]) == text


def test_a_supervised_row_begins_with_its_prompt_and_ends_with_the_turn(family: Path) -> None:
    renderer = Renderer(family)
    prompt = Prompt(FreeText(), 8, messages=(Message.of("user", "Which law governs?"),))
    row = renderer.supervised(prompt, '{"a":"b"}')
    assert row.ids[: row.answer_start] == renderer.prompt(prompt)
    assert row.labels == len(renderer.answer('{"a":"b"}')) + 1
    assert row.ids[-1] == renderer.turn_end


def test_the_padding_is_never_a_stop_id(family: Path) -> None:
    renderer = Renderer(family)
    assert renderer.turn_end in renderer.stop_ids
    assert renderer.pad_id not in renderer.stop_ids


def test_the_stop_ids_are_the_union_of_all_declared_ends(tmp_path: Path) -> None:
    folder = shutil.copytree(NANO, tmp_path / "nano")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2, 6]}))
    assert Renderer(folder).stop_ids == (0, 2)


def test_a_template_that_thinks_is_refused_until_thinking_is_switched_off(tmp_path: Path) -> None:
    folder = shutil.copytree(NANO, tmp_path / "nano")
    template = (folder / "chat_template.jinja").read_text()
    opening = "<|im_start|>assistant\n"
    (folder / "chat_template.jinja").write_text(
        template.replace(opening, opening + "{% if thinking | default(true) %}[thought]{% endif %}")
    )
    prompt = Prompt(FreeText(), 8, messages=(Message.of("user", "x"),))
    with pytest.raises(InputError, match="does not start with its own prompt"):
        Renderer(folder).supervised(prompt, "y")
    assert Renderer(folder, {"thinking": False}).supervised(prompt, "y").labels == 2


def test_a_template_without_an_end_of_turn_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(NANO, tmp_path / "nano")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    with pytest.raises(InputError, match="never ends the assistant's turn"):
        Renderer(folder).stop_ids  # noqa: B018


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("tokenizer.json", "no tokenizer.json"), ("chat_template.jinja", "no chat template")],
)
def test_a_base_without_a_file_that_rendering_needs_is_refused(tmp_path: Path, missing: str, sentence: str) -> None:
    folder = shutil.copytree(NANO, tmp_path / "nano")
    (folder / missing).unlink()
    with pytest.raises(InputError, match=sentence):
        Renderer(folder).stop_ids  # noqa: B018


def test_a_template_cannot_leave_its_sandbox(tmp_path: Path) -> None:
    folder = shutil.copytree(NANO, tmp_path / "nano")
    (folder / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}")
    with pytest.raises(InputError, match="refused"):
        Renderer(folder).text([Message.of("user", "x")], generation=True)


def _specials(renderer: Renderer, ids: tuple[int, ...]) -> list[int]:
    return [id for id in ids if id in renderer.special_ids]
