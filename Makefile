# A thin front for xtask: gets the pinned Rust toolchain, which xtask needs to run, and hands everything else on.

TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
# Where rustup and Go put themselves, for shells that were open before they were installed.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin

TASKS := build demo demo-full test test-kernel fuzz matrix bench bench-large check clean

.DEFAULT_GOAL := help
.PHONY: help toolchain $(TASKS)

help:
	@echo 'make build        target/release/uprobed and the plugins, target/plugins/*.wasm'
	@echo 'make demo         two ordinary Go services under load, traced (root)'
	@echo 'make demo-full    a small shop of HTTP, gRPC, PostgreSQL and Kafka, traced (root)'
	@echo 'make test         every test, the live ones included (root)'
	@echo 'make test-kernel  the live test on a Linux 6.1 kernel, in QEMU (root)'
	@echo 'make fuzz         hostile input for what reads executables and statements, a minute of it for each part'
	@echo 'make matrix       what is read from programs of every Go version, built in every way: docs/matrix.md (hours)'
	@echo 'make bench        what tracing costs the traced program (root)'
	@echo 'make bench-large  how long it takes to read a program of 134 MB'
	@echo 'make check        formatting, lints, licences'
	@echo 'make clean        removes target/; what was built once for this machine stays in the cache'

$(TASKS): toolchain
	@rustup run $(TOOLCHAIN) cargo xtask $@ $(ARGS)

toolchain:
	@command -v rustup >/dev/null || { echo "rustup is missing; it comes with: curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- -y" >&2; exit 1; }
	@command -v gcc >/dev/null || { echo "gcc is missing; it comes with: apt-get install -y gcc libc6-dev" >&2; exit 1; }
	@root=$$(rustup run $(TOOLCHAIN) rustc --print sysroot 2>/dev/null) \
	  && test -e "$$root/lib/rustlib/src/rust/library/Cargo.lock" -a -d "$$root/lib/rustlib/wasm32-unknown-unknown" \
	       -a -x "$$root/bin/cargo-clippy" -a -x "$$root/bin/rustfmt" \
	  || { echo "==> installing Rust $(TOOLCHAIN) (seconds, once)"; \
	       rustup toolchain install $(TOOLCHAIN) --no-self-update --profile minimal \
	         -c rust-src -c clippy -c rustfmt -t wasm32-unknown-unknown; }
