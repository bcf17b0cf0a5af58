"""Warm-up, a constant rate, and a fall at the end; a run can resume from before the fall (Hu et al. 2024, "WSD")."""

from __future__ import annotations

from dataclasses import dataclass

from pretrain.settings import Settings


@dataclass(frozen=True)
class Limit:
    """The length of a run in seconds of training or in tokens, whichever ends first."""

    seconds: float | None = None
    tokens: int | None = None

    def progress(self, seconds: float, tokens: int) -> float:
        """Return the finished share of the run; 1 or more at its end."""
        by_time = seconds / self.seconds if self.seconds else 0.0
        return max(by_time, tokens / self.tokens if self.tokens else 0.0)


def share_of_rate(step: int, progress: float, settings: Settings) -> float:
    """Return the factor of the peak rates at a step (counted from 0), from 0 to 1."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    return warm * min(1.0, max(0.0, 1.0 - progress) / settings.decay)


def falls(progress: float, settings: Settings) -> bool:
    """Whether the run is in its last part, in which the rate falls."""
    return progress > 1.0 - settings.decay
