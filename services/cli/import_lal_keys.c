/* services/cli/import_lal_keys.c - what becomes of each setting of lal. */
#include <stddef.h>

#include "services/cli/import_lal_priv.h"

#define HLS_GATE "hls.enable|hls.enable_https"

/* clang-format off */
#define GOP     "players begin at the newest key frame, with all since"
#define FRAMES  "edge.gop_max_bytes limits it, in bytes"
#define PATHS   "addresses are those of docs/addresses.md; /{app}/{name} with any app"
#define RTSP    "RTSP is not there yet"
#define RECORD  "recording is not there yet"
#define NOTIFY  "notifications by HTTP are not there yet; auth.webhook asks, /api/v1 tells"
#define STDOUT  "processes write lines to standard output; what reads them turns and names files"

/* The first that fits counts. */
const struct lal_key lal_keys[] = {
	{"conf_version", "weir's settings have no version", "", NULL},

	{"rtmp.enable", NULL, NULL, NULL},
	{"rtmp.addr", NULL, NULL, NULL},
	{"rtmp.rtmps_enable", NULL, NULL, NULL},
	{"rtmp.rtmps_addr", NULL, NULL, NULL},
	{"rtmp.rtmps_cert_file", NULL, NULL, NULL},
	{"rtmp.rtmps_key_file", NULL, NULL, NULL},
	{"rtmp.gop_num", GOP, "rtmp.enable|rtmp.rtmps_enable", NULL},
	{"rtmp.single_gop_max_frame_num", FRAMES, "rtmp.enable|rtmp.rtmps_enable", NULL},
	{"rtmp.merge_write_size", "sends are put together as load demands (edge.latency_budget_ms)",
	 "rtmp.enable|rtmp.rtmps_enable", NULL},

	{"in_session.add_dummy_audio_enable", "silence for inputs without sound is not there yet", NULL, NULL},
	{"in_session.add_dummy_audio_wait_audio_ms", "silence for inputs without sound is not there yet",
	 "in_session.add_dummy_audio_enable", NULL},

	{"default_http.http_listen_addr", NULL, NULL, NULL},
	{"default_http.https_listen_addr", NULL, NULL, NULL},
	{"default_http.https_cert_file", NULL, NULL, NULL},
	{"default_http.https_key_file", NULL, NULL, NULL},

	{"httpflv.url_pattern", PATHS, "httpflv.enable|httpflv.enable_https", "/"},
	{"httpflv.gop_num", GOP, "httpflv.enable|httpflv.enable_https", NULL},
	{"httpflv.single_gop_max_frame_num", FRAMES, "httpflv.enable|httpflv.enable_https", NULL},
	{"httpts.url_pattern", PATHS, "httpts.enable|httpts.enable_https", "/"},
	{"httpts.gop_num", GOP, "httpts.enable|httpts.enable_https", NULL},
	{"httpts.single_gop_max_frame_num", FRAMES, "httpts.enable|httpts.enable_https", NULL},
	{"httpflv.enable", NULL, NULL, NULL},
	{"httpflv.enable_https", NULL, NULL, NULL},
	{"httpts.enable", NULL, NULL, NULL},
	{"httpts.enable_https", NULL, NULL, NULL},
	{"hls.enable", NULL, NULL, NULL},
	{"hls.enable_https", NULL, NULL, NULL},
	/* Ports and certificates of one form are looked at with those of all. */
	{"httpflv.http_listen_addr", NULL, NULL, NULL},
	{"httpflv.https_listen_addr", NULL, NULL, NULL},
	{"httpflv.https_cert_file", NULL, NULL, NULL},
	{"httpflv.https_key_file", NULL, NULL, NULL},
	{"httpts.http_listen_addr", NULL, NULL, NULL},
	{"httpts.https_listen_addr", NULL, NULL, NULL},
	{"httpts.https_cert_file", NULL, NULL, NULL},
	{"httpts.https_key_file", NULL, NULL, NULL},
	{"hls.http_listen_addr", NULL, NULL, NULL},
	{"hls.https_listen_addr", NULL, NULL, NULL},
	{"hls.https_cert_file", NULL, NULL, NULL},
	{"hls.https_key_file", NULL, NULL, NULL},

	{"hls.url_pattern", "lal's addresses are always at /hls/", HLS_GATE, "/hls/"},
	{"hls.out_path", "segments are kept in memory, nothing is written", HLS_GATE, NULL},
	{"hls.fragment_duration_ms", NULL, NULL, NULL},
	{"hls.fragment_num", NULL, NULL, NULL},
	{"hls.sub_session_timeout_ms", NULL, NULL, NULL},
	{"hls.delete_threshold", "old segments stay as long as HLS demands of a server", HLS_GATE, NULL},
	{"hls.cleanup_mode", "segments are in memory and go with their stream; record.m3u8 is not there yet", HLS_GATE, "2"},
	{"hls.use_memory_as_disk_flag", "segments are always in memory", HLS_GATE, "true"},
	{"hls.sub_session_hash_key", NULL, NULL, NULL},

	{"rtsp.enable", RTSP, NULL, NULL},
	{"rtsp.rtsps_enable", RTSP, NULL, NULL},
	{"rtsp.ws_rtsp_enable", RTSP, NULL, NULL},
	{"rtsp.auth_enable", RTSP, "rtsp.enable|rtsp.rtsps_enable|rtsp.ws_rtsp_enable", NULL},
	{"rtsp.rtsps_addr", RTSP, "rtsp.rtsps_enable", NULL},
	{"rtsp.rtsps_cert_file", RTSP, "rtsp.rtsps_enable", NULL},
	{"rtsp.rtsps_key_file", RTSP, "rtsp.rtsps_enable", NULL},
	{"rtsp.ws_rtsp_addr", RTSP, "rtsp.ws_rtsp_enable", NULL},
	{"rtsp.auth_method", RTSP, "rtsp.auth_enable", NULL},
	{"rtsp.username", RTSP, "rtsp.auth_enable", NULL},
	{"rtsp.password", NULL, NULL, NULL}, /* a secret: said with auth_enable */
	{"rtsp.*", RTSP, "rtsp.enable", NULL},

	{"record.enable_flv", RECORD, NULL, NULL},
	{"record.flv_out_path", RECORD, "record.enable_flv", NULL},
	{"record.enable_mpegts", RECORD, NULL, NULL},
	{"record.mpegts_out_path", RECORD, "record.enable_mpegts", NULL},

	{"relay_push.enable", NULL, NULL, NULL},
	{"relay_push.addr_list", NULL, NULL, NULL},
	{"static_relay_pull.enable", NULL, NULL, NULL},
	{"static_relay_pull.addr", NULL, NULL, NULL},

	{"http_api.enable", NULL, NULL, NULL},
	{"http_api.addr", NULL, NULL, NULL},
	{"server_id", NULL, NULL, NULL},
	{"http_notify.enable", NOTIFY, NULL, NULL},
	{"http_notify.*", NOTIFY, "http_notify.enable", NULL},

	{"simple_auth.key", NULL, NULL, NULL},
	{"simple_auth.dangerous_lal_secret", NULL, NULL, NULL},
	{"simple_auth.pub_rtmp_enable", NULL, NULL, NULL},
	{"simple_auth.sub_rtmp_enable", NULL, NULL, NULL},
	{"simple_auth.sub_httpflv_enable", NULL, NULL, NULL},
	{"simple_auth.sub_httpts_enable", NULL, NULL, NULL},
	{"simple_auth.pub_rtsp_enable", NULL, NULL, NULL},
	{"simple_auth.sub_rtsp_enable", NULL, NULL, NULL},
	{"simple_auth.hls_m3u8_enable", NULL, NULL, NULL},

	{"pprof.enable", "a profiler of Go; every process has /healthz and /metrics at admin.listen", NULL, NULL},
	{"pprof.addr", "a profiler of Go; every process has /healthz and /metrics at admin.listen", "pprof.enable", NULL},

	{"log.level", NULL, NULL, NULL},
	{"log.filename", STDOUT, NULL, NULL},
	{"log.is_to_stdout", "lines go to standard output, always", NULL, "true"},
	{"log.is_rotate_daily", STDOUT, NULL, NULL},
	{"log.is_rotate_hourly", STDOUT, NULL, NULL},
	{"log.max_rotate_days", STDOUT, NULL, NULL},
	{"log.short_file_flag", "lines are events with facts (docs/log.md)", NULL, NULL},
	{"log.timestamp_flag", "lines begin with their time, always", NULL, "true"},
	{"log.timestamp_with_ms_flag", "lines begin with their time, always", NULL, "true"},
	{"log.level_flag", "lines have their level, always", NULL, "true"},
	{"log.assert_behavior", "a broken invariant ends the process with a report", NULL, "2"},
	{"debug.log_group_interval_sec", "weir streams, weir explain and the API show it", NULL, NULL},
	{"debug.log_group_max_group_num", "weir streams, weir explain and the API show it", NULL, NULL},
	{"debug.log_group_max_sub_num_per_group", "weir streams, weir explain and the API show it", NULL, NULL},
	{NULL, NULL, NULL, NULL},
};
/* clang-format on */
