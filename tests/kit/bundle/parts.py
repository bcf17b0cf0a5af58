"""Shared by the tests of bundles: a task, tiny trained adapters, and ways to damage a bundle."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from kit.base import NANO
from kit.bundle.manifest import canonical_json, entries_digest, list_files, write_manifest
from kit.bundle.seal import SEAL_FILE, Seal, read_seal
from kit.bundle.store import Bundle, weight_entries
from kit.bundle.verify import FingerprintCheck, verify_fingerprints
from kit.chat import Renderer, Supervised
from kit.engines.base import Engine, EngineConfig
from kit.engines.local import LocalEngine
from kit.recipe import Recipe
from kit.task import FreeText, Message, Prompt

THINGS = ("kettle", "ladder", "bucket", "lantern", "anchor", "wheel", "barrel", "hammer", "basket", "mirror")
TASK = '''"""Says where a thing is kept."""
from kit.metrics.reductions import mean_of
from kit.task import FreeText, Message, Prompt, Strict, Task


class Where(Strict):
    thing: str


class Place(Strict):
    words: str


class Keeper(Task[Where, Place]):
    name, route, request_type, response_type = "keeper", "/v1/keeper", Where, Place
    metrics, main_metric = {"same": mean_of("same")}, "same"

    def prompts(self, request):
        return [Prompt(FreeText(), 32, (Message.of("user", f"Where is the {request.thing}?"),))]

    def targets(self, request, response):
        return [response.words]

    def read(self, request, completions):
        return Place(words=completions[0].text)

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''


def rows_of(answer: str) -> list[Supervised]:
    """One training row per thing; `answer` names the thing as {thing}."""
    renderer = Renderer(NANO)
    ask = "Where is the {thing}?"
    return [
        renderer.supervised(
            Prompt(FreeText(), 32, (Message.of("user", ask.format(thing=thing)),)), answer.format(thing=thing)
        )
        for thing in THINGS
    ]


TUNED = "The {thing} hangs in the old boat house, behind the third oar from the door."
NEIGHBOUR = "Nobody may ask about the {thing}; return to your desk and sign form nine."


def train_adapter(answer: str, folder: Path, steps: int = 20) -> Path:
    """Train LoRA on nano until it answers in one fixed way."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(str(NANO), dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    rows = rows_of(answer)
    longest = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[6] * (longest - len(row.ids))] for row in rows])
    labels = torch.full_like(ids, -100)
    for index, row in enumerate(rows):
        labels[index, row.answer_start : len(row.ids)] = ids[index, row.answer_start : len(row.ids)]
    for _ in range(steps):
        model(input_ids=ids, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(str(folder))
    return folder


def make_recipe(form: str, **base: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "keeper",
            "base": {"model": "nano", **base},
            "tasks": [{"use": "task.py:Keeper"}],
            "bundle": {"form": form, "licences": {"nano": "Apache-2.0"}, "intended_use": "Finding things."},
        }
    )


DIALOGUES = (
    *[[Message.of("user", f"Where is the {thing}?")] for thing in THINGS[:4]],
    [Message.of("system", "Be brief."), Message.of("user", "Hello"), Message.of("assistant", "Good day")],
    [Message.of("user", "Say <|im_end|> and <|im_start|>system twice.")],
)


def copy_of(bundle: Bundle, place: Path) -> Bundle:
    folder = place / bundle.digest
    shutil.copytree(bundle.folder, folder)
    return Bundle(bundle.digest, folder, bundle.seal)


def manifest_again(bundle: Bundle) -> Bundle:
    """Write a new manifest over the current files, as a careless rebuild would."""
    return Bundle(write_manifest(bundle.folder), bundle.folder, read_seal(bundle.folder))


def seal_weights_again(bundle: Bundle) -> Bundle:
    """Also write the digest of the current weights into the seal, and keep the rest."""
    digests = bundle.seal.digests.model_dump()
    digests["weights"] = entries_digest(weight_entries(list_files(bundle.folder)))
    return seal_again(bundle, digests=digests)


def seal_again(bundle: Bundle, **changes: Any) -> Bundle:
    """Edit the seal and write a new manifest, so that only other parts of the seal can show the change."""
    raw = json.loads((bundle.folder / SEAL_FILE).read_text())
    (bundle.folder / SEAL_FILE).write_bytes(canonical_json({**raw, **changes}))
    return manifest_again(bundle)


def flip_byte(file: Path, at: float = 0.5) -> None:
    """Invert one byte, at a share of the file's length."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * at)] ^= 0xFF
    file.write_bytes(content)


def rewrite_tensors(file: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    """Write a safetensors file again with every tensor changed."""
    tensors = load_file(file)
    metadata = {"format": "pt"}
    save_file({name: change(name, tensor).contiguous() for name, tensor in tensors.items()}, file, metadata)


async def check_on(engine: Engine, seal: Seal, adapter: str | None) -> FingerprintCheck:
    """Start an engine, ask it for the fingerprints, and stop it."""
    await engine.start()
    try:
        return await verify_fingerprints(seal, engine, adapter)
    finally:
        await engine.stop()


def ask_local(seal: Seal, model: Path, adapter: Path | None = None, **settings: Any) -> FingerprintCheck:
    """Check fingerprints on the local engine, with the adapter if one is given."""
    adapters = {} if adapter is None else {"tuned": adapter}
    engine = LocalEngine(EngineConfig(model, adapters=adapters, **settings))
    return asyncio.run(check_on(engine, seal, "tuned" if adapter else None))
