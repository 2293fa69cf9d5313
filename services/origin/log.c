/* services/origin/log.c - what an origin says. */
#include "services/origin/internal.h"

const struct log_event origin_failed = {"origin.failed", LOG_ERROR, "what why",
					"The origin could not start."};

const struct log_event *const origin_log_events[] = {
	&push_start, &push_end, &push_failed, &origin_failed, NULL};
