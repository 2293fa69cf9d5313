/* common/access/cidr_test.c */
#include "common/access/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/test/check.h"

static struct ip_addr ip(const char *text)
{
	struct ip_addr out = {{0}};

	CHECK_EQ(ip_addr_parse(&out, span_str(text)), 0);
	return out;
}

static struct cidr block(const char *text)
{
	struct cidr out = {.bits = 0};

	CHECK_EQ(cidr_parse(&out, span_str(text)), 0);
	return out;
}

TEST(blocks_are_written_in_one_way)
{
	static const char *const cases[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1"},
		{"192.0.2.255/25", "192.0.2.128/25"},
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"255.255.255.255/1", "128.0.0.0/1"},
		{"2001:DB8::1", "2001:db8::1"},
		{"2001:db8:ffff::/33", "2001:db8:8000::/33"},
		{"::/0", "::/0"},
		{"::1/128", "::1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::ffff:10.9.9.9/104", "10.0.0.0/8"},
		{"::ffff:10.9.9.9/96", "0.0.0.0/0"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct cidr b = block(cases[i][0]);
		char text[CIDR_TEXT_SIZE];

		CHECK_STR(cidr_text(text, &b), cases[i][1]);
		b = block(text);
		CHECK_STR(cidr_text(text, &b), cases[i][1]);
	}
}

TEST(what_is_no_block_is_refused)
{
	static const char *const cases[] = {
		"",
		"/",
		"/8",
		"1.2.3",
		"1.2.3.4/",
		"1.2.3.4/33",
		"1.2.3.4/-1",
		"1.2.3.4/+8",
		"1.2.3.4/8/8",
		"1.2.3.4/0008",
		"1.2.3.4/8 ",
		" 1.2.3.4",
		"01.2.3.4",
		"1.2.3.256",
		"[::1]",
		"::1/129",
		"::1%lo",
		"fe80::1%eth0/64",
		"1.2.3.4:80",
		"localhost",
		"0x7f.1.1.1",
		"1:2:3:4:5:6:7:8:9",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:aaaa",
	};
	struct cidr b = {.bits = 77};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		fprintf(stderr, "%s\n", cases[i]);
		CHECK_EQ(cidr_parse(&b, span_str(cases[i])), WEIR_EINVAL);
	}
	CHECK_EQ(cidr_parse(&b, SPAN_LIT("1.2.3.4\0")), WEIR_EINVAL);
	CHECK_EQ(b.bits, 77);
}

TEST(a_block_holds_addresses_of_its_own_family_only)
{
	static const struct {
		const char *block, *ip;
		bool is_in;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "::ffff:192.0.2.9", true},
		{"::ffff:192.0.2.0/120", "192.0.2.9", true},
		{"192.0.2.0/24", "2001:db8::1", false},
		{"0.0.0.0/0", "203.0.113.1", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "::1", true},
		{"::/0", "127.0.0.1", false},
		{"::/64", "::ffff:127.0.0.1", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"2001:db8::5", "2001:db8::5", true},
		{"2001:db8::5", "2001:db8::6", false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct cidr b = block(cases[i].block);
		struct ip_addr a = ip(cases[i].ip);

		fprintf(stderr, "%s %s\n", cases[i].block, cases[i].ip);
		CHECK_EQ(cidr_contains(&b, &a), cases[i].is_in);
	}
}

TEST(the_address_of_a_peer_is_the_one_that_people_write)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};
	struct ip_addr got, want = ip("192.0.2.7");

	CHECK_EQ(ip_addr_of(&got, &ss), WEIR_EINVAL);
	v4.sin_addr.s_addr = htonl(0xc0000207);
	memcpy(&ss, &v4, sizeof(v4));
	CHECK_EQ(ip_addr_of(&got, &ss), 0);
	CHECK_SPAN(SPAN(got.byte), SPAN(want.byte));
	/* As a socket on [::] says it. */
	CHECK_EQ(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
	memcpy(&ss, &v6, sizeof(v6));
	CHECK_EQ(ip_addr_of(&got, &ss), 0);
	CHECK_SPAN(SPAN(got.byte), SPAN(want.byte));
	CHECK(ip_addr_is_v4(&got));
}
