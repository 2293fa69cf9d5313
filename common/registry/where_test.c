/* common/registry/where_test.c - addresses of the registry. */
#include "common/registry/where.h"

#include "common/test/check.h"

TEST(single_servers_are_read)
{
	static const struct {
		const char *url;
		const char *host;
		unsigned port, db;
	} good[] = {
		{"127.0.0.1:7000", "127.0.0.1", 7000, 0},
		{"redis", "redis", 6379, 0},
		{"redis://r.example:1/7", "r.example", 1, 7},
		{"redis://r.example/", "r.example", 6379, 0},
		{"[::1]:6380/2", "::1", 6380, 2},
		{"[fe80::1]", "fe80::1", 6379, 0},
		{"localhost:65535", "localhost", 65535, 0},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		const char *why = "";
		struct where w;

		CHECK_EQ(where_parse(&w, good[i].url, &why), 0);
		CHECK(!w.is_sentinel);
		CHECK_EQ(w.host_count, 1);
		CHECK_STR(w.host[0].host, good[i].host);
		CHECK_EQ(w.host[0].port, good[i].port);
		CHECK_EQ(w.db, good[i].db);
	}
}

TEST(sentinels_are_read)
{
	const char *why = "";
	struct where w;

	CHECK_EQ(where_parse(&w, "sentinel://a:1,b,[::2]:3/main/4", &why), 0);
	CHECK(w.is_sentinel);
	CHECK_EQ(w.host_count, 3);
	CHECK_STR(w.host[0].host, "a");
	CHECK_EQ(w.host[0].port, 1);
	CHECK_STR(w.host[1].host, "b");
	CHECK_EQ(w.host[1].port, 26379);
	CHECK_STR(w.host[2].host, "::2");
	CHECK_EQ(w.host[2].port, 3);
	CHECK_STR(w.master, "main");
	CHECK_EQ(w.db, 4);
}

TEST(what_is_no_address_is_refused_with_a_reason)
{
	static const struct {
		const char *url;
		const char *why;
	} bad[] = {
		{"", "the address is empty"},
		{"redis://", "the address is empty"},
		{":6379", "a host name is missing or too long"},
		{"a b:6379", "a host name is missing or too long"},
		{"h:0", "a port is not a number from 1 to 65535"},
		{"h:65536", "a port is not a number from 1 to 65535"},
		{"h:12x", "a port is not a number from 1 to 65535"},
		{"[::1]x", "a host name is missing or too long"},
		{"h:1/x", "the database is not a number"},
		{"rediss://h", "TLS to Redis is not supported"},
		{"redis://u:p@h:1",
		 "user and password belong in settings of their own"},
		{"sentinel:///m", "no Sentinel is named"},
		{"sentinel://a:1",
		 "the master's name is missing: "
		 "sentinel://host:port,host:port/name"},
		{"sentinel://a,,b/m", "a host name is missing or too long"},
		{"sentinel://a,b,c,d,e,f,g,h,i/m",
		 "too many Sentinels (at most 8)"},
		{"sentinel://a/m/x", "the database is not a number"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		const char *why = "";
		struct where w;

		CHECK_EQ(where_parse(&w, bad[i].url, &why), WEIR_EINVAL);
		CHECK_STR(why, bad[i].why);
	}
}
