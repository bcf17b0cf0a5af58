"""The schema of the recipe: every setting with its type, bounds, description and default."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kit.recipe.bounds import Count, Plain, RangeEnd, Seed, Tokens, Weight
from kit.system.machine import ComputeType, FloatType


class Section(BaseModel):
    """A part of the recipe: frozen; refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BaseSection(Section):
    """The model to start from."""

    model: Annotated[
        str, Field(description="'nano' (ships with the kit), a folder (relative to the project), or a Hugging Face id")
    ]
    revision: Annotated[
        str | None, Field(description="Commit of the model repository; set it to make runs reproducible")
    ] = None
    dtype: Annotated[FloatType, Field(description="Storage type of the weights")] = "bfloat16"
    template_args: Annotated[
        dict[str, bool | str | int], Field(description="Arguments passed to the chat template")
    ] = {}


class DataSection(Section):
    """Where the examples are. Without a validation file, a share of the training groups is held out."""

    train: Annotated[str, Field(description="JSONL of training examples")] = "data/train.jsonl"
    validation: Annotated[
        str | None, Field(description="JSONL of validation examples; null: hold out a share of train")
    ] = None
    test: Annotated[str, Field(description="JSONL of test examples; only evaluation reads it")] = "data/test.jsonl"
    validation_share: Annotated[
        float, Field(gt=0, lt=0.5, description="Share of the training groups held out for validation")
    ] = 0.1
    limit_train: Annotated[Count | None, Field(description="Use at most this many training examples")] = None
    limit_validation: Annotated[Count | None, Field(description="Use at most this many validation examples")] = 64
    too_long: Annotated[
        Literal["refuse", "drop"],
        Field(description="Rows longer than max_length: refuse the run, or drop and list them"),
    ] = "refuse"


class TaskSection(Section):
    """A typed function of the project, and its options."""

    use: Annotated[str, Field(description="FILE.py:Class in the project", pattern=r"^[\w/]+\.py:\w+$")]
    options: Annotated[dict[str, Plain], Field(description="Options of the task, validated by its Options type")] = {}
    data: Annotated[DataSection | None, Field(description="The task's own data files; null: the recipe's")] = None
    weight: Annotated[
        Weight, Field(description="Sampling weight of this task, multiplied by its share of the rows")
    ] = 1.0


class RowsSection(Section):
    """Additional rows: dialogues in OpenAI's format, or examples of any task."""

    data: Annotated[str, Field(description="JSONL; without `use`, each line is {messages: [{role, content}, …]}")]
    use: Annotated[
        str | None, Field(description="FILE.py:Class whose examples the file holds", pattern=r"^[\w/]+\.py:\w+$")
    ] = None
    options: Annotated[dict[str, Plain], Field(description="Options of that task")] = {}
    blank: Annotated[
        Literal["refuse", "drop"], Field(description="Empty answers: refuse the run, or drop and list them")
    ] = "refuse"


class ReplaySection(RowsSection):
    """General or earlier rows mixed into training, against forgetting (Robins 1995)."""

    share: Annotated[float, Field(gt=0, lt=1, description="Share of replayed rows among all training rows")] = 0.1


class EwcSection(RowsSection):
    """Elastic weight consolidation (Kirkpatrick et al. 2017): weights important to the reference rows change less."""

    strength: Annotated[
        float, Field(gt=0, le=1e15, description="λ of λ/2 · Σ F Δ²; F in squared nats per supervised token")
    ]
    rows: Annotated[Count, Field(description="Most rows used to estimate the Fisher information")] = 128


class EarlyStoppingSection(Section):
    """Stops a run that no longer improves. The bundle gets the best checkpoint in any case."""

    on: Annotated[Literal["score", "validation_loss"], Field(description="What has to improve")] = "score"
    patience: Annotated[Count, Field(description="Evaluations without improvement before stopping")] = 2
    min_delta: Annotated[float, Field(ge=0, le=1e6, description="Smallest change that counts as an improvement")] = 0.0


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
    targets: Annotated[str | list[str], Field(min_length=1, description="Modules that get an adapter")] = "all-linear"
    rslora: Annotated[bool, Field(description="Scale by alpha / sqrt(rank) (Kalajdzievski 2023)")] = False
    dora: Annotated[bool, Field(description="Train each weight's magnitude separately (DoRA, Liu et al. 2024)")] = False
    initialisation: Annotated[
        Initialisation,
        Field(description="Initial values of the factors, by peft's name; 'default' does not change the base's output"),
    ] = "default"

    @property
    def changes_base(self) -> bool:
        """Whether the initialisation changes the base's weights, so that the adapter does not fit the original base.

        Such an adapter is saved as an equivalent plain one of twice the rank.
        """
        return self.initialisation.startswith(("olora", "pissa"))

    @property
    def saved_rank(self) -> int:
        """Rank of the saved adapter, which an engine must support."""
        return 2 * self.rank if self.changes_base else self.rank

    @model_validator(mode="after")
    def _parts_that_fit(self) -> LoraSection:
        if self.dora and self.changes_base:
            raise ValueError(
                f"dora cannot be combined with initialisation: {self.initialisation}, which changes the base"
            )
        return self


class PromptSection(Section):
    """Soft prompts: trained embeddings before every row (Lester et al. 2021). Served by the local engine only."""

    tokens: Annotated[int, Field(ge=1, le=512, description="Number of trained embeddings before every row")] = 16
    initialisation: Annotated[
        Literal["vocabulary", "random", "text"],
        Field(description="Start from random tokens, noise, or `text`"),
    ] = "vocabulary"
    text: Annotated[str, Field(description="The text to start from, with initialisation: text")] = ""

    @model_validator(mode="after")
    def _text_where_it_is_used(self) -> PromptSection:
        if (self.initialisation == "text") != bool(self.text):
            raise ValueError("'text' and 'initialisation: text' need each other")
        return self


class BottleneckSection(Section):
    """Small layers after each sublayer's last matrix (Houlsby et al. 2019). Served by the local engine only."""

    width: Annotated[int, Field(ge=1, le=4096, description="Width of the bottleneck")] = 32
    activation: Annotated[Literal["gelu", "relu", "silu"], Field(description="Activation between the two layers")] = (
        "gelu"
    )
    dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout on the adapter's input")] = 0.0
    targets: Annotated[
        list[str], Field(min_length=1, description="Modules followed by a bottleneck: the last of each sublayer")
    ] = ["o_proj", "down_proj"]


class PeftSection(Section):
    """Any other method of the installed peft that adapts a model's modules."""

    type: Annotated[str, Field(description="The method's name in peft, such as IA3 or LOHA")] = ""
    arguments: Annotated[
        dict[str, Plain], Field(description="Arguments of the method's configuration, by peft's names")
    ] = {}


class TrainSection(Section):
    """How the base is tuned. `method` selects one of the method sections; the others are ignored."""

    method: Annotated[MethodName, Field(description="Fine-tuning method")] = "lora"
    lora: LoraSection = LoraSection()
    prompt: PromptSection = PromptSection()
    bottleneck: BottleneckSection = BottleneckSection()
    peft: PeftSection = PeftSection()
    learning_rate: Annotated[float, Field(gt=0, lt=0.1, description="Peak learning rate of the schedule")] = 2e-4
    epochs: Annotated[float, Field(gt=0, le=50, description="Passes over the training rows")] = 2.0
    max_minutes: Annotated[
        float | None,
        Field(gt=0, le=1e7, description="Time limit: plan only the steps that fit in it, at the measured speed"),
    ] = None
    compute: Annotated[
        ComputeType, Field(description="Type to compute in; auto: the base's, or float32 on a CPU where it is faster")
    ] = "auto"
    batch_rows: Annotated[int, Field(ge=1, le=4096, description="Rows per optimiser step")] = 16
    batch_tokens: Annotated[Count, Field(ge=64, description="Most tokens in one micro-batch, padding included")] = 8192
    gradient_checkpointing: Annotated[
        Literal["auto", "on", "off"],
        Field(description="Recompute layers in the backward pass to save memory; auto: only if needed"),
    ] = "auto"
    compile: Annotated[
        Literal["auto", "on", "off"],
        Field(description="Has no effect; kept so that earlier recipes stay valid. `on` is refused"),
    ] = "auto"
    parallel: Annotated[
        Parallel,
        Field(description="Several processes: each holds all weights (data), or a part of each weight (sharded)"),
    ] = "data"
    trees: Annotated[
        Literal["auto", "off"], Field(description="Compute prefixes shared by the rows of a step only once")
    ] = "auto"
    order: Annotated[
        Literal["exact", "grouped"],
        Field(description="Shuffle rows (exact), or pieces of groups, whose rows share long prefixes (grouped)"),
    ] = "exact"
    group_rows: Annotated[
        Count, Field(description="With order: grouped, most rows of one group per optimiser step")
    ] = 8
    max_length: Annotated[
        Tokens, Field(ge=16, description="Longest row in tokens; rows are never truncated (see data.too_long)")
    ] = 2048
    schedule: Annotated[
        Literal["cosine", "linear", "constant"], Field(description="Learning rate after the warm-up")
    ] = "cosine"
    warmup: Annotated[float, Field(ge=0, le=0.5, description="Share of the steps used for warm-up")] = 0.03
    weight_decay: Annotated[
        float, Field(ge=0, le=1, description="Weight decay of the trained matrices; vectors have none")
    ] = 0.0
    clip: Annotated[float, Field(gt=0, le=1e30, description="Clip gradients to this norm")] = 1.0
    evaluations: Annotated[
        int, Field(ge=1, le=100, description="Number of times to evaluate and save during the run")
    ] = 4
    seed: Annotated[Seed, Field(description="Seed of all random numbers")] = 0
    mixing_temperature: Annotated[
        float,
        Field(ge=1, le=1e9, description="Several tasks: shares proportional to rows^(1/T); 1: by rows, large: equal"),
    ] = 1.0
    replay: Annotated[ReplaySection | None, Field(description="Rows replayed against forgetting")] = None
    ewc: Annotated[EwcSection | None, Field(description="A penalty against forgetting")] = None
    early_stopping: Annotated[EarlyStoppingSection | None, Field(description="When to stop early")] = None

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
            raise ValueError(
                "parallel: sharded needs method: lora, full or bottleneck, and cannot be combined with ewc"
            )
        return self

    @model_validator(mode="after")
    def _ewc_where_weights_move(self) -> TrainSection:
        plain = not (self.lora.dora or self.lora.changes_base)
        if self.ewc and self.method != "full" and not (self.method == "lora" and plain):
            raise ValueError(
                "ewc protects the base's own weights: it needs method: full, or lora without dora, pissa or olora"
            )
        return self


class EvalSection(Section):
    """How the result is measured."""

    engine: Annotated[Literal["local", "vllm"], Field(description="What generates the answers")] = "local"
    limit: Annotated[Count | None, Field(description="Score at most this many test examples")] = None
    base_limit: Annotated[Count | None, Field(description="Score the base on at most this many of them")] = None
    resamples: Annotated[int, Field(ge=100, le=1_000_000, description="Bootstrap resamples for intervals")] = 1000
    gates: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False)]],
        Field(description="Bound for the whole interval of each metric: a minimum, or a maximum if lower is better"),
    ] = {}
    untested_labels: Annotated[list[str], Field(description="Trained labels that need no test example")] = []


class BundleSection(Section):
    """The form of the bundle, its intended use and its licences."""

    form: Annotated[
        Literal["merged", "adapter"], Field(description="Merge the adapter into the base, or ship the adapter alone")
    ] = "merged"
    intended_use: Annotated[
        str, Field(description="Intended use of the model; written to the model card and the seal")
    ] = ""
    licences: Annotated[dict[str, str], Field(description="Name of a data set or base to its licence")] = {}


class VllmSection(Section):
    """Arguments of the vLLM engine, by vLLM's own names; null: vLLM's default."""

    gpu_memory_utilization: Annotated[float | None, Field(gt=0, le=1, description="Share of the GPU's memory")] = None
    tensor_parallel_size: Annotated[Count | None, Field(description="GPUs that share each layer")] = None
    max_num_seqs: Annotated[Count | None, Field(description="Most requests in one step")] = None
    max_num_batched_tokens: Annotated[Count | None, Field(description="Most tokens in one step")] = None
    quantization: Annotated[str | None, Field(description="Method that quantises the weights, such as fp8")] = None
    kv_cache_dtype: Annotated[str | None, Field(description="Type of the key-value cache, such as fp8")] = None
    dtype: Annotated[Literal["float16"] | None, Field(description="float16 for GPUs without bfloat16")] = None
    enforce_eager: Annotated[bool | None, Field(description="Run without compiled graphs")] = None
    enable_prefix_caching: Annotated[bool | None, Field(description="Keep the cache of shared prefixes")] = None
    extra: Annotated[dict[str, Plain], Field(description="Other arguments of vLLM's engine, by its names")] = {}

    def arguments(self) -> dict[str, Any]:
        """Return what was set, as keyword arguments of vLLM's engine."""
        return self.model_dump(exclude={"extra"}, exclude_none=True) | dict(self.extra)


class ServeSection(Section):
    """The engine that serves the bundle, and its context."""

    engine: Annotated[Literal["auto", "vllm", "local"], Field(description="Engine; auto: vllm if installed")] = "auto"
    max_length: Annotated[Tokens, Field(ge=64, description="Context of the engine in tokens")] = 2048
    vllm: Annotated[VllmSection, Field(description="Arguments of the vLLM engine")] = VllmSection()


class Range(Section):
    """The range of a setting in a search: from `low` to `high`, or one of `choices`."""

    low: Annotated[RangeEnd | None, Field(description="Least value")] = None
    high: Annotated[RangeEnd | None, Field(description="Greatest value")] = None
    log: Annotated[bool, Field(description="Sample on a logarithmic scale")] = False
    choices: Annotated[list[Plain] | None, Field(min_length=2, description="Values, instead of low and high")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Range:
        if self.choices is None and not (self.low is not None and self.high is not None and self.low < self.high):
            raise ValueError("A range needs low and high (low less than high), or choices")
        if self.choices is not None and (self.low is not None or self.high is not None or self.log):
            raise ValueError("A range needs either low and high or choices, not both")
        if self.log and (self.low or 0) <= 0:
            raise ValueError("A logarithmic range must start above 0")
        return self


class SearchSection(Section):
    """What `kit search` tries; the recipe's own values are always one of the trials."""

    ranges: Annotated[dict[str, Range], Field(description="Dotted path of a setting to its range")] = {}
    trials: Annotated[Count, Field(description="Number of trials")] = 20
    workers: Annotated[int, Field(ge=1, le=64, description="Trials that run at the same time")] = 1
    prune: Annotated[bool, Field(description="Stop trials that do worse than the others at an evaluation")] = True
    metric: Annotated[
        Literal["score", "validation_loss"],
        Field(description="What to optimise: the task's main metric, or the validation loss"),
    ] = "score"


class Recipe(Section):
    """All settings of a project."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", description="Name of the project and of its model")]
    version: Annotated[Literal[1], Field(description="Version of this schema")] = 1
    summary: Annotated[str, Field(description="One line on what the project does")] = ""
    base: BaseSection
    tasks: Annotated[list[TaskSection], Field(min_length=1, description="The tasks: typed functions of the project")]
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
