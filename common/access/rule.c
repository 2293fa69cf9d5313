/* common/access/rule.c - rules: kinds, life, from and to JSON. */
#include "common/access/rule.h"

#include <inttypes.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/access/redact.h"
#include "common/access/rule_priv.h"
#include "common/conf/json.h"

static const char *const kind_names[RULE_KIND_COUNT] = {
	[RULE_DENY] = "deny", [RULE_ALLOW] = "allow", [RULE_BAN] = "ban",
	[RULE_KEY] = "key",   [RULE_PULL] = "pull",   [RULE_PUSH] = "push",
};

const char *rule_kind_name(enum rule_kind kind)
{
	return kind < RULE_KIND_COUNT ? kind_names[kind] : "unknown";
}

int rule_kind_of(struct span name)
{
	for (int i = 0; i < RULE_KIND_COUNT; i++)
		if (span_eq_str(name, kind_names[i]))
			return i;
	return -1;
}

bool rule_is_over(const struct rule *r, int64_t now_ms)
{
	return r->until_ms != 0 && now_ms >= r->until_ms;
}

/* ---- life ---- */

struct rule *rule_ref(const struct rule *r)
{
	/* The count is the only thing that changes in a rule. */
	struct rule *mine = (struct rule *)(uintptr_t)r;

	mine->refs++;
	return mine;
}

void rule_unref(struct rule **p)
{
	struct rule *r = *p;

	*p = NULL;
	if (!r || --r->refs > 0)
		return;
	free(r->note);
	if (r->kind == RULE_DENY || r->kind == RULE_ALLOW)
		free(r->list.cidr);
	if (r->kind == RULE_PULL)
		for (unsigned i = 0; i < r->pull.url_count; i++)
			free(r->pull.url[i]);
	if (r->kind == RULE_PUSH)
		for (unsigned i = 0; i < r->push.url_count; i++)
			free(r->push.url[i]);
	if (r->kind == RULE_KEY)
		OPENSSL_cleanse(&r->key, sizeof(r->key));
	free(r);
}

/* ---- to JSON ---- */

static void put_name(struct buf *out, const char *name)
{
	buf_printf(out, ",\"%s\":", name);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	put_name(out, name);
	json_put_string(out, span_str(text));
}

static void put_int(struct buf *out, const char *name, int64_t n)
{
	put_name(out, name);
	buf_printf(out, "%" PRId64, n);
}

static void put_bool(struct buf *out, const char *name, bool is_true)
{
	put_name(out, name);
	buf_printf(out, "%s", is_true ? "true" : "false");
}

static void put_block(struct buf *out, const struct cidr *block)
{
	char text[CIDR_TEXT_SIZE];

	json_put_string(out, span_str(cidr_text(text, block)));
}

static void write_list(struct buf *out, const struct rule_list *l)
{
	put_name(out, "cidr");
	if (l->cidr_count == 1)
		put_block(out, l->cidr);
	for (unsigned i = 0; i < l->cidr_count && l->cidr_count > 1; i++) {
		buf_put_u8(out, i ? ',' : '[');
		put_block(out, &l->cidr[i]);
	}
	if (l->cidr_count > 1)
		buf_put_u8(out, ']');
	put_text(out, "ops", access_ops_name(l->ops));
}

static void write_ban(struct buf *out, const struct rule_ban *b)
{
	if (b->has_session)
		put_text(out, "session", b->session);
	if (b->has_streams)
		put_text(out, "stream", b->streams.text);
	if (b->has_ip) {
		put_name(out, "ip");
		put_block(out, &b->ip);
	}
	if (b->has_user)
		put_text(out, "user", b->user);
	put_text(out, "ops", access_ops_name(b->ops));
}

static void write_key(struct buf *out, const struct rule_key *k,
		      enum rule_form form)
{
	if (form == RULE_WHOLE)
		put_text(out, "secret", k->secret);
	put_text(out, "ops", access_ops_name(k->ops));
}

static void put_url(struct buf *out, struct span url, enum rule_kind kind)
{
	struct buf shown = {0};

	if (kind == RULE_PUSH)
		redact_push_url(&shown, url, url);
	else
		redact_url(&shown, url);
	json_put_string(out, buf_span(&shown));
	if (buf_error(&shown))
		out->err = buf_error(&shown);
	buf_fini(&shown);
}

static void write_urls(struct buf *out, char *const *url, unsigned count,
		       enum rule_kind kind, enum rule_form form)
{
	put_name(out, "urls");
	for (unsigned i = 0; i < count; i++) {
		buf_put_u8(out, i ? ',' : '[');
		if (form == RULE_WHOLE)
			json_put_string(out, span_str(url[i]));
		else
			put_url(out, span_str(url[i]), kind);
	}
	buf_put_u8(out, ']');
}

static void write_pull(struct buf *out, const struct rule_pull *p,
		       enum rule_form form)
{
	put_text(out, "streams", p->streams.text);
	write_urls(out, p->url, p->url_count, RULE_PULL, form);
	put_bool(out, "on_demand", p->is_on_demand);
	if (p->is_once)
		put_bool(out, "once", true);
	put_int(out, "pull_timeout_ms", p->pull_timeout_ms);
	put_int(out, "retry_num", p->retry_num);
	put_int(out, "auto_stop_ms", p->auto_stop_ms);
}

static void write_push(struct buf *out, const struct rule_push *p,
		       enum rule_form form)
{
	put_text(out, "streams", p->streams.text);
	write_urls(out, p->url, p->url_count, RULE_PUSH, form);
	put_bool(out, "forward_query", p->is_query_forwarded);
	/* Older versions know no such field. */
	if (p->keeps_pull != stream_pattern_is_exact(&p->streams))
		put_bool(out, "keep_pull", p->keeps_pull);
}

void rule_write(struct buf *out, const struct rule *r, enum rule_form form)
{
	buf_printf(out, "{\"kind\":\"%s\"", rule_kind_name(r->kind));
	put_text(out, "id", r->id);
	switch (r->kind) {
	case RULE_DENY:
	case RULE_ALLOW:
		write_list(out, &r->list);
		break;
	case RULE_BAN:
		write_ban(out, &r->ban);
		break;
	case RULE_KEY:
		write_key(out, &r->key, form);
		break;
	case RULE_PULL:
		write_pull(out, &r->pull, form);
		break;
	case RULE_PUSH:
		write_push(out, &r->push, form);
		break;
	case RULE_KIND_COUNT:
		break;
	}
	put_int(out, "until_ms", r->until_ms);
	put_text(out, "note", r->note);
	buf_put_u8(out, '}');
}
