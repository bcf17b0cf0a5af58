"""Augmentation: new training examples, reworded from existing ones."""
