# Every target sets up .venv by itself, once, and again only when what it is made from has changed.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: run test coverage check format gallery bench bench-long performance composed docs wheel clean
.DEFAULT_GOAL := run

run: $(READY)
	$(BIN)/recipe run horizon_low.yaml

# two processes of one thread each: threads of several would wait for one another
test: check docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# the same under a tracer, which takes a quarter longer
coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/build.py --write

gallery: $(READY)
	$(BIN)/recipe run recipes/*.yaml || test $$? -eq 1  # what is not met, the page shows
	$(BIN)/python docs/gallery_page.py

bench: $(READY)
	$(BIN)/python tests/bench/bench.py

bench-long: $(READY)
	$(BIN)/python tests/bench/kills.py

# what docs/performance.md shows; trainings are kept in runs/bench, and gone on with
performance: $(READY)
	$(BIN)/python tests/bench/gradient.py --out docs/figures/gradient.json
	$(BIN)/python tests/bench/control.py time --work runs/bench --out docs/figures/control.json
	$(BIN)/python tests/bench/control.py tricks --work runs/bench --out docs/figures/tricks.json
	$(BIN)/python docs/build.py --write

# what docs/composing.md shows of any recipes; what is done is kept in runs/bench/composed, and gone on with
RECIPES = horizon_low blue_ball
AGAINST = horizon_high
composed: $(READY)
	$(BIN)/python tests/bench/composed.py $(RECIPES) --against $(AGAINST) --work runs/bench/composed --out docs/figures/composed.json > /dev/null
	$(BIN)/python docs/build.py --write

docs: $(READY)
	$(BIN)/python docs/build.py

wheel: $(READY)
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir build/dist .

clean:
	rm -rf build .coverage .pytest_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q __init__.py cli.py critics engine
	touch $@
