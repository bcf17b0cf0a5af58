"""Several processes: ranks, and weights of which each holds a part."""
