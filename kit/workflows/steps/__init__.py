"""What the workflows consist of. These modules load what they need, heavy packages too, when they are imported."""
