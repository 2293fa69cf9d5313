/* common/access/verdict.c - may this one publish or play? */
#include "common/access/verdict.h"

#include <stdio.h>
#include <strings.h>

/* Who asks, with all that is needed to judge; each step says NULL to go on. */
struct judging {
	const struct access_request *rq;
	const struct access_settings *settings;
	const struct ruleset *rules;
	int64_t now_ms;
	struct access_decision *out;
};

static void refuse(struct judging *j, enum reason reason, const char *detail)
{
	j->out->verdict = ACCESS_NO;
	j->out->reason = reason;
	j->out->detail = detail;
}

static bool is_refused(const struct judging *j)
{
	return j->out->verdict == ACCESS_NO;
}

/* ---- lists ---- */

static void check_ban(struct judging *j, const char *user)
{
	const struct rule_subject who = {
		.op = j->rq->op,
		.session = j->rq->session_id,
		.key = j->rq->key,
		.ip = j->rq->ip,
		.user = user,
	};

	if (ruleset_ban(j->rules, &who, j->now_ms))
		refuse(j, REASON_banned, "kicked out for some time");
}

static void check_address(struct judging *j)
{
	const struct ip_addr *ip = j->rq->ip;

	if (!ip)
		return;
	if (ruleset_denies(j->rules, ip, j->rq->op, j->now_ms))
		refuse(j, REASON_denied, "the address is on a list of denied");
	else if (!ruleset_allows(j->rules, ip, j->rq->op, j->now_ms))
		refuse(j, REASON_denied,
		       "the address is on no list of allowed");
}

/* ---- pages ---- */

static bool is_http(enum access_protocol protocol)
{
	return protocol == ACCESS_FLV || protocol == ACCESS_TS ||
	       protocol == ACCESS_HLS || protocol == ACCESS_SEGMENT;
}

/* "https://a.example:8000/page" -> "a.example"; empty: it has none. */
static struct span host_of(struct span url)
{
	const uint8_t *p = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
	size_t len = 0;

	if (!p)
		return (struct span){0};
	url = span_from(url, (size_t)(p - url.data) + 3);
	while (len < url.len && url.data[len] && !strchr("/?#", url.data[len]))
		len++;
	url = span_first(url, len);
	while (len > 0 && url.data[len - 1] != '@')
		len--;
	url = span_from(url, len);
	if (url.len && url.data[0] == '[')
		p = memchr(url.data, ']', url.len);
	else
		p = url.len ? memchr(url.data, ':', url.len) : NULL;
	if (!p)
		return url;
	return span_first(url, (size_t)(p - url.data) + (*p == ']'));
}

static bool is_host_of(struct span host, const char *want)
{
	size_t len = strlen(want);

	/* "*.example.com": anything in front of ".example.com". */
	if (!strncmp(want, "*.", 2)) {
		if (host.len < len)
			return false;
		host = span_from(host, host.len - (len - 1));
		want++;
		len--;
	}
	return host.len > 0 && host.len == len &&
	       !strncasecmp((const char *)host.data, want, len);
}

static void check_referer(struct judging *j)
{
	const struct conf_list *hosts = &j->settings->referers;
	struct span host;

	if (hosts->count == 0 || !is_http(j->rq->protocol))
		return;
	if (j->rq->referer.len == 0) {
		if (j->settings->needs_referer)
			refuse(j, REASON_denied, "no page is named");
		return;
	}
	host = host_of(j->rq->referer);
	for (size_t i = 0; i < hosts->count && host.len; i++)
		if (is_host_of(host, hosts->item[i]))
			return;
	refuse(j, REASON_denied, "the page is not one of those that may");
}

/* ---- signatures ---- */

/* What a signature does not cover, though it is right; NULL: nothing. */
static const char *claims_fault(const struct judging *j,
				const struct sign_claims *c)
{
	int64_t at_ms = j->rq->since_ms ? j->rq->since_ms : j->now_ms;

	if (at_ms >= c->exp_ms)
		return "the signed address has expired";
	if (!(c->ops & j->rq->op))
		return j->rq->op == ACCESS_PUBLISH
			       ? "the signature is not for publishing"
			       : "the signature is not for playing";
	if (!stream_pattern_matches(&c->streams, j->rq->key))
		return "the signature is for other streams";
	if (c->has_ip && (!j->rq->ip || !cidr_contains(&c->ip, j->rq->ip)))
		return "the signature is for another address";
	return NULL;
}

static const char *signature_fault(const struct judging *j,
				   const struct sign_claims *c)
{
	const struct rule *key = ruleset_key(j->rules, c->kid, j->now_ms);

	if (!key)
		return "the key of the signature is not known";
	j->out->is_signed = sign_is_of(c, span_str(key->key.secret));
	if (!j->out->is_signed)
		return "the signature is wrong";
	if (!(key->key.ops & j->rq->op))
		return "the key is not for this";
	return claims_fault(j, c);
}

static void check_signature(struct judging *j)
{
	const char *fault = "";
	struct sign_claims c;
	int err = sign_read(&c, j->rq->query, &fault);

	if (err == WEIR_ENOENT)
		return;
	if (!err)
		fault = signature_fault(j, &c);
	if (fault) {
		j->out->is_guess = !j->out->is_signed;
		refuse(j, REASON_unauthorized, fault);
		return;
	}
	snprintf(j->out->kid, sizeof(j->out->kid), "%s", c.kid);
	snprintf(j->out->user, sizeof(j->out->user), "%s", c.user);
	/* Without the key: the next one is still the same user's. */
	if (*c.user)
		snprintf(j->out->credential, sizeof(j->out->credential),
			 "user:%s", c.user);
	check_ban(j, c.user);
}

/* ---- what is demanded ---- */

/* Is lal's secret demanded here? */
static bool needs_lal(const struct judging *j)
{
	const struct access_settings *s = j->settings;
	bool is_publish = j->rq->op == ACCESS_PUBLISH;

	switch (j->rq->protocol) {
	case ACCESS_RTMP:
		return is_publish ? s->pub_rtmp_enable : s->sub_rtmp_enable;
	case ACCESS_RTSP:
		return is_publish ? s->pub_rtsp_enable : s->sub_rtsp_enable;
	case ACCESS_FLV:
		return s->sub_httpflv_enable;
	case ACCESS_TS:
		return s->sub_httpts_enable;
	case ACCESS_HLS:
		return s->hls_m3u8_enable;
	case ACCESS_SEGMENT:
		break;
	}
	return false;
}

static bool has_lal(const struct judging *j)
{
	bool is_right;
	struct span given;

	if (!query_find(&given, j->rq->query, "lal_secret"))
		return false;
	is_right =
		sign_lal_is_right(span_str(j->settings->lal_key),
				  span_str(j->settings->dangerous_lal_secret),
				  span_str(stream_key_name(j->rq->key)), given);
	j->out->is_guess = !is_right;
	return is_right;
}

/* Where both are demanded, either is enough: so one follows the other without a
 * day on which nobody has the right one. */
static void check_demand(struct judging *j)
{
	bool is_lal = needs_lal(j);

	if (j->out->is_signed)
		return;
	if (is_lal && !has_lal(j))
		refuse(j, REASON_unauthorized,
		       "lal_secret is missing or wrong");
	else if (!is_lal && (j->settings->signature & (int)j->rq->op))
		refuse(j, REASON_unauthorized,
		       "the address must be signed for this");
}

static bool has_webhook(const struct judging *j)
{
	return j->rq->op == ACCESS_PUBLISH ? *j->settings->on_publish_auth
					   : *j->settings->on_play_auth;
}

void access_decide(struct access_decision *out, const struct access_request *rq,
		   const struct access_settings *settings,
		   const struct ruleset *rules, int64_t now_ms)
{
	struct judging j = {.rq = rq,
			    .settings = settings,
			    .rules = rules,
			    .now_ms = now_ms,
			    .out = out};

	*out = (struct access_decision){.verdict = ACCESS_YES, .detail = ""};
	if (rq->is_inner)
		return;
	check_ban(&j, NULL);
	if (!is_refused(&j))
		check_address(&j);
	if (!is_refused(&j))
		check_referer(&j);
	if (is_refused(&j) || rq->protocol == ACCESS_SEGMENT)
		return;
	check_signature(&j);
	if (!is_refused(&j))
		check_demand(&j);
	if (!is_refused(&j) && !rq->since_ms && has_webhook(&j))
		out->verdict = ACCESS_ASK;
}
