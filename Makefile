# Parley: `make demo` shows a real meeting, `make test` proves it, `make run` serves.
# Every target installs what it needs (scripts/deps); nothing has to be prepared by hand.

CARGO ?= cargo
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help demo test run bench build lint unit interop soak picture deps deps-test

help:
	@echo 'make demo    a real meeting of three softphones: a table of who heard and saw whom'
	@echo 'make test    every check and test, real SIP clients included'
	@echo 'make run     the two services in the foreground, saying what to dial'
	@echo 'make bench   what a participant costs; see docs/performance.md'
	@echo 'make soak    thousands of calls and meetings, and what they leave behind; see docs/ROBUSTNESS.md'
	@echo 'make picture the screenshot in docs/ made again'

deps:
	@scripts/deps build demo

deps-test:
	@scripts/deps build demo test

build: deps
	$(CARGO) build --release --locked --workspace --bins

demo: build
	@target/release/demo

run: build
	@scripts/run

test: deps-test lint unit interop

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items

unit: deps
	$(CARGO) test --locked --workspace --no-fail-fast

interop: build deps-test
	$(CARGO) test --locked --release -p system-tests --test interop -- --test-threads=1 --nocapture

soak: build deps-test
	$(CARGO) test --locked --release -p system-tests --test soak -- --nocapture
	PARLEY_SOAK_MEETINGS=5000 $(CARGO) test --locked -p system-tests --test sim soak

bench: build deps-test
	@target/release/bench

picture: build deps-test
	@scripts/picture
