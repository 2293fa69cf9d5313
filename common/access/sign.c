/* common/access/sign.c - signed addresses, and lal's secret. */
#include "common/access/sign.h"

#include <inttypes.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/access/text.h"

#define EXP_MAX_S INT64_C(253402300800) /* the year 10000 */
#define MD5_HEX   32

/* ---- operations ---- */

static const char *const ops_names[] = {"none", "publish", "play", "both"};

unsigned access_ops_parse(struct span text)
{
	for (unsigned i = 1; i < WEIR_ARRAY_LEN(ops_names); i++)
		if (span_eq_str(text, ops_names[i]))
			return i;
	return 0;
}

const char *access_ops_name(unsigned ops)
{
	return ops_names[ops & ACCESS_BOTH];
}

/* ---- a query, parameter by parameter ---- */

struct param {
	struct span name;
	struct span value;
	size_t at;  /* where its name begins in the query */
	size_t end; /* where the '&' behind it is, or the end */
};

/* The parameter at *at, which moves behind it. Returns whether there is one. */
static bool next_param(struct param *out, struct span query, size_t *at)
{
	struct span rest = span_from(query, *at);
	const uint8_t *amp, *equals;
	size_t len;

	if (rest.len == 0)
		return false;
	amp = memchr(rest.data, '&', rest.len);
	len = amp ? (size_t)(amp - rest.data) : rest.len;
	equals = len ? memchr(rest.data, '=', len) : NULL;
	out->at = *at;
	out->end = *at + len;
	out->name =
		span_first(rest, equals ? (size_t)(equals - rest.data) : len);
	out->value = span_from(span_first(rest, len), out->name.len + 1);
	*at = out->end + 1;
	return true;
}

bool query_find(struct span *out, struct span query, const char *name)
{
	struct param p;
	size_t at = 0;

	while (next_param(&p, query, &at))
		if (span_eq_str(p.name, name)) {
			*out = p.value;
			return true;
		}
	return false;
}

/* ---- what is claimed ---- */

enum field {
	FIELD_KID,
	FIELD_EXP,
	FIELD_STREAM,
	FIELD_OP,
	FIELD_IP,
	FIELD_USER,
	FIELD_SIG,
	FIELD_COUNT,
	FIELD_FOREIGN, /* somebody else's */
	FIELD_UNKNOWN, /* weir_… */
};

static const char *const field_names[FIELD_COUNT] = {
	[FIELD_KID] = "kid", [FIELD_EXP] = "exp", [FIELD_STREAM] = "stream",
	[FIELD_OP] = "op",   [FIELD_IP] = "ip",   [FIELD_USER] = "user",
	[FIELD_SIG] = "sig",
};

#define PREFIX "weir_"

static enum field field_of(struct span name)
{
	struct span prefix = span_first(name, strlen(PREFIX));

	if (!span_eq_str(prefix, PREFIX))
		return FIELD_FOREIGN;
	for (int i = 0; i < FIELD_COUNT; i++)
		if (span_eq_str(span_from(name, prefix.len), field_names[i]))
			return (enum field)i;
	return FIELD_UNKNOWN;
}

/* At most 12 digits; -1: something else. */
static int64_t read_seconds(struct span s)
{
	int64_t n = 0;

	if (s.len == 0 || s.len > 12)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return -1;
		n = n * 10 + s.data[i] - '0';
	}
	return n <= EXP_MAX_S ? n : -1;
}

static bool read_mac(uint8_t mac[32], struct span hex)
{
	if (hex.len != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int hi = text_hex_digit(hex.data[2 * i]);
		int lo = text_hex_digit(hex.data[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		mac[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static const char *read_stream(struct sign_claims *c, struct span value)
{
	char text[STREAM_KEY_MAX + 1];
	int len = text_unescape(text, sizeof(text), value);

	return len < 0 || stream_pattern_parse(&c->streams,
					       span_of(text, (size_t)len), NULL)
		       ? "weir_stream is no pattern of streams"
		       : NULL;
}

static const char *read_ip(struct sign_claims *c, struct span value)
{
	char text[CIDR_TEXT_SIZE];
	int len = text_unescape(text, sizeof(text), value);

	c->has_ip = true;
	return len < 0 || cidr_parse(&c->ip, span_of(text, (size_t)len))
		       ? "weir_ip is no address and no block"
		       : NULL;
}

static const char *read_user(struct sign_claims *c, struct span value)
{
	int len = text_unescape(c->user, sizeof(c->user), value);

	return len < 0 || !text_is_line(span_of(c->user, (size_t)len),
					SIGN_USER_MAX)
		       ? "weir_user is no name of at most 48 bytes"
		       : NULL;
}

/* One field into the claims; returns what is wrong with it, or NULL. */
static const char *read_field(struct sign_claims *c, enum field field,
			      struct span value)
{
	switch (field) {
	case FIELD_KID:
		if (!text_is_id(value, SIGN_KID_MAX))
			return "weir_kid is no id of a key";
		snprintf(c->kid, sizeof(c->kid), "%.*s", (int)value.len,
			 (const char *)value.data);
		return NULL;
	case FIELD_EXP:
		c->exp_ms = read_seconds(value) * 1000;
		return c->exp_ms < 0 ? "weir_exp is no time in seconds" : NULL;
	case FIELD_STREAM:
		return read_stream(c, value);
	case FIELD_OP:
		c->ops = access_ops_parse(value);
		return c->ops ? NULL : "weir_op is publish, play or both";
	case FIELD_IP:
		return read_ip(c, value);
	case FIELD_USER:
		return read_user(c, value);
	case FIELD_SIG:
		return read_mac(c->mac, value) ? NULL
					       : "weir_sig is 64 hex digits";
	case FIELD_UNKNOWN:
		return "a weir_ parameter is unknown";
	case FIELD_FOREIGN:
	case FIELD_COUNT:
		break;
	}
	return NULL;
}

/* Is this field where and as often as it may be? `seen` are those before. */
static const char *place_fault(enum field field, unsigned seen)
{
	if (seen & 1u << field)
		return "a weir_ parameter stands twice";
	if (field != FIELD_KID && !(seen & 1u << FIELD_KID))
		return "weir_kid is not the first of the signature";
	if (seen & 1u << FIELD_SIG)
		return "weir_sig is not the last of the signature";
	return NULL;
}

static const char *missing_fault(unsigned seen)
{
	if (!(seen & 1u << FIELD_SIG))
		return "weir_sig is missing";
	if (!(seen & 1u << FIELD_EXP))
		return "weir_exp is missing";
	if (!(seen & 1u << FIELD_STREAM))
		return "weir_stream is missing";
	return NULL;
}

/* Read all fields. *seen: which there are, as a set. */
static const char *read_fields(struct sign_claims *c, struct span query,
			       unsigned *seen)
{
	const char *fault = NULL;
	size_t begin = 0;
	struct param p;
	size_t at = 0;

	while (!fault && next_param(&p, query, &at)) {
		enum field field = field_of(p.name);

		if (field == FIELD_FOREIGN)
			continue;
		if (field != FIELD_UNKNOWN)
			fault = place_fault(field, *seen);
		if (!fault)
			fault = read_field(c, field, p.value);
		*seen |= 1u << field;
		if (field == FIELD_KID)
			begin = p.at;
		if (field == FIELD_SIG && p.at > begin)
			c->text = span_first(span_from(query, begin),
					     p.at - 1 - begin);
	}
	return fault;
}

int sign_read(struct sign_claims *out, struct span query, const char **why)
{
	struct sign_claims c = {.ops = ACCESS_PLAY};
	const char *fault;
	unsigned seen = 0;

	fault = read_fields(&c, query, &seen);
	if (!seen)
		return WEIR_ENOENT;
	if (!fault && query.len > SIGN_QUERY_MAX)
		fault = "the query is too long";
	if (!fault)
		fault = missing_fault(seen);
	if (fault) {
		if (why)
			*why = fault;
		return WEIR_EPROTO;
	}
	*out = c;
	return 0;
}

/* ---- proving ---- */

static bool mac_of(uint8_t mac[32], struct span text, struct span secret)
{
	unsigned len = 0;

	return HMAC(EVP_sha256(), secret.data, (int)secret.len, text.data,
		    text.len, mac, &len) &&
	       len == 32;
}

bool sign_is_of(const struct sign_claims *c, struct span secret)
{
	uint8_t mac[32];

	return secret.len > 0 && mac_of(mac, c->text, secret) &&
	       !CRYPTO_memcmp(mac, c->mac, sizeof(mac));
}

static void put_hex(char *out, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

int sign_hex(char out[SIGN_HEX_SIZE], struct span text, struct span secret)
{
	uint8_t mac[32];

	if (!mac_of(mac, text, secret))
		return WEIR_ENOMEM;
	put_hex(out, mac, sizeof(mac));
	return 0;
}

/* All but what may stand in a query as it is, and nobody rewrites. Clients of
 * RTMP look for the name behind the last or second '/', wherever it stands. */
static void put_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (text_is_id(span_of(text, 1), 1) || c == '*')
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void put_claims(struct buf *out, const struct sign_claims *c)
{
	char ip[CIDR_TEXT_SIZE];

	buf_printf(out, "weir_kid=%s&weir_exp=%" PRId64 "&weir_stream=", c->kid,
		   c->exp_ms / 1000);
	put_escaped(out, c->streams.text);
	buf_printf(out, "&weir_op=%s", access_ops_name(c->ops));
	if (c->has_ip) {
		buf_printf(out, "&weir_ip=");
		put_escaped(out, cidr_text(ip, &c->ip));
	}
	if (*c->user) {
		buf_printf(out, "&weir_user=");
		put_escaped(out, c->user);
	}
}

int sign_write(struct buf *out, const struct sign_claims *c, struct span secret)
{
	size_t from = out->len;
	char hex[SIGN_HEX_SIZE];
	int err;

	put_claims(out, c);
	err = buf_error(out);
	if (!err)
		err = sign_hex(hex, span_from(buf_span(out), from), secret);
	if (!err)
		buf_printf(out, "&weir_sig=%s", hex);
	return err ? err : buf_error(out);
}

/* ---- lal's ---- */

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
}

/* Equal but for case, in a time that tells only the length. */
static bool is_same(struct span a, struct span b)
{
	unsigned differ = a.len != b.len;

	for (size_t i = 0; i < a.len && i < b.len; i++)
		differ |= (unsigned)(lower(a.data[i]) ^ lower(b.data[i]));
	return differ == 0;
}

static bool md5_hex(char out[MD5_HEX + 1], struct span key, struct span name)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[MD5_HEX / 2];
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) &&
		  EVP_DigestUpdate(ctx, key.data, key.len) &&
		  EVP_DigestUpdate(ctx, name.data, name.len) &&
		  EVP_DigestFinal_ex(ctx, digest, NULL);

	EVP_MD_CTX_free(ctx);
	if (ok)
		put_hex(out, digest, sizeof(digest));
	return ok;
}

bool sign_lal_is_right(struct span key, struct span master, struct span name,
		       struct span given)
{
	char want[MD5_HEX + 1];

	if (master.len > 0 && is_same(master, given))
		return true;
	return key.len > 0 && md5_hex(want, key, name) &&
	       is_same(span_of(want, MD5_HEX), given);
}
