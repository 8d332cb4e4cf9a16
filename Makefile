# The few commands a person types. `make demo` and `make test` do all the set-up on a fresh machine.
#
#   make demo               the main job in Rust, C and Python, on the mock broker; PULSAR=real takes a real one. Its build is quick and not for use
#   make test               everything: Rust, C and Python, on the mock and on a real broker that it starts
#   make lint fmt docs      what CI holds the code to; formatting; what is generated (headers, the ABI as JSON, the raw layers of bindings, configuration page)
#   make languages          the tests of the bindings, of each language that is on this machine; LANGUAGE=go for one
#   make third-party        after a change of Cargo.lock: the licences and the bill of materials of what is linked in
#   make site               the documentation as a site in target/site, with the references; a warning is an error
#   make wheel-portable     the wheel for glibc 2.17 and later, in dist/portable
#   make wheel install      the Python wheel in dist/; the C library under PREFIX (and DESTDIR)
#   make cli                the command `stargate`, in target/release
#   make small              the C library without the mock and built for size, in target/small; make install FROM=target/small
#   make deb                Debian packages of the C library in dist/: libstargate0.1 and libstargate-dev
#   make bench              stargate and its peers under the same workloads; BENCH=quick, ROUNDS=N, ONLY="send 100", DOCS=1
#   make abi                records the ABI again after an intended break; tests/c/check_abi.sh compares with it
#   make coverage-c         which lines of ffi-c the tests in C and C++ reach (needs llvm-tools; a minute or two)
#   make cluster            faults of two brokers, three bookies and two proxies, CLUSTER_ROUNDS (10) times each
#   make soak-cluster       an hour of those faults, one every 20 s (SOAK_SECONDS); memory and descriptors stay flat
#   make versions           what needs a real broker, on every Pulsar that the launcher starts; DOCS=1 writes the table of docs/clusters.md
#   make soak asan tsan     ten minutes of outages (SOAK_SECONDS); the core under sanitizers (needs nightly)
#   make forks              300 forks at random moments in each shape and language (some minutes)
#   make leaks-python exits-python   10,000 cycles and 10 million messages; 300 exits in each of ten shapes (half an hour)

SHELL := /bin/bash
PULSAR ?= mock
PREFIX ?= /usr/local
PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin
# Built once for all that link or load it; the mock is part of the library.
LIBRARY := target/release/libstargate.so
# C and C++ written by hand; include/*.h are generated.
C_SOURCES := $(wildcard include/*.hpp tests/c/*.[ch] tests/cpp/*.cpp tests/raw/*.c examples/c/*.c examples/cpp/*.cpp tests/bench/clients/*.c)
C_SOURCES += $(filter-out %/atoms.h %/functions.h %_generated.h,$(wildcard bindings/elixir/c_src/*.[ch]))

.PHONY: help demo test lint fmt docs languages third-party site cli small wheel wheel-portable check-free-threaded install deb asan tsan abi coverage-c cluster soak-cluster versions soak forks leaks-python exits-python \
	library clean bench bench-build bench-languages

help:
	@sed -n 's/^#   /  /p' Makefile

demo: tools-demo
	PULSAR=$(PULSAR) $(PYTHON) tests/demo.py

test: tools-test library wheel
	$(PYTHON) tests/suites.py

lint: tools-lint $(VENV)/ready
	cargo fmt --all --check
	cargo fmt --manifest-path tests/bench/Cargo.toml --check
	cargo clippy --workspace --all-targets --features stargate-core/mock,stargate-core/fuzzing -- -D warnings
	cargo clippy $(BENCH_CARGO) --all-targets -- -D warnings
	$(IN_VENV)/ruff check python tests examples ffi-c bindings
	$(IN_VENV)/ruff format --check python tests examples ffi-c bindings
	$(IN_VENV)/clang-format --dry-run -Werror $(C_SOURCES)
	cd python && ../$(IN_VENV)/mypy
	$(PYTHON) python/tools/generate_admin.py --check
	$(PYTHON) bindings/generate.py --check
	$(PYTHON) ffi-c/install/third_party.py --check
	$(PYTHON) tests/bench/charts.py --check
	$(PYTHON) tests/prose.py

fmt: $(VENV)/ready
	cargo fmt --all
	cargo fmt --manifest-path tests/bench/Cargo.toml
	$(IN_VENV)/ruff format python tests examples ffi-c bindings
	$(IN_VENV)/ruff check --fix python tests examples ffi-c bindings
	$(IN_VENV)/clang-format -i $(C_SOURCES)
	$(PYTHON) tests/prose.py --wrap $$(git ls-files '*.md')

docs:
	UPDATE_DOCS=1 cargo test -q -p stargate-core --test configuration
	UPDATE_HEADER=1 cargo test -q -p stargate-ffi --test header
	$(PYTHON) bindings/generate.py

# What is not on this machine is named and left out.
languages: tools-languages library
	$(PYTHON) tests/languages.py $(LANGUAGE)

third-party:
	$(PYTHON) ffi-c/install/third_party.py

# Programs remember the library by its SONAME, which Cargo gives no file.
library:
	cargo build --release -p stargate-ffi
	ln -sf libstargate.so target/release/$$(objdump -p $(LIBRARY) | sed -n 's/^ *SONAME *//p')

$(VENV)/ready: python/requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check -r python/requirements-dev.txt
	touch $@

# As pip builds it from the source distribution, with the build backend that adds the command.
BUILD_WHEEL = PATH="$(CURDIR)/$(IN_VENV):$$PATH" $(IN_VENV)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation

wheel: $(VENV)/ready
	rm -f dist/stargate-*.whl
	$(BUILD_WHEEL) --wheel-dir dist ./python
	$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-index dist/stargate-*.whl

# With zig as the C compiler and linker, which knows the older glibcs; Rust's own is 2.17.
# maturin asks the first python3 of the PATH for it. With PROFILE=demo it is built in less time, for a check.
wheel-portable: $(VENV)/ready
	@$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check -r python/requirements-wheel.txt || \
		{ echo "there is no zig to be had here; 'make wheel' builds a wheel for this machine's glibc and later"; exit 2; }
	rm -rf dist/portable
	MATURIN_PEP517_ARGS="--profile $(or $(PROFILE),release) --zig --compatibility manylinux_2_17" $(BUILD_WHEEL) --wheel-dir dist/portable ./python

# Whether it compiles without the GIL; to run it takes a python3.14t.
check-free-threaded:
	PYO3_CONFIG_FILE=$(CURDIR)/python/tools/cpython-3.14t.txt PYO3_BUILD_EXTENSION_MODULE=1 \
		cargo build -p stargate-python --target-dir target/free-threaded

# Peers and their dependencies are a workspace, and an environment, of their own; the target folder is the common one.
BENCH_CARGO := --manifest-path tests/bench/Cargo.toml --target-dir target
BENCH_VENV := target/bench/venv/bin
BENCH_ARGUMENTS = --mode $(or $(BENCH),full) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) \
	$(if $(DOCS),--write-docs)

$(BENCH_VENV)/ready: tests/bench/requirements.txt
	$(PYTHON) -m venv target/bench/venv
	$(BENCH_VENV)/python -m pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt
	touch $@

bench-build: tools-bench library wheel $(BENCH_VENV)/ready bench-languages
	$(BENCH_VENV)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-index dist/stargate-*.whl
	cargo build --release $(BENCH_CARGO) $(if $(shell command -v protoc),--features pulsar-rs)
	$(CC) -std=c11 -O2 -Wall -Wextra -Iinclude -o target/bench/stargate-c tests/bench/clients/stargate.c \
		-Ltarget/release -Wl,-rpath,$(CURDIR)/target/release -lstargate

# The clients in Go, Java and Node; a language that is not on this machine is named and left out.
bench-languages:
	$(PYTHON) tests/bench/build_languages.py

bench: bench-build
	$(PYTHON) tests/bench/bench.py $(BENCH_ARGUMENTS)

site: tools-site $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(IN_VENV)/mkdocs build --strict --quiet
	doxygen docs/Doxyfile
	cargo doc --quiet --no-deps -p stargate-core --features mock
	mkdir -p target/site/reference
	cp -r target/doxygen/html target/site/reference/c
	cp -r target/doc target/site/reference/rust

cli:
	cargo build --release -p stargate-cli

# As `make install FROM=target/small` installs it.
small:
	cargo build --profile small -p stargate-ffi --no-default-features

install: $(if $(FROM),,library)
	ffi-c/install/install.sh $(FROM)

deb: $(if $(FROM),,library)
	ffi-c/install/deb.sh $(FROM)

# The core's suites once under the address sanitizer of a nightly toolchain.
asan:
	RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p stargate-core --features mock,fuzzing --target $(shell rustc -vV | sed -n 's/^host: //p') \
		--target-dir target/asan --lib --test scenarios --test outages --test faults --test fuzz_smoke --test mock_broker

# The same under the thread sanitizer, standard library included (rustup component add rust-src --toolchain nightly). A
# backtrace of a panic on purpose takes a minute there, which some tests do not have.
tsan:
	RUST_BACKTRACE=0 RUSTFLAGS=-Zsanitizer=thread TSAN_OPTIONS=suppressions=$(CURDIR)/core/tests/tsan.supp \
		cargo +nightly test --no-fail-fast -Zbuild-std -p stargate-core --features mock,fuzzing \
		--target $(shell rustc -vV | sed -n 's/^host: //p') --target-dir target/tsan --lib --test scenarios --test outages --test mock_broker

abi:
	tests/c/check_abi.sh --record

coverage-c:
	tests/c/coverage.sh

# Its proxies notice a connection that vanished after 15 s.
ON_CLUSTER := $(PYTHON) tests/pulsar/pulsar.py run --brokers 2 --bookies 3 --proxies 2 --set-proxy webSocketSessionIdleTimeoutMillis=15000 -- \
	cargo test --release -p stargate-core --test cluster

cluster: tools-test
	rm -f target/cluster.txt
	CLUSTER_RATE=$(or $(CLUSTER_RATE),2500) CLUSTER_ROUNDS=$(or $(CLUSTER_ROUNDS),10) $(ON_CLUSTER) -- --ignored --skip soak --test-threads 1
	cat target/cluster.txt

soak-cluster: tools-test
	rm -f target/cluster.txt
	SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) $(ON_CLUSTER) soak -- --ignored
	cat target/cluster.txt

versions: tools-test wheel
	$(PYTHON) tests/versions.py $(if $(DOCS),--write-docs)

soak: tools-test
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(PYTHON) tests/pulsar/pulsar.py run --proxies 2 -- \
		cargo test --release -p stargate-core --test soak -- --include-ignored
	cat target/soak.txt

forks: library wheel
	STARGATE_FORKS=300 $(IN_VENV)/python -m pytest python/tests/test_forks.py
	cmake -S tests/c -B target/tests-c -DSTARGATE_LIB_DIR=$(CURDIR)/target/release >target/tests-c.log
	cmake --build target/tests-c --target test_fork with_mock >>target/tests-c.log
	STARGATE_FORKS=300 target/tests-c/with_mock ctest --test-dir target/tests-c -R 'child' --timeout 600 --output-on-failure

# 20,000 sends through a squid that is killed every few seconds.
soak-proxies: wheel
	STARGATE_PROXY_SENDS=20000 STARGATE_PROXY_KILL_EVERY=3 $(IN_VENV)/python -m pytest -c python/pyproject.toml --rootdir . tests/proxies -q -k again_and_again

leaks-python: wheel
	$(IN_VENV)/python python/tools/leaks.py

exits-python: wheel
	STARGATE_EXIT_ROUNDS=300 $(IN_VENV)/python -m pytest python/tests/test_process.py -k exit_with_work

tools-%:
	@$(PYTHON) tests/tools.py $* $(PULSAR)

clean:
	cargo clean
	rm -rf $(VENV) dist
