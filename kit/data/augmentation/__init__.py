"""New training examples from those that are there."""
