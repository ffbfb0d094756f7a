# `make help` lists what there is. The machine needs Python and make; everything else goes into .venv.
PYTHON ?= python3
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n auto --dist loadfile
QUICK := -m 'not slow and not gpu'
ARGS ?=
RUN_ARGS = $(value ARGS)# as typed: make must not expand the $ of an interpolation

# test workers share the cores; more threads than cores make each of them slower
tests := test test-fast test-slow test-all test-pytorch-lightning test-oldest test-newest test-hydra-next cov
# Other processors: none of the vector instructions, or narrower ones, in torch, inductor, MKL and oneDNN. Convolutions,
# products of matrices, sums and functions then differ by a rounding. `make test` is the third processor, with one thread.
NUMERIC_TESTS := tests/tools tests/engine tests/averaging tests/torch_backend tests/optimizers tests/callbacks \
	tests/gradients tests/module/test_resume.py tests/scheduler/test_every_preset_resumes.py \
	tests/presets/test_presets_against_papers.py
portable := test-portable-default test-portable-avx2 test-portable-rounding
test-portable-default: export ATEN_CPU_CAPABILITY := default
test-portable-default: export MKL_CBWR := COMPATIBLE
test-portable-default: export ONEDNN_MAX_CPU_ISA := SSE41
test-portable-default: export OMP_NUM_THREADS := 2
test-portable-default: export OMP_WAIT_POLICY := passive
test-portable-avx2: export ATEN_CPU_CAPABILITY := avx2
test-portable-avx2: export MKL_CBWR := AVX2
test-portable-avx2: export ONEDNN_MAX_CPU_ISA := AVX2
test-portable-avx2: export OMP_NUM_THREADS := 1
# Last, one that does not exist: tests/_support/other_rounding.py moves the last digits of all that a processor may round as it likes.
test-portable-rounding: NUMERIC_TESTS := -p _support.other_rounding tests/tools \
	tests/scheduler/test_every_preset_resumes.py tests/averaging/test_lookahead_around_every_preset.py
test-portable-rounding: export OMP_NUM_THREADS := 1
HYDRA_TESTS := tests/config tests/adoption tests/presets tests/test_hydra_errors.py tests/module/test_mixin.py lit_optim/config
$(tests): export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: .venv help train $(tests) test-portable $(portable) gpu lint types format wheel test-wheel release bench benchmark docs capabilities check clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z.][a-z -.]*:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

.venv: .venv/.installed  ## the development environment (PYTHON=python3.12 chooses another Python)

# The Hydra plugin is copied by an editable install, unlike everything else: when it changes, install again.
.venv/.installed: pyproject.toml constraints.txt $(wildcard lit_optim/_hydra_plugin/*.py)
	test -x $(PY) || "$(PYTHON)" -m venv .venv
	@echo 'installing into .venv, once; a few minutes'
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

train: .venv  ## train the example: make train ARGS="optimizer=sgd -m scheduler=cosine,none"
	$(PY) examples/train.py $(RUN_ARGS)

test: .venv  ## tests and doctests, but not the slow ones; ARGS go to pytest
	$(PYTEST) $(QUICK) $(RUN_ARGS)

test-fast: .venv  ## a sample of them in under a minute: few cases a test, no processes, no apps
	$(PYTEST) --fast $(QUICK) $(RUN_ARGS)

test-slow: .venv  ## the slow tests alone: packaging, examples, compilation
	$(PYTEST) -m 'slow and not gpu' $(RUN_ARGS)

test-all: .venv  ## all tests, but those that need a GPU
	$(PYTEST) -m 'not gpu' $(RUN_ARGS)

# As a user of pytorch_lightning writes them, and where lightning cannot be imported.
PL_COPY := $(CURDIR)/build/pytorch_lightning
test-pytorch-lightning: .venv  ## what drives a Trainer, with pytorch_lightning in place of lightning
	$(PY) tests/_support/pytorch_lightning_copy.py $(PL_COPY)
	cd $(PL_COPY) && PYTHONPATH="$(PL_COPY):$(CURDIR)" $(CURDIR)/$(PYTEST) $(QUICK) $(RUN_ARGS) tests/module tests/bodies tests/old_checkpoints tests/examples/test_train.py \
	  $$(grep -rlE '^(import|from) (pytorch_lightning|_support\.net)' tests --include='test_*.py' --exclude=test_readme.py); \
	  status=$$?; rm -rf $(PL_COPY); exit $$status  # the sdist would miss conf/ beside another one

test-portable: $(portable)  ## the numeric tests as other processors would run them, with 1 and 2 threads

$(portable): .venv
	$(PYTEST) $(QUICK) $(NUMERIC_TESTS) $(RUN_ARGS)

test-oldest: .venv-oldest/.installed  ## like test, with the oldest versions supported (constraints-oldest.txt), in .venv-oldest
	.venv-oldest/bin/python -m pytest -n auto --dist loadfile $(QUICK) $(RUN_ARGS)

test-newest: .venv-newest/.installed  ## like test, with the newest (constraints-newest.txt), in .venv-newest
	.venv-newest/bin/python -m pytest -n auto --dist loadfile $(QUICK) $(RUN_ARGS)

# Beside the oldest packages the oldest Python, beside the newest the newest. Each is the first command that starts: a
# shim of pyenv is there for every Python that it has, and starts only the chosen ones; the others it can tell the place of.
.venv-oldest/.installed: minor := 3.10
.venv-newest/.installed: minor := 3.13
.venv-%/.installed: pyproject.toml constraints.txt constraints-%.txt $(wildcard lit_optim/_hydra_plugin/*.py)
	@for python in python$(minor) $$(pyenv whence --path python$(minor) 2>/dev/null) "$(PYTHON)"; do \
	  "$$python" -c 'import ensurepip' 2>/dev/null && break; done; \
	test -x $(@D)/bin/python || "$$python" -m venv $(@D)
	@echo "installing into $(@D), once; several minutes, for torch is large. It has $$($(@D)/bin/python --version) (wanted: $(minor))"
	@names="$$(sed -n 's/^\([a-z-]*\)[=<>].*/\1/p' constraints-$*.txt | paste -sd '|')"; \
	grep -vE "^($$names)==" constraints.txt > $(@D)/others.txt
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -c constraints-$*.txt -c $(@D)/others.txt -e '.[test]'
	touch $@

test-hydra-next: .venv  ## what touches Hydra, with its newest pre-release, in .venv-next
	$(PY) -m venv --clear .venv-next
	$(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(.venv-next/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_below.pth"
	.venv-next/bin/python -m pip install -q --disable-pip-version-check --pre --no-deps 'hydra-core>=1.4.0.dev0,<1.5' 'omegaconf>=2.4.0.dev0'
	PYTHONPATH="$(CURDIR)" .venv-next/bin/python -m pytest -n auto --dist loadfile $(QUICK) $(HYDRA_TESTS) $(RUN_ARGS)

gpu: $(if $(filter .venv/%,$(PY)),.venv)  ## what needs a CUDA device: tests, then figures; says so where there is none
	@if $(PY) -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; \
	then $(PY) -m pytest -m gpu tests/gpu $(RUN_ARGS) && $(PY) -m benchmarks.gpu && $(PY) -m benchmarks.gpu_callbacks; \
	else echo 'no CUDA device: nothing was tested or measured'; fi

cov: .venv  ## all tests with coverage; report in htmlcov/
	$(PYTEST) -m 'not gpu' --cov --cov-report=term-missing:skip-covered --cov-report=html $(RUN_ARGS)

lint: .venv  ## style, formatting, layers
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	.venv/bin/lint-imports --no-logo

types: .venv  ## mypy --strict
	$(PY) -m mypy

format: .venv  ## format, and fix what can be fixed safely
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

wheel: .venv  ## wheel and sdist in dist/
	$(PY) -m build --no-isolation

test-wheel: wheel  ## build them, check their metadata, install each into a fresh environment and test it there
	$(PY) tools/release.py metadata dist
	LIT_OPTIM_DIST=$(CURDIR)/dist $(PYTEST) -m slow tests/packaging $(RUN_ARGS)

release: .venv  ## what a release needs: a clean tree, version and date, wheel and sdist tested; publishes nothing
	$(PY) tools/release.py check
	rm -rf dist
	$(MAKE) test-wheel
	@echo 'released is what you tag and upload: git tag v... and the two files in dist/'

bench: .venv  ## the figures of docs/evidence.md, measured here
	$(PY) -m benchmarks $(RUN_ARGS)

benchmark: .venv  ## docs/folklore.md: 350 runs, hours on one core; goes on where it was stopped (examples/benchmark/README.md)
	$(PY) examples/benchmark/run.py logs/folklore $(RUN_ARGS)
	$(PY) examples/benchmark/verdicts.py logs/folklore --write

docs: .venv  ## the site, in build/docs: warnings are errors, and no network is needed
	$(PY) -m sphinx -W --keep-going -q -j auto -d build/doctrees docs build/docs $(RUN_ARGS)

capabilities: .venv  ## measure what each optimizer can do: the table that is shipped, and the one in docs/optimizers.md
	PYTHONPATH=tools:tests:examples $(PY) -m capabilities $(RUN_ARGS)

check: lint types cov  ## all that CI checks

clean:  ## remove what the targets made, but the environments
	rm -rf dist build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	  docs/gallery docs/recipes docs/reference docs/errors.md
