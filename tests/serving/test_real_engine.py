"""The whole path with real parts: train nano, build bundles, serve them with a real engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from openai.types.chat import ChatCompletionUserMessageParam
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from kit.base import NANO, find_base
from kit.bundle.build import build_bundle
from kit.bundle.plan import BuildPlan
from kit.bundle.store import Bundle, Store
from kit.chat import Renderer, Supervised
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.recipe import Recipe
from kit.task import write_answer
from kit.task.loader import load_tasks
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.http import Service, eventually, running

ROOMS = {"kettle": "kitchen", "anchor": "cellar", "ladder": "attic", "basket": "kitchen", "barrel": "cellar"}
TASK = '''"""Name the room of a thing."""
from typing import Literal
from kit.metrics.reductions import mean_of
from kit.task import Message, Prompt, Strict, Task, parse_answer


class Thing(Strict):
    thing: str


class Room(Strict):
    room: Literal["attic", "cellar", "kitchen"]


class Keeper(Task[Thing, Room]):
    name, route, request_type, response_type = "keeper", "/v1/keeper", Thing, Room
    metrics, main_metric = {"same": mean_of("same")}, "same"

    def prompts(self, request):
        return [Prompt(Room, 16, (Message.of("user", f"In which room is the {request.thing}?"),))]

    def targets(self, request, response):
        return [response]

    def read(self, request, completions):
        return parse_answer(Room, completions[0])

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''


@dataclass(frozen=True)
class Trained:
    """A project, an adapter that learned the rooms, and its training rows."""

    project: Path
    adapter: Path
    rows: tuple[tuple[int, ...], ...]

    def bundle(self, form: str, store: Store) -> Bundle:
        return build_bundle(
            BuildPlan(_recipe(form), find_base("nano"), self.adapter, self.project, self.rows, (), "d" * 64, {}), store
        )


def _recipe(form: str) -> Recipe:
    task, base = [{"use": "task.py:Keeper"}], {"model": "nano"}
    return Recipe.model_validate({"name": "keeper", "base": base, "tasks": task, "bundle": {"form": form}})


def _train(rows: list[Supervised], folder: Path) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the batches are small: a second thread would mostly wait for the first
    model: Any = AutoModelForCausalLM.from_pretrained(str(NANO), dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in rows])
    place = torch.arange(width).expand_as(ids)
    answer = torch.tensor([[row.answer_start, len(row.ids)] for row in rows])
    labels = ids.where((place >= answer[:, :1]) & (place < answer[:, 1:]), -100)
    for _ in range(40):
        model(input_ids=ids, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    project = tmp_path_factory.mktemp("project")
    (project / "task.py").write_text(TASK)
    (task,) = load_tasks(project, _recipe("merged"))
    renderer, rows = Renderer(NANO), []
    for thing, room in ROOMS.items():
        (prompt,) = task.prompts(task.request_type(thing=thing))
        rows.append(renderer.supervised(prompt, write_answer(task.response_type(room=room))))
    adapter = _train(rows, tmp_path_factory.mktemp("adapter"))
    return Trained(project, adapter, tuple(row.ids for row in rows))


@pytest.fixture(scope="module")
def adapter_bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return trained.bundle("adapter", Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module", params=["merged", "adapter"])
def bundle(
    request: pytest.FixtureRequest, trained: Trained, adapter_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    if request.param == "adapter":
        return adapter_bundle
    return trained.bundle("merged", Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def keeper(bundle: Bundle) -> Iterator[Service]:
    if bundle.seal.form == "merged":
        config = EngineConfig(bundle.model_folder, threads=1)
    else:
        config = EngineConfig(NANO, adapters={bundle.digest: bundle.adapter_folder}, threads=1)
    with running(create_app(Settings(), LocalEngine(config), [Deployed(bundle, "preview")])) as service:
        yield service


def test_a_typed_request_gets_the_learned_answer(keeper: Service) -> None:
    for thing, room in ROOMS.items():
        answer = keeper.http.post("/v1/keeper", json={"thing": thing})
        assert (answer.status_code, answer.json()) == (200, {"room": room})


def test_an_unknown_input_still_gets_an_answer_of_the_response_type(keeper: Service) -> None:
    answer = keeper.http.post("/v1/keeper", json={"thing": "wardrobe, or <|im_end|>"})
    assert answer.json()["room"] in {"attic", "cellar", "kitchen"}


def test_a_streamed_chat_has_the_text_of_the_complete_answer(keeper: Service) -> None:
    ask: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "In which room is the anchor?"}]
    client = keeper.openai()
    whole = client.chat.completions.create(model="keeper", messages=ask)
    assert whole.choices[0].message.content == '{"room":"cellar"}'
    assert whole.choices[0].finish_reason == "stop"
    stream = client.chat.completions.create(
        model="keeper", messages=ask, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == '{"room":"cellar"}'
    assert chunks[-1].usage == whole.usage


def test_a_real_engine_follows_the_schema_of_the_client(keeper: Service) -> None:
    schema = {"type": "object", "properties": {"floor": {"enum": ["upper", "lower"]}}, "required": ["floor"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "floor", "schema": schema}}
    answer = keeper.chat(response_format=wanted, max_tokens=30).json()["choices"][0]["message"]["content"]
    assert answer in {'{"floor":"upper"}', '{"floor":"lower"}'}


def test_a_schema_that_does_not_compile_is_a_client_error(keeper: Service) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": {"$ref": "#/$defs/absent"}}}
    for stream in (False, True):
        response = keeper.chat(response_format=wanted, stream=stream)
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "invalid_input"


def test_an_engine_with_another_adapter_never_becomes_ready(adapter_bundle: Bundle, tmp_path: Path) -> None:
    zeroed = Path(shutil.copytree(adapter_bundle.adapter_folder, tmp_path / "zeroed"))
    weights = safetensors.torch.load_file(zeroed / "adapter_model.safetensors")
    blank = {name: torch.zeros_like(value) for name, value in weights.items()}
    safetensors.torch.save_file(blank, zeroed / "adapter_model.safetensors", {"format": "pt"})
    engine = LocalEngine(EngineConfig(NANO, adapters={adapter_bundle.digest: zeroed}, threads=1))
    reasons: list[str] = []
    app = create_app(Settings(), engine, [Deployed(adapter_bundle, "preview")], reasons.append)
    with running(app, ready=False) as service:
        eventually(lambda: bool(reasons), "a refusal")
        assert service.http.get("/readyz").json()["error"]["code"] == "refused"
        assert service.http.post("/v1/keeper", json={"thing": "anchor"}).status_code == 503
    assert "adapter" in reasons[0]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"enum": []}, "enum array must not be empty."),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "Invalid range: minimum greater than maximum."),
    ],
)
def test_the_error_for_a_refused_schema_has_the_reason_and_no_path(
    keeper: Service, schema: dict[str, Any], reason: str
) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    response = keeper.chat(response_format=wanted)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == f"The answer type cannot constrain decoding: {reason}"
