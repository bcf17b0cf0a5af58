"""Tokens and templates: what a text becomes, in vLLM's dialect and in llama.cpp's."""
