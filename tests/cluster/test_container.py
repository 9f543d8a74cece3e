"""The two container recipes say the same and pin what they fetch. hadolint reads the Dockerfile in `make lint`."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCKER = (ROOT / "Dockerfile").read_text()
APPTAINER = (ROOT / "apptainer.def").read_text()


def test_both_recipes_start_from_the_same_image():
    (image,) = re.findall(r"^FROM (\S+)$", DOCKER, re.MULTILINE)
    assert f"From: {image}\n" in APPTAINER
    assert image.startswith("python:3.11-slim")


def test_both_recipes_install_the_same_with_the_same_uv():
    for command in (
        "apt-get install --yes --no-install-recommends git make",
        "uv sync --no-dev --no-python-downloads --compile-bytecode",
    ):
        assert command in DOCKER
        assert command in APPTAINER
    versions = re.findall(r"uv==([\d.]+)", DOCKER) + re.findall(r"uv==([\d.]+)", APPTAINER)
    assert len(versions) == 2
    assert len({*versions}) == 1


def test_apptainers_definition_has_no_section_that_apptainer_does_not_know():
    known = {"files", "post", "environment", "runscript", "help", "labels", "test", "startscript", "setup"}
    assert {*re.findall(r"^%(\w+)", APPTAINER, re.MULTILINE)} <= known
    header = APPTAINER.split("\n\n")[0].splitlines()
    assert [line.split(":")[0] for line in header] == ["Bootstrap", "From"]


def test_a_run_without_network_fetches_nothing_but_datasets():
    """Nothing after the build may install: what starts is snakemake of the image's own environment."""
    assert re.search(r'^ENTRYPOINT \["snakemake"\]$', DOCKER, re.MULTILINE)
    assert "exec snakemake" in APPTAINER
    for recipe, folder in ((DOCKER, "/repobe/.venv/bin"), (APPTAINER, "/opt/repobe/.venv/bin")):
        assert f"PATH={folder}:$PATH" in recipe
