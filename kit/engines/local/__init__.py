"""The local engine: transformers on a CPU or a CUDA device, with small batches and our own decoding loop."""

from kit.system.threads import share_cores

share_cores()  # before torch is imported

from kit.engines.local.engine import LocalEngine  # noqa: E402

__all__ = ["LocalEngine"]
