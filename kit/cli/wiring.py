"""Where the engine of some bundles is chosen: see kit.workflows.steps.engines."""

from kit.workflows.steps.engines import adapter_name, engine_config, engine_kind, running, sealed_base

__all__ = ["adapter_name", "engine_config", "engine_kind", "running", "sealed_base"]
