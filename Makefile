# make book · make test · make lab · make serve: the README says what each does.
# CPU-only torch on Linux: make book TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
VENV   ?= .venv
TORCH_INDEX ?=
# large packages that some chapters show where they are installed: make book EXTRAS=1
EXTRAS ?=
PORT   ?= 8000

BIN := $(VENV)/bin
PY  := $(BIN)/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
READY := $(VENV)/.book $(if $(EXTRAS),$(VENV)/.extras)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help book test test-python test-notebooks test-browser measure lab serve pdf benchmark lint format clean

help:            ## list the commands
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

$(VENV)/.book: requirements.txt requirements-assets.txt constraints.txt pyproject.toml
	@echo "Setting up $(VENV): about two minutes the first time"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) $(INDEX) -r requirements.txt -c constraints.txt
	$(PIP) --no-deps -e .
	@rm -rf _build/assets
	$(PIP) --no-deps --target _build/assets -r requirements-assets.txt
	@touch $@

$(VENV)/.extras: $(VENV)/.book requirements-extra.txt
	$(PIP) $(INDEX) -r requirements.txt -r requirements-extra.txt -c constraints.txt
	@touch $@

$(VENV)/.test: $(VENV)/.book requirements-dev.txt
	$(PIP) $(INDEX) -r requirements.txt -r requirements-dev.txt -c constraints.txt
	@touch $@

book: $(READY)          ## run the notebooks and build the book: _build/html/index.html
	@test -d _build/assets || $(PIP) --no-deps --target _build/assets -r requirements-assets.txt
	@$(PY) -m dlcheat.sphinx

test: lint test-python book test-notebooks test-browser   ## everything that is tested

test-python: $(VENV)/.test $(READY)     ## unit tests, doctests, the form of the book
	OMP_NUM_THREADS=1 EXTRAS=$(EXTRAS) $(PY) -m pytest -p no:nbval tests dlcheat benchmarks --doctest-modules \
	  --ignore tests/browser -n 2 -q

test-notebooks: $(VENV)/.test $(READY)  ## every notebook, run afresh and compared with its stored outputs
	OMP_NUM_THREADS=1 $(PY) -m pytest --nbval-lax --nbval-cell-timeout 600 book -n 2 --dist loadscope -q

test-browser: $(VENV)/.test book   ## the built book in Chromium, and a widget in JupyterLab
	@$(PY) -m dlcheat.sphinx.chromium
	OMP_NUM_THREADS=1 $(PY) -m pytest -p no:nbval tests/browser -m "not alone and not paint" \
	  -n 2 --dist worksteal -q

measure: $(VENV)/.test book    ## seconds to the first widget, work from input to paint, against their limits
	$(PY) -m pytest -p no:nbval tests/browser -m "alone or paint" -q

lint: $(VENV)/.test             ## ruff over the code and the notebooks
	@$(BIN)/ruff check --quiet .

format: $(VENV)/.test           ## sort imports and repair what ruff can
	@$(BIN)/ruff check --fix .

lab: $(READY)                   ## the chapters in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir book

serve: book                     ## the built book on http://localhost:8000
	@echo "http://localhost:$(PORT)"
	@$(PY) -m http.server $(PORT) --directory _build/html --bind 127.0.0.1

pdf: book                       ## the cheat sheet as a PDF: _build/cheatsheet.pdf
	@$(PY) -m dlcheat.sphinx.pdf

benchmark: $(VENV)/.book        ## dlcheat against torch, side by side
	@$(PY) -m benchmarks.run

clean:                          ## remove what the build made
	rm -rf _build
