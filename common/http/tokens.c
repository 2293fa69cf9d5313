/* common/http/tokens.c - the tokens of a server. */
#include <stdlib.h>

#include "common/http/server_priv.h"

static int add(struct http_server *s, const struct http_token *token)
{
	struct http_token *own = &s->tokens[s->token_count];

	own->name = strdup(token->name);
	own->secret = strdup(token->secret);
	own->is_reader = token->is_reader;
	s->token_count++;
	return own->name && own->secret ? 0 : WEIR_ENOMEM;
}

int http_tokens_copy(struct http_server *s,
		     const struct http_server_options *options)
{
	const struct http_token first = {.name = "token",
					 .secret = options->token};
	int err = 0;

	if (options->token_count > HTTP_TOKENS_MAX)
		return WEIR_ELIMIT;
	s->tokens = calloc(options->token_count + 1, sizeof(*s->tokens));
	if (!s->tokens)
		return WEIR_ENOMEM;
	if (first.secret && *first.secret)
		err = add(s, &first);
	for (size_t i = 0; !err && i < options->token_count; i++)
		err = add(s, &options->tokens[i]);
	return err;
}

static void free_text(const char *text)
{
	free((void *)(uintptr_t)text);
}

void http_tokens_free(struct http_server *s)
{
	for (size_t i = 0; i < s->token_count; i++) {
		free_text(s->tokens[i].name);
		free_text(s->tokens[i].secret);
	}
	free(s->tokens);
}

static bool is_same_secret(struct span given, struct span secret)
{
	unsigned difference = given.len != secret.len;

	for (size_t i = 0; i < given.len && secret.len > 0; i++)
		difference |= given.data[i] ^ secret.data[i % secret.len];
	return difference == 0 && secret.len > 0;
}

const struct http_token *http_tokens_find(const struct http_server *s,
					  struct span secret)
{
	const struct http_token *found = NULL;

	for (size_t i = 0; i < s->token_count; i++)
		if (is_same_secret(secret, span_str(s->tokens[i].secret)))
			found = &s->tokens[i];
	return found;
}
