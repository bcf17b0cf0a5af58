"""The test of the container images: builds them without a Docker engine, and serves from one (`make test-image`)."""
