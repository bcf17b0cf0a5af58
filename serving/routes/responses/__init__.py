"""OpenAI's Responses API, as a projection of the chat path."""
