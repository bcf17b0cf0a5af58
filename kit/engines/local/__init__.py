"""The local engine: transformers on a CPU or a CUDA device, with small batches and our own decoding loop."""

import os

# Threads that spin while they wait starve whatever else runs on the machine, and each other where it is busy: with two
# cores and two busy neighbours, decoding took eight times as long. OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from kit.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
