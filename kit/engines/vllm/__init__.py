"""vLLM in this process: the engine, its environment, and what the installed version can serve."""
