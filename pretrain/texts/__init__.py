"""The training texts of the base model: sources, split, tokenizer, token stream."""
