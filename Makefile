# make demo | test | hosts | faults | check | bench | docs. Every target makes the environment it needs first (.venv,
# and programs from apt-get where that is allowed); a second run finds it in place.
SHELL := bash
PY := .venv/bin/python
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# Four processes on two cores, each test file in one of them, since much of a test is waiting; PARALLEL= runs all in one.
PARALLEL ?= --numprocesses 4 --dist loadfile
# Each process would compile all modules anew, and pytest rewrite all tests, where the environment forbids to keep them.
export PYTHONDONTWRITEBYTECODE :=
# Material for MkDocs prints a notice about its future on every run.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test full hosts faults check format bench docs docs-serve clean

help:
	@echo "make demo    run examples/chat on http://$(HOST):$(PORT)/ (HOST=, PORT=)"
	@echo "make test    run the test suite, but for types, which make check looks at (ARGS= goes to pytest)"
	@echo "make full    the suite with every matrix and repetition in its long form (ARGS= goes to pytest)"
	@echo "make hosts   all applications on all servers, over real sockets (ARGS= goes to pytest)"
	@echo "make faults  what breaks, on all of them: slow readers, resets, vanished clients, SIGTERM, SIGKILL, Redis"
	@echo "make check   lint, formatting, types, architecture, docs"
	@echo "make format  let ruff format and fix what it can"
	@echo "make bench   print CPU time and instructions per message (ARGS= runs one benchmark its own way)"
	@echo "make docs    build the documentation into site/"

demo:
	@scripts/venv.sh demo
	@echo
	@echo "  The chat is at http://$(HOST):$(PORT)/ - open it in two tabs. Ctrl-C stops it; make demo PORT=8001 takes another port."
	@echo
	@exec $(PY) -m uvicorn examples.chat:app --host $(HOST) --port $(PORT) --ws websockets-sansio --log-level warning

test:
	@scripts/venv.sh dev
	@scripts/system.sh redis-server chromium node npm valgrind
	@scripts/npm.sh
	$(PY) -m pytest $(PARALLEL) -m "not typing" $(ARGS)

full: export CHANX_FULL := 1
full: test

hosts:
	@scripts/venv.sh dev
	CHANX_FULL=1 $(PY) -m pytest -m "hosts and not faults" $(ARGS)

faults:
	@scripts/venv.sh dev
	CHANX_FULL=1 $(PY) -m pytest -m faults $(ARGS)

check:
	@scripts/venv.sh dev
	@scripts/system.sh --must node
	@scripts/check.sh

format:
	@scripts/venv.sh dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench:
	@scripts/venv.sh dev
	@scripts/system.sh valgrind
ifeq ($(strip $(ARGS)),)
	$(PY) -m benchmarks dispatch
	@echo
	$(PY) -m benchmarks instructions
else
	$(PY) -m benchmarks $(ARGS)
endif

docs:
	@scripts/venv.sh dev
	$(PY) -m mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html"

docs-serve:
	@scripts/venv.sh dev
	$(PY) -m mkdocs serve

clean:
	rm -rf .venv site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
