"""Numbers that several commands take: their types have the bounds of the workflows."""

from __future__ import annotations

import click

from kit.workflows import bounds

PRICE_PER_HOUR = click.FloatRange(*bounds.PRICE_PER_HOUR)
PEAK_TFLOPS = click.FloatRange(*bounds.PEAK_TFLOPS)
THREADS = click.IntRange(*bounds.THREADS)
