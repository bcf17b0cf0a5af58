"""Every template's service on vLLM, asked by the clients that its users have: `make test-clients`."""
