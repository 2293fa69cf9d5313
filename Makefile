# Makefile - builds weir; `make help` lists the targets.
#
# Sources are found by pattern: a new folder under common/, proto/ or services/
# needs no line here. Everything made goes into build/.
#
#   V=1         show the commands        CC=clang    another compiler
#   SAN=1       ASan and UBSan           BUILD=DIR   another folder
#   COV=1       counters for coverage    FUZZ=1      targets for libFuzzer
#   LTO=1       optimized as a whole, slower to build: bench and install

ifeq ($(origin CC),default)
CC := gcc
endif
V   ?= 0
Q   := $(if $(filter 1,$(V)),,@)
SAY := $(if $(filter 1,$(V)),@:,@printf '  %-4s %s\n')

MODE := $(if $(filter 1,$(SAN)),san)$(if $(filter 1,$(COV)),cov)$(if $(filter \
          1,$(FUZZ)),fuzz)$(if $(filter 1,$(LTO)),lto)
BUILD ?= build$(if $(MODE),/$(MODE))

VERSION := $(shell cat VERSION)
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# ---- flags

CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=
WARN := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wformat=2 -Wundef
OUR_CPPFLAGS := -I. -D_GNU_SOURCE
OUR_CFLAGS := -std=c11 $(WARN) -fno-common -fvisibility=hidden \
              -fstack-protector-strong -fPIE
OUR_LDFLAGS := -pie -Wl,-z,relro,-z,now,--as-needed

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
            -fno-omit-frame-pointer
ifeq ($(MODE),)
OUR_CPPFLAGS += -D_FORTIFY_SOURCE=2
else ifeq ($(MODE),lto)
OUR_CPPFLAGS += -D_FORTIFY_SOURCE=2
# What gcc says of variables across files is not so.
OUR_CFLAGS += $(if $(findstring clang,$(CC)),,-flto=auto \
                -Wno-maybe-uninitialized)
else ifeq ($(MODE),san)
OUR_CFLAGS += $(SANITIZE)
else ifeq ($(MODE),fuzz)
OUR_CFLAGS += $(SANITIZE) -fsanitize=fuzzer-no-link
else ifeq ($(MODE),cov)
CFLAGS := -O0 -g --coverage -Wno-maybe-uninitialized # -O0 cannot tell
OUR_LDFLAGS += --coverage -u __gcov_dump
else
$(error SAN=1, COV=1, FUZZ=1 and LTO=1 exclude each other)
endif
ifneq ($(filter san fuzz,$(MODE)),)
OUR_LDFLAGS += $(SANITIZE)
endif

LIBS := -lnng -lmicrohttpd -lssl -lcrypto -lcurl -ljson-c -lhiredis -luv \
        -lz -lpthread -lm
TEST_LIBS := -lcmocka -llua5.1
# Tests count and starve our allocations; where a sanitizer is, it watches them.
WRAP := $(if $(filter san fuzz,$(MODE)),,-Wl,--wrap=malloc,--wrap=calloc,$(strip \
          )--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=strndup)

COMPILE = $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS)
LINK    = $(CC) $(OUR_CFLAGS) $(CFLAGS) $(OUR_LDFLAGS) $(LDFLAGS)

# ---- what there is

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
proper  = $(filter-out %_test.c %_fuzz.c,$(1))

# The browser page, as a C file.
WEB := $(BUILD)/web

LIB      := $(BUILD)/libweir.a
LIB_SRC  := $(filter-out common/test/%,$(call proper,$(wildcard \
              common/*/*.c proto/*.c proto/*/*.c remote/*.c)))
TEST_LIB := $(call objects,$(call proper,$(wildcard common/test/*.c)))

# services/edge makes weir-edge; services/cli makes weir.
SERVICES    := $(patsubst services/%/main.c,%,$(wildcard services/*/main.c))
service_bin = $(BUILD)/bin/$(if $(filter cli,$(1)),weir,weir-$(1))
service_obj = $(call objects,$(call proper,$(wildcard services/$(1)/*.c)) \
                $(if $(filter dispatch,$(1)),$(WEB)/files.c))
BINS        := $(foreach s,$(SERVICES),$(call service_bin,$(s)))

SIM_OBJ := $(call objects,$(call proper,$(wildcard tests/sim/*.c)))
SIM     := $(if $(SIM_OBJ),$(BUILD)/test/sim)

# What publishes and records in tests/chaos.
CHAOS_OBJ := $(call objects,$(call proper,$(wildcard tests/chaos/*.c)) \
               services/cli/http_peer.c)
CHAOS     := $(BUILD)/test/chaos-load
CHAOS_TEST := tests/chaos/chaos_test.py
comma     := ,
CHAOS_ARGS = $(foreach r,$(subst $(comma), ,$(ROW)),--row $(r)) \
	       $(if $(REPEAT),--repeat $(REPEAT)) \
	       $(if $(STREAMS),--streams $(STREAMS)) \
	       $(if $(PROTOS),--protos $(PROTOS)) $(if $(PIN),--pin) \
	       $(if $(SEED),--seed $(SEED)) $(if $(T),--seconds $(T))

# What drives a browser in tests; without chromium those are skipped.
BROWSER := $(if $(shell command -v chromium),$(BUILD)/browser/installed.json)

# A server that tests push to; without node those are skipped.
RELAY := $(if $(shell command -v node),$(BUILD)/relay/installed.json)

TESTS := $(patsubst %.c,$(BUILD)/test/%,$(wildcard common/*/*_test.c \
           proto/*_test.c proto/*/*_test.c remote/*_test.c services/*/*_test.c \
           tests/contract/*_test.c tests/sim/*_test.c))
FUZZ_SRC := $(wildcard common/*/*_fuzz.c proto/*_fuzz.c proto/*/*_fuzz.c \
              tests/fuzz/*_fuzz.c)
FUZZERS  := $(patsubst %.c,$(BUILD)/run/%,$(if $(P),$(foreach f,$(FUZZ_SRC), \
              $(if $(findstring $(P),$(f)),$(f))),$(FUZZ_SRC)))

C_FILES := $(wildcard $(foreach d,common/* proto proto/* remote services/* tests/*, \
             $(d)/*.c))
H_FILES := $(wildcard $(foreach d,common/* proto proto/* remote services/* tests/*, \
             $(d)/*.h))

# ---- building

.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:

.PHONY: all tests
## make                  build everything into build/
all: $(LIB) $(BINS)

tests: all $(TESTS) $(SIM) $(CHAOS) $(BROWSER) $(RELAY)

# A file that changes with the text in it, so that what depends on it is made
# anew when a flag or the version does.
stamp = $(shell mkdir -p $(BUILD); echo '$(2)' | cmp -s - $(BUILD)/$(1) || \
          echo '$(2)' >$(BUILD)/$(1))
ifeq ($(filter clean help deps deps-test,$(MAKECMDGOALS)),)
$(call stamp,flags,$(COMPILE) $(LINK) $(WRAP))
$(call stamp,version,$(VERSION) $(COMMIT))
endif

# Made anew when node comes or goes.
ifeq ($(filter clean help deps deps-test,$(MAKECMDGOALS)),)
$(call stamp,web-tools,$(shell command -v node npm))
endif
$(BUILD)/web-tools: ;

$(WEB)/files.c: $(wildcard web/* web/src/*) scripts/make-web \
		scripts/npm-install $(BUILD)/web-tools
	$(SAY) WEB $@
	$(Q)scripts/make-web $(WEB)

.PHONY: web
## make web              the browser page again, when it was left out
web:
	$(Q)rm -f $(WEB)/files.c
	$(AGAIN) all

$(BUILD)/browser/installed.json: tests/e2e/browser/package-lock.json
	$(SAY) NPM $(@D)
	$(Q)scripts/npm-install tests/e2e/browser $(@D) || \
		echo "browser: npm could not fetch what tests need" >&2

$(BUILD)/relay/installed.json: tests/e2e/relay/package-lock.json
	$(SAY) NPM $(@D)
	$(Q)scripts/npm-install tests/e2e/relay $(@D) || \
		echo "relay: npm could not fetch what tests need" >&2

$(BUILD)/obj/common/svc/version.o: OUR_CPPFLAGS += \
	-DWEIR_VERSION='"$(VERSION)"' -DWEIR_COMMIT='"$(COMMIT)"'
$(BUILD)/obj/common/svc/version.o: $(BUILD)/version

$(BUILD)/flags $(BUILD)/version: ;

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(LIB): $(call objects,$(LIB_SRC))
	$(SAY) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

define service_rule
$(call service_bin,$(1)): $(call service_obj,$(1)) $(LIB)
	@mkdir -p $$(@D)
	$$(SAY) LD $$@
	$$(Q)$$(LINK) -o $$@ $$^ $$(LIBS)
endef
$(foreach s,$(SERVICES),$(eval $(call service_rule,$(s))))

# A test of a service or of the simulator is linked with all of it but main.
tested_obj = $(filter-out %/main.o,$(if $(filter services/%,$(1)),$(call \
               service_obj,$(word 2,$(subst /, ,$(1)))))$(if \
               $(filter tests/sim/%,$(1)),$(SIM_OBJ)))

$(BUILD)/test/%_test: $(BUILD)/obj/%_test.o $(TEST_LIB) \
		$$(call tested_obj,$$*) $(LIB)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(LINK) $(WRAP) -o $@ $^ $(LIBS) $(TEST_LIBS)

# They run what docs/auth.md shows, and the processes on what is imported.
$(BUILD)/test/services/cli/auth_doc_test: | $(call service_bin,cli)
$(BUILD)/test/services/cli/import_lal_test: | $(BINS)

$(BUILD)/test/sim: $(SIM_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(LINK) -o $@ $^ $(LIBS) $(TEST_LIBS)

$(CHAOS): $(CHAOS_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# Load, limit and ask are programs of one file each, with what they share.
BENCH_OBJ := $(call objects,$(filter-out tests/bench/load.c \
               tests/bench/limit.c tests/bench/ask.c,$(wildcard tests/bench/*.c)))

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BENCH_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/run/%_fuzz: $(BUILD)/obj/%_fuzz.o $(LIB)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

-include $(shell test -d $(BUILD)/obj && find $(BUILD)/obj -name '*.d')

# ---- the machine: what has to be installed

.PHONY: deps deps-test
## make deps             install what building and running need (apt)
deps:
	$(Q)scripts/deps run

## make deps-test        install what the tests need too; ALL=1 large tools too
deps-test:
	$(Q)scripts/deps run test $(if $(filter 1,$(ALL)),all)

# ---- running and testing

AGAIN := +$(Q)$(MAKE) --no-print-directory
CPUS  := $(shell nproc 2>/dev/null || echo 2)
JOBS   = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(CPUS))
RUN_TESTS = $(Q)scripts/run-tests --build $(BUILD) $(if $(MODE),--mode $(MODE))
STYLE := scripts/check-layers scripts/check-text

# make read this file before the packages came: it has to start again.
.PHONY: run test test-built check check-san sim e2e
## make run              build and start a small cluster here; Ctrl-C ends it
run: deps
	$(AGAIN) $(JOBS) all
	$(Q)exec $(BUILD)/bin/weir up --demo $(ARGS)

## make test             install, build, run all tests, count them in one line
test:
	$(Q)scripts/deps run test
	$(AGAIN) $(JOBS) tests
	$(AGAIN) test-built

test-built: tests
	$(RUN_TESTS) --style $(STYLE) --unit $(TESTS) --sim $(SIM) \
		--e2e $(wildcard tests/e2e/*.py) $(CHAOS_TEST)

## make check            unit and contract tests only, in under a minute
check:
	$(AGAIN) $(JOBS) tests
	$(RUN_TESTS) --style $(STYLE) --unit $(TESTS)

## make check-san        all tests under ASan and UBSan
check-san:
	$(AGAIN) $(JOBS) SAN=1 BUILD=$(BUILD)/san tests
	$(AGAIN) SAN=1 BUILD=$(BUILD)/san test-built

## make sim              the simulator; N=10000 schedules, SEED=1
sim: $(SIM)
	$(Q)$(SIM) $(if $(N),--schedules $(N)) $(if $(SEED),--seed $(SEED))
	$(if $(N)$(SEED),$(Q)$(SIM) --mutants)

## make e2e              end-to-end tests; T=part of a name
e2e: all $(BROWSER) $(RELAY)
	$(RUN_TESTS) --e2e $(if $(T),$(foreach f,$(wildcard tests/e2e/*.py), \
		$(if $(findstring $(T),$(f)),$(f))),$(wildcard tests/e2e/*.py))

# Rows of faults against a cluster; tests/chaos/README.md.
.PHONY: chaos soak
## make chaos            faults: ROW=a,b REPEAT=20 STREAMS=50; or SEED=1 T=600
chaos: all $(CHAOS)
	$(Q)WEIR_BIN=$(abspath $(BUILD)/bin) WEIR_TEST_MODE=$(MODE) \
		tests/chaos/chaos.py $(CHAOS_ARGS)

## make soak             half an hour of random faults; T=1800 SEED=1
soak: all $(CHAOS)
	$(Q)WEIR_BIN=$(abspath $(BUILD)/bin) WEIR_TEST_MODE=$(MODE) \
		tests/chaos/chaos.py --soak --seed $(or $(SEED),1) \
		--seconds $(or $(T),1800)

.PHONY: soak-hls
## make soak-hls         live HLS for MINUTES=10, with returns and deaths
soak-hls: all
	$(Q)WEIR_BIN=$(BUILD)/bin MINUTES=$(or $(MINUTES),10) \
		tests/soak/hls_soak.py

.PHONY: bench bench-tools bench-built
## make bench            load against the limit and nginx; ROUNDS=3, PART=names
bench:
	$(AGAIN) $(JOBS) LTO=1 BUILD=$(BUILD)/lto bench-tools
	$(AGAIN) LTO=1 BUILD=$(BUILD)/lto bench-built
bench-tools: all $(BUILD)/bench/load $(BUILD)/bench/limit $(BUILD)/bench/ask
bench-built:
	$(Q)tests/bench/bench.py --build $(BUILD) --rounds $(or $(ROUNDS),3) $(PART)

.PHONY: fuzz fuzzers fuzz-built cov cov-built
## make fuzz             fuzz each parser for T=60 s; P=part of a path
fuzz:
	$(AGAIN) $(JOBS) CC=clang FUZZ=1 BUILD=$(BUILD)/fuzz fuzzers
	$(AGAIN) CC=clang FUZZ=1 BUILD=$(BUILD)/fuzz fuzz-built

fuzzers: $(FUZZERS)

fuzz-built: $(FUZZERS)
	$(Q)scripts/run-fuzzers $(BUILD) $(or $(T),60) $(FUZZERS)

## make cov              which lines the tests reach
cov:
	$(AGAIN) $(JOBS) COV=1 BUILD=$(BUILD)/cov tests
	$(AGAIN) COV=1 BUILD=$(BUILD)/cov cov-built

cov-built: tests
	$(Q)find $(BUILD) -name '*.gcda' -delete
	$(RUN_TESTS) --unit $(TESTS) --sim $(SIM) \
		--e2e $(wildcard tests/e2e/*.py)
	$(Q)gcovr -r . --object-directory $(BUILD) --exclude '.*_test\.c' \
		--exclude 'tests/.*' --exclude 'common/test/.*' \
		--html-details $(BUILD)/report.html --txt $(BUILD)/report.txt
	$(Q)cut -c1-79 $(BUILD)/report.txt; echo $(BUILD)/report.html

# ---- style

TIDY := $(patsubst %.c,$(BUILD)/tidy/%,$(filter-out tests/bench/%,$(C_FILES)))

.PHONY: lint layers format-check tidy cppcheck shellcheck state docs-check
## make lint             layers, formatting, linters, docs against the binaries
lint:
	$(AGAIN) $(JOBS) tests
	$(AGAIN) $(JOBS) layers format-check shellcheck cppcheck tidy state \
		docs-check
	@echo "lint: clean"

## make layers           who includes whom, and what no line may say
layers:
	$(Q)scripts/check-layers
	$(Q)scripts/check-text

format-check:
	$(SAY) FMT '$(words $(C_FILES) $(H_FILES)) files'
	$(Q)clang-format --style=file --dry-run -Werror $(C_FILES) $(H_FILES)

tidy: $(TIDY)

# The object stands for all headers that the file includes.
$(BUILD)/tidy/%: $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	$(SAY) TIDY $*.c
	$(Q)clang-tidy --quiet $*.c -- -std=c11 $(OUR_CPPFLAGS) \
		-DWEIR_VERSION='""' -DWEIR_COMMIT='""' >$@.log 2>&1 || \
		{ cat $@.log; exit 1; }
	@touch $@

cppcheck:
	$(SAY) CPPC '$(words $(C_FILES)) files'
	@mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck -q --std=c11 -I. -D_GNU_SOURCE -D__GNUC__ --inline-suppr \
		--enable=warning,performance,portability --error-exitcode=1 \
		--cppcheck-build-dir=$(BUILD)/cppcheck \
		--suppressions-list=scripts/cppcheck.txt $(C_FILES)

shellcheck:
	$(SAY) SH scripts
	$(Q)shellcheck $$(grep -rlE '^#!/bin/(ba)?sh' scripts tests .ci)

state:
	$(SAY) NM 'no mutable file-level state'
	$(Q)scripts/check-state $(filter-out $(TEST_LIB),$(call objects,$(LIB_SRC)) \
		$(foreach s,$(SERVICES),$(call service_obj,$(s))))

docs-check: all
	$(SAY) DOCS docs
	$(Q)scripts/check-docs
	$(Q)scripts/make-docs $(BUILD)/bin $(BUILD)/made
	$(Q)for f in $$(cd $(BUILD)/made && ls docs/*.md conf/*.json); do \
		diff -u $$f $(BUILD)/made/$$f || \
		{ echo "$$f differs from the binaries: make docs"; exit 1; }; \
	done

.PHONY: format docs
## make format           let clang-format have its way
format:
	$(Q)clang-format --style=file -i $(C_FILES) $(H_FILES)

## make docs             pages and sample settings from the binaries
docs: all
	$(Q)scripts/make-docs $(BUILD)/bin .

# ---- giving it away

PREFIX ?= /usr/local
DOC    := $(DESTDIR)$(PREFIX)/share/doc/weir
SHARE  := $(DESTDIR)$(PREFIX)/share/weir

.PHONY: install install-built dist clean help
## make install          binaries, samples, documents; DESTDIR= PREFIX=/usr/local
install:
	$(AGAIN) $(JOBS) LTO=1 BUILD=$(BUILD)/lto all
	$(AGAIN) LTO=1 BUILD=$(BUILD)/lto install-built
install-built:
	install -d $(DESTDIR)$(PREFIX)/bin $(DOC) $(SHARE)
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard LICENSE *.md docs/*.md) $(DOC)
	$(if $(wildcard conf/*),cp -R conf $(SHARE))

## make dist             build/weir-VERSION.tar.gz of what is committed
dist:
	@mkdir -p build
	git archive --prefix=weir-$(VERSION)/ -o build/weir-$(VERSION).tar.gz HEAD

## make clean            remove build/
clean:
	rm -rf build

help:
	@sed -n 's/^## //p' Makefile
	@echo; sed -n '/^#   V=1/,/^$$/s/^# *//p' Makefile
