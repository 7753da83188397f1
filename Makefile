# make demo | test | thorough | lowest | fix | docs | bench | lock     Needs Python 3.11 or newer.
# Another Python: make test PYTHON=python3.13    A benchmark: make bench NAME=speed DATA=FOLDER
PYTHON ?= python3
RUN := .venv/bin/python -m
NEEDED := Error: unillmrec needs Python 3.11 or newer; $(PYTHON) is older or missing. \
	Try: make PYTHON=python3.12

.PHONY: demo test ray thorough lowest fix docs bench lock broken
demo: .venv/ready
	@$(RUN) unillmrec demo
# The tests start hundreds of processes, which share compiled files.
test thorough: export PYTHONDONTWRITEBYTECODE =
test: .venv/ready-to-develop
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) pytest -n 2 --dist loadfile
# Batches and builds on a local Ray cluster, which takes long to start.
ray: .venv/ready-to-develop
	$(RUN) pytest -q -m ray
thorough: .venv/ready-to-develop
	HYPOTHESIS_PROFILE=thorough $(RUN) pytest -n 2 --dist loadfile -m "slow or not slow"
# The lowest versions of what pyproject.toml asks for; needs uv.
lowest:
	uv venv -q -p "$$(command -v $(PYTHON))" --clear .venv-lowest
	uv pip install -q -p .venv-lowest --resolution lowest-direct -e ".[parquet,eval,otel]" --group test
	.venv-lowest/bin/python -m pytest -n 2 --dist loadfile --ignore tests/test_docs.py
fix: .venv/ready-to-develop
	$(RUN) ruff check --fix --exit-zero .
	$(RUN) ruff format .
docs: .venv/ready-to-develop
	.venv/bin/zensical build --strict --clean
# The versions that are tested; needs uv.
lock:
	uv pip compile -q --universal --upgrade --all-extras --group dev pyproject.toml -o requirements.lock \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links
bench: .venv/ready-to-develop
	$(RUN) benchmarks $(if $(DATA),run $(NAME) --data "$(DATA)",report --check)

# The two marks are made last: an interrupted set-up starts over, and so does one whose
# pyproject.toml has changed or whose Python is gone.
ifneq ($(shell { .venv/bin/python -c "print(1)"; } 2>/dev/null),1)
.venv/ready: broken
endif
.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c "import tomllib" 2>/dev/null || { echo "$(NEEDED)" >&2; exit 1; }
	@echo "Setting up .venv; this happens once, and takes about a minute." >&2
	@rm -rf .venv && if $(UV); then uv venv -q -p "$$(command -v $(PYTHON))"; else $(VENV); fi
	@$(call install,-e .) && touch $@
.venv/ready-to-develop: .venv/ready
	@rm -f $< && $(call install,--group dev -e .) && touch $< $@
# Without uv, or where uv finds no package, pip is used; dependency groups need pip 25.1.
UV = command -v uv >/dev/null
VENV = $(PYTHON) -m venv .venv
PIP = $(RUN) pip install -q --disable-pip-version-check
install = if ! { $(UV) && uv pip install -q -p .venv/bin/python -c requirements.lock $(1); }; then \
	$(RUN) pip -V >/dev/null 2>&1 || $(VENV); \
	$(PIP) -U "pip>=25.1" && $(PIP) -c requirements.lock $(1); fi
