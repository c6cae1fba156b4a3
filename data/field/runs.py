"""The plan of the field corpus: every run with its load, its limit and its label, drawn before anything is recorded.

Usage: ``python data/field/runs.py > data/field/plan.jsonl``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from random import Random
from typing import Any

from record import Run
from software import PROGRAMS

MIB = 1 << 20
#: Kind of a run: whether it leaks, right patterns, and what beside one resident series is needed to tell.
KINDS = {
    "leak": (True, "leak", ""),
    "fill": (False, "warm_up|plateau|retention|step|startup_spike", ""),
    "expire": (False, "warm_up|plateau|retention|periodic|step", ""),
    "steady": (False, "plateau|warm_up|retention|startup_spike|step|periodic|sawtooth|burst", ""),
    "collect": (False, "sawtooth|plateau|warm_up|periodic|retention|burst|step|startup_spike", ""),
    "wave": (False, "periodic|plateau|burst|retention|sawtooth|warm_up|step|startup_spike", ""),
    "batch": (False, "periodic|sawtooth|burst|retention|plateau|step|startup_spike|warm_up", ""),
    "burst": (False, "burst|retention|plateau|step|startup_spike", ""),
    "files": (False, "page_cache|plateau|warm_up|periodic|at_limit|sawtooth", "cgroup"),
    "users": (False, "warm_up|plateau|step|thread_growth|retention|startup_spike", ""),
    "recycle": (False, "sawtooth|periodic|plateau|retention|warm_up|burst|step|startup_spike", ""),
}
_UNMET = "the bound is met only after the window"
_LATE = "too little of the window after the onset"

_rows: list[dict[str, Any]] = []


def _run(program: str, use: str, kind: str, limit: int, window: int, *, set_: dict[str, str] | None = None,
         signal: tuple[str, int] | None = None, item: int = 0, undecidable: str = "", bound: int = 0,
         replicas: int = 1, releases: tuple[int, ...] = (), **load: Any) -> None:  # noqa: ANN401  # fmt: skip
    """Add a run: what is used how, kind, limit in MiB, window, settings, and the load.

    `item` is what one item takes by plan (its payload when not given), `bound` the items at which growth ends;
    `releases` are seconds at which each replica gives way to a new one; a `signal` comes every so many seconds, TERM,
    which is a restart, once.
    """
    _rows.append({
        "program": program, "use": use, "kind": kind, "limit": limit, "window": window, "settings": set_ or {},
        "signal": signal, "item": item or load.get("size", 100), "undecidable": undecidable, "bound": bound,
        "replicas": replicas, "releases": list(releases), "load": load,
    })  # fmt: skip


def _http(path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"frame": "http", "mode": "visit", "end": "", "send": f"GET {path}" if "\n" not in path else path} | more


_PARTIAL: dict[str, Any] = {
    "mode": "hold",
    "ends": 0,
    "size": 200,
    "send": "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: $v",
}
_NATS: dict[str, Any] = {"hello": 'CONNECT {"verbose":true}\r\n', "hello_ends": 2}
_PG: dict[str, Any] = {"frame": "pg", "hello": "HELLO postgres", "end": "Z\0\0\0\5"}
_MYSQL: dict[str, Any] = {"frame": "mysql", "hello": "HELLO"}
_STOMP: dict[str, Any] = {
    "hello": "CONNECT\nlogin:guest\npasscode:guest\naccept-version:1.2\nhost:/\n\n\0",
    "end": "\0",
}


def _mqtt(send: str, flags: str = "\2", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    # Both CONNACK and the PUBACK of packet 1 hold these two bytes once.
    hello = f"\x10\0\4MQTT\4{flags}\0\0\0\x08$p"
    return {"frame": "mqtt", "hello": hello, "end": "\2\0", "send": send} | more


_RETAIN = "\x33\0\x0at/$p\0\1$v"
_RETAIN_SAME = "\x33\0\x0at/$q\0\1$v"
_SUBSCRIBE_ALL = "\x82\0\1\0\1#\1"


def _nats_stream(limits: str) -> str:
    body = f'{{"name":"s","subjects":["s.a"],"storage":"memory","retention":"limits","discard":"old",{limits}}}'
    return f"PUB $JS.API.STREAM.CREATE.s {len(body)}\r\n{body}\r\n"


def _put(size: int, lifetime: int = 0) -> str:
    return f"set key$n 0 {lifetime} {size}\r\n$v\r\n"


def _lsp(language: str, text: str, *, opened: bool) -> dict[str, Any]:
    """Talk to a language server: open one document after the other, or change one."""
    start: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
    ]
    ends = {"python": "py", "typescript": "ts", "markdown": "md", "toml": "toml", "sql": "sql"}
    document = {"uri": f"file:///w/f{'$n' if opened else ''}.{ends[language]}", "languageId": language, "version": 1}
    first = {"textDocument": {**document, "text": text}}
    opens = {"method": "textDocument/didOpen", "params": first}
    change = {
        "method": "textDocument/didChange",
        "params": {"textDocument": {"uri": document["uri"], "version": "$n"}, "contentChanges": [{"text": text}]},
    }
    sent = [json.dumps({"jsonrpc": "2.0", **message}) for message in (*start, opens, change)]
    sent[3] = sent[3].replace('"$n"', "$n")
    more: dict[str, Any] = {"frame": "lsp", "transport": "fifo", "ends": 0}
    return more | ({"first": sent[:2], "send": sent[2]} if opened else {"first": sent[:3], "send": sent[3], "kept": 0})


_PYTHON = "".join(
    f"def f{i}(a: int, b: str = '$v') -> list[str]:\n    return [b for _ in range(a + {i})]\n\n" for i in range(25)
)
_TYPESCRIPT = "".join(
    f"export function f{i}(a: number, b = '$v') {{ return Array(a + {i}).fill(b); }}\n" for i in range(25)
)
_MARKDOWN = "".join(
    f"# Part {i}\n\n* one of $v\n* two\n\nText with `code {i}` and [a link](b{i}.md).\n\n" for i in range(60)
)
_TOML = "".join(f'[table{i}]\nname = "$v"\nports = [{i}, 2, 3]\nsub = {{ a = {i}, b = true }}\n\n' for i in range(60))
_SQL = "".join(f"select a{i}, b from t{i} where c = '$v' and d > {i};\n" for i in range(40))  # noqa: S608 - text
_SESSION = "/examples/servlets/servlet/SessionExample?dataname=d&datavalue=$v"


# Each run is a row of a table, which a formatter would spread over a column.
# fmt: off
def _stores() -> None:
    set_key: dict[str, Any] = {"send": "SET key:$n $v\r\n", "gauges": "redis"}
    lru = "--maxmemory {} --maxmemory-policy allkeys-lru"
    no_buffer_limit = {"options": "--client-output-buffer-limit 'pubsub 0 0 0'"}
    _run("redis", "keys without expiry", "leak", 128, 600, size=800, rate=70, **set_key)
    _run("redis", "keys without expiry, in business hours", "leak", 160, 840, size=700, rate=90, profile="wave",
         period=140, **set_key)
    _run("redis", "keys without expiry after a flag", "leak", 128, 560, size=900, rate=90, onset=260, **set_key)
    _run("redis", "stream without MAXLEN", "leak", 48, 420, size=300, rate=250, send="XADD s * f $v\r\n", ends=2,
         gauges="redis")
    _run("redis", "subscriber that never reads", "leak", 48, 700, size=1500, rate=70, set_=no_buffer_limit,
         silent=["SUBSCRIBE c\r\n"], send="PUBLISH c $v\r\n", gauges="redis")
    _run("redis", "LRU fills", "fill", 96, 480, size=1000, rate=130, bound=25000,
         set_={"options": lru.format("30mb")}, **set_key)
    _run("redis", "LRU fills for most of the window", "fill", 256, 400, size=800, rate=60, undecidable=_UNMET,
         bound=190000,
         set_={"options": lru.format("200mb")}, **set_key)
    _run("redis", "keys expire", "expire", 96, 520, size=1000, rate=150, kept=0, profile="wave", period=90,
         send="SET key:$n $v EX 60\r\n", gauges="redis")
    _run("redis", "one burst", "burst", 96, 420, size=2000, rate=150, kept=0, profile="burst", period=150,
         send="SET key:$n $v EX 25\r\n", gauges="redis")
    _run("redis", "idle", "steady", 64, 300, size=300, rate=50, kept=0, keys=200, profile="idle",
         send="SET key:$k $v\r\n")
    _run("valkey", "list without a consumer, pause", "leak", 96, 540, size=600, rate=100, profile="pause",
         send="LPUSH jobs $v\r\n", gauges="redis")
    _run("valkey", "scripts never flushed", "leak", 96, 600, item=1200, rate=45, ends=2, gauges="redis",
         send='SCRIPT LOAD "return $n"\r\n')
    _run("valkey", "sessions without expiry", "leak", 40, 800, size=400, rate=130, gauges="redis",
         send="HSET session:$n user $n data $v\r\n")
    _run("valkey", "keys without expiry at the very end", "leak", 128, 420, size=800, rate=70, onset=385,
         undecidable=_LATE, **set_key)
    _run("valkey", "LFU fills", "fill", 96, 360, size=700, rate=200, bound=23000,
         set_={"options": "--maxmemory 24mb --maxmemory-policy allkeys-lfu"}, **set_key)
    _run("valkey", "capped stream", "fill", 96, 420, size=300, rate=200, bound=20000, ends=2, gauges="redis",
         send="XADD s MAXLEN ~ 20000 * f $v\r\n")
    _run("valkey", "same keys, nightly batches", "batch", 96, 640, size=6000, rate=60, keys=1500, kept=0,
         profile="batch", period=100,
         send="SET key:$n $v EX 30\r\n", gauges="redis")
    _run("memcached", "fills", "fill", 96, 500, size=900, rate=180, bound=27000, set_={"m": "32"}, send=_put(900))
    _run("memcached", "fills for longer than the window", "fill", 640, 450, size=900, rate=70, bound=430000,
         undecidable=_UNMET,
         set_={"m": "512"}, send=_put(900))
    _run("memcached", "items expire", "expire", 128, 460, size=1200, rate=160, kept=0, profile="wave", period=110,
         set_={"m": "100"}, send=_put(1200, 50))
    _run("memcached", "bound above the limit", "leak", 56, 380, size=900, rate=120, set_={"m": "4096"},
         send=_put(900))
    _run("memcached", "connections never closed", "leak", 128, 520, item=4000, rate=12, mode="hold",
         send="get a\r\n", end="END\r\n")
    big = (
        "CREATE TABLE big AS SELECT i AS a, repeat('x', 400) AS b FROM generate_series(1, 120000) i; "
        "CREATE INDEX ON big (a)"
    )
    _run("postgresql", "prepared statements never freed", "leak", 256, 520, item=12000, rate=8, **_PG,
         send="PREPARE s$n AS SELECT a.*, b.* FROM pg_class a JOIN pg_class b ON a.oid = b.oid WHERE a.oid = $n")
    _run("postgresql", "connections never closed", "leak", 400, 420, item=1_300_000, rate=0.35, **_PG, mode="hold",
         send="BEGIN; SELECT count(*) FROM pg_attribute")
    _run("postgresql", "temporary tables of a session", "leak", 256, 600, item=25000, rate=6, **_PG,
         send="CREATE TEMP TABLE t$n (a int PRIMARY KEY, b text)")
    _run("postgresql", "shared buffers fill", "fill", 256, 540, rate=20, keys=1150, kept=0, first=[big], **_PG,
         set_={"buffers": "48MB"}, send="SELECT sum(length(b)) FROM big WHERE a BETWEEN $k * 100 AND $k * 100 + 99")
    _run("postgresql", "nightly sort", "batch", 256, 660, rate=0.6, kept=0, profile="batch", period=110, **_PG,
         set_={"work": "32MB"},
         send="SELECT count(*) FROM (SELECT md5(i::text) m FROM generate_series(1, 60000) i ORDER BY 1) x")
    _run("postgresql", "transactions in waves", "wave", 192, 480, rate=25, keys=500, kept=0, profile="wave",
         period=120, **_PG,
         first=["CREATE TABLE t (a int PRIMARY KEY, b text)"], size=200,
         send="INSERT INTO t VALUES ($k, '$v') ON CONFLICT (a) DO UPDATE SET b = excluded.b")
    memory = ["CREATE DATABASE d", "CREATE TABLE d.m (k BIGINT, v VARCHAR(900) CHARACTER SET latin1) ENGINE=MEMORY"]
    inno = ["CREATE DATABASE d", "CREATE TABLE d.m (k BIGINT PRIMARY KEY, v VARCHAR(4000) CHARACTER SET latin1)"]
    insert = "REPLACE INTO d.m VALUES ($n, '$v')"
    _run("mariadb", "MEMORY table only grows", "leak", 384, 520, size=900, rate=90, first=memory, send=insert,
         **_MYSQL)
    _run("mariadb", "prepared statements never freed", "leak", 384, 600, item=9000, rate=16, **_MYSQL,
         send="PREPARE s$n FROM 'SELECT * FROM information_schema.tables a WHERE a.table_rows = $n'")
    _run("mariadb", "buffer pool fills", "fill", 384, 600, size=3800, rate=45, bound=11000, first=inno, send=insert,
         set_={"pool": "48M"}, **_MYSQL)
    _run("mariadb", "connections to a pool of 100", "users", 384, 420, item=100000, rate=0.6, mode="hold",
         most=100, bound=100,
         send="SET @a = $n", **_MYSQL)
    put = 'POST /v3/kv/put\n{{"key":"{}","value":"$v"}}'.format
    compact = {"options": "--auto-compaction-mode=periodic --auto-compaction-retention=1m --snapshot-count 500"}
    _run("etcd", "no compaction", "leak", 256, 600, size=2000, rate=30, **_http(put("$kb")),
         set_={"options": "--snapshot-count 500"})
    _run("etcd", "keys without a lease", "leak", 256, 540, size=1600, rate=28, **_http(put("$b")), set_=compact)
    _run("etcd", "watchers never closed", "leak", 256, 480, item=60000, rate=1.5, frame="http", mode="hold", ends=0,
         send='POST /v3/watch\n{"create_request":{"key":"$b"}}', set_=compact)
    _run("etcd", "compaction every minute", "collect", 256, 720, size=2000, rate=25, keys=300, kept=0,
         **_http(put("$kb")), set_=compact)
    _run("rabbitmq", "queues never deleted", "leak", 384, 600, item=40000, rate=4, size=200, **_STOMP,
         send="SEND\ndestination:/queue/q$n\nreceipt:$n\n\n$v\0")
    _run("rabbitmq", "published and consumed", "wave", 384, 540, rate=25, size=800, kept=0, profile="wave",
         period=150, **_STOMP,
         first=["SUBSCRIBE\nid:0\ndestination:/queue/a\nack:auto\nreceipt:s\n\n\0"], ends=1,
         send="SEND\ndestination:/queue/a\n\n$v\0")
    _run("nats", "memory stream without a bound", "leak", 160, 480, size=800, rate=90, **_NATS,
         first=[_nats_stream('"max_msgs":-1')], send="PUB s.a 800\r\n$v\r\n")
    _run("nats", "subscriptions never ended", "leak", 128, 560, item=900, rate=80, **_NATS, send="SUB s.$n $n\r\n")
    _run("nats", "subscriber that never reads", "leak", 56, 640, size=1500, rate=60, **_NATS, silent=["SUB a 1\r\n"],
         send="PUB a 1500\r\n$v\r\n")
    _run("nats", "memory stream of 20000", "fill", 160, 440, size=800, rate=150, bound=20000, **_NATS,
         first=[_nats_stream('"max_msgs":20000')], send="PUB s.a 800\r\n$v\r\n")
    _run("nats", "published to nobody, in bursts", "wave", 96, 400, size=400, rate=100, kept=0, profile="bursts",
         period=80, **_NATS,
         send="PUB a 400\r\n$v\r\n")
    _run("mosquitto", "retained topics", "leak", 96, 540, size=600, rate=80, **_mqtt(_RETAIN))
    _run("mosquitto", "persistent sessions", "leak", 96, 480, item=900, rate=30, **_mqtt(_SUBSCRIBE_ALL, "\0",
         mode="visit", ends=0))
    _run("mosquitto", "subscriber that never answers", "leak", 32, 660, size=700, rate=80, silent=[_SUBSCRIBE_ALL],
         **_mqtt("\x32\0\1a\0\1$v"))
    _run("mosquitto", "same retained topics, in waves", "wave", 96, 400, size=600, rate=80, keys=600, kept=0,
         profile="wave", period=100,
         **_mqtt(_RETAIN_SAME))
    _run("mosquitto", "clients that settle at 500", "users", 96, 460, item=3000, rate=2.5, most=500, bound=500,
         **_mqtt(_SUBSCRIBE_ALL, mode="hold", ends=0))
    _run("beanstalkd", "jobs never reserved, pause", "leak", 96, 480, size=500, rate=90, profile="pause", end="\r\n",
         send="put 0 0 60 500\r\n$v\r\n")
    _run("beanstalkd", "jobs never reserved until it is killed", "leak", 40, 720, size=2000, rate=70, end="\r\n",
         send="put 0 0 60 2000\r\n$v\r\n")
    _run("beanstalkd", "backlog of 4000 jobs", "fill", 64, 420, size=1500, rate=60, keys=4000, kept=0, end="\r\n",
         ends=2,
         send="put 0 0 60 1500\r\n$v\r\ndelete $old\r\n")
    _run("gearmand", "jobs without a worker", "leak", 96, 450, size=492, item=900, rate=90, end="\0RES",
         send="\0REQ\0\0\0\x12\0\0\1\xfawork\0$p\0$v")
    _run("gearmand", "echoes", "steady", 64, 330, size=500, rate=60, kept=0, end="\0RES",
         send="\0REQ\0\0\0\x10\0\0\1\xf4$v")
    irc: dict[str, Any] = {"hello": "NICK n$p\r\nUSER a 0 * :a\r\n", "mode": "hold", "ends": 0, "send": "JOIN #c$p\r\n"}
    _run("ngircd", "clients that never leave", "leak", 64, 480, item=4000, rate=4, **irc)
    _run("ngircd", "200 clients", "users", 64, 360, item=4000, rate=2, most=200, bound=200, **irc)


def _proxies() -> None:
    page = _http("/index.html", kept=0)
    proxied = {"origin": True, **_http("/o/$n")}
    again = {"origin": True, **_http("/o/$k", kept=0)}
    _run("nginx", "requests never finished", "leak", 160, 600, item=10000, rate=15, **_PARTIAL)
    _run("nginx", "cache of files fills", "files", 160, 420, size=20000, rate=14, bound=1500, set_={"max": "30m"},
         **proxied)
    _run("nginx", "reloads", "steady", 96, 420, rate=20, signal=("HUP", 70), set_={"max": "1m"}, **page)
    _run("nginx", "pages in waves", "wave", 64, 360, rate=30, profile="wave", period=90, set_={"max": "1m"}, **page)
    _run("haproxy", "stick table without expiry", "leak", 160, 620, item=350, rate=80, **_http("/items/$n"))
    _run("haproxy", "requests never finished", "leak", 112, 420, item=18000, rate=10, **_PARTIAL)
    _run("haproxy", "stick table of 5000", "fill", 128, 400, item=350, rate=45, bound=5000, set_={"size": "5k",
         "expire": "expire 1h"},
         **_http("/items/$n"))
    _run("haproxy", "ramp", "steady", 128, 480, rate=50, keys=300, profile="ramp", **_http("/items/$k", kept=0))
    _run("varnish", "storage without a bound", "leak", 256, 500, size=4000, rate=28, set_={"storage": "malloc"},
         **proxied)
    _run("varnish", "storage of 24 MiB fills", "fill", 192, 540, size=4000, rate=40, bound=4700,
         set_={"storage": "malloc,24m"}, **proxied)
    _run("varnish", "objects expire", "expire", 192, 480, size=5000, rate=35, set_={"ttl": "40s"},
         origin=True, **_http("/o/$n", kept=0))
    _run("varnish", "hits in bursts", "wave", 192, 380, size=3000, rate=25, keys=400, profile="bursts", period=75,
         **again)
    _run("squid", "memory cache fills", "fill", 160, 500, size=8000, rate=25, bound=2900, **proxied)
    _run("squid", "memory cache above the limit", "leak", 80, 420, size=8000, rate=16, set_={"mem": "4 GB"},
         **proxied)
    _run("squid", "hits", "steady", 128, 320, size=4000, rate=20, keys=150, **again)
    _run("lighttpd", "requests never finished", "leak", 128, 540, item=6000, rate=16, **_PARTIAL)
    _run("lighttpd", "pages, then a pause", "steady", 48, 320, rate=30, profile="pause", **page)
    _run("caddy", "requests never finished", "leak", 192, 560, item=16000, rate=8, **_PARTIAL)
    _run("caddy", "pages in waves", "wave", 128, 480, rate=40, profile="wave", period=120, **page)
    _run("apache", "graceful restarts", "steady", 128, 440, rate=20, signal=("USR1", 80), **page)
    _run("apache", "children end after 400 connections", "recycle", 128, 400, rate=30, set_={"per": "400"}, **page)
    _run("tinyproxy", "requests never finished", "leak", 160, 420, item=20000, rate=4, **_PARTIAL)


def _monitors() -> None:
    short = {"options": "--storage.tsdb.min-block-duration=90s --storage.tsdb.max-block-duration=180s "
    "--storage.tsdb.retention.time=5m"}
    push = 'POST /api/v1/import/prometheus\nm{{job="a",path="/{}"}} 1\n'.format
    _run("prometheus", "label cardinality", "leak", 384, 560, item=6000, rate=14, send="", origin=True)
    _run("prometheus", "stable series, blocks cut", "collect", 256, 780, rate=600, most=2500, kept=1, send="",
         origin=True, set_=short)
    _run("prometheus", "stable series", "steady", 256, 480, rate=300, most=600, send="", origin=True)
    _run("victoria-metrics", "stable series", "steady", 256, 540, rate=25, keys=500, **_http(push("$k"), kept=0))
    _run("victoria-metrics", "series churn", "fill", 256, 480, rate=45, undecidable=_UNMET, **_http(push("$n"),
         kept=0))
    _run("pushgateway", "groups never deleted", "leak", 192, 520, item=4500, rate=22,
         **_http('PUT /metrics/job/j$n\nm{a="$v"} 1\n'))
    _run("pushgateway", "same groups", "collect", 128, 400, rate=25, keys=150,
         **_http('PUT /metrics/job/j$k\nm{a="b"} $n\n', kept=0))
    alert = (
        'POST /api/v2/alerts\n[{{"labels":{{"alertname":"{}"}},"annotations":{{"a":"$v"}},'
        '"endsAt":"2040-01-01T00:00:00Z"}}]'
    ).format
    _run("alertmanager", "alerts never resolved", "leak", 256, 480, item=6000, size=300, rate=14,
         **_http(alert("a$n")))
    _run("alertmanager", "same alerts", "collect", 128, 420, size=300, rate=15, keys=60, **_http(alert("a$k"),
         kept=0))
    write = "POST /write?db=d\nm,host=h{},dc=a v=$n\n".format
    made: dict[str, Any] = {"first": ["POST /query?q=CREATE+DATABASE+d\nx"]}
    _run("influxdb", "series cardinality", "leak", 256, 560, item=1500, rate=45, **made, **_http(write("$n")))
    _run("influxdb", "stable series", "collect", 192, 500, rate=30, keys=250, **made, **_http(write("$k"), kept=0))
    query: dict[str, Any] = {"frame": "dns", "transport": "udp", "kept": 0}
    _run("unbound", "local data added", "leak", 96, 520, item=500, rate=80, mode="visit", transport="unix", end="",
         send="UBCT1 local_data h$n.example. A 10.0.0.2\n")
    _run("unbound", "queries", "steady", 64, 320, rate=50, send="a.example", **query)
    _run("bind", "dynamic updates", "leak", 256, 540, size=160, item=500, rate=45, frame="update", transport="udp",
         send="example h$n.example $v")
    _run("bind", "queries in waves", "wave", 192, 360, rate=50, profile="wave", period=80, send="ns.example", **query)
    _run("dnsmasq", "queries in bursts", "steady", 32, 300, rate=60, profile="bursts", period=60, send="a.example",
         **query)


def _runtimes() -> None:
    serial = "-XX:+UseSerialGC -Xmx{}m"
    _run("tomcat", "sessions never expire", "leak", 400, 840, size=2500, item=9000, rate=35,
         set_={"options": serial.format(900)}, **_http(_SESSION))
    _run("tomcat", "sessions expire after a minute", "expire", 320, 600, size=2000, rate=20,
         set_={"minutes": "1", "options": serial.format(160)}, **_http(_SESSION, kept=0))
    _run("tomcat", "garbage collected", "collect", 320, 560, rate=40, set_={"minutes": "1", "options": "-Xmx128m"},
         **_http("/examples/servlets/servlet/RequestInfoExample", kept=0))
    keep, work, cache = _http("/keep/$n"), _http("/busy/$n", kept=0), _http("/cache/$n")
    _run("puma", "a list that only grows", "leak", 160, 500, size=4000, item=5000, rate=18, set_={"size": "4000"},
         **keep)
    _run("puma", "garbage collected", "collect", 128, 420, rate=25, set_={"size": "6000"}, **work)
    _run("uwsgi", "a list of the module", "leak", 160, 540, size=3000, rate=25, set_={"size": "3000"}, **keep)
    _run("uwsgi", "workers end after 500 requests", "recycle", 160, 640, size=6000, rate=20,
         set_={"size": "6000", "options": "--max-requests 500"}, **_http("/keep/$n", kept=0))
    _run("uwsgi", "bounded cache fills", "fill", 160, 480, size=4000, rate=40, bound=5600, set_={"size": "4000",
         "entries": "2500"}, **cache)
    _run("gunicorn", "a list of the module", "leak", 192, 560, size=2500, rate=30, profile="ramp",
         set_={"size": "2500"}, **keep)
    _run("gunicorn", "a list of the module, in doublings of traffic", "leak", 192, 600, size=3000, rate=45,
         profile="stairs", period=120,
         set_={"size": "3000"}, **keep)
    _run("gunicorn", "workers end after 400 requests", "recycle", 192, 660, size=9000, rate=16,
         set_={"size": "9000", "options": "--max-requests 400"}, **_http("/keep/$n", kept=0))
    _run("gunicorn", "bounded cache fills", "fill", 192, 420, size=4000, rate=35, bound=2800, set_={"size": "4000",
         "entries": "2500"}, **cache)
    _run("gunicorn", "reloads", "recycle", 160, 400, rate=15, signal=("HUP", 90), **work)
    _run("uvicorn", "cache without a bound", "leak", 160, 520, size=2500, rate=30, set_={"size": "2500"},
         **_http("/all/$n"))
    _run("uvicorn", "entries expire", "expire", 160, 440, size=4000, rate=35, set_={"size": "4000"},
         **_http("/ttl/$n", kept=0))
    _run("uvicorn", "traffic in waves", "wave", 128, 480, rate=35, profile="wave", period=110, **work)
    _run("hypercorn", "a list of the module after a flag", "leak", 160, 600, size=3000, rate=25, onset=210,
         set_={"size": "3000"},
         **_http("/all/$n"))
    _run("hypercorn", "garbage", "steady", 128, 330, rate=20, **work)
    _run("waitress", "a list of the module, in business hours", "leak", 160, 760, size=2500, rate=25,
         profile="wave", period=130,
         set_={"size": "2500"}, **keep)
    _run("waitress", "ramp", "steady", 128, 440, rate=40, profile="ramp", **work)
    _run("granian", "a list of the module", "leak", 160, 500, size=3000, rate=28, set_={"size": "3000"}, **keep)
    _run("granian", "traffic in bursts", "wave", 128, 380, rate=30, profile="bursts", period=80, **work)
    _run("granian", "bounded cache fills", "fill", 160, 420, size=4000, rate=30, bound=3000, set_={"size": "4000"},
         **cache)
    _run("robyn", "a list of the module", "leak", 160, 480, size=3000, rate=28, set_={"size": "3000"}, **keep)
    _run("robyn", "garbage", "steady", 128, 360, rate=30, **work)
    _run("express", "sessions in memory", "leak", 320, 560, size=3000, item=9000, rate=20, set_={"size": "4000"},
         **_http("/visit/$n"))
    _run("express", "sessions in memory that expire and are never purged", "leak", 256, 640, item=7000, rate=18,
         set_={"size": "3000", "age": "30000"}, **_http("/visit/$n"))
    _run("lru-cache", "fills", "fill", 256, 500, item=6000, rate=40, bound=4000, set_={"entries": "4000",
         "size": "4000"}, **cache)
    _run("lru-cache", "hits", "collect", 192, 400, rate=30, keys=300, **_http("/cache/$k", kept=0))
    _run("prom-client", "label cardinality", "leak", 256, 560, item=900, rate=70, **_http("/label/$n"))
    _run("prom-client", "stable labels", "collect", 192, 420, rate=30, keys=100, **_http("/label/$k", kept=0))
    _run("node", "listeners never removed", "leak", 256, 540, item=5000, rate=30, **_http("/listen/$n"))
    _run("node", "a map that grows until it is killed", "leak", 112, 720, item=12000, rate=30,
         set_={"size": "8000", "options": "--max-old-space-size=1000"}, **keep)
    _run("node", "garbage collected", "collect", 192, 480, rate=40, set_={"size": "12000"}, **work)
    _run("node", "starts and idles", "steady", 128, 300, rate=40, profile="idle", **work)
    _run("node", "ramp", "collect", 192, 460, rate=50, profile="ramp", set_={"size": "8000"}, **work)
    _run("aedes", "retained topics", "leak", 192, 520, size=500, item=1200, rate=50, **_mqtt(_RETAIN))
    _run("aedes", "same retained topics", "collect", 160, 400, size=500, rate=50, keys=400, kept=0,
         **_mqtt(_RETAIN_SAME))
    upgrade: dict[str, Any] = {
        "send": "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "mode": "hold",
        "end": "\r\n\r\n",
    }
    _run("ws", "sockets never closed", "leak", 256, 520, item=9000, rate=8, **upgrade)
    _run("ws", "600 sockets", "users", 192, 480, item=9000, rate=4, most=600, bound=600, **upgrade)
    _run("swc", "builds", "collect", 320, 460, rate=4, **_http("/build/$n", kept=0))
    _run("swc", "nightly builds", "batch", 320, 600, rate=12, profile="batch", period=100, **_http("/build/$n",
         kept=0))
    _run("lightningcss", "results kept", "leak", 256, 480, size=9000, item=9000, rate=10, **_http("/results/$n"))
    _run("lightningcss", "builds", "collect", 256, 400, rate=8, **_http("/build/$n", kept=0))
    _run("deno", "a map that only grows", "leak", 256, 540, item=7000, rate=25, set_={"size": "4000"}, **keep)
    _run("deno", "garbage collected", "collect", 256, 440, rate=30, set_={"size": "8000"}, **work)
    _run("bun", "a map that only grows", "leak", 256, 500, item=7000, rate=25, set_={"size": "4000"}, **keep)
    _run("bun", "garbage collected, in waves", "wave", 256, 460, rate=35, profile="wave", period=100,
         set_={"size": "8000"}, **work)


def _engines() -> None:
    for program, rate, limit, window in (("ruff", 3, 256, 520), ("ty", 1.5, 384, 560), ("pyrefly", 1.0, 512, 480)):
        _run(program, "documents never closed", "leak", limit, window, size=60, item=20000, rate=rate,
             **_lsp("python", _PYTHON, opened=True))
        _run(program, "one document edited", "steady", limit, 400, size=60, rate=2, **_lsp("python", _PYTHON,
             opened=False))
    for program, limit in (("biome", 320), ("oxlint", 320)):
        _run(program, "documents never closed", "leak", limit, 500, size=60, item=20000, rate=2.5,
             **_lsp("typescript", _TYPESCRIPT, opened=True))
        _run(program, "one document edited", "steady", limit, 380, size=60, rate=2, **_lsp("typescript",
             _TYPESCRIPT, opened=False))
    insert = 'POST /update\nINSERT DATA {{ <http://e/{}> <http://e/p> "{}" }}'.format
    _run("oxigraph", "statements inserted", "leak", 256, 520, size=500, item=1500, rate=50, **_http(insert("$n",
         "$v")))
    _run("oxigraph", "same statements", "steady", 192, 360, rate=20, keys=200, **_http(insert("$k", "a"), kept=0))
    _run("moto", "objects never deleted", "leak", 320, 540, size=6000, rate=10, first=["PUT /bucket\n"],
         **_http("PUT /bucket/k$n\n$v"))
    _run("moto", "same objects", "steady", 256, 360, size=6000, rate=8, keys=60, first=["PUT /bucket\n"],
         **_http("PUT /bucket/k$k\n$v", kept=0))
    _run("fakeredis", "keys without expiry", "leak", 192, 500, size=700, item=1400, rate=70, frame="resp",
         send="SET key:$n $v")
    _run("fakeredis", "same keys", "steady", 128, 340, size=700, rate=40, keys=500, kept=0, frame="resp",
         send="SET key:$k $v")
    web = {"front": "mitmweb", "options": "--no-web-open-browser --web-port $other"}
    _run("mitmproxy", "flows kept", "leak", 320, 500, size=2000, item=9000, rate=10, origin=True, set_=web,
         **_http("/x/$n"))
    _run("mitmproxy", "flows dropped", "steady", 256, 420, size=2000, rate=10, origin=True, **_http("/x/$n", kept=0))

    def engine(program: str, use: str, kind: str, limit: int, window: int, do: str, size: int = 2000,
               **load: Any) -> None:  # noqa: ANN401
        values = {"size": str(size), "entries": str(load.get("bound") or 3000)}
        kept = {} if kind in ("leak", "fill") else {"kept": 0}
        _run(program, use, kind, limit, window, send=f"{do} $n\n", set_=values, **{"item": size, **kept, **load})

    engine("polars", "frames kept", "leak", 320, 480, "keep", 6000, rate=6, item=9000)
    engine("polars", "jobs", "batch", 320, 600, "work", 60000, rate=6, profile="batch", period=90)
    engine("polars", "queries", "collect", 320, 400, "work", 20000, rate=6)
    engine("tantivy", "index in memory grows", "leak", 320, 540, "keep", 6000, rate=25)
    engine("tantivy", "documents committed to files", "files", 320, 480, "work", 3000, rate=20)
    engine("surrealdb", "records never deleted", "leak", 256, 540, "keep", 1500, rate=35, item=3000)
    engine("surrealdb", "same records", "steady", 256, 420, "same", 1500, rate=25)
    engine("moka", "cache fills", "fill", 160, 460, "put", 3000, rate=60, bound=8000)
    engine("moka", "cache above the limit", "leak", 96, 380, "put", 3000, rate=45, bound=900000)
    engine("cachebox", "entries expire", "expire", 160, 440, "put", 3000, rate=60)
    engine("pycrdt", "a document that only grows", "leak", 160, 500, "keep", 2000, rate=35, item=2600)
    engine("tokenizers", "tokens added", "leak", 256, 480, "add", 200, rate=6, item=3500)
    engine("tokenizers", "texts in waves", "wave", 256, 420, "work", 2000, rate=12, profile="wave", period=110)
    engine("pydantic", "a model for each request", "leak", 256, 500, "keep", rate=6, item=25000)
    engine("pydantic", "validated in bursts", "wave", 192, 380, "work", rate=15, profile="bursts", period=70)
    engine("rustworkx", "a graph that only grows", "leak", 256, 520, "keep", 2000, rate=8, item=20000)
    engine("rustworkx", "paths", "steady", 192, 340, "work", rate=10)
    engine("turso", "rows never deleted", "leak", 192, 520, "keep", 1500, rate=40)
    engine("turso", "same rows", "steady", 192, 360, "same", 1500, rate=30)
    engine("duckdb", "a table that only grows", "leak", 320, 540, "keep", 1000, rate=25, item=4500)
    engine("duckdb", "nightly jobs", "batch", 320, 620, "work", rate=4, profile="batch", period=100)


def _strangers() -> None:
    """Programs chosen when the verdicts were done with: they were judged once before anybody looked at them."""
    keep, work = _http("/keep/$n"), _http("/busy/$n", kept=0)

    def engine(program: str, use: str, kind: str, limit: int, window: int, do: str, size: int = 2000,
               entries: int = 400, **load: Any) -> None:  # noqa: ANN401
        kept = {} if kind in ("leak", "fill") else {"kept": 0}
        _run(program, use, kind, limit, window, send=f"{do} $n\n", set_={"size": str(size), "entries": str(entries)},
             **{"item": size, **kept, **load})

    engine("rocksdict", "a column family for each tenant", "leak", 256, 560, "keep", rate=1.2, item=60000)
    engine("rocksdict", "same keys written to files", "files", 192, 600, "same", 3000, 2000, rate=60, profile="wave",
           period=120)
    engine("wasmtime", "instances never dropped", "leak", 256, 600, "keep", 6000, rate=9, item=12000)
    engine("wasmtime", "an instance for each request", "collect", 128, 420, "work", 20000, rate=25)
    engine("obstore", "objects never deleted, in business hours", "leak", 160, 720, "keep", 3000, rate=22,
           profile="wave", period=144)
    engine("obstore", "same objects", "steady", 96, 360, "same", 20000, 800, rate=25)
    engine("datafusion", "a table for each request", "leak", 384, 540, "keep", 6000, rate=7, item=9000)
    engine("datafusion", "nightly queries", "batch", 384, 660, "work", rate=3, profile="batch", period=110)
    engine("minijinja", "a template for each request, after a flag", "leak", 128, 600, "keep", 1500, rate=25,
           item=4000, onset=230)
    engine("minijinja", "rendered in bursts", "wave", 96, 400, "work", 3000, rate=40, profile="bursts", period=80)
    engine("libsql", "rows never deleted, with a pause", "leak", 40, 600, "keep", 1500, rate=40, profile="pause")
    engine("libsql", "same rows", "steady", 96, 340, "same", 1500, rate=30)
    engine("rpds", "versions never dropped", "leak", 160, 480, "keep", 1200, rate=30, item=1800)
    engine("rpds", "the last 6000 versions", "fill", 160, 540, "put", 3000, 6000, rate=32, bound=6000)
    engine("qdrant", "points never deleted", "leak", 384, 540, "keep", 3000, rate=18, item=5000)
    engine("qdrant", "same points", "steady", 320, 420, "same", 3000, rate=10)
    for program, limit, rate, language, text in (
        ("zuban", 384, 1.5, "python", _PYTHON), ("rumdl", 192, 3, "markdown", _MARKDOWN),
        ("tombi", 256, 2, "toml", _TOML),
    ):
        _run(program, "documents never closed", "leak", limit, 520, size=60, item=20000, rate=rate,
             **_lsp(language, text, opened=True))
        _run(program, "one document edited", "steady", limit, 400, size=60, rate=rate,
             **_lsp(language, text, opened=False))
    _run("daphne", "a cache without a bound", "leak", 192, 600, size=2500, rate=20, profile="ramp",
         set_={"size": "2500"}, **_http("/all/$n"))
    _run("daphne", "entries expire", "expire", 160, 460, size=4000, rate=20, set_={"size": "4000"},
         **_http("/ttl/$n", kept=0))
    _run("cheroot", "a list of the module, in steps", "leak", 160, 640, size=3000, rate=40, profile="stairs",
         period=130, set_={"size": "3000"}, **keep)
    _run("cheroot", "bounded cache fills", "fill", 160, 500, size=5000, rate=30, bound=4600,
         set_={"size": "5000", "entries": "4000"}, **_http("/cache/$n"))
    _run("twisted", "a list of the module", "leak", 64, 480, size=2500, rate=20, set_={"size": "2500"}, **keep)
    _run("twisted", "traffic in waves", "wave", 128, 480, rate=20, profile="wave", period=120, **work)
    _run("carbon", "points that nobody writes out", "leak", 320, 600, size=40, item=900, rate=90, ends=0,
         send="servers.$v.m$n 1 -1\n")
    _run("carbon", "a cache of 15000 points", "fill", 256, 500, size=40, item=900, rate=90, ends=0, bound=15000,
         set_={"most": "15000"}, send="servers.$v.m$n 1 -1\n")
    _run("statsd", "names never deleted", "leak", 192, 560, size=60, item=500, rate=120, ends=0,
         send="requests.$v.$n:1|c\n")
    _run("statsd", "timers of the same names", "collect", 160, 420, rate=250, keys=80, kept=0, ends=0,
         send="requests.$k:3|ms\n")
    forward = (
        'action(type="omfwd" target="127.0.0.1" port="1" protocol="tcp" queue.type="linkedlist" '
        'queue.size="{}" queue.timeoutenqueue="0" action.resumeretrycount="-1")'
    )
    _run("rsyslog", "lines for a server that is gone", "leak", 48, 540, size=500, item=1400, rate=70, ends=0,
         set_={"action": forward.format("5000000")}, send="<13>Nov 29 06:00:00 h a: $n $v\n")
    _run("rsyslog", "a queue of 12000 lines", "fill", 96, 480, size=500, item=1400, rate=90, ends=0, bound=12000,
         set_={"action": forward.format("12000")}, send="<13>Nov 29 06:00:00 h a: $n $v\n")
    _run("rsyslog", "lines to a file", "files", 96, 420, size=900, rate=150, kept=0, ends=0,
         set_={"action": 'action(type="omfile" file="$dir/lines")'}, send="<13>Nov 29 06:00:00 h a: $n $v\n")
    put: dict[str, Any] = {"transport": "unix", "send": "PUTVAL h/p-$n/gauge-a interval=3600 N:1\n"}
    _run("collectd", "names that never time out", "leak", 96, 500, item=900, rate=90, **put)
    _run("collectd", "names that time out", "expire", 64, 440, rate=60, kept=0,
         **put | {"send": put["send"].replace("3600", "20")})
    allocate: dict[str, Any] = {
        "transport": "udp", "mode": "hold",
        "send": "\0\3\0\x08\x21\x12\xa4\x42abcd$p\0\x19\0\4\x11\0\0\0",
    }
    _run("coturn", "allocations never deleted", "leak", 192, 540, item=6000, rate=8, **allocate)
    _run("coturn", "allocations of 800 users", "users", 128, 480, item=6000, rate=4, most=800, bound=800, **allocate)
    _run("knot", "dynamic updates", "leak", 192, 520, size=160, item=600, rate=30, frame="update", transport="udp",
         send="example h$n.example $v")
    _run("knot", "queries in waves", "wave", 96, 380, rate=50, profile="wave", period=90, frame="dns",
         transport="udp", kept=0, send="ns.example")
    _run("starman", "a list that only grows", "leak", 128, 520, size=3000, item=1500, rate=20, set_={"size": "3000"},
         **keep)
    _run("starman", "workers end after 300 requests", "recycle", 128, 600, size=3000, rate=12,
         set_={"size": "6000", "options": "--max-requests 300"}, **_http("/keep/$n", kept=0))
    _run("privoxy", "clients that never finish", "leak", 128, 460, item=30000, rate=2.5, **_PARTIAL)
    _run("fastify", "sessions never expire", "leak", 256, 600, size=3000, item=9000, rate=16, set_={"size": "4000"},
         **_http("/visit/$n"))
    _run("fastify", "garbage collected, ramp", "collect", 192, 460, rate=35, profile="ramp", set_={"size": "8000"},
         **work)
    _run("hapi", "a cache that keeps for a day", "leak", 256, 560, item=2600, rate=45, set_={"size": "2500"},
         **_http("/cache/$n"))
    _run("hapi", "a cache that keeps for 40 seconds", "expire", 256, 480, rate=40,
         set_={"size": "2500", "age": "40000"}, **_http("/cache/$n", kept=0))
    _run("koa", "listeners never removed", "leak", 256, 500, item=4000, rate=40, **_http("/listen/$n"))
    handshake: dict[str, Any] = {
        "send": "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "mode": "hold", "end": "\r\n\r\n",
    }
    _run("socket.io", "sockets never closed", "leak", 256, 540, item=12000, rate=6, **handshake)
    _run("socket.io", "500 sockets", "users", 192, 440, item=12000, rate=4, most=500, bound=500, **handshake)
    _run("canvas", "pictures never dropped", "leak", 80, 480, item=85000, rate=2, **_http("/pictures/$n"))
    _run("canvas", "pictures drawn", "collect", 256, 400, rate=6, **_http("/draw/$n", kept=0))
    _run("memory-level", "entries never deleted", "leak", 256, 540, item=4500, rate=30, set_={"size": "3000"}, **keep)
    _run("workerd", "a map of the worker", "leak", 320, 560, item=9000, rate=25, set_={"size": "4000"}, **keep)
    _run("workerd", "garbage collected", "collect", 256, 420, rate=30, set_={"size": "8000"}, **work)
def _more_strangers() -> None:
    """Programs for a second look, after what the first one showed had been mended."""
    keep, work = _http("/keep/$n"), _http("/busy/$n", kept=0)

    def engine(program: str, use: str, kind: str, limit: int, window: int, do: str, size: int = 2000,
               entries: int = 400, **more: Any) -> None:  # noqa: ANN401
        kept = {} if kind in ("leak", "fill") else {"kept": 0}
        _run(program, use, kind, limit, window, send=f"{do} $n\n", set_={"size": str(size), "entries": str(entries)},
             **{"item": size, **kept, **more})

    engine("lancedb", "rows never deleted", "leak", 512, 600, "keep", 2500, rate=0.8, item=36000)
    engine("lancedb", "searches in waves", "wave", 384, 480, "work", 400, rate=4, profile="wave", period=120)
    engine("deltalake", "tables never dropped", "leak", 320, 540, "keep", 400, rate=2, item=60000)
    engine("deltalake", "nightly reads", "batch", 320, 560, "work", 3000, rate=1.5, profile="batch", period=110)
    engine("cozo", "rows never deleted, in business hours", "leak", 256, 600, "keep", 700, rate=22, profile="wave",
           period=150)
    engine("cozo", "same rows, restarted", "steady", 128, 520, "same", 3000, 2500, rate=25, signal=("TERM", 240))
    engine("loro", "a history that is never cut, until it is killed", "leak", 48, 600, "keep", 3000, rate=45)
    engine("loro", "a document for each request, in bursts", "wave", 96, 480, "work", 4000, rate=12,
           profile="bursts", period=80)
    engine("typst", "a compiler for each tenant", "leak", 640, 540, "keep", 2000, rate=0.4, item=900000)
    engine("typst", "nightly bills", "batch", 320, 560, "work", 4000, rate=0.5, profile="batch", period=120)
    engine("ast-grep", "trees never dropped, after a flag", "leak", 256, 600, "keep", 2000, rate=2.5, item=60000,
           onset=220)
    engine("ast-grep", "searches in waves", "wave", 128, 480, "work", 4000, rate=3, profile="wave", period=110)
    engine("zen", "a decision for each request, in steps", "leak", 192, 560, "keep", 2000, rate=8, item=12000,
           profile="stairs", period=140)
    engine("zen", "rules asked, ramp", "steady", 128, 480, "work", 3000, rate=25, profile="ramp")
    sql: dict[str, Any] = {"size": 60, "item": 20000, "rate": 1.2}
    _run("sqruff", "documents never closed", "leak", 256, 540, **sql, **_lsp("sql", _SQL, opened=True))
    _run("sqruff", "one document edited", "steady", 256, 480, **sql, **_lsp("sql", _SQL, opened=False))
    _run("rolldown", "bundles never closed", "leak", 384, 540, item=90000, rate=1, **_http("/bundles/$n"))
    _run("rolldown", "nightly builds", "batch", 320, 560, rate=2, profile="batch", period=110,
         **_http("/once/$n", kept=0))
    _run("automerge", "a history that is never cut", "leak", 384, 600, item=1500, rate=6, set_={"size": "1500"},
         **keep)
    _run("automerge", "a document for each request", "collect", 256, 480, rate=5, set_={"size": "2000"},
         **_http("/once/$n", kept=0))
    _run("nedb", "documents never removed", "leak", 320, 540, item=5000, rate=12, set_={"size": "3000"}, **keep)
    _run("nedb", "documents expire, restarted", "expire", 192, 520, rate=14, signal=("TERM", 180),
         set_={"size": "3000", "age": "50"}, **_http("/expire/$n", kept=0))
    _run("graphql-yoga", "rows kept by a resolver", "leak", 256, 560, item=9000, rate=8,
         set_={"size": "4000", "age": "1"}, **_http("/query/$n"))
    _run("graphql-yoga", "a new query each time", "collect", 256, 480, rate=8, **_http("/query/$n", kept=0))
    _run("tornado", "a list of the module, restarted", "leak", 256, 600, size=3000, rate=12, set_={"size": "3000"},
         signal=("TERM", 240), **keep)
    _run("tornado", "bounded cache fills, restarted", "fill", 160, 600, size=5000, rate=30, bound=3300,
         set_={"size": "5000", "entries": "3000"}, signal=("TERM", 170), **_http("/cache/$n"))
    _run("sanic", "a cache without a bound, a deploy of two replicas", "leak", 320, 600, size=2500, rate=14,
         set_={"size": "2500"}, replicas=2, releases=(250,), **_http("/all/$n"))
    _run("sanic", "entries expire, a deploy of two replicas", "expire", 192, 520, size=4000, rate=14,
         set_={"size": "4000"}, replicas=2, releases=(170,), **_http("/ttl/$n", kept=0))
    _run("aiohttp", "bounded caches fill in two replicas", "fill", 160, 520, size=4000, rate=30, bound=3800,
         set_={"size": "4000", "entries": "3500"}, replicas=2, releases=(100,), **_http("/cache/$n"))
    _run("aiohttp", "a list of the module, in business hours", "leak", 256, 600, size=1500, rate=12, profile="wave",
         period=120, set_={"size": "1500"}, **keep)
    _run("gevent", "a list of the module, a slow one", "leak", 128, 600, size=1000, rate=10, set_={"size": "1000"},
         **keep)
    _run("gevent", "traffic in bursts", "wave", 96, 480, rate=15, profile="bursts", period=90, **work)
    line = "<13>Nov 29 06:00:00 h a: $n $v\n"
    _run("syslog-ng", "lines for a server that is gone", "leak", 256, 560, size=500, item=1200, rate=60, ends=0,
         send=line)
    _run("syslog-ng", "a queue of 12000 lines", "fill", 128, 520, size=500, item=1200, rate=60, ends=0, bound=12000,
         set_={"most": "12000"}, send=line)
    _run("tarantool", "rows never deleted until it is killed", "leak", 64, 600, size=900, rate=200, send="$v\n")
    _run("tarantool", "the last 15000 rows, restarted", "fill", 160, 600, size=900, rate=130, bound=15000,
         set_={"most": "15000"}, signal=("TERM", 170), send="$v\n")
    _run("docker-registry", "uploads never finished", "leak", 256, 600, item=4000, rate=10,
         **_http("POST /v2/a/blobs/uploads/\n"))
    _run("docker-registry", "asked for what is not there", "collect", 128, 480, rate=30,
         **_http("/v2/a$n/manifests/latest", kept=0))
    job: dict[str, Any] = _http('POST /rc/noop\n{"_async":true,"value":"$v"}')
    _run("rclone", "jobs kept for a day", "leak", 192, 560, size=2000, item=4500, rate=15, **job)
    _run("rclone", "jobs kept for 40 seconds", "expire", 160, 480, size=2000, rate=15, set_={"age": "40s"},
         **{**job, "kept": 0})
    talk: dict[str, Any] = {
        "mode": "hold", "ends": 0, "send": "NICK a$n\r\nUSER a$n 0 * :a\r\nJOIN #c$n\r\nTOPIC #c$n :$v\r\n",
    }
    _run("inspircd", "channels never left", "leak", 128, 560, item=9000, rate=5, size=250, **talk)
    _run("inspircd", "users that settle at 800", "users", 96, 480, item=9000, rate=4, size=250, most=800, bound=800,
         **talk)
    ask: dict[str, Any] = {"frame": "dns", "transport": "udp"}
    _run("pdns-recursor", "a cache that is larger than the limit", "leak", 96, 560, item=700, rate=60,
         send="h$n.example", **ask)
    _run("pdns-recursor", "a cache of 12000 answers", "fill", 128, 520, item=700, rate=60, bound=12000,
         set_={"most": "12000"}, send="h$n.example", **ask)
    _run("unicorn", "a list that only grows", "leak", 256, 560, size=3000, item=1500, rate=8, set_={"size": "3000"},
         **keep)
    _run("unicorn", "reloads", "recycle", 192, 520, rate=10, signal=("HUP", 130), set_={"size": "6000"},
         **_http("/keep/$n", kept=0))

def _line(program: str, use: str, kind: str, limit: int, window: int, do: str, size: int = 2000,
          entries: int = 400, **more: Any) -> None:  # noqa: ANN401
    kept = {} if kind in ("leak", "fill") else {"kept": 0}
    _run(program, use, kind, limit, window, send=f"{do} $n\n", set_={"size": str(size), "entries": str(entries)},
         **{"item": size, **kept, **more})


def _third_strangers() -> None:
    """Programs for a third look: leaks that begin late, rest or come in jobs; bounds, loads and garbage that grow."""
    keep, work = _http("/keep/$n"), _http("/busy/$n", kept=0)

    _line("daft", "frames never dropped", "leak", 640, 480, "keep", 1500, rate=1.5, item=45000)
    _line("daft", "nightly frames", "batch", 640, 480, "work", 3000, rate=2, profile="batch", period=100)
    _line("jsonschema-rs", "a validator for each tenant, after a rest", "leak", 192, 540, "keep", 1600, rate=3,
          item=40000, onset=200)
    _line("jsonschema-rs", "the last 500 validators", "fill", 192, 480, "put", 1600, 500, rate=3, item=40000, bound=500)
    _line("slatedb", "keys never deleted", "leak", 320, 540, "keep", 1500, rate=40)
    _line("slatedb", "same keys written again", "steady", 256, 480, "same", 1500, 2000, rate=30)
    _line("cedar", "asked in business hours", "wave", 128, 480, "work", 3000, rate=6, profile="wave", period=120)
    _line("php", "a map that only grows, nightly", "leak", 96, 520, "keep", 3000, rate=20, profile="batch", period=90)
    _line("php", "cycles in waves", "wave", 64, 480, "work", 3000, rate=6, profile="wave", period=100)
    _line("php", "the last 6000 entries", "fill", 96, 480, "put", 2500, 6000, rate=27, bound=6000)
    _line("erlang", "a table that only grows, in business hours", "leak", 256, 540, "keep", 3000, rate=18, item=4000,
          profile="wave", period=120)
    _line("erlang", "garbage of a process, ramp", "collect", 192, 480, "work", 2000, rate=10, profile="ramp")
    _line("sbcl", "a table that only grows", "leak", 512, 540, "keep", 6000, rate=18, item=6200)
    _line("sbcl", "garbage collected in generations", "collect", 512, 480, "work", 4000, rate=8)
    _line("racket", "a table that only grows, in steps", "leak", 320, 540, "keep", 4000, rate=15, profile="stairs",
          period=130)
    _line("racket", "the last 4000 entries, restarted", "fill", 256, 540, "put", 4000, 4000, rate=30, bound=4000,
          signal=("TERM", 160))
    _run("node-cache", "entries without a lifetime, a slow one", "leak", 256, 540, rate=5, item=4200,
         set_={"size": "3000"}, **keep)
    _run("node-cache", "entries expire", "expire", 256, 480, rate=15, set_={"size": "3000", "age": "45"},
         **_http("/keep/$n", kept=0))
    _run("minisearch", "documents never removed, each night", "leak", 320, 520, rate=8, item=12000, profile="batch",
         period=90, set_={"size": "2000"}, **keep)
    _run("minisearch", "an index built anew", "collect", 320, 480, rate=0.5, set_={"size": "2000"},
         **_http("/build/$n", kept=0))
    _run("orama", "the last 600 documents", "fill", 320, 480, rate=3, item=20000, bound=600,
         set_={"size": "2000", "entries": "600"}, **_http("/last/$n"))
    _run("oxc-parser", "files parsed in bursts", "wave", 256, 480, rate=3, profile="bursts", period=90,
         **_http("/parse/$n", kept=0))
    _run("oxc-parser", "trees never dropped", "leak", 512, 480, rate=0.8, item=150000, **keep)
    _run("eventlet", "a list of the module, restarted", "leak", 192, 540, rate=10, item=2500, set_={"size": "2500"},
         signal=("TERM", 220), **keep)
    _run("eventlet", "traffic in waves", "wave", 96, 480, rate=12, profile="wave", period=110, **work)
    _run("werkzeug", "a cache without a bound, a deploy of two replicas", "leak", 192, 540, rate=9, item=2500,
         set_={"size": "2500"}, replicas=2, releases=(210,), **_http("/all/$n"))
    _run("werkzeug", "entries expire, ramp", "expire", 128, 480, rate=14, profile="ramp", set_={"size": "4000"},
         **_http("/ttl/$n", kept=0))
    _run("webrick", "a list that only grows", "leak", 192, 520, rate=7, item=5000, set_={"size": "3000"}, **keep)
    _run("webrick", "garbage in bursts", "wave", 128, 480, rate=9, profile="bursts", period=80,
         set_={"size": "6000"}, **work)
    _run("jdk", "a map that only grows", "leak", 384, 540, rate=12, item=6000, set_={"size": "4000"}, **keep)
    _run("jdk", "garbage under G1", "collect", 384, 480, rate=15, set_={"size": "6000"}, **work)
    _run("jdk", "the last 3000 under a serial collector", "fill", 256, 480, rate=12, item=5000, bound=3000,
         set_={"size": "3000", "entries": "3000", "options": "-XX:+UseSerialGC"}, **_http("/cache/$n"))
    say: dict[str, Any] = _http("POST /topic$n\n$v")
    _run("ntfy", "messages kept for half a day", "leak", 256, 540, size=900, rate=8, **say)
    _run("ntfy", "messages kept for 40 seconds", "expire", 192, 480, size=900, rate=8, set_={"age": "40s"},
         **{**say, "send": "POST /topic$k\n$v", "kept": 0, "keys": 400})
    register: dict[str, Any] = {
        "transport": "udp", "send": "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP "
        "127.0.0.1:5999;rport;branch=z9hG4bK$n\r\nFrom: <sip:u$n@a.example>;tag=a$n\r\nTo: <sip:u$n@a.example>\r\n"
        "Call-ID: c$n\r\nCSeq: 1 REGISTER\r\nContact: <sip:u$n@127.0.0.1:5999>\r\nMax-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n",
    }
    _run("kamailio", "registrations for a day", "leak", 192, 520, size=60, item=900, rate=40, **register)
    _run("kamailio", "registrations for 40 seconds", "expire", 128, 480, size=60, rate=40, set_={"age": "40"}, kept=0,
         **register)

def _fourth_strangers() -> None:
    """Programs for a fourth look: what the third one asked, of others."""
    keep = _http("/keep/$n")

    _line("opendal", "names never deleted, in business hours", "leak", 256, 540, "keep", 3000, rate=40, item=3300,
          profile="wave", period=120)
    _line("opendal", "the same names again", "steady", 192, 480, "same", 3000, 4000, rate=60)
    _line("ahocorasick-rs", "an automaton for each tenant, after a rest", "leak", 256, 540, "keep", 2000, rate=6,
          item=20000, onset=190)
    _line("ahocorasick-rs", "built and dropped in bursts", "wave", 192, 480, "work", 6000, rate=5, profile="bursts",
          period=90)
    _line("zenoh", "subscribers never undeclared", "leak", 192, 540, "keep", rate=20, item=3000)
    _line("zenoh", "the last 1500 subscribers", "fill", 192, 480, "put", 2000, 1500, rate=15, item=3000, bound=1500)
    _line("lxml", "documents kept, each night", "leak", 320, 520, "keep", 2000, rate=12, item=20000, profile="batch",
          period=90)
    _line("lxml", "documents read and dropped, in waves", "wave", 192, 480, "work", 6000, rate=4, profile="wave",
          period=110)
    _line("pyarrow", "tables never dropped, a slow one", "leak", 512, 540, "keep", 1000, rate=2, item=18000)
    _line("pyarrow", "nightly sorts", "batch", 512, 480, "work", 6000, rate=2, profile="batch", period=100)
    _line("usearch", "vectors never removed", "leak", 320, 540, "keep", 4000, rate=25, item=2300)
    _line("usearch", "the last 3000 vectors", "fill", 256, 480, "put", 4000, 3000, rate=20, item=2300, bound=3000)
    _line("cachetools", "a cache without a bound, restarted", "leak", 128, 540, "keep", 3000, rate=15, item=3300,
          signal=("TERM", 200))
    _line("cachetools", "entries expire, ramp", "expire", 128, 480, "put", 3000, rate=25, profile="ramp")
    _run("better-sqlite3", "rows never deleted", "leak", 256, 540, rate=12, item=6200, set_={"size": "6000"}, **keep)
    _run("better-sqlite3", "same rows written again", "steady", 192, 480, rate=20, set_={"size": "6000"},
         **_http("/same/$n", kept=0))
    _run("sql.js", "rows never deleted, in stairs", "leak", 320, 540, rate=15, item=6200, set_={"size": "6000"},
         profile="stairs", period=130, **keep)
    _run("sql.js", "the last 1500 rows", "fill", 256, 480, rate=15, item=6200, bound=1500,
         set_={"size": "6000", "entries": "1500"}, **_http("/last/$n"))
    _run("pglite", "rows never deleted", "leak", 768, 520, rate=6, item=12000, set_={"size": "6000"}, **keep)
    _run("pglite", "asked and sorted in waves", "wave", 768, 480, rate=2, profile="wave", period=120,
         set_={"size": "4000"}, **_http("/ask/$n", kept=0))
    _run("lokijs", "rows never removed, after a rest, a deploy of two replicas", "leak", 256, 540, rate=8, item=3500,
         set_={"size": "3000"}, replicas=2, releases=(230,), **keep)
    _run("lokijs", "rows expire", "expire", 256, 480, rate=15, set_={"size": "3000", "age": "45"},
         **_http("/keep/$n", kept=0))
    _run("flexsearch", "documents never removed", "leak", 384, 520, rate=6, item=15000, set_={"size": "2000"}, **keep)
    _run("flexsearch", "the last 600 documents", "fill", 320, 480, rate=4, item=15000, bound=600,
         set_={"size": "2000", "entries": "600"}, **_http("/last/$n"))
    _line("tcl", "an array that only grows, nightly", "leak", 96, 520, "keep", 3000, rate=20, profile="batch",
          period=90)
    _line("tcl", "the last 4000 entries, restarted", "fill", 96, 540, "put", 4000, 4000, rate=40, bound=4000,
          signal=("TERM", 170))
    _line("guile", "a table that only grows", "leak", 256, 540, "keep", 5000, rate=15)
    _line("guile", "garbage in waves", "wave", 192, 480, "work", 6000, rate=6, profile="wave", period=100)
    _line("lua", "a table that only grows, ramp", "leak", 96, 540, "keep", 2500, rate=15, profile="ramp")
    _line("lua", "the last 8000 entries", "fill", 96, 480, "put", 2500, 8000, rate=40, bound=8000)
    _line("prolog", "facts never retracted", "leak", 320, 540, "keep", 100, rate=15, item=3500)
    _line("prolog", "solutions forgotten", "collect", 256, 480, "work", 4000, rate=8)
    _line("go", "goroutines that wait for ever", "leak", 192, 540, "wait", 2000, rate=15, item=4600)
    _line("go", "garbage, ramp", "collect", 192, 480, "work", 4000, rate=12, profile="ramp")
    _line("go", "the last 8000 entries, bursts", "fill", 128, 480, "put", 4000, 8000, rate=50, profile="bursts",
          period=60, bound=8000)
    rpc = 'POST /jsonrpc\n{"jsonrpc":"2.0","id":"a","method":"aria2.%s","params":[%s]}'
    add = rpc % ("addUri", '["http://127.0.0.1:9/f$n"],{"pause":"true"}')
    _run("aria2", "downloads never removed", "leak", 128, 540, rate=6, item=9000, **_http(add))
    _run("aria2", "asked what is there", "steady", 96, 480, rate=15, **_http(rpc % ("getGlobalStat", ""), kept=0))
# fmt: on


def plan() -> list[Run]:
    """Draw the runs, in the order in which they are recorded."""
    _rows.clear()
    strangers = (_strangers, _more_strangers, _third_strangers, _fourth_strangers)
    for add in (_stores, _proxies, _monitors, _runtimes, _engines, *strangers):
        add()
    drawn = []
    for index, row in enumerate(_rows):
        seed = Random(f"field/{row['program']}/{row['use']}").getrandbits(30)
        program, (leak, pattern, needs) = PROGRAMS[row["program"]], KINDS[row["kind"]]
        load = row["load"]
        if row["undecidable"] and not leak:
            pattern = "leak|warm_up|unexplained_growth|insufficient_data|plateau|retention"
        if row["signal"] or row["releases"]:
            pattern += "|step|sawtooth|retention"
        label = {
            "part": program.part, "shape": row["program"], "use": row["use"], "kind": row["kind"], "leak": leak,
            "decidable": not row["undecidable"], "reason": row["undecidable"], "pattern": pattern, "cause": "",
            "needs": needs,
            "onset_seconds": load.get("onset", 0) if leak else None, "item_bytes": row["item"],
            "bound_items": row["bound"],
            "settings": row["settings"], "signal": row["signal"],
        }  # fmt: skip
        window = row["window"]
        drawn.append(Run(
            run=f"{program.part[0]}f{index:03d}{seed % 1000:03d}", seed=seed, components=[json.dumps(load)],
            allocator=program.allocator, limit_bytes=row["limit"] * MIB, request_bytes=row["limit"] * MIB // 2,
            window_seconds=window, after_seconds=-(-window // 2), back_off_scale=round(Random(seed).uniform(0.05,
            0.4), 3), replicas=row["replicas"], releases=row["releases"],
            label=label,
        ))  # fmt: skip
    return sorted(drawn, key=lambda run: (-run.window_seconds, run.seed))


def main() -> None:
    """Write the plan."""
    for run in plan():
        print(json.dumps(asdict(run)))


if __name__ == "__main__":
    main()
