"""The one schema: every setting of a project, typed, bounded and described; each default stands here once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kit.errors import InputError, Problem, nearest
from kit.recipe.bounds import Count, Plain, RangeEnd, Seed, Tokens, Weight
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.recipe.yaml_source import Source, read_yaml
from kit.system.machine import ComputeType, FloatType


class Section(BaseModel):
    """A part of the recipe: frozen, and closed to unknown keys and to numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BaseSection(Section):
    """The model to start from."""

    model: Annotated[
        str, Field(description="'nano' (ships with the kit), a folder, from the project's, or a Hugging Face id")
    ]
    revision: Annotated[str | None, Field(description="Commit of the model repository; pin it for a proof")] = None
    dtype: Annotated[FloatType, Field(description="Storage type of the weights")] = "bfloat16"
    template_args: Annotated[
        dict[str, bool | str | int], Field(description="Arguments that the chat template gets")
    ] = {}


class DataSection(Section):
    """Where the examples are. Without a validation file, a share of the training groups is held out by content hash."""

    train: Annotated[str, Field(description="JSONL of training examples")] = "data/train.jsonl"
    validation: Annotated[str | None, Field(description="JSONL for checkpoint choice; null: hold out of train")] = None
    test: Annotated[str, Field(description="JSONL that only evaluation reads")] = "data/test.jsonl"
    validation_share: Annotated[float, Field(gt=0, lt=0.5, description="Share of groups held out of train")] = 0.1
    limit_train: Annotated[Count | None, Field(description="Use at most this many training examples")] = None
    limit_validation: Annotated[Count | None, Field(description="Use at most this many to choose by")] = 64
    too_long: Annotated[
        Literal["refuse", "drop"], Field(description="Rows whose answer does not fit: refuse the run, or drop and list")
    ] = "refuse"


class TaskSection(Section):
    """A typed function of the project, and its options."""

    use: Annotated[str, Field(description="FILE.py:Class inside the project", pattern=r"^[\w/]+\.py:\w+$")]
    options: Annotated[dict[str, Plain], Field(description="Options of the task, checked by its Options type")] = {}
    data: Annotated[DataSection | None, Field(description="The task's own files; null: the recipe's data")] = None
    weight: Annotated[
        Weight, Field(description="Beside other tasks: times the share that the number of its rows gives it")
    ] = 1.0


class RowsSection(Section):
    """Rows beside the tasks' own: dialogues in OpenAI's format, or the examples of any task."""

    data: Annotated[str, Field(description="JSONL; without `use`, each line is {messages: [{role, content}, …]}")]
    use: Annotated[
        str | None, Field(description="FILE.py:Class whose examples the file holds", pattern=r"^[\w/]+\.py:\w+$")
    ] = None
    options: Annotated[dict[str, Plain], Field(description="Options of that task")] = {}
    blank: Annotated[
        Literal["refuse", "drop"], Field(description="Answers without a word: refuse the run, or drop and list")
    ] = "refuse"


class ReplaySection(RowsSection):
    """General or earlier rows mixed into training, against forgetting (Robins 1995)."""

    share: Annotated[float, Field(gt=0, lt=1, description="Share of all rows that are trained on")] = 0.1


class EwcSection(RowsSection):
    """Elastic weight consolidation (Kirkpatrick et al. 2017): weights that the reference rows need move less."""

    strength: Annotated[
        float, Field(gt=0, le=1e15, description="λ of λ/2 · Σ F Δ²; F in squared nats per supervised token")
    ]
    rows: Annotated[Count, Field(description="At most this many rows to estimate the Fisher information on")] = 128


class EarlyStoppingSection(Section):
    """Ends a run that no longer gets better; what is published is the best checkpoint in any case."""

    on: Annotated[Literal["score", "validation_loss"], Field(description="What has to get better")] = "score"
    patience: Annotated[Count, Field(description="Evaluations in a row that bring nothing")] = 2
    min_delta: Annotated[float, Field(ge=0, le=1e6, description="Least change that counts as better")] = 0.0


MethodName = Literal["lora", "qlora", "full", "prompt", "bottleneck", "peft"]
Parallel = Literal["data", "sharded"]
Initialisation = Literal[
    "default", "gaussian", "orthogonal", "mica", "olora", "pissa", "pissa_niter_4", "pissa_niter_16"
]


class LoraSection(Section):
    """Low-rank adapters (Hu et al. 2021); `qlora` trains the same ones over a base in 4 bits (Dettmers et al. 2023)."""

    rank: Annotated[Literal[1, 8, 16, 32, 64, 128, 256], Field(description="Rank that vLLM can serve")] = 16
    alpha: Annotated[float, Field(gt=0, le=1e6, description="Scale numerator: the update is alpha / rank")] = 32
    dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout on the adapter's input")] = 0.0
    targets: Annotated[str | list[str], Field(min_length=1, description="Modules to adapt")] = "all-linear"
    rslora: Annotated[bool, Field(description="Scale by alpha / sqrt(rank) (Kalajdzievski 2023)")] = False
    dora: Annotated[bool, Field(description="Train each weight's magnitude apart (DoRA, Liu et al. 2024)")] = False
    initialisation: Annotated[
        Initialisation, Field(description="Where the factors begin, by peft's name; 'default' begins at the base")
    ] = "default"

    @property
    def changes_base(self) -> bool:
        """Whether the initialisation takes its part out of the base's weights, so that the adapter alone fits no base.

        Such an adapter is saved as the plain one that it comes to, of twice the rank.
        """
        return self.initialisation.startswith(("olora", "pissa"))

    @property
    def saved_rank(self) -> int:
        """Rank of the adapter that is saved, and that an engine has to hold."""
        return 2 * self.rank if self.changes_base else self.rank

    @model_validator(mode="after")
    def _parts_that_fit(self) -> LoraSection:
        if self.dora and self.changes_base:
            raise ValueError(f"dora does not go with initialisation: {self.initialisation}, which changes the base")
        return self


class PromptSection(Section):
    """Soft prompts: trained embeddings before every row (Lester et al. 2021). Only the local engine serves them."""

    tokens: Annotated[int, Field(ge=1, le=512, description="Trained positions before every row")] = 16
    initialisation: Annotated[
        Literal["vocabulary", "random", "text"],
        Field(description="Begin at random tokens, noise, or text"),
    ] = "vocabulary"
    text: Annotated[str, Field(description="What the prompt begins as, with initialisation: text")] = ""

    @model_validator(mode="after")
    def _text_where_it_is_used(self) -> PromptSection:
        if (self.initialisation == "text") != bool(self.text):
            raise ValueError("'text' and initialisation: text go together")
        return self


class BottleneckSection(Section):
    """Small layers behind each sublayer's last matrix (Houlsby et al. 2019). Only the local engine serves them."""

    width: Annotated[int, Field(ge=1, le=4096, description="Width of the narrow layer")] = 32
    activation: Annotated[Literal["gelu", "relu", "silu"], Field(description="Between the two layers")] = "gelu"
    dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout on the adapter's input")] = 0.0
    targets: Annotated[
        list[str], Field(min_length=1, description="Modules behind which one stands: the last of each sublayer")
    ] = ["o_proj", "down_proj"]


class PeftSection(Section):
    """Any other method of the installed peft that puts adapters into a model's modules."""

    type: Annotated[str, Field(description="The method's name in peft, such as IA3 or LOHA")] = ""
    arguments: Annotated[
        dict[str, Plain], Field(description="Arguments of the method's configuration, as peft calls them")
    ] = {}


class TrainSection(Section):
    """How the base is tuned. `method` says which of the sections below it counts; the others are left alone."""

    method: Annotated[MethodName, Field(description="What is trained")] = "lora"
    lora: LoraSection = LoraSection()
    prompt: PromptSection = PromptSection()
    bottleneck: BottleneckSection = BottleneckSection()
    peft: PeftSection = PeftSection()
    learning_rate: Annotated[float, Field(gt=0, lt=0.1, description="Peak of the schedule")] = 2e-4
    epochs: Annotated[float, Field(gt=0, le=50, description="Passes over the training rows")] = 2.0
    max_minutes: Annotated[
        float | None, Field(gt=0, le=1e7, description="Plan no more steps than fit this time, by measured speed")
    ] = None
    compute: Annotated[
        ComputeType, Field(description="Type to train in; auto: the base's, or float32 on a CPU that is faster with it")
    ] = "auto"
    batch_rows: Annotated[int, Field(ge=1, le=4096, description="Rows per optimiser step")] = 16
    batch_tokens: Annotated[Count, Field(ge=64, description="Most tokens, padding included, in one micro-batch")] = 8192
    gradient_checkpointing: Annotated[
        Literal["auto", "on", "off"],
        Field(description="Compute layers again in the backward pass to save memory; auto: only where it has to be"),
    ] = "auto"
    compile: Annotated[
        Literal["auto", "on", "off"],
        Field(description="Has no effect; kept so that earlier recipes stay valid. `on` is refused"),
    ] = "auto"
    parallel: Annotated[
        Parallel, Field(description="Several processes: each holds all weights, or a part of every one")
    ] = "data"
    trees: Annotated[
        Literal["auto", "off"], Field(description="Compute once what a step's rows begin with alike, where it is exact")
    ] = "auto"
    order: Annotated[
        Literal["exact", "grouped"], Field(description="Shuffle rows; or pieces of groups, whose rows share more")
    ] = "exact"
    group_rows: Annotated[Count, Field(description="Grouped: most rows of a group in an optimiser step")] = 8
    max_length: Annotated[Tokens, Field(ge=16, description="Longest row in tokens; a longer one is never cut")] = 2048
    schedule: Annotated[Literal["cosine", "linear", "constant"], Field(description="After warm-up")] = "cosine"
    warmup: Annotated[float, Field(ge=0, le=0.5, description="Share of the steps")] = 0.03
    weight_decay: Annotated[float, Field(ge=0, le=1, description="On what is trained, vectors left out")] = 0.0
    clip: Annotated[float, Field(gt=0, le=1e30, description="Largest norm of the gradient")] = 1.0
    evaluations: Annotated[int, Field(ge=1, le=100, description="Times to score and save during the run")] = 4
    seed: Annotated[Seed, Field(description="Seed of everything random")] = 0
    mixing_temperature: Annotated[
        float,
        Field(ge=1, le=1e9, description="Several tasks: shares go as rows^(1/T); 1 in proportion, large: all the same"),
    ] = 1.0
    replay: Annotated[ReplaySection | None, Field(description="Rows against forgetting")] = None
    ewc: Annotated[EwcSection | None, Field(description="A penalty against forgetting")] = None
    early_stopping: Annotated[EarlyStoppingSection | None, Field(description="When to end early")] = None

    @model_validator(mode="after")
    def _method_is_whole(self) -> TrainSection:
        if self.method == "peft" and not self.peft.type:
            raise ValueError("method: peft needs peft.type, the method's name in peft, such as IA3")
        if self.method == "qlora" and self.lora.changes_base:
            what = f"lora.initialisation: {self.lora.initialisation} changes the base's weights"
            raise ValueError(f"method: qlora keeps the base in 4 bits, and {what}")
        return self

    @model_validator(mode="after")
    def _shards_of_what_is_known(self) -> TrainSection:
        if self.parallel == "sharded" and (self.method not in ("lora", "full", "bottleneck") or self.ewc):
            raise ValueError("parallel: sharded goes with method: lora, full or bottleneck, and without ewc")
        return self

    @model_validator(mode="after")
    def _ewc_where_weights_move(self) -> TrainSection:
        plain = not (self.lora.dora or self.lora.changes_base)
        if self.ewc and self.method != "full" and not (self.method == "lora" and plain):
            raise ValueError(
                "ewc ties the base's own weights: method: full, or plain lora, without dora or pissa or olora"
            )
        return self


class EvalSection(Section):
    """How the result is measured."""

    engine: Annotated[Literal["local", "vllm"], Field(description="What generates the answers")] = "local"
    limit: Annotated[Count | None, Field(description="Score at most this many test examples")] = None
    base_limit: Annotated[Count | None, Field(description="Ask the base at most this many of them")] = None
    resamples: Annotated[int, Field(ge=100, le=1_000_000, description="Bootstrap resamples for intervals")] = 1000
    gates: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False)]],
        Field(description="Metric name to what its whole interval must reach; to the most where lower is better"),
    ] = {}
    untested_labels: Annotated[list[str], Field(description="Trained labels that may go without a test example")] = []


class BundleSection(Section):
    """What is deployed."""

    form: Annotated[Literal["merged", "adapter"], Field(description="Merge the adapter, or ship it alone")] = "merged"
    intended_use: Annotated[str, Field(description="Written on the card and into the seal")] = ""
    licences: Annotated[dict[str, str], Field(description="Data set or base to licence")] = {}


class ServeSection(Section):
    """How the bundle answers."""

    engine: Annotated[Literal["auto", "vllm", "local"], Field(description="auto: vllm where installed")] = "auto"
    max_length: Annotated[Tokens, Field(ge=64, description="Context of the engine in tokens")] = 2048


class Range(Section):
    """What a setting may be in a search: from `low` to `high`, or one of `choices`."""

    low: Annotated[RangeEnd | None, Field(description="Least value")] = None
    high: Annotated[RangeEnd | None, Field(description="Greatest value")] = None
    log: Annotated[bool, Field(description="Spread evenly over the logarithm")] = False
    choices: Annotated[list[Plain] | None, Field(min_length=2, description="Values, instead of low and high")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Range:
        if self.choices is None and not (self.low is not None and self.high is not None and self.low < self.high):
            raise ValueError("A range has low and high, low being less, or choices")
        if self.choices is not None and (self.low is not None or self.high is not None or self.log):
            raise ValueError("A range has low and high, or choices, and not both")
        if self.log and (self.low or 0) <= 0:
            raise ValueError("A range over a logarithm begins above 0")
        return self


class SearchSection(Section):
    """What `kit search` tries; the recipe's own values are always one of the trials."""

    ranges: Annotated[dict[str, Range], Field(description="Dotted path of a setting to its range")] = {}
    trials: Annotated[Count, Field(description="Trials in all")] = 20
    workers: Annotated[int, Field(ge=1, le=64, description="Trials at one time")] = 1
    prune: Annotated[bool, Field(description="Give up trials that are behind the others at a measurement")] = True
    metric: Annotated[
        Literal["score", "validation_loss"], Field(description="Search by the task's main metric, or by loss")
    ] = "score"


class Recipe(Section):
    """Everything that a project decides."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", description="Name of the project and of its model")]
    version: Annotated[Literal[1], Field(description="Version of this schema")] = 1
    summary: Annotated[str, Field(description="One line on what the project does")] = ""
    base: BaseSection
    tasks: Annotated[list[TaskSection], Field(min_length=1, description="The typed functions")]
    data: DataSection = DataSection()
    train: TrainSection = TrainSection()
    eval: EvalSection = EvalSection()
    bundle: BundleSection = BundleSection()
    serve: ServeSection = ServeSection()
    search: SearchSection = SearchSection()

    def digest(self) -> str:
        """SHA-256 of the resolved recipe."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        """The resolved recipe as one line of JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def load_recipe(path: Path, profile: str | None = None) -> Recipe:
    """Read a recipe, lay the profile over it, and validate the result and what every other profile would give.

    Raises InputError with every problem at once: file, line and key, and the near miss for an unknown key.
    """
    source = _read(path)
    profiles = source.data.get("profiles") or {}
    if not isinstance(profiles, dict):
        raise InputError("'profiles' is a mapping from a name to settings.", source.place(("profiles",)))
    if profile is not None and profile not in profiles:
        raise InputError(f"There is no profile '{profile}'.", str(path), nearest(profile, profiles) or _known(profiles))
    recipe, problems = _resolve(source, profile)
    for name in profiles:
        problems.extend(problem for problem in _resolve(source, name)[1] if problem not in problems)
    if problems or recipe is None:
        raise InputError(problems)
    return recipe


def profile_names(path: Path) -> list[str]:
    """Return the names of a recipe's profiles. Raises InputError where there is no recipe, or it is not YAML."""
    return list(_read(path).data.get("profiles") or {})


def _read(path: Path) -> Source:
    if not path.is_file():
        raise InputError("There is no recipe here.", str(path), "Make a project with: kit new legal")
    return read_yaml(path)


def _known(names: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(sorted(names))}." if names else "The recipe declares no profiles."


def _resolve(source: Source, profile: str | None) -> tuple[Recipe | None, list[Problem]]:
    """Return the recipe under a profile, or what is wrong with it; nothing is coerced."""
    raw = {key: value for key, value in source.data.items() if key != "profiles"}
    overlay: KeyPath = ("profiles", profile) if profile is not None else ()

    def place(path: KeyPath) -> str:
        own = bool(overlay) and source.holds((*overlay, *path))
        whole = (*overlay, *path) if own else path
        return f"{source.place(whole)}: {dotted(whole)}"

    if profile is not None:
        raw = _merge(raw, source.data["profiles"][profile] or {})
    try:
        return Recipe.model_validate(raw, strict=True), []
    except ValidationError as error:
        return None, problems_of(error, Recipe, place)


def _merge(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {**base, **{key: _merge(base.get(key), value) for key, value in overlay.items()}}
    return overlay
