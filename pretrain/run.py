"""A run, from the prepared mixture to a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kit.chat import Renderer
from pretrain.card import write_card
from pretrain.export import export
from pretrain.history import draw, read_history
from pretrain.measure import bits_per_byte, read_texts
from pretrain.model import make_model
from pretrain.prepare import FALL, TEXTS, TOKENIZER
from pretrain.schedule import Limit
from pretrain.settings import Settings, Shape
from pretrain.texts.corpus import Say
from pretrain.texts.stream import Stream
from pretrain.training import LOG, Trainer

_MICRO_TOKENS = {"cuda": 65536}
_SETTINGS = ("optimiser", "step_tokens", "learning_rate")


@dataclass(frozen=True)
class Run:
    """The folder of a run (`mixture/`, `run/`, `model/`), the facts of its mixture, and its settings."""

    out: Path
    facts: Mapping[str, Any]
    shape: Shape
    settings: Settings
    device: torch.device
    threads: int | None = None

    @classmethod
    def of(cls, out: Path, facts: Mapping[str, Any], chosen: Mapping[str, Any]) -> Run:
        """Return the run for the options of the command."""
        shape = Shape(layers=chosen["layers"]) if chosen.get("layers") else Shape()
        settings = Settings(**{name: chosen[name] for name in _SETTINGS if chosen.get(name) is not None})
        name = chosen.get("device") or "auto"
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        return cls(out, facts, shape, settings, device, chosen.get("threads"))

    def perform(self, limit: Limit, command: str, say: Say, compiled: bool = True) -> Path:
        """Train up to the limit, and export; return the model's folder."""
        if self.threads:
            torch.set_num_threads(self.threads)
        renderer = Renderer(self.out / "mixture" / TOKENIZER)
        size = renderer.vocabulary_size
        model = make_model(self.shape, size, renderer.turn_end, renderer.pad_id, self.settings.seed).to(self.device)
        texts = read_texts(self.out / "mixture" / TEXTS)
        trainer = Trainer(
            model,
            Stream(self.out / "mixture", self.settings.seed),
            Stream(self.out / "mixture" / FALL, self.settings.seed),
            self.settings,
            self.out / "run",
            limit,
            lambda measured: bits_per_byte(measured, renderer, texts),
            {"shape": self.shape.model_dump(mode="json"), "mixture": self.facts["recipe"]},
            micro_tokens=_MICRO_TOKENS.get(self.device.type, 8192),
            compiled=compiled,
        )
        say(f"At step {trainer.cursor.step}, {trainer.progress:.0%} of the run is done.")
        trainer.run()
        return self._export(model, command, size)

    def _export(self, model: Any, command: str, vocabulary: int) -> Path:
        folder = self.out / "model"
        export(model, self.out / "mixture" / TOKENIZER, folder)
        history = read_history(self.out / "run" / LOG)
        draw(history, folder / "curve.png")
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts = {**self.facts, "vocabulary": vocabulary}
        write_card(folder, self.shape, self.settings, facts, history, parameters, self._machine(), command)
        return folder

    def _machine(self) -> str:
        if self.device.type == "cuda":
            return str(torch.cuda.get_device_name(self.device))
        return f"a CPU with {torch.get_num_threads()} threads"
