/* services/ingest/publish_ask.c - may it publish? And who is put out later; and a
 * publisher whom only a lack of ours keeps out, for a while.
 */
#include <stdio.h>

#include "services/ingest/publish_priv.h"

#define RETRY_MS 200 /* between two claims, while something is lacking */

/* ---- what the gate says ---- */

/* Not from inside a call of the door: at the next tick. */
static void refuse_soon(struct publish *p, enum reason why, const char *detail)
{
	p->refused.why = why;
	snprintf(p->refused.detail, sizeof(p->refused.detail), "%s", detail);
	member_wake(p->in->member);
}

static void claim(struct publish *p)
{
	int err = publish_claim(p);

	session_set_user(&p->session, gate_user(&p->pass));
	if (err)
		refuse_soon(p, REASON_no_resources, weir_strerror(err));
}

static void on_word(void *ctx, const struct gate_answer *a)
{
	struct publish *p = ctx;

	if (a->why)
		publish_end(p, a->why, a->detail);
	else
		claim(p);
}

static void on_may_not_stay(void *ctx, enum reason why, const char *detail)
{
	publish_close(ctx, why, detail);
}

static const struct gate_owner owner = {on_word, on_may_not_stay};

/* ---- asking ---- */

static enum access_protocol protocol_of(const struct publish *p)
{
	return !strcmp(p->door->protocol, "RTSP") ? ACCESS_RTSP : ACCESS_RTMP;
}

static void ask(struct publish *p, struct span query)
{
	struct ip_addr ip;
	const struct access_request rq = {
		.op = ACCESS_PUBLISH,
		.protocol = protocol_of(p),
		.key = &p->key,
		.ip = ip_addr_of(&ip, &p->peer.ss) ? NULL : &ip,
		.query = query,
		.session_id = p->session.id,
	};
	struct gate_answer why;
	enum gate_word word = gate_ask(p->in->gate, &p->pass, &why, &rq,
				       &p->session, &p->peer, &owner, p);

	if (word == GATE_YES)
		claim(p);
	else if (word == GATE_NO)
		refuse_soon(p, why.why, why.detail);
}

int publish_adopt(struct publish *p, const struct gate_names *names)
{
	int err = gate_adopt(p->in->gate, &p->pass, ACCESS_PUBLISH, &p->session,
			     &p->peer, names, &owner, p);

	p->pass.is_ours = p->is_pull;
	if (!err && !p->is_pull)
		gate_count(&p->pass);
	session_set_user(&p->session, names->user);
	return err;
}

int publish_ask(struct publish *p, struct span query)
{
	static const struct gate_names nobody = {"", "", ""};
	int err;

	p->hold_until_ms = member_now_ms(p->in->member) + GATE_HOLD_MS;
	if (!p->is_pull) {
		ask(p, query);
		return 0;
	}
	err = publish_adopt(p, &nobody);
	return err ? err : publish_claim(p);
}

/* ---- a lack of ours ---- */

static bool is_lack(enum reason why)
{
	return why == REASON_no_origin || why == REASON_settling;
}

bool publish_hold(struct publish *p, enum reason why)
{
	int64_t now_ms = member_now_ms(p->in->member);

	if (!is_lack(why) || !p->door || p->maker || p->is_pull ||
	    p->is_retiring || now_ms + RETRY_MS > p->hold_until_ms)
		return false;
	writer_free(&p->writer);
	p->retry_ms = now_ms + RETRY_MS;
	member_wake(p->in->member);
	return true;
}

int64_t publish_ask_tick(struct publish *p, int64_t now_ms)
{
	if (p->refused.why) {
		publish_end(p, p->refused.why, p->refused.detail);
		return INT64_MAX;
	}
	if (!p->retry_ms)
		return INT64_MAX;
	if (p->retry_ms > now_ms)
		return p->retry_ms;
	p->retry_ms = 0;
	claim(p);
	return INT64_MAX;
}
