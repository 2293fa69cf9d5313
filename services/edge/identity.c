/* services/edge/identity.c - certificate and key of an edge, as its settings name
 * them. */
#include <stdio.h>

#include "services/edge/internal.h"

int edge_load_identity(struct tls_identity **out, const struct edge_settings *s,
		       char why[SVC_WHY_SIZE])
{
	char file_why[TLS_WHY_SIZE] = "";
	int err;

	*out = NULL;
	if (!*s->tls_cert && !*s->tls_key)
		return 0;
	if (!*s->tls_cert || !*s->tls_key) {
		snprintf(why, SVC_WHY_SIZE, "edge.tls.%s is not set",
			 *s->tls_cert ? "key" : "cert");
		return WEIR_ECONF;
	}
	err = tls_identity_new(out, s->tls_cert, s->tls_key, file_why);
	if (err)
		snprintf(why, SVC_WHY_SIZE, "edge.tls: %s", file_why);
	return err;
}

int edge_check(const struct conf *conf, char why[SVC_WHY_SIZE])
{
	struct tls_identity *identity;
	int err =
		edge_load_identity(&identity, conf_get(conf, &edge_conf), why);

	tls_identity_free(&identity);
	return err;
}
