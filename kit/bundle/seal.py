"""The seal: what serving must reproduce. Written when a bundle is built, enforced before it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from kit.bundle.manifest import BUILD_AGAIN
from kit.engines.answerer import SamplingDefaults
from kit.errors import Refused
from kit.recipe import FloatType, Section
from kit.task import TurnRole

SEAL_FILE = "seal.json"


class SealedBase(Section):
    """The base model: name, revision, SHA-256 of configuration and weights, storage type."""

    model: str
    revision: str | None
    weights_digest: str
    dtype: FloatType


class SealedAdapter(Section):
    """The trained method by name; for low-rank adapters also rank, scale numerator and targets."""

    method: str = "lora"
    rank: int = 0
    alpha: float = 0.0
    targets: list[str] = Field(default_factory=list)

    @property
    def plain_lora(self) -> bool:
        """Whether every engine can attach it."""
        return self.method in ("lora", "qlora")

    @property
    def sentence(self) -> str:
        """The training method in words."""
        if self.plain_lora:
            base = " over a base in 4 bits" if self.method == "qlora" else ""
            return f"LoRA{base}, rank {self.rank}, alpha {self.alpha:g}, on {', '.join(self.targets)}"
        return "all weights" if self.method == "full" else f"{self.method} adapters on {', '.join(self.targets)}"


class SealedTurn(Section):
    """One turn of a golden dialogue."""

    role: TurnRole
    text: str


class GoldenRender(Section):
    """A dialogue, and the text and token ids that it renders to."""

    turns: list[SealedTurn]
    generation: bool
    text: str
    ids: list[int]


class Measured(Section):
    """Figures from a model: they may be infinite or not a number, which the checks refuse."""

    model_config = ConfigDict(allow_inf_nan=True)


class Fingerprint(Measured):
    """A token sequence on which base and tuned model differ most.

    `positions` index `ids`; the log-probabilities are of the tokens there, given those before, in the same order.
    """

    ids: list[int]
    positions: list[int]
    base: list[float]
    tuned: list[float]


class Noise(Measured):
    """Mean and largest absolute gap of per-token log-probability between valid ways to compute it."""

    mean: float
    largest: float


class Digests(Section):
    """SHA-256 of the bundle's parts and data; `examples` is that of the record of its examples, empty without one."""

    weights: str
    task: str
    recipe: str
    data: str
    examples: str = ""


class SealedTask(Section):
    """A task's public shape: its name, its route, and the hash of its request and response schemas."""

    name: str
    route: str
    use: str
    schema_digest: str


class Seal(Section):
    """Everything that serving must reproduce, and what a reader should know about the model's origin."""

    version: Literal[1] = 1
    name: str
    form: Literal["merged", "adapter"]
    base: SealedBase
    adapter: SealedAdapter
    tasks: list[SealedTask]
    tokenizer: dict[str, str]
    template_args: dict[str, bool | str | int]
    stop_ids: list[int]
    sampling: SamplingDefaults
    max_length: int
    golden: list[GoldenRender]
    fingerprints: list[Fingerprint]
    noise: Noise
    digests: Digests
    licences: dict[str, str]
    intended_use: str


def read_seal(folder: Path) -> Seal:
    """Read a bundle's seal.

    Raises Refused if it is missing or not a seal.
    """
    file = folder / SEAL_FILE
    try:
        return Seal.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise Refused("The bundle has no seal.", str(folder), BUILD_AGAIN) from None
    except ValueError as error:
        raise Refused(f"The seal cannot be read: {error}", str(file), BUILD_AGAIN) from None
