/* proto/ws/handshake.c - WebSocket: the request and answer that open it. */
#include "proto/ws/handshake.h"

#include <openssl/evp.h>
#include <strings.h>

#define GUID           "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* section 1.3 */
#define VERSION        "13"
#define SHA1_BYTES     20
#define HEAD_BYTES_MAX 8192

/* ---- Keys ---- */

char *ws_accept(char out[WS_ACCEPT_SIZE], struct span key)
{
	uint8_t text[WS_KEY_SIZE - 1 + sizeof(GUID) - 1];
	uint8_t digest[SHA1_BYTES];

	key = span_first(key, WS_KEY_SIZE - 1);
	if (key.len)
		memcpy(text, key.data, key.len);
	memcpy(text + key.len, GUID, sizeof(GUID) - 1);
	memset(out, 0, WS_ACCEPT_SIZE);
	if (EVP_Digest(text, key.len + sizeof(GUID) - 1, digest, NULL,
		       EVP_sha1(), NULL))
		EVP_EncodeBlock((unsigned char *)out, digest, SHA1_BYTES);
	return out;
}

static bool is_base64(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in base64 are 22 characters and two '='. */
static bool is_key(struct span s)
{
	if (s.len != WS_KEY_SIZE - 1 || s.data[22] != '=' || s.data[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_base64(s.data[i]))
			return false;
	return true;
}

/* ---- Fields ---- */

static bool is_field(const struct http_field *f, const char *name)
{
	return f->name.len == strlen(name) &&
	       !strncasecmp((const char *)f->name.data, name, f->name.len);
}

/* The value of a field that must stand there exactly once. */
static bool get_once(const struct http_head *head, const char *name,
		     struct span *out)
{
	unsigned count = 0;

	for (uint16_t i = 0; i < head->field_count; i++) {
		if (!is_field(&head->field[i], name))
			continue;
		*out = head->field[i].value;
		count++;
	}
	return count == 1;
}

static struct span trimmed(struct span s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = span_from(s, 1);
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The next item of a comma-separated list, which is cut. */
static struct span next_item(struct span *list)
{
	const uint8_t *comma =
		list->len ? memchr(list->data, ',', list->len) : NULL;
	size_t len = comma ? (size_t)(comma - list->data) : list->len;
	struct span item = span_first(*list, len);

	*list = span_from(*list, len + 1);
	return trimmed(item);
}

/* What may stand in the answer unchanged: visible ASCII. */
static bool is_visible(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] >= 0x7f)
			return false;
	return s.len > 0;
}

/* ---- The side that listens ---- */

int ws_request_check(struct ws_request *out, const struct http_head *head)
{
	struct ws_request req = {0};
	struct span version;
	struct span list;

	if (!head->is_websocket_upgrade ||
	    !get_once(head, "Sec-WebSocket-Version", &version) ||
	    !get_once(head, "Sec-WebSocket-Key", &req.key))
		return WEIR_EPROTO;
	if (!span_eq_str(version, VERSION))
		return WEIR_EUNSUPPORTED;
	if (!is_key(req.key))
		return WEIR_EPROTO;
	if (http_head_get(head, "Sec-WebSocket-Protocol", &list)) {
		req.protocol = next_item(&list);
		if (!is_visible(req.protocol))
			return WEIR_EPROTO;
	}
	*out = req;
	return 0;
}

bool ws_offers(const struct http_head *head, const char *protocol)
{
	for (uint16_t i = 0; i < head->field_count; i++) {
		struct span list = head->field[i].value;

		if (!is_field(&head->field[i], "Sec-WebSocket-Protocol"))
			continue;
		while (list.len)
			if (span_eq_str(next_item(&list), protocol))
				return true;
	}
	return false;
}

void ws_answer_put(struct buf *out, const struct ws_request *req,
		   struct span protocol)
{
	char accept[WS_ACCEPT_SIZE];

	http_status_put(out, 101);
	http_field_put_str(out, "Upgrade", "websocket");
	http_field_put_str(out, "Connection", "Upgrade");
	http_field_put_str(out, "Sec-WebSocket-Accept",
			   ws_accept(accept, req->key));
	if (protocol.len)
		http_field_put(out, "Sec-WebSocket-Protocol", protocol);
}

void ws_version_put(struct buf *out)
{
	http_field_put_str(out, "Sec-WebSocket-Version", VERSION);
}

/* ---- The side that dials ---- */

static struct span key_text(char out[WS_KEY_SIZE],
			    const uint8_t key[WS_KEY_BYTES])
{
	EVP_EncodeBlock((unsigned char *)out, key, WS_KEY_BYTES);
	return span_of(out, WS_KEY_SIZE - 1);
}

void ws_request_put(struct buf *out, struct span host, struct span target,
		    const uint8_t key[WS_KEY_BYTES], struct span protocol)
{
	char text[WS_KEY_SIZE];

	buf_put(out, SPAN_LIT("GET "));
	buf_put(out, target);
	buf_put(out, SPAN_LIT(" HTTP/1.1\r\n"));
	http_field_put(out, "Host", host);
	http_field_put_str(out, "Upgrade", "websocket");
	http_field_put_str(out, "Connection", "Upgrade");
	http_field_put(out, "Sec-WebSocket-Key", key_text(text, key));
	ws_version_put(out);
	if (protocol.len)
		http_field_put(out, "Sec-WebSocket-Protocol", protocol);
	http_head_end(out);
}

/* "HTTP/1.1 101 Switching Protocols" */
static bool read_status(unsigned *out, struct span line)
{
	if (line.len < 12 || memcmp(line.data, "HTTP/1.", 7) ||
	    line.data[8] != ' ' || (line.len > 12 && line.data[12] != ' '))
		return false;
	*out = 0;
	for (size_t i = 9; i < 12; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
		*out = *out * 10 + (line.data[i] - '0');
	}
	return true;
}

/* The answer's fields as those of a request: one reader for both. */
static int read_fields(struct http_head *out, struct buf *text,
		       struct span fields)
{
	buf_put(text, SPAN_LIT("GET / HTTP/1.1\r\nHost: x\r\n"));
	buf_put(text, fields);
	if (buf_error(text))
		return buf_error(text);
	return http_head_parse(
		out, buf_span(text),
		&(struct http_limits){.head_bytes = HEAD_BYTES_MAX + 64});
}

static bool is_right(struct ws_answer *a, const struct http_head *head,
		     struct span key, struct span offered)
{
	char accept[WS_ACCEPT_SIZE];
	struct span value;

	if (!head->is_websocket_upgrade ||
	    !get_once(head, "Sec-WebSocket-Accept", &value) || !value.len ||
	    !span_eq_str(value, ws_accept(accept, key)) ||
	    http_head_get(head, "Sec-WebSocket-Extensions", &value))
		return false;
	a->has_protocol = http_head_get(head, "Sec-WebSocket-Protocol", &value);
	return !a->has_protocol || (offered.len && span_eq(value, offered));
}

static int judge(struct ws_answer *a, struct span fields, struct span key,
		 struct span offered)
{
	struct http_head head;
	struct buf text = {0};
	int err = read_fields(&head, &text, fields);

	if (!err && !is_right(a, &head, key, offered))
		err = WEIR_EPROTO;
	else if (err != WEIR_ENOMEM && err != WEIR_ELIMIT && err)
		err = WEIR_EPROTO;
	buf_fini(&text);
	return err;
}

int ws_answer_read(struct ws_answer *out, struct span in,
		   const uint8_t key[WS_KEY_BYTES], struct span offered)
{
	struct span head = span_first(in, HEAD_BYTES_MAX);
	const uint8_t *end =
		head.len ? memmem(head.data, head.len, "\r\n\r\n", 4) : NULL;
	struct ws_answer a = {0};
	char text[WS_KEY_SIZE];
	size_t line;
	int err = 0;

	if (!in.len)
		return WEIR_ESHORT;
	if (memcmp("HTTP/1.", head.data, WEIR_MIN(head.len, (size_t)7)) != 0)
		return WEIR_EPROTO;
	if (!end)
		return in.len >= HEAD_BYTES_MAX ? WEIR_ELIMIT : WEIR_ESHORT;
	a.head_bytes = (size_t)(end - head.data) + 4;
	head.len = a.head_bytes;
	line = (size_t)((const uint8_t *)memchr(head.data, '\r', head.len) -
			head.data);
	if (!read_status(&a.status, span_first(head, line)))
		return WEIR_EPROTO;
	if (a.status == 101)
		err = judge(&a, span_from(head, line + 2), key_text(text, key),
			    offered);
	if (!err)
		*out = a;
	return err;
}
