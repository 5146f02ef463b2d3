# make demo    build, and serve sample data on 127.0.0.1:5432
# make test    everything that must be green before a commit
# make check   the quick part of it: format, lints, rules of the demo
# make release   one static binary (make -s release-binary says where)
# make bench   measurements, from a release build
# make scoreboard   how many tests pass, suite by suite
# make stand-ins   tests of the stand-ins for other systems, with the official clients of those

CARGO ?= cargo
# More for `make demo`, for example: make demo DEMO_ARGS='--postgres 127.0.0.1:5433 --demo-scale 1'
DEMO_ARGS ?=

.PHONY: demo release release-binary test check format lint docs unit rules bench scoreboard stand-ins tools

demo: tools
	$(CARGO) run --locked --profile demo -p lakegate --bin lakegate -- serve --demo $(DEMO_ARGS)

# The target is named, so that build scripts and macros, which cannot be static, are not built with the same flags.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
release: tools
	RUSTFLAGS='-C target-feature=+crt-static' \
		$(CARGO) build --release --locked --target $(HOST) --workspace --bin lakegate

release-binary:
	@echo $(or $(CARGO_TARGET_DIR),target)/$(HOST)/release/lakegate

test: tools format lint unit stand-ins

check: format lint rules

format:
	$(CARGO) fmt --all --check

lint: tools
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps

# Unit tests, and those of the packages `system-tests` and `benches`: wire, SQL suites, Delta tables, rules, layering.
unit: tools
	$(CARGO) test --locked --workspace

# Who sees what in the demo: sql/demo/expectations.sql against sql/demo/access.sql.
rules: tools
	$(CARGO) test --locked -p lakegate --lib policy_test

# `--workspace` and not `-p benches`: other features would compile DataFusion again. The server first, for end_to_end.
bench: tools
	$(CARGO) build --release --locked --workspace --bin lakegate
	$(CARGO) bench --locked --workspace --bench encode_postgres --bench encode_answer --bench arrow_ipc \
		--bench decode_parameter --bench plan_cache --bench policy_step --bench end_to_end

# First what each suite counts at each door, then the tests of each target.
scoreboard: tools
	@$(CARGO) test --locked --workspace --no-fail-fast -- --nocapture 2>&1 | awk ' \
		match($$0, /scoreboard .*/) { boards[++count] = substr($$0, RSTART + 11) } \
		/Running / { suite = $$NF; gsub(/[()]/, "", suite); sub(/.*\//, "", suite); sub(/-[0-9a-f]*$$/, "", suite) } \
		/^test result:/ { line[++suites] = sprintf("%-44s %5d passed %4d failed", suite, $$4, $$6); \
			passed += $$4; failed += $$6 } \
		END { for (i = 1; i <= count; i++) { split(boards[i], part, ": "); printf "%-44s %s\n", part[1], part[2] } \
			for (i = 1; i <= suites; i++) print line[i]; \
			printf "%-44s %5d passed %4d failed\n", "all", passed, failed; exit failed > 0 }'

# Installs what they need into a cache folder first; warm they take less than a minute.
stand-ins:
	sh tests/stand_ins/workspace/run_tests.sh

# A C compiler links Rust and builds the crypto library, and the protocol buffers of Spark Connect are compiled by
# protoc, with the well-known types that come beside it.
tools:
	@{ command -v cc && command -v protoc && test -e /usr/include/google/protobuf/any.proto; } >/dev/null || { \
		echo 'a C compiler or protoc is missing; installing build-essential, protobuf-compiler, libprotobuf-dev'; \
		$$( [ "$$(id -u)" -eq 0 ] || echo sudo ) apt-get update -q && \
		$$( [ "$$(id -u)" -eq 0 ] || echo sudo ) apt-get install -qy --no-install-recommends \
			build-essential protobuf-compiler libprotobuf-dev; }
	@command -v $(CARGO) >/dev/null || { echo 'Rust is missing: install it with rustup (https://rustup.rs)'; exit 1; }
