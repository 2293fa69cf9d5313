/* proto/http/response.c - the head of an HTTP/1 answer. */
#include "proto/http/head.h"

const char *http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} known[] = {
		{101, "Switching Protocols"},
		{200, "OK"},
		{204, "No Content"},
		{206, "Partial Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{421, "Misdirected Request"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{508, "Loop Detected"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(known); i++)
		if (known[i].status == status)
			return known[i].reason;
	return "Unknown";
}

void http_status_put(struct buf *out, unsigned status)
{
	buf_printf(out, "HTTP/1.1 %03u %s\r\n", status % 1000,
		   http_reason(status));
}

void http_field_put(struct buf *out, const char *name, struct span value)
{
	uint8_t *at;

	buf_put(out, span_str(name));
	buf_put(out, SPAN_LIT(": "));
	at = buf_grow(out, value.len);
	for (size_t i = 0; at && i < value.len; i++)
		at[i] = value.data[i] < 0x20 || value.data[i] == 0x7f
				? ' '
				: value.data[i];
	buf_put(out, SPAN_LIT("\r\n"));
}

void http_field_put_str(struct buf *out, const char *name, const char *value)
{
	http_field_put(out, name, span_str(value));
}

void http_head_end(struct buf *out)
{
	buf_put(out, SPAN_LIT("\r\n"));
}
