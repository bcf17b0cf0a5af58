"""The model as it is trained: loading, methods, attachment, fused layers."""
