/* common/registry/scripts.c - the Lua texts of the registry.
 *
 * All but the node's begin with the same head: KEYS[1] is the stream's hash,
 * KEYS[2] the set of streams; ARGV[1] the root of all keys, ARGV[2] the time
 * (UTC ms), ARGV[3] the stream's key, ARGV[4..20] an entry, then what the
 * script itself takes. Numbers stay below 2^53 and travel as decimal digits.
 *
 * The reply is a list of texts: the status (OK, BUSY, STALE, GONE), 1 when the
 * entry's writer has its lease, the entry, 1 and the entry of before or 0.
 */
#include "common/registry/scripts.h"

/* clang-format off */
#define HEAD \
"local names = {'kind', 'live', 'ended', 'local', 'ec', 'ew', 'tn', 'tb',\n" \
"  'start_us', 'birth_ms', 'lost_until_ms', 'writer', 'writer_instance',\n" \
"  'home', 'home_instance', 'home_url', 'top'}\n" \
"local root, now, key = ARGV[1], tonumber(ARGV[2]), ARGV[3]\n" \
"local more = 3 + #names\n" \
"local function digits(n) return string.format('%.0f', n) end\n" \
"local function number(s) return tonumber(s) or 0 end\n" \
"local function stored()\n" \
"  local v = redis.call('HMGET', KEYS[1], unpack(names))\n" \
"  if not v[1] then return nil end\n" \
"  local e = {}\n" \
"  for i, n in ipairs(names) do e[n] = v[i] or '' end\n" \
"  return e\n" \
"end\n" \
"local function told()\n" \
"  local e = {}\n" \
"  for i, n in ipairs(names) do e[n] = ARGV[3 + i] end\n" \
"  return e\n" \
"end\n" \
"local function write(e)\n" \
"  local flat = {}\n" \
"  for i, n in ipairs(names) do\n" \
"    flat[2 * i - 1], flat[2 * i] = n, e[n]\n" \
"  end\n" \
"  redis.call('HSET', KEYS[1], unpack(flat))\n" \
"  redis.call('PUBLISH', root .. 'changes', 'stream ' .. key)\n" \
"end\n" \
"local function has_lease(e)\n" \
"  local i = redis.call('HGET', root .. 'node:' .. e.writer, 'instance')\n" \
"  return i and i ~= '' and i == e.writer_instance\n" \
"end\n" \
"local function reply(status, e, before)\n" \
"  local r = {status}\n" \
"  if not e then return r end\n" \
"  r[2] = has_lease(e) and '1' or '0'\n" \
"  for i, n in ipairs(names) do r[2 + i] = e[n] end\n" \
"  r[#r + 1] = before and '1' or '0'\n" \
"  if before then\n" \
"    for i, n in ipairs(names) do r[#r + 1] = before[n] end\n" \
"  end\n" \
"  return r\n" \
"end\n" \
"local function copy(e)\n" \
"  local c = {}\n" \
"  for _, n in ipairs(names) do c[n] = e[n] end\n" \
"  return c\n" \
"end\n" \
"local function keep(e)\n" \
"  redis.call('PERSIST', KEYS[1])\n" \
"  redis.call('SADD', KEYS[2], key)\n" \
"  write(e)\n" \
"end\n" \
"local e = stored()\n"

/* ARGV: expected counter and writer, highest counter and term told. */
const char script_claim_lua[] = HEAD
"local mine = told()\n"
"if e and e.ew == mine.ew then return reply('OK', e) end\n"
"local expected = e and e.ec == ARGV[more + 1] and e.ew == ARGV[more + 2]\n"
"local beats = e and e.kind == 'pull' and mine.kind == 'publish'\n"
"if e and e.live == '1' and not expected and not beats then\n"
"  return reply('BUSY', e)\n"
"end\n"
"local top = math.max(e and number(e.top) or 0, number(ARGV[more + 3]))\n"
"local term = math.max(e and number(e.tn) or 0, number(ARGV[more + 4]))\n"
"mine.ec, mine.top, mine.tn = digits(top + 1), digits(top + 1), digits(term + 1)\n"
"mine.live, mine.ended, mine['local'] = '1', '0', '0'\n"
"mine.birth_ms = digits(now)\n"
"if e and e.ended ~= '1' and number(e.birth_ms) > 0 then\n"
"  mine.birth_ms = e.birth_ms\n"
"end\n"
"keep(mine)\n"
"return reply('OK', mine, e)\n";

/* ARGV: expected term. The entry's term and home are the new ones. */
const char script_move_lua[] = HEAD
"if not e then return reply('GONE') end\n"
"local mine = told()\n"
"if e.tn == mine.tn and e.tb == mine.tb and e.home == mine.home and\n"
"   e.home_instance == mine.home_instance then\n"
"  return reply('OK', e)\n"
"end\n"
"if e.ended == '1' or e.tn ~= ARGV[more + 1] or e.tb ~= ARGV[more + 2] then\n"
"  return reply('STALE', e)\n"
"end\n"
"local before = copy(e)\n"
"e.tn, e.tb = mine.tn, mine.tb\n"
"e.home, e.home_url = mine.home, mine.home_url\n"
"e.home_instance = mine.home_instance\n"
"write(e)\n"
"return reply('OK', e, before)\n";

/* ARGV: 1: only while its writer has no lease. */
const char script_lost_lua[] = HEAD
"if not e then return reply('GONE') end\n"
"local mine = told()\n"
"if e.ec ~= mine.ec or e.ew ~= mine.ew then return reply('STALE', e) end\n"
"if e.live ~= '1' then return reply('OK', e) end\n"
"if ARGV[more + 1] == '1' and has_lease(e) then return reply('BUSY', e) end\n"
"local before = copy(e)\n"
"e.live, e.lost_until_ms = '0', mine.lost_until_ms\n"
"write(e)\n"
"return reply('OK', e, before)\n";

/* ARGV: 1: only while its writer has no lease, or has left; how long counters
 * are kept (ms). */
const char script_end_lua[] = HEAD
"if not e then return reply('GONE') end\n"
"local mine = told()\n"
"if e.ec ~= mine.ec or e.ew ~= mine.ew then return reply('STALE', e) end\n"
"if e.ended == '1' then return reply('OK', e) end\n"
"if ARGV[more + 1] == '1' and e.live == '1' and has_lease(e) then\n"
"  return reply('BUSY', e)\n"
"end\n"
"local before = copy(e)\n"
"e.live, e.ended = '0', '1'\n"
"write(e)\n"
"redis.call('SREM', KEYS[2], key)\n"
"redis.call('PEXPIRE', KEYS[1], ARGV[more + 2])\n"
"return reply('OK', e, before)\n";

const char script_verify_lua[] = HEAD
"if not e then return reply('GONE') end\n"
"return reply('OK', e)\n";

/* The entry is what its writer says of itself. Who is beaten is told what
 * stands; who wins against a term that is not lower is raised past it. */
const char script_settle_lua[] = HEAD
"local mine = told()\n"
"mine.live, mine.ended, mine['local'] = '1', '0', '0'\n"
"if not e then\n"
"  mine.top = mine.ec\n"
"  keep(mine)\n"
"  return reply('OK', mine)\n"
"end\n"
"local function before(a, b)\n" /* digits of equal or other length */
"  if #a ~= #b then return #a < #b end\n"
"  return a < b\n"
"end\n"
"local is_same = e.ec == mine.ec and e.ew == mine.ew\n"
"local wins\n"
"if e.ew == mine.ew then\n"
"  wins = true\n" /* the writer itself knows which epoch it writes */
"elseif e.ec ~= mine.ec then\n"
"  wins = before(e.ec, mine.ec)\n"
"elseif e.start_us ~= mine.start_us then\n"
"  wins = before(mine.start_us, e.start_us)\n"
"else\n"
"  wins = mine.ew < e.ew\n"
"end\n"
"if not wins then return reply('STALE', e) end\n"
"if is_same and before(mine.tn, e.tn) then return reply('STALE', e) end\n"
"if is_same and mine.tn == e.tn and mine.tb ~= e.tb and e.tb < mine.tb then\n"
"  return reply('STALE', e)\n"
"end\n"
"if not is_same and not before(e.tn, mine.tn) then\n"
"  mine.tn = digits(number(e.tn) + 1)\n"
"end\n"
"mine.top = digits(math.max(number(e.top), number(mine.ec)))\n"
"if number(e.birth_ms) > 0 and (number(mine.birth_ms) == 0 or\n"
"   number(e.birth_ms) < number(mine.birth_ms)) and e.ended ~= '1' then\n"
"  mine.birth_ms = e.birth_ms\n"
"end\n"
"local changed = false\n"
"for _, n in ipairs(names) do changed = changed or e[n] ~= mine[n] end\n"
"if changed then keep(mine) end\n"
"return reply('OK', mine, e)\n";

/* KEYS: the node's hash, the set of nodes. ARGV: root, what (register, renew,
 * leave), id, instance, role, info, lease (ms). */
const char script_node_lua[] =
"local root, what, id, instance = ARGV[1], ARGV[2], ARGV[3], ARGV[4]\n"
"local was = redis.call('HMGET', KEYS[1], 'instance', 'info')\n"
"local other = was[1] and was[1] ~= instance\n"
"if other and what ~= 'register' then return {'TAKEN'} end\n"
"local function tell()\n"
"  redis.call('PUBLISH', root .. 'changes', 'node ' .. id)\n"
"end\n"
"if what == 'leave' then\n"
"  redis.call('DEL', KEYS[1])\n"
"  redis.call('SREM', KEYS[2], id)\n"
"  tell()\n"
"  return {'OK'}\n"
"end\n"
"redis.call('HSET', KEYS[1], 'instance', instance, 'role', ARGV[5],\n"
"  'info', ARGV[6])\n"
"redis.call('PEXPIRE', KEYS[1], ARGV[7])\n"
"redis.call('SADD', KEYS[2], id)\n"
"if was[1] ~= instance or was[2] ~= ARGV[6] then tell() end\n"
"if what == 'renew' and not was[1] then return {'NEW'} end\n"
"return {'OK'}\n";

#define DIGITS_OF(n) #n
#define DIGITS(n)    DIGITS_OF(n)
#define RULES_LOG    DIGITS(REGISTRY_RULES_LOG)
#define SINCE_BYTES  DIGITS(REGISTRY_RULES_SINCE_BYTES_MAX)

/* The version of the rules is a number, which only grows, and a tag of who made
 * the change: two servers may have counted alike, one of which was lost. */
#define RULES_HEAD \
"local root = ARGV[1]\n" \
"local head = redis.call('HMGET', KEYS[1], '#version', '#count', '#bytes',\n" \
"  '#tag')\n" \
"local version = tonumber(head[1]) or 0\n" \
"local count, bytes = tonumber(head[2]) or 0, tonumber(head[3]) or 0\n" \
"local function digits(n) return string.format('%.0f', n) end\n" \
"local function sign(tag)\n" \
"  redis.call('HSET', KEYS[1], '#version', digits(version), '#tag', tag,\n" \
"    '#count', digits(count), '#bytes', digits(bytes))\n" \
"  redis.call('PUBLISH', root .. 'changes', 'rules')\n" \
"end\n"

/* KEYS: the rules, what is known of the request. ARGV: root, what (put, delete,
 * purge: delete, if its text is still this one),
 * name ("<kind> <id>"), text, request id or nothing, how long it is remembered
 * (ms), most rules, most bytes, tag, the version that who asks knows. The reply:
 * status (OK; GONE: no such rule; FULL; OTHER: the request was another one; LOST:
 * what stands is older than that, and must be settled first), version, 1: it was
 * done before. */
const char script_rule_lua[] = RULES_HEAD
"local what, name, text, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5]\n"
"local change = what .. ' ' .. name\n"
"local known = request ~= '' and redis.call('HGET', KEYS[2], 'change')\n"
"if known then\n"
"  return {known == change and 'OK' or 'OTHER', digits(version), '1'}\n"
"end\n"
"if version < tonumber(ARGV[10]) then return {'LOST', digits(version), '0'} end\n"
"local was = redis.call('HGET', KEYS[1], name)\n"
"if what ~= 'put' and not was or what == 'purge' and was ~= text then\n"
"  return {'GONE', digits(version), '0'}\n"
"end\n"
"if was then count, bytes = count - 1, bytes - #name - #was end\n"
"if what == 'put' then\n"
"  count, bytes = count + 1, bytes + #name + #text\n"
"  if count > tonumber(ARGV[7]) or bytes > tonumber(ARGV[8]) then\n"
"    return {'FULL', digits(version), '0'}\n"
"  end\n"
"  redis.call('HSET', KEYS[1], name, text)\n"
"else\n"
"  redis.call('HDEL', KEYS[1], name)\n"
"end\n"
"version = version + 1\n"
"redis.call('HSET', KEYS[1], '#' .. digits(version),\n"
"  (head[4] or '') .. '\\n' .. name)\n"
"redis.call('HDEL', KEYS[1], '#' .. digits(version - " RULES_LOG "))\n"
"sign(ARGV[9])\n"
"if request ~= '' then\n"
"  redis.call('HSET', KEYS[2], 'change', change)\n"
"  redis.call('PEXPIRE', KEYS[2], ARGV[6])\n"
"end\n"
"return {'OK', digits(version), '0'}\n";

/* A node knows a later version than a registry that has lost some: all of it is
 * written again. ARGV: root, version, tag, lines (name, text, name, …). The
 * reply: OK, or STALE: what stands is not older; and the version. */
const char script_rules_settle_lua[] = RULES_HEAD
"if version >= tonumber(ARGV[2]) then return {'STALE', digits(version)} end\n"
"redis.call('DEL', KEYS[1])\n"
"version, count, bytes = tonumber(ARGV[2]), 0, 0\n"
"for name, text in string.gmatch(ARGV[4], '([^\\n]*)\\n([^\\n]*)\\n') do\n"
"  redis.call('HSET', KEYS[1], name, text)\n"
"  count, bytes = count + 1, bytes + #name + #text\n"
"end\n"
"sign(ARGV[3])\n"
"return {'OK', digits(version)}\n";

/* What has changed since a version. ARGV: root, its number, its tag. The reply:
 * OK, number and tag of now, then name and text of each rule that was changed
 * since, "" for one that is gone; or WHOLE, number and tag: that is not known any
 * more, or too much. */
const char script_rules_since_lua[] = RULES_HEAD
"local tag, at = head[4] or '', tonumber(ARGV[2])\n"
"local r = {'OK', digits(version), tag}\n"
"local function whole() return {'WHOLE', digits(version), tag} end\n"
"if at == version and ARGV[3] == tag then return r end\n"
"if at >= version or version - at > " RULES_LOG " then return whole() end\n"
"local seen, used = {}, 0\n"
"for n = at + 1, version do\n"
"  local line = redis.call('HGET', KEYS[1], '#' .. digits(n))\n"
"  if not line then return whole() end\n"
"  local before, name = string.match(line, '^([^\\n]*)\\n(.*)$')\n"
"  if n == at + 1 and before ~= ARGV[3] then return whole() end\n"
"  if not seen[name] then\n"
"    local text = redis.call('HGET', KEYS[1], name) or ''\n"
"    seen[name], used = true, used + #name + #text\n"
"    if used > " SINCE_BYTES " then return whole() end\n"
"    r[#r + 1] = name\n"
"    r[#r + 1] = text\n"
"  end\n"
"end\n"
"return r\n";
/* clang-format on */
