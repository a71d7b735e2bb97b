# The same commands on a developer's machine and in CI. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX  ?= /usr/local
DESTDIR ?=
bindir   = $(DESTDIR)$(PREFIX)/bin
mandir   = $(DESTDIR)$(PREFIX)/share/man/man1
# Units, users and directories belong to the system, wherever the programs are.
unitdir     = $(DESTDIR)/usr/lib/systemd/system
sysusersdir = $(DESTDIR)/usr/lib/sysusers.d
tmpfilesdir = $(DESTDIR)/usr/lib/tmpfiles.d
catalogdir  = $(DESTDIR)/usr/lib/systemd/catalog
confdir     = $(DESTDIR)/etc/wharf
# Documentation, laid out as here so that its links lead somewhere; and what a sysadmin copies.
docdir   = $(DESTDIR)$(PREFIX)/share/doc/wharf
sharedir = $(DESTDIR)$(PREFIX)/share/wharf
# Where each shell looks for completions.
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

programs = wharf wharf-shell wharfd wharf-keeper wharf-router wharf-helper wharf-pre-receive wharf-proc-receive wharf-post-receive

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## install what build and tests need beyond the Rust toolchain
	@scripts/setup.sh

.PHONY: build
build: setup ## build all programs into target/wharf/bin, quickly
	cargo build --locked --workspace --bins
	scripts/build-hooks.sh
	scripts/gather.sh dev

# Whoever builds a commit with the same compiler gets the same bytes, wherever: no path of a machine is in them.
.PHONY: release
release: setup ## the same, optimised, for installing
	export RUSTFLAGS="$${RUSTFLAGS:-} --remap-path-prefix=$$PWD=wharf --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo"; \
	cargo build --locked --release --workspace --bins; \
	scripts/build-hooks.sh
	scripts/gather.sh release

.PHONY: demo
demo: build ## push, break, mend and roll back an application, unattended
	scripts/demo.sh

# Most tests wait for others more than for a processor: for servers, disks, and what they kill.
.PHONY: test
test: build ## every test, against the programs that `build` made
	RUST_TEST_THREADS="$${RUST_TEST_THREADS:-$$(($$(nproc) * 2))}" \
	    WHARF_BIN="$$(scripts/gather.sh --where)" cargo test --locked --workspace --no-fail-fast

.PHONY: test-tools
test-tools: build ## large tools in the sandbox: composer, cargo, MariaDB, Chromium; installs them
	@scripts/setup.sh tools
	WHARF_BIN="$$(scripts/gather.sh --where)" \
	    cargo test --locked -p wharf-tests --features tools --test tools

.PHONY: test-long
test-long: build test-tools ## the same, with many more cases for each property and a gigabyte of data; readers of what strangers write with optimised programs
	PROPTEST_CASES=20000 WHARF_SEEDS=1000000 WHARF_CRASH_RUNS=3000 \
	    WHARF_CRASH_ALL=1 WHARF_CUTS=250 WHARF_LIFE_MB=1000 \
	    WHARF_BIN="$$(scripts/gather.sh --where)" \
	    cargo test --locked --workspace --no-fail-fast
	WHARF_FUZZ=1000000 cargo test --locked --release -p wharf-tests --test fuzz

.PHONY: test-otel
test-otel: setup ## traces by OpenTelemetry, with programs that can send them; `make build` puts the others back
	cargo build --locked --workspace --bins --features wharf-daemon/otel
	scripts/build-hooks.sh
	scripts/gather.sh dev
	WHARF_BIN="$$(scripts/gather.sh --where)" \
	    cargo test --locked -p wharf-daemon --features otel traces::
	WHARF_BIN="$$(scripts/gather.sh --where)" \
	    cargo test --locked -p wharf-tests --features otel --test live -- traces::

.PHONY: test-booted
test-booted: build ## what needs systemd, in machines that are really booted; needs root; WHARF_CRASH_ALL=1 for all deaths
	WHARF_MACHINE="$$(scripts/machine.sh)"; WHARF_BIN="$$(scripts/gather.sh --where)"; \
	export WHARF_MACHINE WHARF_BIN; \
	cargo test --locked -p wharf-tests --features booted --test booted; \
	cargo test --locked -p wharf-tests --features booted --test crash --test power --no-fail-fast -- units::

.PHONY: test-booted-tools
test-booted-tools: build ## the large tools in such machines; needs root and two gigabytes
	WHARF_MACHINE="$$(scripts/machine.sh tools)"; WHARF_BIN="$$(scripts/gather.sh --where)"; \
	export WHARF_MACHINE WHARF_BIN; \
	cargo test --locked -p wharf-tests --features booted,tools --test tools -- units::

.PHONY: test-deb
test-deb: build deb ## the package on a Debian that is really booted: install, upgrade, reboot, removal; needs root
	WHARF_MACHINE="$$(scripts/machine.sh)"; WHARF_DEB="$$(scripts/deb.sh --where)"; WHARF_BIN="$$(scripts/gather.sh --where)"; \
	export WHARF_MACHINE WHARF_DEB WHARF_BIN; \
	cargo test --locked -p wharf-tests --features booted --test package

.PHONY: test-vm
test-vm: build ## the same in virtual machines, one after the other: limits that a kernel keeps, reboots; root once, for the image
	made="$$(scripts/vm.sh)"; \
	WHARF_VM="$$made" WHARF_BIN="$$(scripts/gather.sh --where)" \
	    cargo test --locked -p wharf-tests --features vm --test booted -- --test-threads 1

.PHONY: bench
bench: release ## measure against peers; the table goes to docs/BENCHMARKS.md
	WHARF_BIN="$$(scripts/gather.sh --where)" scripts/bench.sh

.PHONY: check
check: ## formatting, lints, licences: what needs no running
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets \
	    --features wharf-tests/booted,wharf-tests/vm,wharf-tests/tools,wharf-tests/otel -- -D warnings
	@if command -v shellcheck >/dev/null; then \
	    echo shellcheck scripts/*.sh .ci/run; shellcheck scripts/*.sh .ci/run; \
	else \
	    for script in scripts/*.sh .ci/run; do bash -n "$$script"; done; \
	    echo "check: no shellcheck here; the scripts' syntax was checked only"; \
	fi
	@if cargo deny --version >/dev/null 2>&1; then \
	    echo cargo deny check bans licenses sources; \
	    cargo deny --log-level error check bans licenses sources; \
	else \
	    echo "check: no cargo-deny here, licences and bans were NOT checked;" \
	        "get it with: cargo install --locked cargo-deny"; \
	fi

# The database is a git repository that no package registry has: where only registries can be reached this fails,
# and `make check` has the rest. What is known of what is in Cargo.lock stands in deny.toml.
.PHONY: audit
audit: ## ask the advisory database; needs network and cargo-deny
	cargo deny check advisories

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: install
install: ## install what `make release` built: PREFIX, DESTDIR
	@built="$$(scripts/gather.sh --where)"; \
	test -x "$$built/wharf" || { echo "install: nothing is built; run 'make release' first" >&2; exit 1; }; \
	install -d '$(bindir)' '$(mandir)' '$(unitdir)' '$(sysusersdir)' '$(tmpfilesdir)' '$(catalogdir)' \
	    '$(bashdir)' '$(zshdir)' '$(fishdir)' '$(confdir)' '$(docdir)/docs' '$(docdir)/systemd' '$(sharedir)'; \
	for program in $(programs); do install -m 755 "$$built/$$program" '$(bindir)/'; done; \
	"$$built/wharf" man '$(mandir)'; \
	"$$built/wharfd" man '$(mandir)'; \
	"$$built/wharf" completions bash >'$(bashdir)/wharf'; \
	"$$built/wharf" completions zsh >'$(zshdir)/_wharf'; \
	"$$built/wharf" completions fish >'$(fishdir)/wharf.fish'; \
	for unit in systemd/*.service systemd/*.socket; do \
	    test -e "$$unit" || continue; \
	    sed 's|^\(Exec[A-Za-z]*=-\?\)/usr/bin/|\1$(PREFIX)/bin/|' "$$unit" >'$(unitdir)'/"$$(basename "$$unit")"; \
	done; \
	install -m 644 systemd/wharf.sysusers '$(sysusersdir)/wharf.conf'; \
	install -m 644 systemd/wharf.tmpfiles '$(tmpfilesdir)/wharf.conf'; \
	install -m 644 systemd/wharf.catalog '$(catalogdir)/'; \
	test -e '$(confdir)/wharfd.toml' || install -m 644 config/wharfd.toml '$(confdir)/'; \
	install -m 644 systemd/bubblewrap.conf '$(sharedir)/'; \
	install -m 644 README.md CHANGELOG.md '$(docdir)/'; \
	install -m 644 docs/* '$(docdir)/docs/'; \
	install -m 644 systemd/README.md '$(docdir)/systemd/'; \
	git archive HEAD examples | tar -x --no-same-permissions -C '$(docdir)'; \
	echo "installed below $(DESTDIR)$(PREFIX); next: docs/sysadmin.md"

.PHONY: deb
deb: ## a Debian package of `make release`; prints where it is
	@scripts/setup.sh deb
	@$(MAKE) --no-print-directory release >&2
	scripts/deb.sh

.PHONY: clean
clean: ## remove what was built
	cargo clean
