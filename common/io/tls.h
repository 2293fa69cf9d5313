/* common/io/tls.h - TLS on a connected socket, at either end of it (OpenSSL, 1.2
 * and 1.3).
 *
 * Stands between a socket and who reads and writes it: tls_read and tls_write
 * in place of recv and send. The handshake runs inside tls_read. What the
 * kernel does not take of a record waits here, and until it is gone nothing more
 * is encrypted: what tls_write has accepted will be sent as it was, whatever its
 * caller wants to send next. An idle connection holds no buffers for records.
 *
 * A peer may not renegotiate, send early data, or promise a greeting of more
 * than 16 kB. Time-outs are the caller's.
 */
#ifndef WEIR_IO_TLS_H
#define WEIR_IO_TLS_H

#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/span.h"

struct tls_identity; /* a certificate and its key; serves many connections */
struct tls_trust;    /* whom we believe when we dial; for many connections */
struct tls;          /* one connection */

#define TLS_WHY_SIZE 512

/* Read both files (PEM; the certificate first, then its chain). Nobody is asked
 * for a password. Returns 0; WEIR_ENOMEM; WEIR_ECONF: `why` has the file and
 * the reason. Blocks: for the start of a process. */
WEIR_MUST_CHECK int tls_identity_new(struct tls_identity **out,
				     const char *cert_file,
				     const char *key_file,
				     char why[TLS_WHY_SIZE]);

/* Connections that use it may live longer. Sets to NULL; NULL is fine. */
void tls_identity_free(struct tls_identity **id);

/* The serving end, on a non-blocking socket (borrowed). Returns 0 or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int tls_new(struct tls **out, struct tls_identity *id, int fd);

/* Believe who shows a certificate of an authority in `ca_file` (PEM), or when that
 * is empty, in this machine's list of them: where that is a folder by hash, what is
 * needed of it is read when it is (SSL_CERT_FILE and SSL_CERT_DIR name others). Returns 0; WEIR_ENOMEM; WEIR_ECONF:
 * `why` has the file and the reason. Blocks: for the start of a process. */
WEIR_MUST_CHECK int tls_trust_new(struct tls_trust **out, const char *ca_file,
				  char why[TLS_WHY_SIZE]);

/* Connections that use it may live longer. Sets to NULL; NULL is fine. */
void tls_trust_free(struct tls_trust **trust);

/* The dialing end, on a connected non-blocking socket (borrowed): the greeting
 * is sent. The peer must prove to be `host`, a name or an address without
 * brackets; else tls_read returns WEIR_EPROTO. Returns 0, WEIR_EINVAL (no name) or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int tls_new_client(struct tls **out, struct tls_trust *trust,
				   int fd, const char *host);

/* Says nothing to the peer. Before the socket is closed. Sets to NULL; NULL is
 * fine. */
void tls_free(struct tls **t);

#define TLS_READ_MIN 16384 /* give at least that: a record is read whole */

/* Returns how many bytes came; 0: the peer has ended; WEIR_EAGAIN: none yet;
 * WEIR_EPROTO: the peer broke the protocol, tls_fault has the words, what it is
 * to be told may wait (tls_is_waiting); WEIR_ELIMIT; WEIR_ENOMEM; -errno. After
 * an error there is nothing to do but tls_flush and tls_free. */
WEIR_MUST_CHECK ssize_t tls_read(struct tls *t, void *out, size_t size);

/* Encrypt and send what stands in `count` spans, without copying. Returns how
 * many bytes were accepted (fewer than all: the kernel is full); WEIR_EAGAIN:
 * none, it is still full, or no handshake was made; or as tls_read. */
WEIR_MUST_CHECK ssize_t tls_write(struct tls *t, const struct span *s,
				  size_t count);

/* Send what waits. Returns how many bytes the kernel took, 0: there were none;
 * WEIR_EAGAIN: it took none; -errno. */
WEIR_MUST_CHECK ssize_t tls_flush(struct tls *t);

/* Is something accepted, or said by the protocol itself, that the kernel has
 * not taken? Then wait for room, and call tls_flush. */
bool tls_is_waiting(const struct tls *t);
size_t tls_waiting_bytes(const struct tls *t);

/* The handshake is made, and nothing has failed. */
bool tls_is_open(const struct tls *t);

/* Say that nothing more will come (close_notify); tls_read goes on. */
void tls_end(struct tls *t);

/* Why WEIR_EPROTO, in words that live for ever; NULL: no fault. */
const char *tls_fault(const struct tls *t);

#endif
