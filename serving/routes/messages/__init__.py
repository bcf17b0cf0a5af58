"""Anthropic's Messages API, as a projection of the chat path."""
