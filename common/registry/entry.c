/* common/registry/entry.c - entries and calls to words, replies to results. */
#include "common/registry/entry.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Lua's numbers are exact up to here. */
#define NUMBER_MAX (UINT64_C(1) << 53)

enum field {
	F_KIND,
	F_LIVE,
	F_ENDED,
	F_LOCAL,
	F_EPOCH_COUNTER,
	F_EPOCH_WRITER,
	F_TERM_NUMBER,
	F_TERM_BY,
	F_START,
	F_BIRTH,
	F_LOST_UNTIL,
	F_WRITER,
	F_WRITER_INSTANCE,
	F_HOME,
	F_HOME_INSTANCE,
	F_HOME_URL,
	F_TOP, /* the registry's own: highest counter ever granted; not kept */
};

const char *const entry_field[ENTRY_FIELDS] = {
	"kind",
	"live",
	"ended",
	"local",
	"ec",
	"ew",
	"tn",
	"tb",
	"start_us",
	"birth_ms",
	"lost_until_ms",
	"writer",
	"writer_instance",
	"home",
	"home_instance",
	"home_url",
	"top",
};

void registry_root(char out[REGISTRY_ROOT_SIZE], const char *cluster)
{
	snprintf(out, REGISTRY_ROOT_SIZE, REGISTRY_ROOT, cluster);
}

/* ---- words of a call ---- */

static void add_span(struct script_words *w, struct span s)
{
	if (w->count < SCRIPT_WORDS_MAX)
		w->word[w->count] = s;
	w->count++;
}

static void add(struct script_words *w, const char *fmt, ...) WEIR_PRINTF(2, 3);
static void add(struct script_words *w, const char *fmt, ...)
{
	size_t room = sizeof(w->storage) - w->used;
	char *at = w->storage + w->used;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(at, room, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room) {
		w->count = SCRIPT_WORDS_MAX + 1; /* does not fit */
		return;
	}
	w->used += (size_t)len;
	add_span(w, span_of(at, (size_t)len));
}

static void add_uuid(struct script_words *w, const struct uuid *u)
{
	char text[UUID_TEXT_SIZE];

	add(w, "%s", uuid_text(text, u));
}

static void add_u64(struct script_words *w, uint64_t v)
{
	add(w, "%" PRIu64, WEIR_MIN(v, NUMBER_MAX));
}

static void add_i64(struct script_words *w, int64_t v)
{
	add_u64(w, v > 0 ? (uint64_t)v : 0);
}

static void add_entry(struct script_words *w, const struct stream_entry *e)
{
	add(w, "%s", e->kind);
	add(w, "%d", e->is_live);
	add(w, "%d", e->is_ended);
	add(w, "%d", e->is_local);
	add_u64(w, e->epoch.counter);
	add_uuid(w, &e->epoch.writer);
	add_u64(w, e->term.number);
	add_uuid(w, &e->term.by);
	add_i64(w, e->start_us);
	add_i64(w, e->birth_ms);
	add_i64(w, e->lost_until_ms);
	add(w, "%s", e->writer_node);
	add_uuid(w, &e->writer_instance);
	add(w, "%s", e->home_node);
	add_uuid(w, &e->home_instance);
	add(w, "%s", e->home_url);
	add_u64(w, e->epoch.counter);
}

static void add_head(struct script_words *w, const char *cluster,
		     const struct stream_entry *e, int64_t utc_us)
{
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	w->key_count = 2;
	add(w, "%s" REGISTRY_STREAM "%s", root, e->key.text);
	add(w, "%s" REGISTRY_STREAMS, root);
	add(w, "%s", root);
	add_i64(w, utc_us / 1000);
	add(w, "%s", e->key.text);
	add_entry(w, e);
}

static void add_claim(struct script_words *w, const struct script_call *c)
{
	w->text = script_claim_lua;
	add_u64(w, c->expected.counter);
	add_uuid(w, &c->expected.writer);
	add_u64(w, c->told_counter);
	add_u64(w, c->told_term);
}

static void add_own(struct script_words *w, const struct script_call *c)
{
	switch (c->kind) {
	case SCRIPT_CLAIM:
		add_claim(w, c);
		break;
	case SCRIPT_MOVE:
		w->text = script_move_lua;
		add_u64(w, c->expected_term.number);
		add_uuid(w, &c->expected_term.by);
		break;
	case SCRIPT_LOST:
		w->text = script_lost_lua;
		add(w, "%d", c->only_without_lease);
		break;
	case SCRIPT_END:
		w->text = script_end_lua;
		add(w, "%d", c->only_without_lease);
		add(w, "%d", REGISTRY_KEEP_MS);
		break;
	case SCRIPT_VERIFY:
		w->text = script_verify_lua;
		break;
	case SCRIPT_SETTLE:
		w->text = script_settle_lua;
		break;
	default:
		break;
	}
}

static int check_words(const struct script_words *w)
{
	return w->text && w->count <= SCRIPT_WORDS_MAX ? 0 : WEIR_EINVAL;
}

int script_encode(struct script_words *out, const char *cluster,
		  const struct script_call *call, int64_t utc_us)
{
	out->text = NULL;
	out->count = out->used = 0;
	add_head(out, cluster, &call->entry, utc_us);
	add_own(out, call);
	return check_words(out);
}

int node_encode(struct script_words *out, const char *cluster, enum node_op op,
		const struct node_ref *node, struct span info, uint32_t ttl_ms)
{
	static const char *const what[] = {"register", "renew", "leave"};
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	out->text = script_node_lua;
	out->count = out->used = 0;
	out->key_count = 2;
	add(out, "%s" REGISTRY_NODE "%s", root, node->id);
	add(out, "%s" REGISTRY_NODES, root);
	add(out, "%s", root);
	add(out, "%s", what[op]);
	add(out, "%s", node->id);
	add_uuid(out, &node->instance);
	add(out, "%s", node->role);
	add_span(out, info);
	add_u64(out, ttl_ms);
	return check_words(out);
}

static void begin_rules(struct script_words *w, const char *text,
			const char *cluster)
{
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	w->text = text;
	w->count = w->used = 0;
	w->key_count = 1;
	add(w, "%s" REGISTRY_RULES, root);
}

int rule_encode(struct script_words *out, const char *cluster,
		const struct rule_change *change)
{
	static const char *const what[] = {"put", "delete", "purge"};
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	begin_rules(out, script_rule_lua, cluster);
	out->key_count = 2;
	add(out, "%s" REGISTRY_REQUEST "%s", root, change->request);
	add(out, "%s", root);
	add(out, "%s", what[change->op]);
	add(out, "%s", change->name);
	add_span(out, change->text);
	add(out, "%s", change->request);
	add(out, "%d", REGISTRY_REQUEST_MS);
	add(out, "%d", REGISTRY_RULES_MAX);
	add(out, "%d", REGISTRY_RULES_BYTES_MAX);
	add(out, "%s", change->tag);
	add_u64(out, change->known);
	return check_words(out);
}

int rules_settle_encode(struct script_words *out, const char *cluster,
			uint64_t number, const char *tag, struct span lines)
{
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	begin_rules(out, script_rules_settle_lua, cluster);
	add(out, "%s", root);
	add_u64(out, number);
	add(out, "%s", tag);
	add_span(out, lines);
	return check_words(out);
}

int rules_since_encode(struct script_words *out, const char *cluster,
		       const struct rule_version *known)
{
	char root[REGISTRY_ROOT_SIZE];

	registry_root(root, cluster);
	begin_rules(out, script_rules_since_lua, cluster);
	add(out, "%s", root);
	add_u64(out, known->number);
	add(out, "%s", known->tag);
	return check_words(out);
}

/* ---- replies ---- */

/* Reads fields one by one; ask `is_bad` at the end. */
struct fields {
	bool is_bad;
};

static bool read_flag(struct fields *f, struct span s)
{
	bool is_set = span_eq_str(s, "1");

	f->is_bad |= !is_set && !span_eq_str(s, "0");
	return is_set;
}

static uint64_t read_number(struct fields *f, struct span s)
{
	uint64_t v = 0;

	f->is_bad |= s.len == 0 || s.len > 16;
	for (size_t i = 0; i < s.len && !f->is_bad; i++) {
		f->is_bad |= s.data[i] < '0' || s.data[i] > '9';
		v = v * 10 + (uint64_t)(s.data[i] - '0');
	}
	f->is_bad |= v > NUMBER_MAX;
	return f->is_bad ? 0 : v;
}

static void read_uuid(struct fields *f, struct uuid *out, struct span s)
{
	f->is_bad |= uuid_parse(out, s) != 0;
}

static void read_text(struct fields *f, char *out, size_t room, struct span s)
{
	if (s.len >= room || (s.len && memchr(s.data, 0, s.len))) {
		f->is_bad = true;
		return;
	}
	if (s.len)
		memcpy(out, s.data, s.len);
	out[s.len] = '\0';
}

static void read_field(struct fields *f, struct stream_entry *e, int field,
		       struct span s)
{
	switch (field) {
	case F_KIND:
		read_text(f, e->kind, sizeof(e->kind), s);
		break;
	case F_LIVE:
		e->is_live = read_flag(f, s);
		break;
	case F_ENDED:
		e->is_ended = read_flag(f, s);
		break;
	case F_LOCAL:
		e->is_local = read_flag(f, s);
		break;
	case F_EPOCH_COUNTER:
		e->epoch.counter = read_number(f, s);
		break;
	case F_EPOCH_WRITER:
		read_uuid(f, &e->epoch.writer, s);
		break;
	case F_TERM_NUMBER:
		e->term.number = read_number(f, s);
		break;
	case F_TERM_BY:
		read_uuid(f, &e->term.by, s);
		break;
	case F_START:
		e->start_us = (int64_t)read_number(f, s);
		break;
	case F_BIRTH:
		e->birth_ms = (int64_t)read_number(f, s);
		break;
	case F_LOST_UNTIL:
		e->lost_until_ms = (int64_t)read_number(f, s);
		break;
	case F_WRITER:
		read_text(f, e->writer_node, sizeof(e->writer_node), s);
		break;
	case F_WRITER_INSTANCE:
		read_uuid(f, &e->writer_instance, s);
		break;
	case F_HOME:
		read_text(f, e->home_node, sizeof(e->home_node), s);
		break;
	case F_HOME_INSTANCE:
		read_uuid(f, &e->home_instance, s);
		break;
	case F_HOME_URL:
		read_text(f, e->home_url, sizeof(e->home_url), s);
		break;
	case F_TOP:
		(void)read_number(f, s);
		break;
	default:
		break;
	}
}

static int read_entry(struct stream_entry *out, const struct stream_key *key,
		      const struct span *word)
{
	struct stream_entry e = {.key = *key};
	struct fields f = {false};

	for (int i = 0; i < ENTRY_FIELDS; i++)
		read_field(&f, &e, i, word[i]);
	if (f.is_bad)
		return WEIR_EPROTO;
	*out = e;
	return 0;
}

static int read_status(int *out, struct span s)
{
	static const struct {
		const char *name;
		int err;
	} status[] = {
		{"OK", 0},
		{"BUSY", WEIR_EBUSY},
		{"STALE", WEIR_ESTALE},
		{"GONE", WEIR_ENOENT},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(status); i++)
		if (span_eq_str(s, status[i].name)) {
			*out = status[i].err;
			return 0;
		}
	return WEIR_EPROTO;
}

/* Behind the status: lease, entry, 1 and the previous entry or 0. */
static int read_body(struct script_result *r, const struct stream_key *key,
		     const struct span *word, size_t count)
{
	const struct span *before = word + 1 + ENTRY_FIELDS;
	struct fields f = {false};
	int err;

	if (count < 2 + ENTRY_FIELDS)
		return WEIR_EPROTO;
	r->has_previous = read_flag(&f, before[0]);
	if (f.is_bad ||
	    count != 2 + ENTRY_FIELDS + (r->has_previous ? ENTRY_FIELDS : 0))
		return WEIR_EPROTO;
	err = read_entry(&r->entry, key, word + 1);
	if (!err && r->has_previous)
		err = read_entry(&r->previous, key, before + 1);
	r->entry.writer_has_lease = read_flag(&f, word[0]);
	return f.is_bad ? WEIR_EPROTO : err;
}

int script_decode(struct script_result *out, const struct stream_key *key,
		  const struct span *word, size_t count)
{
	struct script_result r = {0};
	int err = 0;

	if (!count || read_status(&r.err, word[0]))
		return WEIR_EPROTO;
	if ((r.err == WEIR_ENOENT) != (count == 1))
		return WEIR_EPROTO; /* GONE, and only that, stands alone */
	if (count > 1)
		err = read_body(&r, key, word + 1, count - 1);
	if (!err)
		*out = r;
	return err;
}

int rule_decode(struct rule_reply *out, const struct span *word, size_t count)
{
	static const struct {
		const char *name;
		int err;
	} status[] = {
		{"OK", 0},
		{"GONE", WEIR_ENOENT},
		{"FULL", WEIR_ELIMIT},
		{"OTHER", WEIR_EEXIST},
		{"LOST", WEIR_EAGAIN},
	};
	struct fields f = {.is_bad = count != 3};
	struct rule_reply r = {.err = WEIR_EPROTO};

	for (size_t i = 0; !f.is_bad && i < WEIR_ARRAY_LEN(status); i++)
		if (span_eq_str(word[0], status[i].name))
			r.err = status[i].err;
	if (f.is_bad || r.err == WEIR_EPROTO)
		return WEIR_EPROTO;
	r.number = read_number(&f, word[1]);
	r.is_repeat = read_flag(&f, word[2]);
	if (f.is_bad)
		return WEIR_EPROTO;
	*out = r;
	return 0;
}

int rules_since_decode(struct rule_version *out, bool *is_whole,
		       const struct span word[RULES_SINCE_WORDS])
{
	struct fields f = {.is_bad = word[2].len >= RULEBOOK_TAG_SIZE};
	struct rule_version v = {.number = read_number(&f, word[1])};

	*is_whole = span_eq_str(word[0], "WHOLE");
	if (f.is_bad || (!*is_whole && !span_eq_str(word[0], "OK")))
		return WEIR_EPROTO;
	if (word[2].len)
		memcpy(v.tag, word[2].data, word[2].len);
	*out = v;
	return 0;
}

int entry_read_pairs(struct stream_entry *out, const struct stream_key *key,
		     const struct span *word, size_t count)
{
	struct span value[ENTRY_FIELDS] = {0};

	if (!count)
		return WEIR_ENOENT;
	if (count % 2)
		return WEIR_EPROTO;
	for (size_t i = 0; i < count; i += 2)
		for (int f = 0; f < ENTRY_FIELDS; f++)
			if (span_eq_str(word[i], entry_field[f]))
				value[f] = word[i + 1];
	return read_entry(out, key, value);
}

int claim_order(const struct epoch *a, int64_t a_start_us,
		const struct epoch *b, int64_t b_start_us)
{
	if (a->counter != b->counter)
		return a->counter > b->counter ? 1 : -1;
	if (uuid_eq(&a->writer, &b->writer))
		return 0;
	if (a_start_us != b_start_us)
		return a_start_us < b_start_us ? 1 : -1;
	return uuid_cmp(&a->writer, &b->writer) < 0 ? 1 : -1;
}
