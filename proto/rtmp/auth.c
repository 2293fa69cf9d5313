/* proto/rtmp/auth.c - "authmod=adobe", the publisher's side. */
#include "proto/rtmp/auth.h"

#include <openssl/evp.h>

#define FIELD_BYTES_MAX 256
#define MD5_BYTES       16
#define BASE64_SIZE     (4 * ((MD5_BYTES + 2) / 3) + 1)

static size_t find(struct span in, struct span what)
{
	for (size_t i = 0; i + what.len <= in.len; i++)
		if (!memcmp(in.data + i, what.data, what.len))
			return i;
	return SIZE_MAX;
}

static bool has(struct span in, const char *what)
{
	return find(in, span_str(what)) != SIZE_MAX;
}

/* The value of "name=" at the beginning of a parameter. */
static struct span field(struct span query, const char *name)
{
	size_t len = strlen(name);

	while (query.len) {
		size_t end = find(query, SPAN_LIT("&"));
		struct span one = span_first(query, end);

		if (one.len > len && !memcmp(one.data, name, len) &&
		    one.data[len] == '=')
			return span_from(one, len + 1);
		query = end == SIZE_MAX ? (struct span){0}
					: span_from(query, end + 1);
	}
	return (struct span){0};
}

/* base64(md5(a b c)), as a text. Returns 0 or WEIR_ENOMEM. */
static int digest(char out[BASE64_SIZE], struct span a, struct span b,
		  struct span c)
{
	uint8_t md5[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) &&
		  EVP_DigestUpdate(ctx, a.data, a.len) &&
		  EVP_DigestUpdate(ctx, b.data, b.len) &&
		  EVP_DigestUpdate(ctx, c.data, c.len) &&
		  EVP_DigestFinal_ex(ctx, md5, NULL);

	EVP_MD_CTX_free(ctx);
	if (!ok)
		return WEIR_ENOMEM;
	EVP_EncodeBlock((unsigned char *)out, md5, MD5_BYTES);
	return 0;
}

static void put_user(struct buf *out, struct span user)
{
	buf_put(out, SPAN_LIT("?authmod=adobe&user="));
	buf_put(out, user);
}

static int put_response(struct buf *out, struct span query, struct span user,
			struct span password, uint32_t nonce)
{
	struct span salt = field(query, "salt");
	struct span challenge = field(query, "challenge");
	struct span opaque = field(query, "opaque");
	char secret[BASE64_SIZE], response[BASE64_SIZE], number[9];
	int err;

	if (WEIR_MAX(salt.len, WEIR_MAX(challenge.len, opaque.len)) >
	    FIELD_BYTES_MAX)
		return WEIR_ELIMIT;
	for (int i = 0; i < 8; i++)
		number[i] = "0123456789abcdef"[nonce >> (28 - 4 * i) & 15];
	number[8] = '\0';
	err = digest(secret, user, salt, password);
	if (!err)
		err = digest(response, span_str(secret),
			     opaque.len ? opaque : challenge, span_str(number));
	if (err)
		return err;
	put_user(out, user);
	buf_printf(out, "&challenge=%s&response=%s", number, response);
	if (opaque.len) {
		buf_put(out, SPAN_LIT("&opaque="));
		buf_put(out, opaque);
	}
	return buf_error(out);
}

int rtmp_auth_answer(struct buf *out, struct span said, struct span user,
		     struct span password, uint32_t nonce)
{
	size_t query = find(said, SPAN_LIT("?reason=needauth"));

	if (!has(said, "authmod="))
		return WEIR_ENOENT;
	if (!has(said, "authmod=adobe"))
		return WEIR_EUNSUPPORTED;
	if (query != SIZE_MAX)
		return put_response(out, span_from(said, query + 1), user,
				    password, nonce);
	if (!has(said, "need auth"))
		return WEIR_ENOENT;
	put_user(out, user);
	return buf_error(out);
}
