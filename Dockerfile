# The suite with its pinned versions. Build on a machine with network: docker build --tag repobe .
# At run time only datasets are downloaded; with REPOBE_DATA mounted, nothing is (docs/clusters.md).
FROM python:3.11-slim-bookworm

# git: a run's provenance names the commit; fonts: figures are drawn with those that matplotlib brings.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir uv==0.13.9

WORKDIR /repobe
COPY pyproject.toml ./
# Only the versions: a change of the code needs no new download.
RUN uv sync --no-python-downloads --compile-bytecode
COPY . .
# The commit is that of the build; a folder that belongs to another user is no reason to refuse it.
# For make, nothing is left to install: `make test` runs without network.
RUN git config --system --add safe.directory /repobe \
    && touch .venv/.ready
ENV PATH=/repobe/.venv/bin:$PATH

ENTRYPOINT ["snakemake"]
CMD ["--cores", "all"]
