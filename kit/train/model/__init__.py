"""The model to train: loading, methods, attachment, fused layers."""
