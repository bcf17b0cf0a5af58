"""A service on vLLM with a bundle of every template answers curl, the official client, and each page's own snippets."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletion

from kit.project.template import Template
from scripts.clients import editors
from scripts.clients.editors import AFTER, BEFORE, SENTINELS
from scripts.clients.every_bundle import TEMPLATES, Everything, Route, routes, train_every
from tests.docs.blocks import RUNNABLE, Block, blocks
from tests.docs.pages import page_run
from tests.e2e.commands import serving

pytestmark = pytest.mark.vllm
ROUTES = list(routes())
EACH_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=[each.path for each in ROUTES])
EACH_TEMPLATE = pytest.mark.parametrize("template", TEMPLATES, ids=[each.name for each in TEMPLATES])
FREE_TEXT = ("/v1/brand/write", "/v1/chat/next", "/v1/finance/report")
"""After so few steps the model may not end a text of its own; the service then says so, and gives no half answer."""
ADDRESS = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):\d+")
MARKED = "\N{BELL WITH CANCELLATION STROKE} Cafe\N{COMBINING ACUTE ACCENT} \U0001d401: "
"""An emoji and a letter beyond the basic plane, which UTF-16 counts as two, and a letter of two code points."""


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """All adapters on one engine, so that vLLM starts once."""
    root = tmp_path_factory.mktemp("every")
    bundles = train_every(root)
    folders = [str(root / name / "bundles" / "sha256" / digest) for name, digest in bundles.items()]
    with serving(*folders, "--engine", "vllm", cwd=root) as service:
        yield Everything(service.url, bundles)


def client_of(service: Everything) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0, timeout=120)


def curl(url: str, body: str, *words: str) -> tuple[str, dict[str, str], str]:
    """Post JSON with curl; return the status, the headers in lower case, and the body."""
    command = ["curl", "-sS", "-D", "-", url, "-H", "content-type: application/json", *words, "--data-binary", "@-"]
    done = subprocess.run(command, input=body.encode(), capture_output=True, check=True, timeout=120)
    head, _, answer = done.stdout.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return first.split()[1], {name.lower(): value for name, _, value in pairs}, answer


@EACH_ROUTE
def test_curl_gets_a_typed_answer_that_names_its_bundle_and_says_what_wrote_it(
    everything: Everything, route: Route
) -> None:
    status, headers, answer = curl(everything.url + route.path, route.request)
    assert headers["x-domainkit-bundle"] == everything.bundles[route.template]
    assert headers["x-domainkit-status"] == "preview"
    assert not SENTINELS.search(answer)
    if status == "502" and route.path in FREE_TEXT:
        assert json.loads(answer)["error"]["code"] == "unreadable_answer"
        return
    assert status == "200", answer
    route.task.response_type.model_validate_json(answer)
    assert headers["x-domainkit-disclosure"] == "generated"


@EACH_ROUTE
def test_the_official_client_gets_a_typed_answer_or_error(everything: Everything, route: Route) -> None:
    path, body, client = route.path.removeprefix("/v1"), json.loads(route.request), client_of(everything)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.post(path, body={**body, "wrong": 1}, cast_to=object)
    assert "wrong" in str(refused.value)
    status, _, written = curl(everything.url + route.path, route.request)
    if status == "502" and route.path in FREE_TEXT:
        with pytest.raises(openai.InternalServerError, match=r"cut off|empty") as unread:
            client.post(path, body=body, cast_to=object)
        assert unread.value.code == "unreadable_answer"
        return
    answer: Any = client.post(path, body=body, cast_to=object)
    assert answer.keys() == json.loads(written).keys()
    route.task.response_type.model_validate_json(json.dumps(answer))


@EACH_TEMPLATE
def test_the_official_client_chats_with_every_bundle(everything: Everything, template: Template) -> None:
    messages: Any = [{"role": "user", "content": "Hello. What can you do?"}]
    raw = client_of(everything).chat.completions.with_raw_response.create(
        model=template.name, messages=messages, max_tokens=24
    )
    answer = raw.parse()
    assert isinstance(answer, ChatCompletion)
    assert raw.headers["x-domainkit-bundle"] == everything.bundles[template.name]
    assert (answer.model, answer.choices[0].finish_reason in ("stop", "length")) == (template.name, True)
    assert isinstance(answer.choices[0].message.content, str)
    assert not SENTINELS.search(answer.choices[0].message.content)


def snippets(template: Template) -> list[Block]:
    """Return the blocks of a template's page that ask a service."""
    found = blocks(template.folder / "README.md", f"templates/{template.name}/README.md")
    asking = [block for block in found if block.language in RUNNABLE and ADDRESS.search(block.text)]
    return [block for block in asking if not any(route in block.text for route in FREE_TEXT)]


@pytest.mark.parametrize("template", [each for each in TEMPLATES if snippets(each)], ids=lambda each: each.name)
def test_the_snippets_of_a_templates_page_get_answers(
    everything: Everything, template: Template, tmp_path: Path
) -> None:
    """They are those that the page's own test cannot run, because they need a service."""
    asked = snippets(template)
    request = next(route.request for route in ROUTES if route.template == template.name)
    with page_run(tmp_path) as session:
        (tmp_path / "work" / "turn.json").write_text(request, encoding="utf-8")
        for block in asked:
            text = ADDRESS.sub(everything.url, block.text)
            session.execute([Block(block.page, block.line, block.language, text)])
            printed = (tmp_path / ".session" / f"{block.line}.log").read_text(encoding="utf-8")
            assert '"error"' not in printed, f"{block.place}: {printed}"


# --- places in a text -------------------------------------------------------------------------------------------------


def ask(service: Everything, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a typed answer."""
    answer = httpx.post(service.url + path, json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_company_after_an_emoji_is_found_by_its_name(everything: Everything) -> None:
    body = {
        "text": f"{MARKED}Cafe\N{COMBINING ACUTE ACCENT} Nord won a large order.",
        "entities": ["Cafe\N{COMBINING ACUTE ACCENT} Nord", "Osprey"],
    }
    answer = ask(everything, "/v1/finance/sentiment", body)
    assert [each["mentioned"] for each in answer["sentiments"]] == [True, False]


# --- editors and games ------------------------------------------------------------------------------------------------


def events(service: Everything, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a stream. On the routes of llama.cpp, each of them is one chunk of the body."""
    headers = {"authorization": "Bearer undefined", "api-key": ""}
    with httpx.stream("POST", service.url + path, json=body, headers=headers, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        chunks = [chunk.decode() for chunk in answer.iter_raw()]
    found = re.findall(r"data: (.*)\n\n", "".join(chunks))
    if path.startswith("/v1"):
        assert found.pop() == "[DONE]"
    else:
        assert chunks == [f"data: {event}\n\n" for event in found]
    return [json.loads(event) for event in found]


def written(chunks: list[dict[str, Any]]) -> str:
    """Return the text of a stream of completions: a reason ends it, and no sentinel is in it."""
    assert all(chunk["choices"] for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] in ("stop", "length")
    text = "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    assert not SENTINELS.search(text)
    return text


def test_llama_vim_finds_the_text_by_its_bytes_and_its_timings_by_their_literal_names(everything: Everything) -> None:
    status, _, answer = curl(f"{everything.url}/infill", json.dumps(editors.VIM), "-H", "authorization: Bearer ")
    assert status == "200"
    assert answer.startswith("{")
    assert '"content":"' in answer
    assert "\n" not in answer
    fields = json.loads(answer)
    assert {"timings/prompt_n", "timings/predicted_ms", "tokens_cached"} <= fields.keys()
    assert not SENTINELS.search(fields["content"])
    start = time.monotonic()
    status, _, answer = curl(f"{everything.url}/infill", json.dumps(editors.VIM_WARM_UP))
    assert (status, json.loads(answer)) == ("200", {})
    assert time.monotonic() - start < 1


def test_llama_vscode_gets_three_answers_and_what_it_asks_at_its_start(everything: Everything) -> None:
    answers = httpx.post(f"{everything.url}/infill", json=editors.VSCODE, timeout=120).json()
    assert len(answers) == 3
    assert all(isinstance(each["content"], str) and not SENTINELS.search(each["content"]) for each in answers)
    assert all(each["timings"]["predicted_n"] == each["tokens_predicted"] for each in answers)
    assert httpx.get(f"{everything.url}/health").json() == {"status": "ok"}
    assert httpx.get(f"{everything.url}/props").json()["default_generation_settings"]["n_ctx"] >= 2048
    names = [model["id"] for model in httpx.get(f"{everything.url}/v1/models").json()["data"]]
    assert names == [each.name for each in TEMPLATES]


@pytest.mark.parametrize("prompt", [editors.QWEN, editors.QWEN_FILES])
def test_continue_with_the_sentinels_of_the_base_gets_text_a_reason_and_done(
    everything: Everything, prompt: str
) -> None:
    written(events(everything, "/v1/completions", {**editors.CONTINUE, "prompt": prompt, "stop": editors.QWEN_STOPS}))


def test_continue_with_the_sentinels_of_another_family_gets_what_fits_in_the_same_gap(everything: Everything) -> None:
    body = {**editors.CONTINUE, "temperature": 0, "stop": editors.STARCODER_STOPS}
    foreign = written(events(everything, "/v1/completions", {**body, "prompt": editors.STARCODER}))
    own = written(events(everything, "/v1/completions", {**body, "prompt": BEFORE, "suffix": AFTER}))
    assert foreign == own


@pytest.mark.parametrize("body", [editors.CONTINUE_NATIVE, editors.TABBY_NATIVE])
def test_editors_of_the_native_route_read_content_and_stop(everything: Everything, body: dict[str, Any]) -> None:
    found = events(everything, "/completion", body)
    assert all({"content", "stop"} <= event.keys() for event in found)
    assert [event["stop"] for event in found[-1:]] == [True]
    assert not SENTINELS.search("".join(event["content"] for event in found))


def test_three_parallel_requests_of_minuet_are_answered_at_once_with_different_texts(everything: Everything) -> None:
    with ThreadPoolExecutor(3) as pool:
        streams = list(pool.map(lambda _: events(everything, "/v1/completions", editors.MINUET), range(3)))
    assert len({written(chunks) for chunks in streams}) > 1


@pytest.mark.parametrize("suffix", [None, AFTER])
def test_tabby_gets_the_reason_before_done_with_and_without_a_suffix(
    everything: Everything, suffix: str | None
) -> None:
    written(events(everything, "/v1/completions", {**editors.TABBY, "suffix": suffix}))


def test_zed_gets_the_whole_object_with_counts(everything: Everything) -> None:
    answer = httpx.post(f"{everything.url}/v1/completions", json=editors.ZED, timeout=120).json()
    assert {"id", "object", "created", "model", "choices", "usage"} <= answer.keys()
    counts = [answer["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    assert all(isinstance(count, int) for count in counts)
    assert counts[0] + counts[1] == counts[2]
    assert not SENTINELS.search(answer["choices"][0]["text"])


def test_proxy_ai_may_send_a_body_of_several_lines_with_blanks_round_the_sentinels(everything: Everything) -> None:
    status, _, answer = curl(f"{everything.url}/v1/completions", json.dumps(editors.PROXY_AI, indent=2))
    assert status == "200"
    assert answer.endswith("data: [DONE]\n\n")
    lines = [line.removeprefix("data: ") for line in answer.split("\n\n") if line]
    written([json.loads(line) for line in lines[:-1]])


SCHEMA = {
    "type": "object", "properties": {"action": {"enum": ["wave", "sit"]}}, "required": ["action"],
    "additionalProperties": False,
}  # fmt: skip


def test_a_game_streams_an_answer_in_its_own_schema_or_grammar(everything: Everything) -> None:
    turns = {"messages": [{"role": "system", "content": "You are a dog."}, {"role": "user", "content": "Sit!"}]}
    prompt = httpx.post(f"{everything.url}/apply-template", json=turns).json()["prompt"]
    by_schema = events(everything, "/completion", {**editors.GAME, "prompt": prompt, "json_schema": SCHEMA})
    assert by_schema[-1]["stop"] is True
    jsonschema.validate(json.loads("".join(event["content"] for event in by_schema)), SCHEMA)
    by_grammar = events(
        everything, "/completion", {**editors.GAME, "prompt": prompt, "grammar": 'root ::= "wave" | "sit"'}
    )
    assert "".join(event["content"] for event in by_grammar) in ("wave", "sit")
