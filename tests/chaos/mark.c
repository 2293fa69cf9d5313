/* tests/chaos/mark.c - what a frame says of itself. */
#include <stdlib.h>

#include "common/base/hash.h"
#include "tests/chaos/load.h"

#define UUID "weir-chaos-frame"

static uint64_t hash_of(const struct mark *m, struct span body)
{
	uint64_t seed = (uint64_t)m->stream << 48 ^ (uint64_t)m->session << 32 ^
			m->counter;

	return hash_bytes(seed, body);
}

void mark_write(uint8_t out[MARK_BYTES], const struct mark *m, struct span body)
{
	char text[MARK_BYTES + 1];

	snprintf(text, sizeof(text), UUID "%08x%08x%08x%08x%016llx", m->stream,
		 m->session, m->counter, (unsigned)body.len,
		 (unsigned long long)hash_of(m, body));
	memcpy(out, text, MARK_BYTES);
}

static uint64_t number(const uint8_t *at, size_t digits)
{
	char text[17] = {0};

	memcpy(text, at, digits);
	return strtoull(text, NULL, 16);
}

bool mark_read(struct mark *out, struct span unit)
{
	const uint8_t *at = memmem(unit.data, unit.len, UUID, sizeof(UUID) - 1);
	uint64_t hash;

	if (!at || unit.data + unit.len - at < MARK_BYTES)
		return false;
	at += sizeof(UUID) - 1;
	*out = (struct mark){
		.stream = (uint32_t)number(at, 8),
		.session = (uint32_t)number(at + 8, 8),
		.counter = (uint32_t)number(at + 16, 8),
		.body_bytes = (uint32_t)number(at + 24, 8),
	};
	hash = number(at + 32, 16);
	at += 48;
	if ((size_t)(unit.data + unit.len - at) < out->body_bytes)
		return true;
	out->is_whole =
		hash ==
		hash_of(out, span_from(unit, unit.len - out->body_bytes));
	return true;
}
