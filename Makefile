# Makefile - builds weir; `make help` lists the targets.
#
# Sources are found by pattern: a new folder under common/, proto/ or services/
# needs no line here. BUILD= picks another build folder, SAN=1 sanitizers.

CC      ?= gcc
V       ?= 0
SAN     ?= 0
BUILD   ?= build$(if $(filter 1,$(SAN)),/san)
Q       := $(if $(filter 1,$(V)),,@)

VERSION := $(shell cat VERSION 2>/dev/null || echo 0.0.0)
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

CFLAGS  ?= -O2 -g
WFLAGS  := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes \
           -Wmissing-prototypes -Wformat=2 -Wundef
CPPFLAGS += -I. -D_GNU_SOURCE
BASE_CFLAGS := -std=c11 $(WFLAGS) -fno-common -fvisibility=hidden \
               -fstack-protector-strong
ifeq ($(SAN),1)
BASE_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined \
               -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
BASE_CFLAGS += -D_FORTIFY_SOURCE=2
endif
LIBS     := -lnng -lmicrohttpd -lssl -lcrypto -lcurl -ljson-c -lhiredis -luv \
            -lpthread -lm
TEST_LIBS := -lcmocka -llua5.1
WRAP     := $(if $(filter 1,$(SAN)),,-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=strndup)

ROOMS    := $(wildcard common/* proto/*)
LIB_SRC  := $(filter-out %_test.c %_fuzz.c,$(wildcard common/*/*.c proto/*/*.c proto/*.c))
LIB_SRC  := $(filter-out common/test/%,$(LIB_SRC))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
TEST_LIB_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard common/test/*.c))
LIB      := $(BUILD)/libweir.a

SERVICES := $(notdir $(patsubst %/,%,$(dir $(wildcard services/*/main.c))))
service_bin = $(BUILD)/bin/$(if $(filter cli,$(1)),weir,weir-$(1))
BINS     := $(foreach s,$(SERVICES),$(call service_bin,$(s)))
service_obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %_test.c %_fuzz.c,$(wildcard services/$(1)/*.c)))

TEST_SRC := $(wildcard common/*/*_test.c proto/*/*_test.c services/*/*_test.c \
              tests/contract/*_test.c)
TESTS    := $(TEST_SRC:%.c=$(BUILD)/test/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(LIB) $(BINS)

$(BUILD)/obj/common/svc/version.o: CPPFLAGS += -DWEIR_VERSION='"$(VERSION)"' -DWEIR_COMMIT='"$(COMMIT)"'

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC   $<")
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

define service_rule
$(call service_bin,$(1)): $(call service_obj,$(1)) $(LIB)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD   $$@")
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $(call service_obj,$(1)) $(LIB) $$(LIBS)
endef
$(foreach s,$(SERVICES),$(eval $(call service_rule,$(s))))

# A service's test is linked with the service's objects, but its main.
test_service_obj = $(if $(filter services/%,$(1)),$(filter-out %/main.o,$(call service_obj,$(word 2,$(subst /, ,$(1))))))
.SECONDEXPANSION:
$(BUILD)/test/%: $(BUILD)/obj/%.o $(TEST_LIB_OBJ) $(LIB) $$(call test_service_obj,$$*)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(LDFLAGS) $(WRAP) -o $@ $(filter %.o,$^) $(LIB) $(LIBS) $(TEST_LIBS)

.PHONY: tests check layers clean
tests: $(TESTS)
check: tests
	$(Q)for t in $(TESTS); do $$t || exit 1; done
layers:
	$(Q)scripts/check-layers
clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
