/* common/member/gate_visitor_test.h - somebody who asks a gate, for the tests of
 * this room.
 */
#ifndef WEIR_MEMBER_GATE_VISITOR_TEST_H
#define WEIR_MEMBER_GATE_VISITOR_TEST_H

#include <stdio.h>

#include "common/member/gate_rig_test.h"

struct visitor {
	struct gate_rig *rig;
	struct gate_pass pass;
	struct session session;
	struct stream_key key;
	struct net_addr addr;
	struct gate_answer why; /* the last word */
	unsigned words, ends;
	enum reason end;
	bool is_in;
};

static inline void on_visitor_word(void *ctx, const struct gate_answer *a)
{
	struct visitor *v = ctx;

	v->words++;
	v->why = *a;
	v->is_in = !a->why;
}

static inline void on_visitor_end(void *ctx, enum reason why,
				  const char *detail)
{
	struct visitor *v = ctx;

	(void)detail;
	v->ends++;
	v->end = why;
	v->is_in = false;
	gate_leave(&v->pass);
}

static const struct gate_owner visitor_owner = {on_visitor_word,
						on_visitor_end};

static inline enum gate_word visit_as(struct visitor *v, struct gate_rig *rig,
				      enum access_op op, const char *stream,
				      const char *ip, const char *query)
{
	struct access_request rq = {
		.op = op,
		.protocol = op == ACCESS_PUBLISH ? ACCESS_RTMP : ACCESS_FLV,
		.query = span_str(query)};
	char addr[64];
	struct ip_addr from;
	enum gate_word word;

	*v = (struct visitor){.rig = rig};
	snprintf(v->key.text, sizeof(v->key.text), "%s", stream);
	snprintf(addr, sizeof(addr), "%s:4711", ip);
	if (net_addr_parse(&v->addr, addr))
		return GATE_NO;
	session_init(&v->session, "FLVPUBSUB", "FLV", "SUB", &v->key, &v->addr,
		     rq.query, 0);
	rq.key = &v->key;
	rq.ip = ip_addr_of(&from, &v->addr.ss) ? NULL : &from;
	rq.session_id = v->session.id;
	word = gate_ask(rig->gate, &v->pass, &v->why, &rq, &v->session,
			&v->addr, &visitor_owner, v);
	v->is_in = word == GATE_YES;
	return word;
}

static inline enum gate_word visit(struct visitor *v, struct gate_rig *rig,
				   const char *stream, const char *ip)
{
	return visit_as(v, rig, ACCESS_PLAY, stream, ip, "");
}

static inline void go(struct visitor *v)
{
	gate_leave(&v->pass);
	session_fini(&v->session);
}

#endif
