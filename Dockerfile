# The service in a container. Targets: `cuda` (on vLLM's own image), `cpu`, and `slim` (the upstream engine, without torch).
#
#   docker build --target cpu --tag domainkit:cpu .
#
# BASE replaces the base image of the target that is built. Package indexes come from pip's variables as build arguments,
# or from a pip.conf as the secret `pip.conf`. The target `cpu` needs an index with the CPU builds of torch.
ARG BASE

FROM ${BASE:-python:3.11-slim-bookworm} AS python
FROM ${BASE:-vllm/vllm-openai:v0.33.0} AS vllm

# The wheel of this project, made from the files that .dockerignore lets in.
FROM python AS wheel
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY requirements/build.lock requirements/build.lock
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /build && /build/bin/pip install --no-deps --require-hashes -r requirements/build.lock
COPY .dockerignore Dockerfile LICENSE README.md pyproject.toml ./
COPY requirements requirements
COPY kit kit
COPY serving serving
COPY templates templates
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

# One environment for each target: the locked packages, then the wheel. Pip itself stays outside of it.
FROM python AS slim-environment
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/domainkit
COPY requirements/slim.lock /pip/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --require-hashes -r /pip/slim.lock
COPY --from=wheel /wheels /wheels
RUN /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --no-index /wheels/*.whl \
    && find /opt/domainkit -type d -name tests -prune -exec rm -r {} +

FROM python AS cpu-environment
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/domainkit
COPY requirements/cpu.lock /pip/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --require-hashes -r /pip/cpu.lock
COPY --from=wheel /wheels /wheels
RUN /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --no-index /wheels/*.whl \
    && find /opt/domainkit -type d -name tests -prune -exec rm -r {} +

# torch and vLLM are those of vLLM's image, which has them in the system's Python.
FROM vllm AS cuda-environment
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /pip && python3 -m venv --without-pip --system-site-packages /opt/domainkit
COPY requirements/cuda.lock /pip/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --require-hashes -r /pip/cuda.lock
COPY --from=wheel /wheels /wheels
RUN /pip/bin/pip --python /opt/domainkit/bin/python install --no-deps --no-index /wheels/*.whl \
    && find /opt/domainkit -type d -name tests -prune -exec rm -r {} +

# What every image sets. The project's folder is mounted at /bundles, read-only; caches, the ledger and the audit log are in the volume /cache.
FROM python AS runtime
LABEL org.opencontainers.image.title="domainkit" \
      org.opencontainers.image.description="Serves a fine-tuned language model, and proves that it is the one that was measured." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/domainkit/bin:$PATH \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    DOMAINKIT_STATE=/cache/state \
    TORCHINDUCTOR_CACHE_DIR=/cache/torchinductor \
    USER=domainkit \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DOMAINKIT_HOST=0.0.0.0 \
    DOMAINKIT_PORT=8000
RUN mkdir -p /bundles /cache && chown 10001:10001 /cache
WORKDIR /bundles
VOLUME ["/cache"]
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 CMD ["python", "-m", "kit.system.health"]
ENTRYPOINT ["kit", "serve"]
CMD ["--host", "0.0.0.0"]

FROM vllm AS cuda-runtime
LABEL org.opencontainers.image.title="domainkit" \
      org.opencontainers.image.description="Serves a fine-tuned language model, and proves that it is the one that was measured." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/domainkit/bin:$PATH \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    DOMAINKIT_STATE=/cache/state \
    TORCHINDUCTOR_CACHE_DIR=/cache/torchinductor \
    USER=domainkit \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DOMAINKIT_HOST=0.0.0.0 \
    DOMAINKIT_PORT=8000
RUN mkdir -p /bundles /cache && chown 10001:10001 /cache
WORKDIR /bundles
VOLUME ["/cache"]
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 CMD ["python", "-m", "kit.system.health"]
ENTRYPOINT ["kit", "serve"]
CMD ["--host", "0.0.0.0"]

FROM runtime AS slim
COPY --from=slim-environment /opt/domainkit /opt/domainkit

# vLLM's CPU build needs libnuma. Debian keeps no old versions of a package, so that none can be named here.
# Without a compiler in the image, torch must not try to compile.
FROM runtime AS cpu
ENV TORCH_COMPILE_DISABLE=1
USER 0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=cpu-environment /opt/domainkit /opt/domainkit

FROM cuda-runtime AS cuda
COPY --from=cuda-environment /opt/domainkit /opt/domainkit
