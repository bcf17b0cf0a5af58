"""Work of a task or of a renderer, in processes that can be killed: what a thread does outlives its client."""
