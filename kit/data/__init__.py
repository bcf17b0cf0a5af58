"""Examples on disk: their format, splits, checks, and the rows that a model is trained on."""
