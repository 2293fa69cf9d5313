/* common/base/err.h - every error of weir, and the attributes of the house.
 *
 * A function that can fail returns 0 or a negative number: one of these, or
 * -errno from the system (these lie far outside the range of errno).
 */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#define WEIR_MUST_CHECK   __attribute__((warn_unused_result))
#define WEIR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define WEIR_NORETURN     __attribute__((noreturn))
#define WEIR_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define WEIR_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define WEIR_MAX(a, b)    ((a) > (b) ? (a) : (b))

/* name, number, one line of meaning */
#define WEIR_ERRORS(X)                                                         \
	X(ENOMEM, -1001, "out of memory")                                      \
	X(EPROTO, -1002, "the peer broke the protocol")                        \
	X(ELIMIT, -1003, "a limit was passed")                                 \
	X(ESHORT, -1004, "more bytes are needed")                              \
	X(EINVAL, -1005, "a value is not allowed here")                        \
	X(ENOENT, -1006, "there is no such thing")                             \
	X(EEXIST, -1007, "it exists already")                                  \
	X(EBUSY, -1008, "somebody else has it")                                \
	X(EGAP, -1009, "frames are missing before this one")                   \
	X(EDUP, -1010, "this frame is here already")                           \
	X(EGONE, -1011, "it is no longer kept")                                \
	X(ESTALE, -1012, "a newer epoch or term is known")                     \
	X(EAGAIN, -1013, "not now, later")                                     \
	X(ETIMEOUT, -1014, "no answer in time")                                \
	X(ECLOSED, -1015, "the other side closed")                             \
	X(EUNSUPPORTED, -1016, "not supported")                                \
	X(ESTOP, -1017, "the callback asked to stop")                          \
	X(ECONF, -1018, "the settings are wrong")

enum weir_err {
#define WEIR_ERR_ENUM(name, number, text) WEIR_##name = (number),
	WEIR_ERRORS(WEIR_ERR_ENUM)
#undef WEIR_ERR_ENUM
};

/* One line of meaning for 0, WEIR_E… or -errno; never NULL, static. */
const char *weir_strerror(int err);

/* Our own broken invariant: report where, and abort. */
WEIR_NORETURN void weir_bug(const char *file, int line, const char *what);

#define BUG_ON(cond) ((cond) ? weir_bug(__FILE__, __LINE__, #cond) : (void)0)

#endif
