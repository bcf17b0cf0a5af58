"""The texts that the base model reads: sources, splits, tokenizer, token stream."""
