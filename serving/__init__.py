"""The inference service: typed domain routes and the OpenAI API, on one engine."""
