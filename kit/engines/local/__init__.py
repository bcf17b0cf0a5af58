"""The local engine: transformers on a CPU or a CUDA device, with small batches and our own decoding loop."""

from kit.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
