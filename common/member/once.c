/* common/member/once.c - what was asked under a request id is done once. */
#include "common/member/once.h"

#include <stdlib.h>

struct kept {
	char call[ONCE_CALL_MAX + 1];
	char id[ONCE_ID_MAX + 1];
	char *answer; /* NULL: an empty place */
	int64_t until_ms;
};

struct once {
	size_t next; /* place to be filled; the oldest if it is not empty */
	struct kept kept[ONCE_MAX];
};

int once_new(struct once **out)
{
	struct once *o = calloc(1, sizeof(*o));

	if (!o)
		return WEIR_ENOMEM;
	*out = o;
	return 0;
}

void once_free(struct once **po)
{
	struct once *o = *po;

	for (size_t i = 0; o && i < ONCE_MAX; i++)
		free(o->kept[i].answer);
	free(o);
	*po = NULL;
}

const char *once_find(const struct once *o, const char *call, const char *id,
		      int64_t now_ms)
{
	for (size_t i = 0; i < ONCE_MAX; i++) {
		const struct kept *k = &o->kept[i];

		if (k->answer && k->until_ms > now_ms && !strcmp(k->id, id) &&
		    !strcmp(k->call, call))
			return k->answer;
	}
	return NULL;
}

void once_keep(struct once *o, const char *call, const char *id,
	       const char *answer, int64_t now_ms)
{
	struct kept *k = &o->kept[o->next];
	char *copy;

	if (strlen(call) > ONCE_CALL_MAX || strlen(id) > ONCE_ID_MAX ||
	    strlen(answer) > ONCE_BYTES_MAX)
		return;
	copy = strdup(answer);
	if (!copy)
		return;
	free(k->answer);
	memcpy(k->call, call, strlen(call) + 1);
	memcpy(k->id, id, strlen(id) + 1);
	k->answer = copy;
	k->until_ms = now_ms + ONCE_MS;
	o->next = (o->next + 1) % ONCE_MAX;
}
