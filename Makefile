# rmtoolkit: `make demo` shows it, `make test` checks it. Both make .venv first. Needs Python 3.11 or later and make.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.installed
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3
CHECKED := rmtoolkit tests deploy docs data/lab data/field

.PHONY: help install demo test check lint tests mypy pyright doctests notebooks docs bench bench-leaks bench-limits frozen mutants fuzz audit corpus corpus-field

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv with every extra, as requirements.lock says (make does this by itself when needed)

demo: $(STAMP) ## Judge the sample recordings: a table here, a page in out/demo.html
	@$(BIN)/rmtoolkit demo

# One check at a time beside the tests, many of which wait for a browser or a server: both cores are always busy.
test: $(STAMP) lint ## check, and every test; says what was skipped and how to switch it on
	@$(MAKE) --no-print-directory --keep-going --jobs=2 tests mypy pyright doctests || { grep -hE '(error|warning): |^FAILED' .venv/*.log; exit 1; }

check: $(STAMP) lint ## Lint, formatting, types and the examples in the docstrings
	@$(MAKE) --no-print-directory --keep-going --jobs=2 mypy pyright doctests

lint: $(STAMP)
	@echo "ruff check";  $(BIN)/ruff check --quiet .
	@echo "ruff format"; $(BIN)/ruff format --check --quiet .
	@echo "oxlint";      $(BIN)/oxlint --quiet --deny-warnings rmtoolkit/views/assets > .venv/oxlint.log || { cat .venv/oxlint.log; exit 1; }

tests: $(STAMP)
	@echo "tests";       $(BIN)/python -m pytest -n 3 --dist worksteal -q

# Each keeps one core busy, and shows what it found when it is done. mypy, which is strict, reads all there is; pyright,
# which editors show, what a user has of the package: its public names, as tests/typing uses them.
mypy: $(STAMP)
	@echo "mypy";        $(BIN)/mypy --no-error-summary $(CHECKED) > .venv/mypy.log || { cat .venv/mypy.log; exit 1; }

pyright: $(STAMP)
	@echo "pyright";     $(BIN)/pyright --warnings tests/typing > .venv/pyright.log || { cat .venv/pyright.log; exit 1; }

doctests: $(STAMP)
	@echo "doctests";    $(BIN)/python -m pytest --doctest-modules --doctest-glob=README.md rmtoolkit README.md -q -p no:randomly > .venv/doctests.log || { cat .venv/doctests.log; exit 1; }

notebooks: $(STAMP) ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

docs: $(STAMP) ## Build the site, offline: out/docs/html/index.html
	@$(BIN)/python docs/build.py

bench: $(STAMP) ## Run and print every benchmark
	@for bench in tests/benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python "$$bench" || exit 1; done

bench-leaks: $(STAMP) ## Score the verdicts, and the rules that others use, on the dev part of the corpus
	@$(BIN)/python tests/benchmarks/leak_or_not.py --part dev

bench-limits: $(STAMP) ## Backtest limits, replay kills and refusals, time a fleet; SERIES names files of real series
	@$(BIN)/python -m tests.benchmarks.bench_limits --replays 1000 --series $(SERIES)
	@$(BIN)/python -m tests.benchmarks.bench_recommend --containers 10000

frozen: $(STAMP) ## Compare what is said of the samples and the dev part with what was frozen in data/frozen
	@$(BIN)/python tests/benchmarks/frozen.py

mutants: $(STAMP) ## Change the package in 200 places, one at a time, and tell which no test notices (an hour; goes on)
	@$(BIN)/python -m tests.benchmarks.mutants --jobs 2

fuzz: $(STAMP) ## Try 300,000 broken inputs on every reader (hours; N= how many, SEED= others; goes on where it stopped)
	@$(BIN)/python -m tests.benchmarks.fuzz --jobs 2 --inputs $(or $(N),300000) --seed $(or $(SEED),1)

audit: $(STAMP) ## Hold the lock against published advisories: FILE= a file, folder or zip in the OSV format
	@test -n "$(FILE)" || { echo "make audit FILE=all.zip: name a file, a folder or a zip in the OSV format" >&2; exit 1; }
	@$(BIN)/python -m tests.benchmarks.audit $(FILE)

corpus: $(STAMP) ## Record the corpus anew (root, Linux, rustc; about an hour; goes on where it stopped) into out/corpus
	@mkdir -p out/corpus/raw out/corpus/new
	@$(BIN)/python data/lab/plan.py > out/corpus/plan.jsonl
	@$(BIN)/python data/lab/plan.py --hard > out/corpus/hard_plan.jsonl
	@$(BIN)/python data/lab/plan.py --odd > out/corpus/odd_plan.jsonl
	@$(BIN)/python data/lab/record.py out/corpus/plan.jsonl --out out/corpus/raw --jobs 80
	@$(BIN)/python data/lab/record.py out/corpus/hard_plan.jsonl --out out/corpus/raw --jobs 80
	@$(BIN)/python data/lab/record.py out/corpus/odd_plan.jsonl --out out/corpus/raw --jobs 80
	@cp data/corpus/overrides.csv out/corpus/new/
	@$(BIN)/python data/lab/corpus.py out/corpus/raw out/corpus/new

corpus-field: $(STAMP) ## Record the field corpus anew (root, Linux, data/field/README.md; about an hour and a half; goes on where it stopped) into out/field
	@mkdir -p out/field/raw out/field/new
	@PYTHONPATH=data/lab $(BIN)/python data/field/runs.py > out/field/new/plan.jsonl
	@PYTHONPATH=data/lab $(BIN)/python data/field/recorder.py out/field/new/plan.jsonl --out out/field/raw --tools out/field
	@cp data/field/README.md out/field/new/
	@PYTHONPATH=data/lab:. $(BIN)/python data/field/pack.py out/field/raw out/field/new

# uv when there is one that runs, else venv and pip. A shim that points nowhere counts as missing: each is tried.
$(STAMP): pyproject.toml requirements.lock
	@python=; \
	for name in $(PYTHONS); do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then python=$$name; break; fi; \
	done; \
	uv=; if uv --version > /dev/null 2>&1; then uv=yes; fi; \
	if [ -z "$$python" ] && [ -z "$$uv" ]; then \
	  echo "No Python 3.11 or later was found. Looked for: $(PYTHONS)." >&2; \
	  echo "python3 is: $$(python3 --version 2>&1 | head -n 1)" >&2; \
	  echo "Install Python 3.11 or later (or uv) and run make again." >&2; \
	  exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1 || \
	   { [ -z "$$uv" ] && ! $(BIN)/python -c 'import pip' > /dev/null 2>&1; }; then \
	  echo "Making .venv with $${python:-a Python that uv brings}"; \
	  if [ -n "$$uv" ]; then \
	    uv venv --quiet --clear --python "$${python:->=3.11}" .venv || exit 1; \
	  elif ! $$python -m venv --clear .venv; then \
	    rm -rf .venv; \
	    echo "$$python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	fi; \
	echo "Installing the $$(grep -c '^[a-z]' requirements.lock) packages of requirements.lock into .venv"; \
	if [ -n "$$uv" ]; then \
	  uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
	  PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock && \
	  PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi && touch $@
