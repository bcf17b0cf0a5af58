"""Text completions in OpenAI's format."""
