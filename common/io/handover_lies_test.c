/* common/io/handover_lies_test.c - donors that lie, stop, or come in crowds: no
 * descriptor stays.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/io/handover_rig_test.h"

/* ---- donors that lie ---- */

static int send_with(int to, struct span words, const int *fd, size_t fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec part_of = {(void *)(uintptr_t)words.data, words.len};
	struct msghdr m = {.msg_iov = &part_of, .msg_iovlen = 1};

	if (fds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fd, fds * sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A donor by hand that is through with its offer. */
static int connect_and_offer(struct world *w)
{
	struct buf packet = {0};
	int fd;

	CHECK_EQ(net_unix_connect(&fd, w->path), 0);
	handover_offer_write(&packet, &publish);
	CHECK_EQ(send_with(fd, buf_span(&packet), NULL, 0), 0);
	buf_fini(&packet);
	return fd;
}

#define GOODS     "\1\0\0\0\1s"
#define LIES_FDS  3
#define MANY_FDS  40 /* more than a packet is looked through for */
#define OFFER_MIN "\1\1\1\0\1i\3\0\1r\4\0\1p"

/* After the offer was accepted, or in its place. */
static const struct lie {
	const char *is;
	struct span words[2];
	size_t fds[2];
	bool is_first; /* no offer before */
	int err;
} lies[] = {
	{"no offer at all", {SPAN_LIT("\4x")}, {0}, true, WEIR_EPROTO},
	{"an empty offer", {SPAN_LIT("\1")}, {0}, true, WEIR_EPROTO},
	{"an offer that is cut",
	 {SPAN_LIT("\1\1\1\0")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"an offer for nobody",
	 {SPAN_LIT("\1\1\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"a newline in a name",
	 {SPAN_LIT("\1\1\1\0\1\n\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"another version",
	 {SPAN_LIT("\1\2\1\0\1i\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EUNSUPPORTED},
	{"an offer with descriptors",
	 {SPAN_LIT(OFFER_MIN)},
	 {LIES_FDS},
	 true,
	 WEIR_EPROTO},
	{"a second offer", {SPAN_LIT(OFFER_MIN)}, {0}, false, WEIR_EPROTO},
	{"a packet of no kind", {SPAN_LIT("\77")}, {0}, false, WEIR_EPROTO},
	{"a part with a descriptor",
	 {SPAN_LIT("\4x")},
	 {1},
	 false,
	 WEIR_EPROTO},
	{"no descriptor",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0},
	 false,
	 WEIR_EPROTO},
	{"three descriptors",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0, LIES_FDS},
	 false,
	 WEIR_EPROTO},
	{"forty descriptors",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0, MANY_FDS},
	 false,
	 WEIR_EPROTO},
	{"less than it says",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\7")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
	{"a length that is cut",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
	{"goods that are cut",
	 {SPAN_LIT("\4\1\0\0\0\2s"), SPAN_LIT("\5\0\0\0\6")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
};

TEST_NO_OOM(whatever_a_donor_lies_no_descriptor_stays)
{
	struct world w;
	int many[MANY_FDS];

	begin(&w);
	for (size_t i = 0; i < MANY_FDS; i++)
		many[i] = w.fd;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(lies); i++) {
		const struct lie *lie = &lies[i];
		unsigned faults = w.faults;
		int fd;

		if (!lie->is_first)
			fd = connect_and_offer(&w);
		else
			CHECK_EQ(net_unix_connect(&fd, w.path), 0);
		for (size_t k = 0; k < 2 && lie->words[k].len; k++)
			CHECK_EQ(
				send_with(fd, lie->words[k], many, lie->fds[k]),
				0);
		CHECK(LOOP_UNTIL(w.loop, w.faults > faults));
		CHECK_EQ(w.fault_err, lie->err);
		close(fd);
		check_nothing_is_left(&w, 0);
	}
	CHECK_EQ(w.given, 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(a_descriptor_that_is_no_connection_is_closed)
{
	static const char *const what = "the descriptor is no connection";
	struct world w;
	int other[3], listening;

	begin(&w);
	CHECK_EQ(net_unix_listen(&listening, "/tmp"), -EADDRINUSE);
	other[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	other[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	other[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(listen(other[2], 1), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++) {
		unsigned faults = w.faults;
		int fd = connect_and_offer(&w);

		CHECK(other[i] >= 0);
		CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS), NULL, 0), 0);
		CHECK_EQ(send_with(fd, SPAN_LIT("\5\0\0\0\6"), &other[i], 1),
			 0);
		CHECK(LOOP_UNTIL(w.loop, w.faults > faults));
		CHECK_STR(w.fault, what);
		close(fd);
		check_nothing_is_left(&w, 3);
	}
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++)
		close(other[i]);
	end(&w);
}

TEST_NO_OOM(fields_of_a_newer_donor_are_skipped)
{
	struct world w;
	int fd;

	begin(&w);
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK_EQ(send_with(fd, SPAN_LIT(OFFER_MIN "\377\0\2zz"), NULL, 0), 0);
	CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS "\377\0\0\0\1z"), NULL, 0),
		 0);
	CHECK_EQ(send_with(fd, SPAN_LIT("\5\0\0\0\14"), &w.fd, 1), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	CHECK_STR(w.offer.to, "i");
	CHECK_SPAN(buf_span(&w.state), SPAN_LIT("s"));
	close(fd);
	check_nothing_is_left(&w, 1);
	end(&w);
}

TEST_NO_OOM(more_goods_than_the_limit_end_it_and_memory_follows_bytes)
{
	const struct handover_door_limits limits = {.goods_bytes = 100000};
	static uint8_t packet[32769] = {HANDOVER_PART};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	fd = connect_and_offer(&w);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(send_with(fd, SPAN(packet), NULL, 0), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults));
	CHECK_EQ(w.fault_err, WEIR_ELIMIT);
	close(fd);
	check_nothing_is_left(&w, 0);
	end(&w);
}

TEST_NO_OOM(a_donor_that_says_nothing_or_stops_is_closed_in_time)
{
	const struct handover_door_limits limits = {.give_ms = 50};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 1));
	CHECK_EQ(w.fault_err, WEIR_ETIMEOUT);
	CHECK_STR(w.fault, "no offer came");
	close(fd);
	fd = connect_and_offer(&w);
	CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS), NULL, 0), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 2));
	CHECK_STR(w.fault, "what was offered did not come");
	close(fd);
	check_nothing_is_left(&w, 0);
	end(&w);
}

TEST_NO_OOM(a_donor_that_takes_its_offer_back_is_no_fault)
{
	struct world w;

	begin(&w);
	w.gives_at_once = false;
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ready));
	handover_free(&w.donor);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(w.faults, 0);
	CHECK_EQ(w.given, 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(more_donors_than_the_limit_are_sent_away_at_once)
{
	const struct handover_door_limits limits = {.open_max = 1};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(w.end_err == WEIR_ECLOSED || w.end_err == -ECONNRESET);
	close(fd);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	end(&w);
}

TEST_NO_OOM(a_door_that_closes_leaves_donors_with_what_they_have)
{
	struct world w;

	begin(&w);
	w.gives_at_once = false;
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ready));
	handover_door_free(&w.door);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(w.end_err != 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(out_of_descriptors_nothing_leaks_and_it_works_again_later)
{
	enum { MOST = 64 };
	const struct rlimit few = {MOST, MOST};
	int filler[MOST];
	struct world w;
	size_t count = 0;
	int donor;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	begin(&w);
	donor = connect_and_offer(&w);
	CHECK(LOOP_UNTIL(w.loop, w.offers == 1));
	CHECK_EQ(send_with(donor, SPAN_LIT("\4" GOODS), NULL, 0), 0);
	CHECK_EQ(send_with(donor, SPAN_LIT("\5\0\0\0\6"), &w.fd, 1), 0);
	while (count < MOST &&
	       (filler[count] = fcntl(w.fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	CHECK(count < MOST);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 1));
	while (count > 0)
		close(filler[--count]);
	close(donor);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	end(&w);
}

TEST_NO_OOM(a_thousand_hand_overs_leave_no_descriptor)
{
	struct world w;

	begin(&w);
	for (unsigned i = 1; i <= 1000; i++) {
		CHECK_EQ(offer(&w), 0);
		CHECK(LOOP_UNTIL(w.loop, w.given == i && w.ended == i));
		close(w.taken_fd);
		w.taken_fd = -1;
	}
	check_nothing_is_left(&w, 0);
	end(&w);
}

/* ---- other users ---- */

#define NOBODY 65534

TEST_NO_OOM(a_process_of_another_user_is_turned_away_at_both_ends)
{
	struct world w;
	int fd, err;

	if (geteuid() != 0)
		return; /* only root can be somebody else for a moment */
	begin(&w);
	/* Even if somebody has opened what is closed to others. */
	CHECK_EQ(chmod(w.folder, 0777), 0);
	CHECK_EQ(chmod(w.path, 0666), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	err = net_unix_connect(&fd, w.path);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(err, 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 1));
	CHECK_EQ(w.fault_err, -EPERM);
	close(fd);
	check_nothing_is_left(&w, 0);
	handover_door_free(&w.door);

	CHECK_EQ(seteuid(NOBODY), 0);
	err = net_unix_listen(&fd, w.path);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(err, 0);
	CHECK_EQ(offer(&w), -EPERM);
	close(fd);
	unlink(w.path);
	end(&w);
}

TEST_NO_OOM(a_process_of_another_user_cannot_even_connect)
{
	struct world w;
	int fd, err;

	if (geteuid() != 0)
		return;
	begin(&w);
	CHECK_EQ(chmod(w.folder, 0777), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	err = net_unix_connect(&fd, w.path);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(err, -EACCES);
	end(&w);
}
