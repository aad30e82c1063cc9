# Every target makes what it needs from nothing: python3 >= 3.11, a C++20 compiler and make.
# Other folders: make test VENV=/elsewhere/venv BUILD=/elsewhere/build

VENV ?= .venv
BUILD ?= build
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# Warnings stop the build under the compiler that kvsim is developed with. A newer one's new
# warnings are shown and stop nobody.
WERROR ?= $(shell test "$$($${CXX:-c++} -dumpversion 2>/dev/null | cut -d. -f1)" = 12 && echo ON || echo OFF)

PY := $(VENV)/bin/python
BIN := $(abspath $(VENV))/bin
CMAKE := $(BIN)/cmake
CONFIGURE = $(CMAKE) -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(BIN)/ninja -DCMAKE_BUILD_TYPE=Release \
  -DKVSIM_WERROR=$(WERROR) --log-level=WARNING
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo lab build test test-cpp test-sanitize test-py test-full bench bench-lab bench-check bench-plot \
  stability-rates lint tidy format lab-notes lab-screenshots fidelity standalone wasm aarch64 stubs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# ---- the virtual environment, in layers, so that a demo does not wait for developers' tools

$(VENV)/.python: tools/preflight.sh
	@python=$$(sh tools/preflight.sh) && "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.python pyproject.toml tools/requirements.py
	@echo "installing what the build and the package need"
	@$(PY) tools/requirements.py build runtime > $@.txt && $(PIP_INSTALL) -r $@.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "installing the developers' tools"
	@$(PY) tools/requirements.py dev > $@.txt && $(PIP_INSTALL) -r $@.txt
	@touch $@

$(VENV)/.cross: $(VENV)/.dev
	@echo "installing the cross compiler"
	@$(PY) tools/requirements.py cross > $@.txt && $(PIP_INSTALL) -r $@.txt
	@touch $@

$(VENV)/.jupyter: $(VENV)/.dev
	@echo "installing JupyterLab"
	@$(PY) tools/requirements.py jupyter > $@.txt && $(PIP_INSTALL) -r $@.txt
	@touch $@

$(VENV)/.lab: $(VENV)/.base
	@echo "installing what the lab needs"
	@$(PY) tools/requirements.py lab cross > $@.txt && $(PIP_INSTALL) -r $@.txt
	@touch $@

# The editable install points site-packages at python/kvsim and compiles the native module once;
# afterwards `build` recompiles what changed and copies the module, without pip.
$(VENV)/.editable: $(VENV)/.base pyproject.toml
	@echo "compiling kvsim"
	@CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) $(PIP_INSTALL) --no-build-isolation --no-deps \
	  --config-settings=build-dir=$(BUILD)/native \
	  --config-settings=cmake.define.KVSIM_WERROR=$(WERROR) --editable .
	@touch $@

build: $(VENV)/.editable ## compile the native module into the editable install
	@$(CMAKE) --build $(BUILD)/native --parallel $(JOBS) -- --quiet
	@$(CMAKE) --install $(BUILD)/native --prefix "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" > /dev/null

lab: build $(VENV)/.lab ## the lab in a browser; LAB="--export out/lab" writes it as files
	@$(PY) -m kvsim lab $(LAB)

demo: build ## answer the main question on a real trace; pictures in out/
	@$(PY) -m kvsim demo

# ---- tests

# The sanitized build alone: the optimised engine is under the Python tests, and in test-full.
test: test-sanitize test-py lint ## C++ tests (ASan, UBSan, invariant checks), Python tests, linters

test-cpp: $(VENV)/.base ## C++ tests of the optimised engine, with invariant checks
	@$(CONFIGURE) -B $(BUILD)/check -DKVSIM_BUILD_TESTS=ON -DKVSIM_DEBUG_CHECKS=ON > /dev/null
	@$(CMAKE) --build $(BUILD)/check --parallel $(JOBS) --target kvsim_tests -- --quiet
	$(BUILD)/check/kvsim_tests

test-sanitize: $(VENV)/.base
	@$(CONFIGURE) -B $(BUILD)/sanitize -DKVSIM_BUILD_TESTS=ON -DKVSIM_DEBUG_CHECKS=ON -DKVSIM_SANITIZE=ON > /dev/null
	@$(CMAKE) --build $(BUILD)/sanitize --parallel $(JOBS) --target kvsim_tests -- --quiet
	seq $(JOBS) | UBSAN_OPTIONS=print_stacktrace=1 xargs -P $(JOBS) -I {} \
	  $(BUILD)/sanitize/kvsim_tests --shard {}/$(JOBS)

# The lab's tests need its engine, where there is a browser to run them in.
test-py: build $(VENV)/.dev $(if $(shell command -v chromium || command -v chromium-browser),wasm)
	$(PY) -m pytest -q -n $(JOBS) -m "not full and not lint" --benchmark-disable

test-full: build test-cpp standalone wasm aarch64 $(VENV)/.jupyter ## what takes longer: WebAssembly, aarch64, JupyterLab, long properties
	KVSIM_BUILD=$(BUILD) $(PY) -m pytest -q -n $(JOBS) -m full --benchmark-disable

# ---- linters, generated files

lint: build $(VENV)/.dev ## ruff, mypy, clang-format, include rules, generated files
	$(PY) -m pytest -q -n $(JOBS) tests/python/test_codebase --benchmark-disable

tidy: build test-cpp $(VENV)/.dev ## clang-tidy over the engine, the runner and the bindings (minutes)
	@ls cpp/kvsim/*.cpp cpp/kvsim/*/*.cpp cpp/runner/*.cpp | xargs -n 4 -P $(JOBS) $(BIN)/clang-tidy --quiet -p $(BUILD)/check
	@ls cpp/bindings/*.cpp | xargs -n 4 -P $(JOBS) $(BIN)/clang-tidy --quiet -p $(BUILD)/native

format: $(VENV)/.dev ## format Python and C++
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .
	@git ls-files -co --exclude-standard '*.hpp' '*.cpp' | xargs $(BIN)/clang-format -i

stubs: build $(VENV)/.dev ## write the generated files anew (the native module's .pyi and others)
	$(PY) tools/check_generated.py --write

lab-notes: build $(VENV)/.dev ## write the findings in docs/lab.md anew, from the course's data
	$(PY) tools/write_lab_notes.py

lab-screenshots: build $(VENV)/.dev wasm ## draw the lab's pictures in docs/images; EVERY=--every also all sizes in out/lab
	KVSIM_BUILD=$(BUILD) $(PY) tools/lab_screenshots.py $(EVERY)

fidelity: build $(VENV)/.dev ## write docs/fidelity.md and pictures anew, from packaged measurements
	$(PY) tools/write_fidelity.py > docs/fidelity.md.new && mv docs/fidelity.md.new docs/fidelity.md
	$(PY) -m kvsim sharding llama-3-70b --out docs/images > /dev/null
	$(PY) -c "from kvsim import plots; plots.save(plots.weight_gather('llama-3-70b'), 'docs/images/weight_gather')"

# ---- other platforms

standalone: $(VENV)/.base ## build/standalone/kvsim-standalone (runs a scenario without Python)
	@$(PY) tools/build_standalone.py native $(BUILD)/standalone --werror=$(WERROR)

wasm: $(VENV)/.cross ## build/wasm/kvsim.wasm (wasm32-wasi)
	@$(PY) tools/build_standalone.py wasm32-wasi $(BUILD)/wasm --werror=$(WERROR)

aarch64: $(VENV)/.cross ## build/aarch64/kvsim-standalone (static, runs under qemu-aarch64)
	@$(PY) tools/build_standalone.py aarch64-linux-musl $(BUILD)/aarch64 --werror=$(WERROR)

# ---- speed

bench: build $(VENV)/.dev ## each figure beside its goal
	$(PY) -m pytest -q bench --benchmark-only

bench-lab: build wasm ## the lab in a browser: slider to redrawn instrument, first load, size
	@$(PY) tools/bench_lab.py

bench-check: $(VENV)/.base ## instruction counts against the committed baseline
	$(PY) tools/bench_check.py --build $(BUILD)/bench

stability-rates: $(VENV)/.base ## how often queues are called unstable (a table of docs/metrics.md)
	@$(CONFIGURE) -B $(BUILD)/bench -DKVSIM_BUILD_BENCH=ON > /dev/null
	@$(CMAKE) --build $(BUILD)/bench --target stability_rates -- --quiet
	@$(BUILD)/bench/stability_rates

bench-plot: $(VENV)/.base ## draw bench/history.csv to out/
	$(PY) tools/bench_plot.py

clean: ## remove what was built (the .venv too)
	rm -rf $(BUILD) $(VENV) out
