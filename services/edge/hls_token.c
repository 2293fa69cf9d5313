/* services/edge/hls_token.c - what names an HLS viewer in its addresses. */
#include "services/edge/hls_token.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "common/access/sign.h"

#define STREAM_DIGITS 16
#define IP_DIGITS     8
#define MAC_DIGITS    (STREAM_DIGITS + IP_DIGITS)
#define NUMBER_MAX    ((UINT64_C(1) << 53) - 1) /* exact in JavaScript */

/* A text for each use of the key, that is no text of another use. */
static int mac_of(char hex[SIGN_HEX_SIZE], const char *what,
		  const struct hls_token *t, const struct hls_token_use *use)
{
	char ip[CIDR_TEXT_SIZE] = "";
	char text[STREAM_KEY_MAX + CIDR_TEXT_SIZE + 96];

	if (use->ip)
		ip_addr_text(ip, use->ip);
	snprintf(text, sizeof(text),
		 "weir hls %s %" PRIu64 " %" PRIx64 " %s %s", what, t->number,
		 (uint64_t)t->start_ms, strcmp(what, "ip") ? "" : ip,
		 use->key->text);
	return sign_hex(hex, span_str(text), use->secret);
}

/* "…" becomes the digits of both. */
static int put_digits(char out[MAC_DIGITS + 1], const struct hls_token *t,
		      const struct hls_token_use *use)
{
	char stream[SIGN_HEX_SIZE], ip[SIGN_HEX_SIZE];
	int err = mac_of(stream, "stream", t, use);

	if (!err)
		err = mac_of(ip, "ip", t, use);
	if (!err)
		snprintf(out, MAC_DIGITS + 1, "%.*s%.*s", STREAM_DIGITS, stream,
			 IP_DIGITS, ip);
	return err;
}

int hls_token_write(char out[HLS_TOKEN_SIZE], const struct hls_token *t,
		    const struct hls_token_use *use)
{
	char digits[MAC_DIGITS + 1];
	int err = put_digits(digits, t, use);

	if (!err)
		snprintf(out, HLS_TOKEN_SIZE, "%" PRIu64 "-%" PRIx64 "-%s",
			 t->number, (uint64_t)t->start_ms, digits);
	return err;
}

static bool is_hex(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!s.data[i] || !strchr("0123456789abcdef", s.data[i]))
			return false;
	return true;
}

/* Digits up to a '-', which is taken, too. */
static bool take(struct span *in, uint64_t *out, unsigned base)
{
	size_t len = 0;

	*out = 0;
	for (; len < in->len && len < 17 && in->data[len] != '-'; len++) {
		unsigned c = in->data[len];
		unsigned digit = c >= '0' && c <= '9'   ? c - '0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10
							: base;

		if (digit >= base)
			return false;
		*out = *out * base + digit;
	}
	if (!len || len == in->len || in->data[len] != '-')
		return false;
	*in = span_from(*in, len + 1);
	return true;
}

bool hls_token_read(struct hls_token *out, struct span text)
{
	char front[HLS_TOKEN_SIZE];
	struct span in = text;
	uint64_t number, start;

	if (!take(&in, &number, 10) || !take(&in, &start, 16) ||
	    number > NUMBER_MAX || start > NUMBER_MAX || in.len != MAC_DIGITS ||
	    !is_hex(in))
		return false;
	snprintf(front, sizeof(front), "%" PRIu64 "-%" PRIx64 "-", number,
		 start);
	if (!span_eq_str(span_first(text, text.len - in.len), front))
		return false;
	*out = (struct hls_token){number, (int64_t)start};
	return true;
}

bool hls_token_is(const char *token, struct span text)
{
	return text.len == strlen(token) &&
	       !CRYPTO_memcmp(text.data, token, text.len);
}

enum hls_token_word hls_token_check(const struct hls_token *t, struct span text,
				    const struct hls_token_use *use)
{
	const uint8_t *given = text.data + text.len - MAC_DIGITS;
	char digits[MAC_DIGITS + 1];
	int stream, ip;

	if (put_digits(digits, t, use))
		return HLS_TOKEN_BAD;
	stream = CRYPTO_memcmp(given, digits, STREAM_DIGITS);
	ip = CRYPTO_memcmp(given + STREAM_DIGITS, digits + STREAM_DIGITS,
			   IP_DIGITS);
	return stream ? HLS_TOKEN_BAD : ip ? HLS_TOKEN_MOVED : HLS_TOKEN_OWN;
}
