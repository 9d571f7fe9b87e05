PYTHON ?= python3
BIN := .venv/bin

.PHONY: sweep test test-all check docs torture audit audit-sequential audit-tuning bench manifest findings clean
.DEFAULT_GOAL := help
# Where it is set, every command that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make sweep   the main job: 3 feedback modes x 50 seeds, tracked, with a report"
	@echo "make test    the tests that need no service (about three minutes on two cores)"
	@echo "make test-all  all tests: also browser, PostgreSQL, SLURM, Dask, MLflow's server, and longer ones"
	@echo "make check   lint, format, types"
	@echo "make docs    the site of the documentation, in site/"
	@echo "make torture  attacks on the program from outside; writes the table of docs/reliability.md (20 minutes)"
	@echo "make audit   how often the report's intervals cover and its tests reject, by simulation; writes docs/statistics.md"
	@echo "make audit-sequential  only the part of it about sequential sweeps and plans (five minutes)"
	@echo "make audit-tuning  only the part of it about tuning (five minutes)"
	@echo "make bench   timings against other ways, as ratios; writes benchmarks/RESULTS.md (half an hour)"
	@echo "make manifest  after an edit of sources that decide numbers: prove that the numbers stay, list the sources anew"
	@echo "make findings  run every preset that is not in the ledger yet, write analysis/findings"
	@echo "make clean   remove the environment and caches (outputs/ stays)"

# One environment for everything; made anew when the dependencies change.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

sweep: .venv/ready
	$(BIN)/python -m fa_sweep -m feedback=symmetric,random,rerandom 'seed=range(50)'

test: .venv/ready
	$(BIN)/pytest -n auto -m 'not service and not slow' $(PYTEST)

# One worker more than cores: tests of services wait most of their time.
test-all: .venv/ready
	$(BIN)/pytest -n $$(($$(nproc) + 1)) $(PYTEST)

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build
	@echo "open site/index.html"

torture: .venv/ready
	$(BIN)/python -m torture --minutes 20 --seed 0 --out docs/reliability.md

audit: .venv/ready audit-sequential audit-tuning
	$(BIN)/python -m benchmarks.audit --out docs/statistics.md

audit-tuning: .venv/ready
	$(BIN)/python -m benchmarks.audit_tuning --out docs/statistics.md

audit-sequential: .venv/ready
	$(BIN)/python -m benchmarks.audit_sequential --out docs/statistics.md

bench: .venv/ready
	$(BIN)/python -m benchmarks --out benchmarks

manifest: .venv/ready
	$(BIN)/python -m benchmarks.manifest

PRESETS := $(basename $(notdir $(wildcard conf/experiment/*.yaml)))
findings: .venv/ready
	for preset in $(PRESETS); do $(BIN)/python -m fa_sweep +experiment=$$preset report=false || exit 1; done
	$(BIN)/python -m fa_sweep.studies --out analysis/findings

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
