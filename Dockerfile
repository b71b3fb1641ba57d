# syntax=docker/dockerfile:1
# Two targets: `docker build --target cpu -t bluebatch .` and `docker build --target cuda ...`.
# This file has not been built: the machine that bluebatch was written on has no Docker.

FROM python:3.12-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY conf ./conf
COPY bluebatch ./bluebatch

FROM base AS cpu-build
RUN python -m venv /opt/bluebatch
ENV PATH=/opt/bluebatch/bin:$PATH
RUN pip install torch --index-url https://download.pytorch.org/whl/cpu && pip install .

FROM base AS cuda-build
RUN python -m venv /opt/bluebatch
ENV PATH=/opt/bluebatch/bin:$PATH
# pip's own torch brings the CUDA libraries; the host brings the driver (`docker run --gpus all`).
RUN pip install .

FROM python:3.12-slim AS runtime
# Matplotlib and numba write their caches there; the container may run under any user id.
ENV PATH=/opt/bluebatch/bin:$PATH PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba
RUN useradd --create-home --uid 1000 bluebatch
WORKDIR /data
USER bluebatch
ENTRYPOINT ["bluebatch"]
CMD ["--help"]

FROM runtime AS cuda
COPY --from=cuda-build /opt/bluebatch /opt/bluebatch

FROM runtime AS cpu
COPY --from=cpu-build /opt/bluebatch /opt/bluebatch
