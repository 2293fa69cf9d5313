#!/usr/bin/env python3
"""The browser page: what is open to all and what is not, what it shows and plays
in Chromium, and what a build without node has instead."""

import gzip
import json
import os
import re
import subprocess
import urllib.error
import urllib.request

from lib import clips
from lib.browser import Browser
from lib.env import BUILD, ROOT
from lib.weirtest import Cluster, Skip, case, main, wait_for

CLUSTER = Cluster(edge=2, settings={"cluster.publish_grace_ms": 1000})


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def get(t, path, **headers):
    """(status, headers, body); nothing is followed."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(t.cluster.told["api"] + path, headers=headers)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=20) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def need_page(t):
    if "web" not in t.cluster.role("dispatch")[0].addresses:
        raise Skip("the page is not in this build")


@case
def lals_address_leads_to_the_page(t):
    status, headers, _ = get(t, "/lal.html")
    assert (status, headers["Location"]) == (302, "/"), (status, headers)


@case
def weir_up_says_first_where_the_page_is(t):
    need_page(t)
    words = [w for w in Cluster(packager=0).command(t.file("people")) if w != "--json"]
    up = t.run(*words)
    wait_for(lambda: "Stop      Ctrl-C" in up.text() or up.has_ended(), "its page", 40)
    told = re.match(r"Open      (http://127\.0\.0\.1:\d+/)\n", up.text())
    assert told, up.text()
    with urllib.request.urlopen(told.group(1), timeout=20) as r:
        assert b"<title>weir</title>" in r.read()


@case
def the_page_may_do_what_it_needs_and_nothing_else(t):
    need_page(t)
    status, headers, body = get(t, "/")
    assert status == 200 and headers.get_content_type() == "text/html", headers
    assert b"<script>" not in body and b" style=" not in body, body
    policy = dict(part.strip().partition(" ")[::2]
                  for part in headers["Content-Security-Policy"].split(";"))
    edges = t.cluster.told["public"]["http"]
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'", policy
    assert policy["connect-src"] == f"'self' http://{edges} ws://{edges}", policy
    assert policy["media-src"] == f"blob: http://{edges}", policy
    assert headers["X-Content-Type-Options"] == "nosniff", headers
    _, headers, _ = get(t, "/", Host="weir.test:8083")
    port = edges.rpartition(":")[2]
    assert f" ws://weir.test:{port};" in headers["Content-Security-Policy"], headers
    _, headers, _ = get(t, "/", Host="a;script-src *")
    assert "*" not in headers["Content-Security-Policy"], headers


@case
def its_files_are_packed_and_kept(t):
    need_page(t)
    _, _, body = get(t, "/")
    paths = re.findall(rb'(?:src|href)="(/[\w.]+)"', body)
    assert {b"/page.js", b"/style.css", b"/icon.svg"} <= set(paths), paths
    for path in (p.decode() for p in paths + [b"/licences.txt"]):
        status, headers, plain = get(t, path)
        assert status == 200 and "Content-Encoding" not in headers, (path, headers)
        _, packed, body = get(t, path, Accept_Encoding="gzip")
        assert packed["Content-Encoding"] == "gzip" and gzip.decompress(body) == plain, path
        status, _, body = get(t, path, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b""), (path, status)


@case
def it_may_be_asked_for_from_here_without_a_token(t):
    """But not in somebody else's name; and the rest of the API needs the token."""
    t.push(clips.tiny(1), "live/listed", "--loop")
    t.cluster.wait_live("live/listed")
    status, _, body = get(t, "/api/page")
    told = json.loads(body)
    assert status == 200 and [s["key"] for s in told["streams"]] == ["live/listed"], told
    assert told["http"] == ["http://" + t.cluster.told["public"]["http"]], told
    assert told["rtmp"] == ["rtmp://" + t.cluster.told["public"]["rtmp"]], told
    bearer = f"Bearer {t.cluster.told['token']}"
    for wanted, path, headers in (
            (401, "/api/page", {"Host": "weir.test:8083"}),
            (401, "/api/page", {"Origin": "http://evil.test"}),
            (200, "/api/page", {"Host": "weir.test:8083", "Authorization": bearer}),
            (401, "/api/streams", {}),
            (401, "/api/nodes", {})):
        status, _, body = get(t, path, **headers)
        assert status == wanted, (path, headers, status, body)


@case
def without_settings_it_names_the_edges_own_addresses(t):
    with Cluster(edge=2, settings={"dispatch.web.http_url": "", "dispatch.web.open": "false"}) as c:
        t.cluster = c
        assert get(t, "/api/page")[0] == 401
        wanted = sorted(f"http://{n.addresses['http']}" for n in c.role("edge"))

        def named():
            return sorted(c.api("/api/page")["http"]) == wanted
        wait_for(named, "both edges")


# ---- in Chromium


HOSTILE = "live/<img src=x onerror=alert(1)>&amp;'\""
FORMS = ["native", "hls", "ws-ts", "ts", "ws-flv", "flv"]


def item(key):
    return f"#streams li[data-key={json.dumps(key)}] button"


def site(t, host="127.0.0.1"):
    need_page(t)
    return t.cluster.told["api"].replace("127.0.0.1", host) + "/"


def assert_plays(page):
    page.wait("document.querySelector('#video').currentTime > 1")
    page.wait("document.querySelector('#state').textContent === ''")


@case
def the_page_lists_streams_and_plays_them_by_clicking(t):
    """Whatever they are called; in every form."""
    with Cluster(settings={"cluster.fragment_duration_ms": 1000}) as t.cluster:
        list_and_play(t)


def list_and_play(t):
    page = Browser(t).open(site(t))
    page.wait("document.querySelector('#empty').hidden === false")
    assert "rtmp://" in page.call("document.querySelector('#publish').textContent")
    for stream in ("live/page", HOSTILE):
        t.push(clips.reference(), stream, "--loop")
    page.wait("document.querySelectorAll('#streams li').length === 2")
    names = page.call("[...document.querySelectorAll('.name')].map((n) => n.textContent)")
    assert names == sorted([HOSTILE, "live/page"]), names
    assert page.call("document.images.length") == 0, "a name became markup"
    page.wait("document.querySelector('.facts').textContent.includes('H.264 320×180 30 fps · AAC')")
    page.click(item(HOSTILE))
    assert_plays(page)
    page.click(item("live/page"))
    for form in FORMS:
        page.click(f"#forms input[value={form}]")
        assert_plays(page)
    assert page.call("document.querySelector('#title').textContent") == "live/page"
    page.wait("document.querySelector('[aria-pressed=true] .facts').textContent"
              ".includes('1 viewer')")
    page.picture(t.logs + "/page.png")
    assert not page.wrong(), page.wrong()


@case
def it_is_reached_by_another_name_with_a_token(t):
    """And plays from that name, too."""
    t.push(clips.reference(), "live/elsewhere", "--loop")
    browser = Browser(t)
    page = browser.open(site(t, "weir.test"))
    page.wait("document.querySelector('#ask').hidden === false")
    page.fill("#token", "wrong")
    page.click("#ask button")
    assert page.call("document.querySelectorAll('#streams li').length") == 0
    page.fill("#token", t.cluster.told["token"])
    page.click("#ask button")
    page.wait("document.querySelectorAll('#streams li').length > 0")
    page.click(item("live/elsewhere"))
    assert_plays(page)
    assert "http://weir.test:" in page.call("document.querySelector('#addresses').textContent")
    wrong = [w for w in page.wrong() if "401" not in w]
    assert not wrong, wrong

    page = browser.open(site(t, "weir.test") + f"#token={t.cluster.told['token']}"
                        "&play=live/elsewhere&by=ws-flv")
    assert_plays(page)
    assert t.cluster.told["token"] not in page.call("location.href"), "it stays in the address"
    assert not page.wrong(), page.wrong()


# ---- without node, without a registry


def make_web(t, **env):
    """Make the page in a folder of its own; the C file and what was said."""
    folder = t.file("web")
    done = subprocess.run(
        [os.path.join(ROOT, "scripts/make-web"), folder], env={**os.environ, **env},
        capture_output=True, text=True, check=True)
    with open(folder + "/files.c", encoding="utf-8") as f:
        return f.read(), done.stderr


def tools_but_node(t):
    """A folder for PATH."""
    folder = t.file("bin")
    os.mkdir(folder)
    for tool in ("sh", "dirname", "mkdir", "cat", "cmp", "rm", "cp"):
        os.symlink(f"/bin/{tool}", f"{folder}/{tool}")
    return folder


@case
def without_node_the_build_goes_on_and_says_so(t):
    text, said = make_web(t, PATH=tools_but_node(t))
    assert "left out: node is not installed" in said, said
    assert 'web_missing[] = "node is not installed"' in text, text
    assert "web_file_count = 0" in text, text


@case
def without_a_registry_too(t):
    if not os.path.exists(BUILD + "/web/installed.json"):
        raise Skip("npm is not here")
    text, said = make_web(t, npm_config_registry="http://127.0.0.1:1/",
                          npm_config_cache=t.file("cache"), npm_config_fetch_retries="0")
    assert "left out: npm could not fetch" in said, said
    assert "web_file_count = 0" in text, text


if __name__ == "__main__":
    main(CLUSTER, at_once=2)
