/* common/registry/where.c - the address of the registry, taken apart. */
#include "common/registry/where.h"

#define REDIS_PORT    6379
#define SENTINEL_PORT 26379
#define DB_MAX        99999
#define PORT_MAX      65535

/* Cut `*s` behind the first `mark`; returns what was before it. */
static struct span cut_at(struct span *s, char mark)
{
	const uint8_t *at = s->len ? memchr(s->data, mark, s->len) : NULL;
	struct span before = *s;

	if (!at) {
		*s = (struct span){0};
		return before;
	}
	before.len = (size_t)(at - s->data);
	*s = span_from(*s, before.len + 1);
	return before;
}

static bool starts_with(struct span s, const char *start)
{
	return span_eq_str(span_first(s, strlen(start)), start);
}

static bool read_number(unsigned *out, struct span s, unsigned max)
{
	unsigned n = 0;

	if (!s.len || s.len > 6)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = n * 10 + (s.data[i] - '0');
	}
	*out = n;
	return n <= max;
}

static bool copy_word(char *out, size_t size, struct span s)
{
	if (!s.len || s.len >= size)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] > '~' ||
		    strchr("\"'\\@?#[]", s.data[i]))
			return false;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

/* "[::1]" with what follows it, or the part before ':'. */
static struct span cut_host(struct span *s)
{
	struct span host;

	if (!starts_with(*s, "["))
		return cut_at(s, ':');
	*s = span_from(*s, 1);
	host = cut_at(s, ']');
	if (starts_with(*s, ":"))
		*s = span_from(*s, 1);
	else if (s->len)
		return (struct span){0};
	return host;
}

static const char *read_host(struct where_host *out, struct span s,
			     unsigned port)
{
	struct span host = cut_host(&s);

	out->port = port;
	if (!copy_word(out->host, sizeof(out->host), host))
		return "a host name is missing or too long";
	if (s.len && (!read_number(&out->port, s, PORT_MAX) || !out->port))
		return "a port is not a number from 1 to 65535";
	return NULL;
}

static const char *read_sentinels(struct where *w, struct span s)
{
	struct span hosts = cut_at(&s, '/');
	struct span name = cut_at(&s, '/');
	const char *fault = NULL;

	w->is_sentinel = true;
	if (!copy_word(w->master, sizeof(w->master), name))
		return "the master's name is missing: "
		       "sentinel://host:port,host:port/name";
	if (s.len && !read_number(&w->db, s, DB_MAX))
		return "the database is not a number";
	while (hosts.len && !fault) {
		if (w->host_count == WHERE_HOSTS_MAX)
			return "too many Sentinels (at most 8)";
		fault = read_host(&w->host[w->host_count++],
				  cut_at(&hosts, ','), SENTINEL_PORT);
	}
	if (!w->host_count)
		return "no Sentinel is named";
	return fault;
}

static const char *read_single(struct where *w, struct span s)
{
	struct span host = cut_at(&s, '/');

	w->host_count = 1;
	if (s.len && !read_number(&w->db, s, DB_MAX))
		return "the database is not a number";
	return read_host(&w->host[0], host, REDIS_PORT);
}

static const char *read_all(struct where *w, struct span s)
{
	if (starts_with(s, "sentinel://"))
		return read_sentinels(w, span_from(s, 11));
	if (starts_with(s, "rediss://"))
		return "TLS to Redis is not supported";
	if (starts_with(s, "redis://"))
		s = span_from(s, 8);
	if (!s.len)
		return "the address is empty";
	if (memchr(s.data, '@', s.len))
		return "user and password belong in settings of their own";
	return read_single(w, s);
}

int where_parse(struct where *out, const char *url, const char **why)
{
	struct where w = {0};
	const char *fault = read_all(&w, span_str(url));

	if (fault) {
		*why = fault;
		return WEIR_EINVAL;
	}
	*out = w;
	return 0;
}
