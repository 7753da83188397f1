# make demo | test | thorough | fix | bench        Needed: make, and Python 3.11 or newer as python3.
# Another Python: make test PYTHON=python3.13    A benchmark: make bench NAME=speed DATA=FOLDER
PYTHON ?= python3
RUN := .venv/bin/python -m
NEEDED := Error: unillmrec needs Python 3.11 or newer; $(PYTHON) is older or missing. \
	Try: make PYTHON=python3.12

.PHONY: demo test thorough fix bench broken
demo: .venv/ready
	@$(RUN) unillmrec demo
# The tests start hundreds of processes: where nothing may be kept, each compiles all of it anew.
test thorough: export PYTHONDONTWRITEBYTECODE =
test: .venv/ready-to-develop
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) pytest -n 2 --dist loadfile
thorough: .venv/ready-to-develop
	HYPOTHESIS_PROFILE=thorough $(RUN) pytest -n 2 --dist loadfile -m "slow or not slow"
fix: .venv/ready-to-develop
	$(RUN) ruff check --fix --exit-zero .
	$(RUN) ruff format .
bench: .venv/ready-to-develop
	$(RUN) benchmarks $(if $(DATA),run $(NAME) --data "$(DATA)",report --check)

# The two marks are made last: what was interrupted is made anew, and so is all of it when
# pyproject.toml changes, or when the Python that the environment was made from has gone.
ifneq ($(shell { .venv/bin/python -c "print(1)"; } 2>/dev/null),1)
.venv/ready: broken
endif
.venv/ready: pyproject.toml
	@$(PYTHON) -c "import tomllib" 2>/dev/null || { echo "$(NEEDED)" >&2; exit 1; }
	@echo "Setting up .venv; this happens once, and takes about a minute." >&2
	@rm -rf .venv && if $(UV); then uv venv -q -p "$$(command -v $(PYTHON))"; else $(VENV); fi
	@$(call install,.) && touch $@
.venv/ready-to-develop: .venv/ready
	@rm -f $< && $(call install,.[dev]) && touch $< $@
# pip has its own settings for where packages come from; where uv finds none, pip may.
UV = command -v uv >/dev/null
VENV = $(PYTHON) -m venv .venv
install = if ! { $(UV) && uv pip install -q -p .venv/bin/python -e "$(1)"; }; then \
	$(RUN) pip -V >/dev/null 2>&1 || $(VENV); $(RUN) pip install -q -e "$(1)"; fi
