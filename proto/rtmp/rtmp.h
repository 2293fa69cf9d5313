/* proto/rtmp/rtmp.h - RTMP in the registry of protocols. */
#ifndef WEIR_RTMP_RTMP_H
#define WEIR_RTMP_RTMP_H

#include "common/media/session.h"

/* A server session that accepts whatever is asked. */
extern const struct session_ops rtmp_session;

#endif
