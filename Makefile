# Heya: `make` builds both servers, `make test` runs every suite, `make help` lists the rest.
#
# Each directory below is one static library whose sources are listed here by hand; a new file is added to its list.
# SANITIZE=address,undefined builds a second tree beside the first and makes any report fail the run.

CC      ?= cc
OPT     ?= -O2 -g
PREFIX  ?= /usr/local
PROTOC  ?= protoc

PROTOS      := client bus image kinds/chat kinds/gomoku kinds/live kinds/lobby kinds/arena kinds/saved
PROTO_SRC   := keys names utf8 codec arena base64 json_encode json_decode json_text json_number payload fault decimal facts \
               filter filter_parse order order_cursor room_config
COMMON_SRC  := buf log option option_value option_print metric clock endpoint peers server server_options admin failpoint shared_object \
               resolve redis_url redis_args redis_sentinel redis_link redis_loop redis_reply store store_commit store_redis \
               store_redis_call store_redis_clock store_redis_setup store_redis_worker store_redis_gateway store_redis_people \
               store_redis_read store_redis_load store_redis_commit store_redis_fence store_redis_outbox store_shards
GATEWAY_SRC := options gateway_metrics listener conn conn_http http handshake files ws outbox limits addresses auth jwt attachment \
               session requests list_query listed listing uplink_queue uplink downlink kind_proto anchor gateway api api_rooms \
               api_rooms_make api_rooms_list api_deployment
LUA_SRC     := script script_vm script_sandbox script_string script_pattern script_keys script_state script_json script_proto \
               script_payload script_room script_effects script_api script_api_act script_api_ask script_call script_kind script_add
WORKER_SRC  := options worker_metrics effects answer config queue frames command tick rollback room room_kind room_view backlog \
               member seats session_window group image_save image_load record resync timers repository partition walk apply join \
               manage spectators elsewhere ask admin assignment intake ownership caution loop commit parcels forward last_words watchdog worker \
               kinds/registry kinds/shared kinds/chat kinds/gomoku kinds/gomoku_board kinds/gomoku_state kinds/live kinds/live_state \
               kinds/arena kinds/arena_view kinds/arena_state kinds/lobby kinds/lobby_list kinds/lobby_quick kinds/lobby_gather \
               kinds/lobby_match kinds/lobby_state $(LUA_SRC:%=lua/%)
SUPPORT_SRC := cluster process tmpdir wsclient redis_client player http_client wait servers servers_ready usage ws http_answer \
               fake_store fake_clients fake_gateway partition_bench worker_store
UNIT_SRC    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
KINDS_SRC   := $(patsubst tests/kinds/%.c,%,$(wildcard tests/kinds/*.c))
HARNESS_SRC := kind_harness kind_harness_time kind_harness_ask kind_harness_room
LOAD_SRC    := bench crowd dialect dialect_heya dialect_colyseus dialect_socketio dialect_plain frame histogram load options \
               pacer progress report schedule site site_usage wire arena broadcast chat1000 churn failover hold idle live
CHAOS_SRC   := $(patsubst tests/chaos/%.c,%,$(wildcard tests/chaos/*.c))
INTEGRATION_SRC := $(patsubst tests/integration/%.c,%,$(wildcard tests/integration/*.c))

# ---- flags ----------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual \
        -Wconversion -Wno-sign-conversion -Wvla -Wformat=2 -Wundef -Werror
B    := build
ifneq ($(SANITIZE),)
comma := ,
B    := build/$(subst $(comma),-,$(SANITIZE))
ifeq ($(SANITIZE),thread) # gcc is as good for it, and is there anyway; but it loses sight of what is initialised
WARN += -Wno-maybe-uninitialized
else
CC   := clang
endif
WARN := $(filter-out -Wcast-qual,$(WARN)) # clang counts protobuf-c's initialisers, gcc does not
SAN  := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT  := -O1 -g
WARN += -Wno-cast-qual # clang sees the casts within protobuf-c's INIT macros, which gcc leaves to their system header
endif
LUAJIT := $(shell pkg-config --cflags-only-I luajit)
SYSTEM_INCLUDES := -isystem $(B)/gen $(LUAJIT:-I%=-isystem %)
CPPFLAGS += -I. $(SYSTEM_INCLUDES) -D_GNU_SOURCE
CFLAGS   += -std=c11 $(OPT) $(WARN) $(SAN) -fno-strict-aliasing -MD -MP
LDFLAGS  += $(SAN)
LIBS     := -lhiredis -lprotobuf-c -ljansson -lmicrohttpd -lev -lm -ldl
WORKER_LIBS  := -lluajit-5.1
GATEWAY_LIBS := -lwslay -lhttp_parser -ljwt -lcrypto

# ---- what is built --------------------------------------------------------------------------------------------------

GEN_C := $(PROTOS:%=$(B)/gen/proto/%.pb-c.c) $(B)/gen/proto/lua.c
GEN_H := $(PROTOS:%=$(B)/gen/proto/%.pb-c.h)

objects = $(patsubst %,$(B)/$(1)/%.o,$(2))
PROTO_OBJ   := $(call objects,proto,$(PROTO_SRC)) $(GEN_C:.c=.o)
COMMON_OBJ  := $(call objects,common,$(COMMON_SRC))
GATEWAY_OBJ := $(call objects,gateway,$(GATEWAY_SRC))
WORKER_OBJ  := $(call objects,worker,$(WORKER_SRC))
SUPPORT_OBJ := $(call objects,tests/support,$(SUPPORT_SRC))
UNIT_OBJ    := $(call objects,tests/unit,$(UNIT_SRC))
KINDS_OBJ   := $(call objects,tests/kinds,$(KINDS_SRC)) $(filter $(B)/worker/kinds/% $(B)/worker/lua/%,$(WORKER_OBJ))
HARNESS_OBJ := $(call objects,tests,$(HARNESS_SRC)) $(call objects,worker,frames queue) $(call objects,common,buf) \
               $(filter-out %/lua.o,$(PROTO_OBJ))
INTEGRATION_OBJ := $(call objects,tests/integration,$(INTEGRATION_SRC))
LOAD_OBJ    := $(call objects,tests/load,$(LOAD_SRC))
COST_OBJ    := $(call objects,tests/cost,cost cost_worker cost_gateway)
CHAOS_OBJ   := $(call objects,tests/chaos,$(CHAOS_SRC))

.PHONY: all
all: $(B)/heya-gateway $(B)/heya-worker

$(B)/libproto.a: $(PROTO_OBJ)
$(B)/libcommon.a: $(COMMON_OBJ)
$(B)/libgateway.a: $(GATEWAY_OBJ)
$(B)/libworker.a: $(WORKER_OBJ)
$(B)/libsupport.a: $(SUPPORT_OBJ)
$(B)/libload.a: $(LOAD_OBJ)
$(B)/libheya-kind-harness.a: $(HARNESS_OBJ)
$(B)/lib%.a:
	@rm -f $@
	$(Q)ar rcs $@ $^

# What is exported, and all of it, is used by kinds in shared objects.
$(B)/heya-gateway: $(B)/gateway/main.o $(B)/libgateway.a $(B)/libcommon.a $(B)/libproto.a
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ -Wl,--whole-archive $^ -Wl,--no-whole-archive $(GATEWAY_LIBS) $(LIBS)
$(B)/heya-worker: $(B)/worker/main.o $(B)/libworker.a $(B)/libcommon.a $(B)/libproto.a
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ -Wl,--whole-archive $^ -Wl,--no-whole-archive $(WORKER_LIBS) $(LIBS)

# A kind that crashes when asked to, one for another version of worker/kind.h, and one that crashes when it is loaded: see
# tests/support/poison_kind.c.
POISON := $(B)/poison.so $(B)/poison-abi.so $(B)/poison-load.so
$(B)/poison-load.so: CPPFLAGS += -DPOISON_LOAD
$(B)/poison-abi.so: CPPFLAGS += -DPOISON_ABI=KIND_ABI+1
$(POISON): tests/support/poison_kind.c worker/kind.h common/buf.h | $(GEN_H)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -MD -MP,$(CFLAGS)) $(LDFLAGS) -fPIC -shared -o $@ $<

# A kind with messages of its own, as one file and as its messages only; and two that are wrong.
WORDS := $(B)/words.so $(B)/words-proto.so $(B)/words-name.so $(B)/words-none.so
$(B)/words-proto.so: CPPFLAGS += -DWORDS_PROTO_ONLY
$(B)/words-name.so: CPPFLAGS += -DWORDS_PROTO_ONLY -DWORDS_NAME='"No Name"'
$(B)/words-none.so: CPPFLAGS += -DWORDS_PROTO_ONLY -Dheya_payloads=something_else
$(WORDS): tests/support/words_kind.c $(B)/gen/tests/support/words.pb-c.c worker/kind.h proto/payload.h | $(GEN_H)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -MD -MP,$(CFLAGS)) $(LDFLAGS) -fPIC -shared -Wl,-z,lazy -o $@ $(filter %.c,$^)

$(B)/unit: $(UNIT_OBJ) $(B)/libload.a $(B)/libsupport.a $(B)/libgateway.a $(B)/libworker.a $(B)/libcommon.a $(B)/libproto.a | $(WORDS)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcriterion $(GATEWAY_LIBS) $(WORKER_LIBS) $(LIBS)
# The kinds in the harness, which is their room: without libworker.
$(B)/kinds: $(KINDS_OBJ) $(B)/libheya-kind-harness.a $(B)/libcommon.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcriterion $(WORKER_LIBS) $(LIBS)
$(B)/integration: $(INTEGRATION_OBJ) $(B)/libsupport.a $(B)/libcommon.a $(B)/libproto.a | $(POISON) $(WORDS)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcriterion -lwslay -lcrypto -ljwt $(LIBS)

$(B)/chaos: $(CHAOS_OBJ) $(B)/libsupport.a $(B)/libcommon.a $(B)/libproto.a | $(B)/poison.so
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lm

$(B)/heya-bench: $(B)/tests/load/main.o $(B)/libload.a $(B)/libsupport.a $(B)/libcommon.a $(B)/libproto.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/cost: $(COST_OBJ) $(B)/libsupport.a $(B)/libgateway.a $(B)/libworker.a $(B)/libcommon.a $(B)/libproto.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcriterion $(GATEWAY_LIBS) $(WORKER_LIBS) $(LIBS)

# What Heya is compared with: scripts/bench-peers, tests/load/peers.
$(B)/floor: $(B)/tests/load/peers/floor.o
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lev -lwslay -lcrypto

.SECONDARY: $(GEN_C) $(GEN_H)
# Generated code: protobuf-c messages and the Redis functions as C strings. Third-party style, so fewer warnings.
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(B)/gen
	$(Q)$(PROTOC) -I. --c_out=$(B)/gen $<
$(B)/gen/proto/lua.c: proto/heya.lua proto/heya_people.lua scripts/embed
	@mkdir -p $(@D)
	$(Q)scripts/embed heya_lua=proto/heya.lua heya_people_lua=proto/heya_people.lua > $@
$(B)/gen/%.o: $(B)/gen/%.c | $(GEN_H)
	$(Q)$(CC) -I$(B)/gen -I. -D_GNU_SOURCE -std=c11 $(OPT) $(SAN) -c -o $@ $<

$(B)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# ---- tests ----------------------------------------------------------------------------------------------------------

# One test by name: make unit T='suite/name' (a Criterion pattern).
T ?=
.PHONY: test unit kinds integration story
test:
	scripts/test
unit: $(B)/unit
	scripts/criterion $(B)/unit '$(or $(T),*/*)'
kinds: $(B)/kinds
	scripts/criterion $(B)/kinds '$(or $(T),*/*)'
integration: all $(B)/integration
	scripts/criterion $(B)/integration '$(or $(T),!(story)/*)'
story: all $(B)/integration
	scripts/criterion $(B)/integration '$(or $(T),story/*)'

# make chaos DURATION=600 [SEED=1] [CHAOS='--everysec']: real processes under load and faults; see build/chaos --help.
DURATION ?= 45
.PHONY: chaos
chaos: all $(B)/chaos
	$(B)/chaos --seconds $(DURATION) $(if $(SEED),--seed $(SEED)) $(CHAOS)

# Load: build/heya-bench --help, docs/benchmarking.md. bench-smoke runs every scenario for a moment, as a test of them.
.PHONY: bench-smoke
bench-smoke: all $(B)/heya-bench
	$(B)/heya-bench smoke

# What costs what, and whether the formula holds: docs/capacity.md. Minutes, on a machine that does nothing else.
.PHONY: capacity
capacity: all $(B)/heya-bench
	scripts/capacity --measure --check

# Beside other servers, with medians, ratios and goals: scripts/bench-peers --help. make bench-peers PEERS=--quick
PEERS ?=
.PHONY: bench-peers
bench-peers:
	scripts/bench-peers $(PEERS)

# What the paths that every command takes cost, in instructions, against tests/cost/baseline: scripts/cost --help.
.PHONY: cost
cost: $(B)/cost
	scripts/cost $(B)/cost

# The same, and what Heya takes beside build/floor, against tests/load/baseline: scripts/bench --help. Less than a minute.
.PHONY: bench
bench: all $(B)/cost $(B)/heya-bench $(B)/floor
	scripts/bench

# The protocol of ownership, of a room's life and of the deadline, checked exhaustively with spin: tests/model/*.pml.
.PHONY: model
model:
	tests/model/run

# make fuzz T=json [FUZZ='-max_total_time=60']: libFuzzer on tests/fuzz/T_fuzz.c; findings and new inputs stay in build/.
FUZZ ?= -max_total_time=60
FUZZ_lua_pattern := worker/lua/script_pattern
FUZZ_lua_state   := common/buf $(addprefix worker/lua/script_,vm sandbox string pattern keys state)
.PHONY: fuzz
fuzz: $(GEN_C) $(GEN_H)
	@mkdir -p $(B)/fuzz/$(T)
	clang $(CPPFLAGS) -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	  -o $(B)/fuzz/$(T)_fuzz tests/fuzz/$(T)_fuzz.c $(PROTO_SRC:%=proto/%.c) $(FUZZ_$(T):%=%.c) $(GEN_C) \
	  $(WORKER_LIBS) -lprotobuf-c -ljansson -lm
	cd $(B)/fuzz && ./$(T)_fuzz $(FUZZ) $(T) $(CURDIR)/tests/fuzz/corpus/$(T)

# ---- simulation: tests/sim/sim.h says what it is ---------------------------------------------------------------------

# make sim [SEEDS=1000] [FIRST=1] [SIM_JOBS=2], and to see one seed again: make sim SEED=123 [TRACE=1].
SEEDS    ?= 1000
FIRST    ?= 1
SIM_JOBS ?= $(shell nproc)
SIM_SRC  := $(patsubst tests/sim/%.c,%,$(wildcard tests/sim/*.c))
SIM_OBJ  := $(call objects,tests/sim,$(SIM_SRC))
SIM_LIBS := $(B)/libgateway.a $(B)/libworker.a $(B)/libcommon.a $(B)/libproto.a
$(B)/sim/sim: $(SIM_OBJ) $(SIM_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(GATEWAY_LIBS) $(WORKER_LIBS) $(LIBS)

.PHONY: sim sim-plants
sim: $(B)/sim/sim
	$< $(if $(SEED),-s $(SEED) -n 1 -j 1 $(if $(TRACE),-t),-s $(FIRST) -n $(SEEDS) -j $(SIM_JOBS))

# Every mistake in tests/sim/plants must be found: each is built from patched copies of its sources, linked in front of the
# libraries. make sim-plants [PLANT=name]
sim-plants: $(B)/sim/sim
	scripts/sim-plants $(B) $(PLANT)
$(B)/sim/plants/%/sim: tests/sim/plants/%.patch $(B)/sim/sim
	@rm -rf $(@D)
	$(Q)sources=$$(sed -n 's|^+++ b/||p' $<); objects=; \
	for source in $$sources; do mkdir -p $(@D)/$$(dirname $$source) && cp $$source $(@D)/$$source || exit 1; done; \
	patch -s -p1 -d $(@D) <$< || exit 1; \
	for source in $$sources; do \
	  $(CC) $(CPPFLAGS) $(filter-out -MD -MP,$(CFLAGS)) -Wno-unused -c -o $(@D)/$$source.o $(@D)/$$source || exit 1; \
	  objects="$$objects $(@D)/$$source.o"; \
	done; \
	$(CC) $(LDFLAGS) -o $@ $(SIM_OBJ) $$objects $(SIM_LIBS) $(GATEWAY_LIBS) $(WORKER_LIBS) $(LIBS)

# ---- house keeping --------------------------------------------------------------------------------------------------

SOURCES := $(wildcard common/*.[ch] proto/*.[ch] gateway/*.[ch] worker/*.[ch] worker/kinds/*.[ch] worker/lua/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/load/peers/*.c)
.PHONY: format lint install clean help compile_commands.json
format:
	clang-format -i $(SOURCES)
lint:
	@clang-format --dry-run --Werror $(SOURCES)
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingInclude \
	  --suppress=unknownMacro -I. \
	  $(filter-out tests/%,$(filter %.c,$(SOURCES)))
compile_commands.json:
	bear -- $(MAKE) -B all
# What it takes to write a kind elsewhere: worker/kind.h with what it includes, the harness, and both for pkg-config.
KIND_HEADERS := worker/kind.h worker/frames.h worker/queue.h common/buf.h common/bytes.h common/mem.h proto/arena.h proto/codec.h \
                proto/names.h proto/payload.h proto/pb.h proto/utf8.h tests/kind_harness.h
KIND_PC      := scripts/pkgconfig $(PREFIX) '$(SAN)'
install: all $(B)/libheya-kind-harness.a
	install -D -m 755 $(B)/heya-gateway $(DESTDIR)$(PREFIX)/bin/heya-gateway
	install -D -m 755 $(B)/heya-worker $(DESTDIR)$(PREFIX)/bin/heya-worker
	install -D -m 644 deploy/haproxy/haproxy.cfg $(DESTDIR)$(PREFIX)/share/heya/haproxy.cfg
	install -d $(DESTDIR)$(PREFIX)/share/heya/www
	install -m 644 client/demo/* $(DESTDIR)$(PREFIX)/share/heya/www
	install -D -m 644 deploy/systemd/heya-gateway@.service $(DESTDIR)$(PREFIX)/lib/systemd/system/heya-gateway@.service
	install -D -m 644 deploy/systemd/heya-worker@.service $(DESTDIR)$(PREFIX)/lib/systemd/system/heya-worker@.service
	for header in $(KIND_HEADERS); do install -D -m 644 $$header $(DESTDIR)$(PREFIX)/include/heya/$$header || exit; done
	install -m 644 $(B)/gen/proto/client.pb-c.h $(DESTDIR)$(PREFIX)/include/heya/proto/client.pb-c.h
	install -D -m 644 $(B)/libheya-kind-harness.a $(DESTDIR)$(PREFIX)/lib/libheya-kind-harness.a
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(KIND_PC) heya-kind >$(DESTDIR)$(PREFIX)/lib/pkgconfig/heya-kind.pc
	$(KIND_PC) heya-kind-harness >$(DESTDIR)$(PREFIX)/lib/pkgconfig/heya-kind-harness.pc
clean:
	rm -rf build
help:
	@echo 'make                build heya-gateway and heya-worker into build/'
	@echo 'make test           every suite, as CI runs it'
	@echo 'make unit|kinds|integration|story [T=suite/name]'
	@echo '                    one suite, or the tests matching a Criterion pattern'
	@echo 'make chaos DURATION=45 [SEED=n]'
	@echo '                    real processes under load, with a fault every few seconds'
	@echo 'make build/heya-bench bench-smoke'
	@echo '                    the load generator (build/heya-bench --help), and each of its scenarios for a moment'
	@echo 'make cost           what hot paths take, in instructions, against a baseline'
	@echo 'make bench          has it become slower? cost, and times and memory beside a bare loop, against a baseline; a minute'
	@echo 'make capacity       measures what everything costs, for scripts/capacity --players N, and checks its predictions; ten minutes'
	@echo 'make bench-peers [PEERS=--quick]'
	@echo '                    the same load on Heya and on Colyseus, Socket.IO and bare WebSocket servers, and the goals'
	@echo 'make sim [SEEDS=1000] [SEED=n [TRACE=1]]'
	@echo '                    gateways, workers and a model of Redis under faults in virtual time; make sim-plants: does it find bugs'
	@echo 'make model          spin checks tests/model, and finds the mistakes planted there'
	@echo 'make fuzz T=codec|json|filter|lua_state|lua_pattern'
	@echo 'make SANITIZE=address,undefined unit'
	@echo '                    the same in a sanitized tree; any report fails the run'
	@echo 'make format lint    clang-format; clang-format check and cppcheck'
	@echo 'make install DESTDIR= PREFIX=/usr/local'

Q := @
ifneq ($(V),)
Q :=
endif
-include $(shell find $(B) -name '*.d' 2>/dev/null)
