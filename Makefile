# Everything runs in .venv, made by uv from pyproject.toml; uv itself is taken from PATH or from PyPI.
PYTHON ?= python3
# By its Python: another snakemake of the machine never runs in place of ours.
SNAKEMAKE = PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m snakemake
SYNC = uv sync --no-python-downloads --compile-bytecode
VENV = uv venv --quiet --relocatable --no-python-downloads .venv
READY = .venv/.ready
# Packages of another Python would replace the pinned ones.
unexport PYTHONPATH PYTHONHOME

.PHONY: help demo quick tables pictures mlflow quotes test lint coverage clean
help: ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## RepObE and its rivals on small digits, minutes: results/report.html, figures/
	$(SNAKEMAKE) --cores all

quick: $(READY) ## MNIST and CIFAR-10 at 64×64, days on two cores: results/quick/report.html, figures/quick/
	$(SNAKEMAKE) --cores all --configfile config/quick.yaml

# The committed folders that one report shows; of folders with the same dataset, figures draw the first.
REFERENCE ?= mnist32 cifar32 attacks ablations readings cifar64 precision mnist224 fashion32 security224 attack_readings
tables: $(READY) ## one report and all figures of the committed tables, no training: results/all/report.html
	@echo "collecting $(REFERENCE)"
	@.venv/bin/python -m repobe collect results/all $(addprefix results/reference/,$(REFERENCE))
	@echo "drawing figures"
	@.venv/bin/python -m figures results/all figures/all
	@.venv/bin/python -m repobe report results/all figures/all
	@.venv/bin/python -m repobe.report.final_message results/all figures/all

PICTURES = fig3a fig3d fig_specification
pictures: tables ## the READMEs' pictures, drawn anew from the committed tables
	cp $(PICTURES:%=figures/all/%.png) results/reference

RESULTS ?= results
mlflow: $(READY) ## the runs of results/, or of RESULTS=folder, in MLflow, at the address that it prints
	@test -d "$(RESULTS)/mlflow" || { echo "$(RESULTS) has no folder mlflow: snakemake makes it at the end of a run; committed tables alone have none"; exit 2; }
	@echo "open http://127.0.0.1:5000/#/experiments/1?workflowType=machine_learning (Ctrl-C ends it)"
	@cd "$(RESULTS)/mlflow" && MLFLOW_DISABLE_TELEMETRY=true "$(CURDIR)/.venv/bin/python" -m mlflow ui

quotes: $(READY) ## the numbers that the READMEs quote, written anew from the committed tables
	.venv/bin/python -m repobe.report.quotes README.md docs/findings.md results/reference/README.md

test: lint ## lint, unit tests and the miniature workflow
	PATH="$(CURDIR)/.venv/bin:$$PATH" python -m pytest -n auto

lint: $(READY) ## style, spelling, types and the import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow/rules
	.venv/bin/codespell
	.venv/bin/hadolint Dockerfile
	.venv/bin/mypy
	PATH="$(CURDIR)/.venv/bin:$$PATH" lint-imports

coverage: $(READY) ## which lines the unit tests run: a list here, pages in htmlcov/
	PATH="$(CURDIR)/.venv/bin:$$PATH" python -m pytest -n auto --ignore tests/workflow \
	  --cov repobe --cov baselines --cov figures --cov-report term-missing:skip-covered --cov-report html

# Snakemake's own notes serve every config: they go with the last results.
clean: ## removes what `make demo` and `make tables` made; the folders of other configs stay
	find results -mindepth 1 -maxdepth 1 -type f -delete
	rm -rf results/data results/runs results/tables results/summary results/logs results/mlflow results/all figures/all
	rm -f figures/fig*.pdf figures/fig*.png figures/fig*.svg figures/fig*.csv
	find results -mindepth 1 -maxdepth 1 ! -name reference ! -name benchmarks ! -name zoo | grep -q . || rm -rf .snakemake

# Relocatable: the folder may be renamed afterwards.
$(READY): pyproject.toml
	@if command -v uv > /dev/null; then uv=; else \
	  $(PYTHON) -m venv .venv-uv && .venv-uv/bin/pip install --quiet uv && uv=.venv-uv/bin/; fi; \
	  { [ -d .venv ] || $${uv}$(VENV); } && $${uv}$(SYNC)
	@touch $@
