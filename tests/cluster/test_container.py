"""The two container recipes say the same and pin what they fetch. hadolint reads the Dockerfile in `make lint`."""

import re
from fnmatch import fnmatch
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
        "uv sync --no-python-downloads --compile-bytecode",
    ):
        assert command in DOCKER
        assert command in APPTAINER
    versions = re.findall(r"uv==([\d.]+)", DOCKER) + re.findall(r"uv==([\d.]+)", APPTAINER)
    assert len(versions) == 2
    assert len({*versions}) == 1


def test_the_image_has_the_figures_scripts_and_the_committed_tables_and_nothing_that_a_user_made():
    patterns = (ROOT / ".dockerignore").read_text().split()

    def left_out(path: str) -> bool:
        """Docker's rule: the last pattern that matches the path, or a folder that it lies in, decides."""
        places = [str(place) for place in [Path(path), *Path(path).parents][:-1]]
        out = False
        for pattern in patterns:
            if any(
                fnmatch(place, pattern.removeprefix("!")) and place.count("/") == pattern.count("/") for place in places
            ):
                out = not pattern.startswith("!")
        return out

    kept = ["figures/fig3a.py", "figures/__main__.py", "results/reference/mnist32/claims.csv", "results/zoo/README.md"]
    assert not [path for path in kept if left_out(path)]
    made = [
        "figures/fig3a.png",
        "figures/mnist32/fig3a.pdf",
        "results/mnist32/runs/x",
        "results/report.html",
        ".venv/x",
    ]
    assert not [path for path in made if not left_out(path)]


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
    assert DOCKER.index("COPY . .") < DOCKER.index("touch .venv/.ready")  # so that make installs nothing either
