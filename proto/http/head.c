/* proto/http/head.c - the head of an HTTP/1 request. */
#include "proto/http/head.h"

#include <strings.h>

#define DEFAULT_HEAD_BYTES 8192

struct parser {
	struct span in;
	size_t at; /* start of the line that comes next */
	size_t field_max;
	struct http_head head;
	unsigned host_count;
	bool has_length;
	bool has_coding;
};

/* ---- Characters ---- */

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token_char(uint8_t c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.data[i]))
			return false;
	return s.len > 0;
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span trimmed(struct span s)
{
	while (s.len && is_blank(s.data[0]))
		s = span_from(s, 1);
	while (s.len && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool eq_nocase(struct span s, const char *text)
{
	return s.len == strlen(text) &&
	       !strncasecmp((const char *)s.data, text, s.len);
}

/* Cut `s` at the first `c`: what stands before it, and in *rest what stands
 * behind it. False when there is none: all of it, and nothing. */
static bool split(struct span s, uint8_t c, struct span *before,
		  struct span *rest)
{
	const uint8_t *at = s.len ? memchr(s.data, c, s.len) : NULL;
	size_t len = at ? (size_t)(at - s.data) : s.len;

	*before = span_first(s, len);
	*rest = span_from(s, len + 1);
	return at;
}

/* ---- Lines ---- */

/* The next line without its CR LF. Returns 0; WEIR_ESHORT; WEIR_EPROTO for a
 * control character, bare CRs and LFs among them, also before the line ends. */
static int next_line(struct parser *p, struct span *out)
{
	struct span rest = span_from(p->in, p->at);
	size_t len = 0;

	while (len < rest.len && !is_control(rest.data[len]))
		len++;
	if (len == rest.len)
		return WEIR_ESHORT;
	if (rest.data[len] != '\r')
		return WEIR_EPROTO;
	if (len + 1 == rest.len)
		return WEIR_ESHORT;
	if (rest.data[len + 1] != '\n')
		return WEIR_EPROTO;
	*out = span_first(rest, len);
	p->at += len + 2;
	return 0;
}

/* ---- Request line ---- */

static int parse_version(struct http_head *head, struct span version)
{
	if (version.len != 8 || memcmp(version.data, "HTTP/", 5) ||
	    version.data[6] != '.' || version.data[5] < '0' ||
	    version.data[5] > '9' || version.data[7] < '0' ||
	    version.data[7] > '9')
		return WEIR_EPROTO;
	if (version.data[5] != '1')
		return WEIR_EUNSUPPORTED;
	head->minor = version.data[7] == '0' ? 0 : 1;
	return 0;
}

/* "http://host/path": the host of an absolute target wins over the field. */
static int parse_absolute(struct http_head *head, struct span target)
{
	struct span scheme;
	struct span rest;
	size_t len = 0;

	if (!split(target, ':', &scheme, &rest) || rest.len < 2 ||
	    memcmp(rest.data, "//", 2) ||
	    (!eq_nocase(scheme, "http") && !eq_nocase(scheme, "https")))
		return WEIR_EPROTO;
	rest = span_from(rest, 2);
	while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
		len++;
	head->host = span_first(rest, len);
	split(span_from(rest, len), '?', &head->path, &head->query);
	if (!head->path.len)
		head->path = SPAN_LIT("/");
	/* No user name in front of the host (RFC 9110 section 4.2.4). */
	if (!len || memchr(head->host.data, '@', len))
		return WEIR_EPROTO;
	return 0;
}

static int parse_target(struct http_head *head, struct span target)
{
	for (size_t i = 0; i < target.len; i++)
		if (target.data[i] <= ' ' || target.data[i] == '#')
			return WEIR_EPROTO;
	if (target.len && target.data[0] == '/') {
		split(target, '?', &head->path, &head->query);
		return 0;
	}
	if (span_eq_str(target, "*")) {
		head->path = target;
		return http_is_method(head, "OPTIONS") ? 0 : WEIR_EPROTO;
	}
	return parse_absolute(head, target);
}

static int parse_request_line(struct http_head *head, struct span line)
{
	struct span target;
	struct span version;
	struct span rest;
	int err;

	if (!split(line, ' ', &head->method, &rest) ||
	    !split(rest, ' ', &target, &version) || !is_token(head->method))
		return WEIR_EPROTO;
	err = parse_version(head, version);
	return err ? err : parse_target(head, target);
}

/* ---- Fields ---- */

static int parse_content_length(struct parser *p, struct span value)
{
	uint64_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9' ||
		    n > (UINT64_MAX - 9) / 10)
			return WEIR_EPROTO;
		n = n * 10 + (value.data[i] - '0');
	}
	if (!value.len || p->has_length)
		return WEIR_EPROTO;
	p->has_length = true;
	p->head.content_bytes = n;
	return 0;
}

static int parse_transfer_encoding(struct parser *p, struct span value)
{
	if (p->has_coding)
		return WEIR_EPROTO;
	p->has_coding = true;
	p->head.is_chunked = true;
	return eq_nocase(value, "chunked") ? 0 : WEIR_EUNSUPPORTED;
}

static int note_host(struct parser *p, struct span value)
{
	if (p->host_count++)
		return WEIR_EPROTO;
	for (size_t i = 0; i < value.len; i++)
		if (is_blank(value.data[i]) || strchr("/?#@,", value.data[i]))
			return WEIR_EPROTO;
	if (!p->head.host.len)
		p->head.host = value;
	return 0;
}

static int note_field(struct parser *p, const struct http_field *f)
{
	if (eq_nocase(f->name, "Host"))
		return note_host(p, f->value);
	if (eq_nocase(f->name, "Content-Length"))
		return parse_content_length(p, f->value);
	if (eq_nocase(f->name, "Transfer-Encoding"))
		return parse_transfer_encoding(p, f->value);
	if (eq_nocase(f->name, "Range") && !p->head.range.len)
		p->head.range = f->value;
	else if (eq_nocase(f->name, "Origin") && !p->head.origin.len)
		p->head.origin = f->value;
	return 0;
}

/* A line that begins with a blank (a folded field), or has one before the
 * colon, has no token for a name. */
static int parse_field(struct parser *p, struct span line)
{
	struct http_field f;

	if (!split(line, ':', &f.name, &f.value) || !is_token(f.name))
		return WEIR_EPROTO;
	if (p->head.field_count == p->field_max)
		return WEIR_ELIMIT;
	f.value = trimmed(f.value);
	p->head.field[p->head.field_count++] = f;
	return note_field(p, &f);
}

static int parse_fields(struct parser *p)
{
	struct span line;
	int err;

	while (!(err = next_line(p, &line)) && line.len) {
		err = parse_field(p, line);
		if (err)
			return err;
	}
	return err;
}

/* ---- The whole ---- */

/* What makes two readers of one head disagree about where it ends. */
static int check_framing(const struct parser *p)
{
	if (p->head.minor == 1 && !p->host_count)
		return WEIR_EPROTO;
	if (p->has_coding && (p->has_length || p->head.minor == 0))
		return WEIR_EPROTO;
	return 0;
}

static void decide(struct http_head *head)
{
	bool is_close = http_head_has_token(head, "Connection", "close");

	head->is_keep_alive =
		!is_close &&
		(head->minor ||
		 http_head_has_token(head, "Connection", "keep-alive"));
	head->is_websocket_upgrade =
		head->minor && http_is_method(head, "GET") &&
		http_head_has_token(head, "Connection", "Upgrade") &&
		http_head_has_token(head, "Upgrade", "websocket");
}

static int parse_head(struct parser *p)
{
	struct span line;
	int err;

	do { /* empty lines before a request are to be passed over */
		err = next_line(p, &line);
	} while (!err && !line.len);
	if (err)
		return err;
	err = parse_request_line(&p->head, line);
	if (!err)
		err = parse_fields(p);
	if (!err)
		err = check_framing(p);
	if (err)
		return err;
	p->head.head_bytes = p->at;
	decide(&p->head);
	return 0;
}

int http_head_parse(struct http_head *out, struct span in,
		    const struct http_limits *limits)
{
	struct parser p = {.field_max = HTTP_FIELDS_MAX};
	size_t head_max = DEFAULT_HEAD_BYTES;
	int err;

	if (limits && limits->head_bytes)
		head_max = limits->head_bytes;
	if (limits && limits->field_count)
		p.field_max = WEIR_MIN(p.field_max, limits->field_count);
	p.in = span_first(in, head_max);
	err = parse_head(&p);
	if (err == WEIR_ESHORT && in.len >= head_max)
		err = WEIR_ELIMIT;
	if (!err)
		*out = p.head;
	return err;
}

bool http_head_get(const struct http_head *head, const char *name,
		   struct span *out)
{
	for (uint16_t i = 0; i < head->field_count; i++) {
		if (eq_nocase(head->field[i].name, name)) {
			*out = head->field[i].value;
			return true;
		}
	}
	return false;
}

static bool list_has(struct span list, const char *token)
{
	while (list.len) {
		struct span item;

		split(list, ',', &item, &list);
		if (eq_nocase(trimmed(item), token))
			return true;
	}
	return false;
}

bool http_head_has_token(const struct http_head *head, const char *name,
			 const char *token)
{
	for (uint16_t i = 0; i < head->field_count; i++)
		if (eq_nocase(head->field[i].name, name) &&
		    list_has(head->field[i].value, token))
			return true;
	return false;
}

bool http_is_method(const struct http_head *head, const char *method)
{
	return span_eq_str(head->method, method);
}
