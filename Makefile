# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types bench schema simulate clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "arcly_actors needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/arcly demo

test: $(STAMP)
	bash .ci/tools
	bash .ci/tests $(BIN)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m bench rtmp --viewers 1,50,200,500,1000 --save
	$(BIN)/python -m bench whep --viewers 1,20,100,300 --save
	$(BIN)/python -m bench srt --viewers 1,50 --save
	$(BIN)/python -m bench rtsp --viewers 1,50,200,500 --save
	$(BIN)/python -m bench.pull --sources 100 --save
	$(BIN)/python -m bench.tape

simulate: $(STAMP)
	$(BIN)/arcly simulate --duration 10m

schema: $(STAMP)
	$(BIN)/arcly schema > specs/topology.schema.json

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
