"""Warns of a learning rate or a number of epochs outside the range that the literature recommends."""

from __future__ import annotations

import json
import math
from pathlib import Path

from kit.base.headers import shapes_in
from kit.checks import Check
from kit.recipe import Recipe, TrainSection

_LOW, _HIGH = 1 / 20, 2.5
_SMALL = 1e9
_FIXED = {"prompt": (1e-3, 0.3, "Lester et al. 2021 train soft prompts at up to 0.3")}
_PEFT = {"IA3": (3e-4, 3e-2, "Liu et al. 2022 train it at 3e-3")}


def check_ranges(recipe: Recipe, base: Path) -> list[Check]:
    """Check learning rate and epochs against the base, whose folder holds configuration and weights."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return [_rate(recipe.train, config.get("hidden_size")), _epochs(recipe.train, _parameters(base))]


def safe_rates(section: TrainSection, hidden: int) -> tuple[float, float, str] | None:
    """Return the smallest and the largest learning rate that is known to be safe, and why; None if none is known.

    The best rate for a model of hidden size H is near 5e-5 · (2000 / H)^0.781 for all weights, and near ten times that
    for low-rank adapters (Schulman et al. 2025, "LoRA Without Regret", a fit over 14 models of 1 to 70 billion
    parameters); a narrower base needs a higher rate. The loss is flat near the best rate, falls off slowly below it,
    and diverges not far above it, so from one twentieth to two and a half times the best rate is accepted. 2e-4 and
    1e-4 of Hu et al. 2021 and Dettmers et al. 2023 for 7 to 175 billion parameters are in this range. Bottleneck
    adapters were tuned over 3e-5 to 3e-3 at H = 1024 (Houlsby et al. 2019), which is the range for low-rank adapters at
    that size. Scales other than alpha / rank near 2 shift the best rate.
    """
    if section.method == "peft":
        return _PEFT.get(section.peft.type.upper())
    if section.method in _FIXED:
        return _FIXED[section.method]
    best = 5e-5 * (2000 / hidden) ** 0.781 * (1 if section.method == "full" else 10)
    what = "all weights" if section.method == "full" else "adapters"
    return best * _LOW, best * _HIGH, f"the best rate for {what} on a base of hidden size {hidden} is near {best:.1g}"


def most_epochs(section: TrainSection, parameters: int) -> tuple[float, str]:
    """Return the largest number of epochs that is known to do no harm, and why.

    Rows repeated up to four times are worth nearly as much as new ones, then less and less (Muennighoff et al. 2023);
    tuning on demonstrations overfits its validation loss after one pass already (Ouyang et al. 2022), and forgetting
    grows with every pass (Biderman et al. 2024). A base below a billion parameters memorises more slowly (Tirumala et
    al. 2022): ten. A soft prompt has too few weights to memorise with, and is trained for many passes.
    """
    if section.method == "prompt":
        return math.inf, "a soft prompt has too few weights to memorise rows"
    if parameters < _SMALL:
        return 10.0, "a small base memorises rows slowly, but does so after ten epochs"
    return 4.0, "after four epochs a repeated row teaches little, and the base forgets more with each one"


def _rate(section: TrainSection, hidden: int | None) -> Check:
    name, rate = "train.learning_rate", section.learning_rate
    known = safe_rates(section, hidden) if hidden else None
    if known is None:
        what = "the base's hidden size" if not hidden else f"safe rates for {section.peft.type}"
        return Check(name, "unmeasured", f"Unknown: {what}.", blocking=False)
    least, most, reason = known
    right = f"{rate:g} is between {least:.1g} and {most:.1g}: {reason}."
    side, advice = ("below", "Raise") if rate < least else ("above", "Lower")
    wrong = f"{rate:g} is {side} the recommended range, {least:.1g} to {most:.1g}: {reason}."
    return Check.of(name, least <= rate <= most, right, wrong, next=f"{advice} it, or watch the loss.", blocking=False)


def _epochs(section: TrainSection, parameters: int) -> Check:
    most, reason = most_epochs(section, parameters)
    right = f"{section.epochs:g} epochs are within the recommended range."
    wrong = f"{section.epochs:g} epochs are more than the recommended {most:g}: {reason}."
    advice = "Use fewer, or check that the best checkpoint is a late one."
    return Check.of("train.epochs", section.epochs <= most, right, wrong, next=advice, blocking=False)


def _parameters(base: Path) -> int:
    shapes = (shape for file in sorted(base.glob("*.safetensors")) for shape in shapes_in(file).values())
    return sum(map(math.prod, shapes))
