"""The inference service: typed domain routes and the OpenAI API over one engine."""
