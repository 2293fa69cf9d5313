/* services/dispatch/hook.h - the webhook that decides who may publish and play.
 *
 * Ingests and edges ask by the call "auth", with what they know of who asks;
 * they hold the answer for a moment, and ask once for all who wait for the same.
 * It is POSTed as JSON to auth.webhook.on_publish_auth or on_play_auth. Answers:
 * 2xx is yes, unless the body is a JSON object with an "allow" that is not true
 * (or a number but 0); 4xx is no; the body's "reason" goes to the peer. Anything
 * else, half a JSON object too, is none: auth.webhook.on_timeout.
 */
#ifndef WEIR_DISPATCH_HOOK_H
#define WEIR_DISPATCH_HOOK_H

#include "common/member/member.h"

struct hook;

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hook_new(struct hook **out, struct svc *svc);
/* Who still waits is answered; before the member is freed. */
void hook_free(struct hook **h);

/* The call "auth": {"allow":true,"user":"…"}, {"allow":false,"reason":"…"} (user and
 * reason where the webhook says them) or {"error":…}, with "busy":true if it is
 * not known what the webhook would say: there is no memory, too many questions are
 * under way, or this dispatch ends. Another one is asked then. */
void hook_serve(struct hook *h, struct member_call *call,
		struct json_object *args);

/* What an answer of the webhook means; the caller's. `err` and `status` as of
 * http_done_fn. */
struct json_object *hook_verdict(int err, unsigned status, struct span body);

#endif
