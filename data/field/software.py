"""The programs of the field corpus: where they come from and how each is started."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Program:
    """One program that nobody here wrote.

    Attributes
    ----------
    part
        ``dev``, ``sealed``, or ``fresh`` to ``fresh4``: a program is in one of them with all its runs.
    packages
        What must be installed, with its registry: ``apt:redis-server``, ``pip:granian``, ``npm:deno``.
    allocator
        Who hands out its memory: ``jemalloc``, ``glibc``, ``go``, ``v8``, ``jvm``, …
    command
        Shell text that becomes the main process; ``$name`` stands for a setting of the run or one of ``$port``,
        ``$other`` and ``$third`` (ports of its own), ``$dir`` (its folder), ``$origin`` (the content behind a proxy),
        ``$here`` (``hosted/``), ``$py`` (bin of the virtual environment), ``$npm`` (folder with node_modules).
    settings
        Values of the names in `command`, `files` and `before` where the run gives none.
    files
        Files written into its folder first, with the same names filled in.
    before
        Shell text that prepares the folder, outside the limit.
    environment
        Of the process.
    """

    part: str
    packages: tuple[str, ...]
    allocator: str
    command: str
    settings: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    before: str = ""
    environment: dict[str, str] = field(default_factory=dict)


_POSTGRES = "setpriv --reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/*/bin"
_REDIS = "--bind 127.0.0.1 --port $port --save '' --protected-mode no --dir $dir $options"
_PAGE = "head -c 3000 /dev/urandom | base64 > $dir/index.html"


_SIZES = {"size": "2000", "entries": "3000"}
_HOME = {"HOME": "$dir"}


def _served(part: str, package: str, allocator: str, command: str) -> Program:
    """Name a server of PyPI that serves `hosted/app.py`."""
    there = {
        "HOME": "$dir",
        "PYTHONPATH": "$here",
        "FIELD_PORT": "$port",
        "FIELD_SIZE": "$size",
        "FIELD_ENTRIES": "$entries",
    }
    values = {"size": "2000", "entries": "3000", "options": ""}
    return Program(part, (f"pip:{package}",), allocator, command, values, environment=there)


def _engine(part: str, package: str, name: str) -> Program:
    """Name an engine of PyPI behind `hosted/engine.py`."""
    there = {"FIELD_SIZE": "$size", "FIELD_ENTRIES": "$entries"}
    command = f"$py/python $here/engine.py {name} $port"
    return Program(part, (f"pip:{package}",), "native", command, {"size": "2000", "entries": "3000"}, environment=there)


def _script(part: str, package: str, allocator: str = "v8", runtime: str = "node") -> Program:
    """Name a package or runtime of npm that serves `hosted/app.mjs`."""
    there = {
        "FIELD_PACKAGE": package,
        "FIELD_PORT": "$port",
        "FIELD_SIZE": "$size",
        "FIELD_ENTRIES": "$entries",
        "FIELD_AGE": "$age",
        "HOME": "$dir",
    }
    values = {"size": "2000", "entries": "3000", "age": "", "options": ""}
    command = f"{runtime} $options $npm/app.mjs"
    return Program(part, (f"npm:{package}",), allocator, command, values, {}, "cp -u $here/app.mjs $npm/", there)


def _piped(part: str, package: str, allocator: str, command: str) -> Program:
    """Name a language server, which talks through two pipes and keeps what it shares in its own folder."""
    piped, own = f"{command} <$dir/in >$dir/out", {"HOME": "$dir", "TMPDIR": "$dir", "XDG_RUNTIME_DIR": "$dir"}
    return Program(part, (package,), allocator, piped, before="mkfifo $dir/in $dir/out", environment=own)


PROGRAMS = {
    # Stores and queues
    "redis": Program("dev", ("apt:redis-server",), "jemalloc", f"redis-server {_REDIS}", {"options": ""}),
    "valkey": Program("sealed", ("apt:valkey-server",), "jemalloc", f"valkey-server {_REDIS}", {"options": ""}),
    "memcached": Program(
        "dev", ("apt:memcached",), "slabs", "memcached -u root -l 127.0.0.1 -p $port -t 2 -c 15000 -m $m", {"m": "64"}
    ),
    "postgresql": Program(
        "sealed",
        ("apt:postgresql",),
        "palloc",
        f"{_POSTGRES}/postgres -D $dir/db -p $port -k $dir/db -c listen_addresses=127.0.0.1 -c fsync=off "
        "-c dynamic_shared_memory_type=mmap -c shared_buffers=$buffers -c max_connections=900 -c "
        "work_mem=$work $options",
        {"buffers": "16MB", "work": "4MB", "options": ""},
        before=f"install -d -o postgres $dir/db && {_POSTGRES}/initdb -D $dir/db -A trust -U postgres -N",
    ),
    "mariadb": Program(
        "dev",
        ("apt:mariadb-server",),
        "glibc",
        "mariadbd --no-defaults --user=root --datadir=$dir/db --port=$port --bind-address=127.0.0.1 --socket=$dir/s "
        "--innodb-buffer-pool-size=$pool --performance-schema=OFF --max-heap-table-size=1G "
        "--innodb-flush-log-at-trx-commit=0 --max-prepared-stmt-count=1000000 --skip-name-resolve",
        {"pool": "24M"},
        before="mariadb-install-db --no-defaults --datadir=$dir/db --user=root --skip-test-db "
        "--auth-root-authentication-method=normal",
    ),
    "etcd": Program(
        "sealed",
        ("apt:etcd-server",),
        "go",
        "etcd --data-dir $dir/data --listen-client-urls http://127.0.0.1:$port --advertise-client-urls "
        "http://127.0.0.1:$port --listen-peer-urls http://127.0.0.1:$other --unsafe-no-fsync --log-level "
        "error $options",
        {"options": ""},
    ),
    "rabbitmq": Program(
        "dev",
        ("apt:rabbitmq-server",),
        "beam",
        "/usr/lib/rabbitmq/bin/rabbitmq-server",
        files={
            "plugins": "[rabbitmq_stomp].\n",
            "rabbit.conf": "listeners.tcp.1 = 127.0.0.1:$other\nstomp.listeners.tcp.1 = 127.0.0.1:$port\n"
            "log.console = false\n",
        },
        environment={
            "HOME": "$dir",
            "RABBITMQ_NODENAME": "r$port@localhost",
            "RABBITMQ_MNESIA_BASE": "$dir",
            "RABBITMQ_LOG_BASE": "$dir",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "$dir/plugins",
            "RABBITMQ_CONFIG_FILE": "$dir/rabbit.conf",
            "RABBITMQ_DIST_PORT": "$third",
            "ERL_EPMD_PORT": "$fourth",
        },
    ),
    "nats": Program(
        "dev",
        ("apt:nats-server",),
        "go",
        "nats-server -c $dir/nats.conf",
        files={
            "nats.conf": 'host: 127.0.0.1\nport: $port\nping_interval: "1h"\nmax_subscriptions: 0\n'
            'write_deadline: "1h"\n'
            'max_pending: 1GB\njetstream {store_dir: "$dir/js", max_mem: 2G}\n'
        },
    ),
    "mosquitto": Program(
        "sealed",
        ("apt:mosquitto",),
        "glibc",
        "mosquitto -c $dir/m.conf",
        files={"m.conf": "listener $port 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"},
    ),
    "beanstalkd": Program("sealed", ("apt:beanstalkd",), "glibc", "beanstalkd -l 127.0.0.1 -p $port -z 65535"),
    "gearmand": Program(
        "dev", ("apt:gearman-job-server",), "glibc", "gearmand -L 127.0.0.1 -p $port -l $dir/gearman.log --threads=2"
    ),
    "ngircd": Program(
        "sealed",
        ("apt:ngircd",),
        "glibc",
        "ngircd -n -f $dir/irc.conf",
        files={
            "irc.conf": "[Global]\nName = irc.example.net\nInfo = x\nListen = 127.0.0.1\nPorts = $port\n"
            "ServerUID = 0\n"
            "ServerGID = 0\n[Limits]\nMaxConnectionsIP = 0\nMaxJoins = 0\nPingTimeout = 3600\n"
            "[Options]\nDNS = no\nIdent = no\nPAM = no\n"
        },
    ),
    # Proxies, caches and web servers
    "nginx": Program(
        "dev",
        ("apt:nginx-core",),
        "glibc",
        "nginx -c $dir/nginx.conf -e $dir/error.log -g 'daemon off;'",
        {"workers": "2", "max": "30m"},
        {
            "nginx.conf": "user root;\nworker_processes $workers;\nworker_rlimit_nofile 19000;\npid $dir/pid;\n"
            "events { worker_connections 16000; }\nhttp {\n access_log off;\n client_header_timeout 1d;\n"
            " client_header_buffer_size 8k;\n client_body_timeout 1d;\n proxy_temp_path $dir/t;\n"
            " client_body_temp_path $dir/t2;\n fastcgi_temp_path $dir/t3;\n uwsgi_temp_path $dir/t4;\n"
            " scgi_temp_path $dir/t5;\n proxy_cache_path $dir/c keys_zone=c:8m max_size=$max use_temp_path=off;\n"
            " server { listen 127.0.0.1:$port; root $dir;\n  location /o/ { proxy_pass http://127.0.0.1:$origin;\n"
            "   proxy_cache c; proxy_cache_valid 1h; } } }\n"
        },
        _PAGE,
    ),
    "haproxy": Program(
        "sealed",
        ("apt:haproxy",),
        "glibc",
        "haproxy -db -f $dir/h.cfg",
        {"size": "10m", "expire": ""},
        {
            "h.cfg": "global\n maxconn 9000\n nbthread 2\ndefaults\n mode http\n timeout connect 5s\n timeout "
            "client 1d\n"
            " timeout server 1d\n timeout http-request 1d\nfrontend f\n bind 127.0.0.1:$port\n"
            " stick-table type string len 128 size $size $expire store gpc0,http_req_rate(10s)\n"
            " http-request track-sc0 path\n http-request return status 200\n"
        },
    ),
    "varnish": Program(
        "dev",
        ("apt:varnish", "apt:gcc"),
        "jemalloc",
        "varnishd -F -j none -a 127.0.0.1:$port -f $dir/v.vcl -s $storage -n $dir/v -p vsl_space=1M "
        "-p thread_pool_min=10 -p thread_pools=1 -p default_grace=0 -p default_keep=0",
        {"storage": "malloc,40m", "ttl": "1h"},
        {
            "v.vcl": 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "$origin"; }\n'
            "sub vcl_backend_response { set beresp.ttl = $ttl; }\n"
        },
    ),
    "squid": Program(
        "sealed",
        ("apt:squid",),
        "glibc",
        "squid -N -f $dir/squid.conf",
        {"mem": "24 MB"},
        {
            "squid.conf": "http_port 127.0.0.1:$port accel defaultsite=localhost no-vhost\n"
            "cache_peer 127.0.0.1 parent $origin 0 no-query originserver\nhttp_access allow all\ncache_mem $mem\n"
            "maximum_object_size_in_memory 1 MB\npid_filename $dir/pid\naccess_log none\ncache_log $dir/cache.log\n"
            "max_filedescriptors 4096\nshutdown_lifetime 1 seconds\ncoredump_dir $dir\npinger_enable off\n"
        },
    ),
    "lighttpd": Program(
        "dev",
        ("apt:lighttpd",),
        "glibc",
        "lighttpd -D -f $dir/l.conf",
        files={
            "l.conf": 'server.port = $port\nserver.bind = "127.0.0.1"\nserver.document-root = "$dir"\n'
            "server.max-fds = 19000\nserver.max-connections = 9000\nserver.max-read-idle = 3600\n"
            'index-file.names = ("index.html")\n'
        },
        before=_PAGE,
    ),
    "caddy": Program(
        "sealed",
        ("apt:caddy",),
        "go",
        "caddy run --config $dir/Caddyfile --adapter caddyfile",
        files={"Caddyfile": "{\n admin off\n}\nhttp://127.0.0.1:$port {\n root * $dir\n file_server\n}\n"},
        before=_PAGE,
        environment={"HOME": "$dir"},
    ),
    "apache": Program(
        "sealed",
        ("apt:apache2-bin",),
        "glibc",
        "apache2 -DFOREGROUND -f $dir/a.conf",
        files={
            "a.conf": "ServerRoot $dir\nServerName localhost\nListen 127.0.0.1:$port\nPidFile $dir/pid\n"
            "ErrorLog $dir/e\n"
            "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n"
            "LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\nDocumentRoot $dir\nUser "
            "daemon\n"
            "Group daemon\nStartServers 2\nThreadsPerChild 25\nMaxRequestWorkers 100\nMaxConnectionsPerChild $per\n"
        },
        settings={"per": "0"},
        before=_PAGE,
    ),
    "tinyproxy": Program(
        "dev",
        ("apt:tinyproxy",),
        "glibc",
        "tinyproxy -d -c $dir/t.conf",
        files={"t.conf": 'Port $port\nListen 127.0.0.1\nTimeout 86400\nMaxClients 100000\nLogFile "$dir/tp.log"\n'},
    ),
    # Monitors
    "prometheus": Program(
        "sealed",
        ("apt:prometheus",),
        "go",
        "prometheus --config.file=$dir/p.yml --storage.tsdb.path=$dir/data "
        "--web.listen-address=127.0.0.1:$port $options",
        {"options": ""},
        {
            "p.yml": "global:\n  scrape_interval: 2s\nscrape_configs:\n- job_name: a\n  static_configs:\n"
            "  - targets: ['127.0.0.1:$origin']\n"
        },
    ),
    "victoria-metrics": Program(
        "dev",
        ("apt:victoria-metrics",),
        "go",
        "victoria-metrics -storageDataPath=$dir/data -httpListenAddr=127.0.0.1:$port -memory.allowedBytes=$memory",
        {"memory": "48MB"},
    ),
    "pushgateway": Program(
        "dev", ("apt:prometheus-pushgateway",), "go", "prometheus-pushgateway --web.listen-address=127.0.0.1:$port"
    ),
    "alertmanager": Program(
        "sealed",
        ("apt:prometheus-alertmanager",),
        "go",
        "prometheus-alertmanager --config.file=$dir/a.yml --storage.path=$dir/d --web.listen-address=127.0.0.1:$port "
        "--cluster.listen-address= --log.level=error",
        files={"a.yml": "route:\n  receiver: none\n  group_by: [alertname]\nreceivers:\n- name: none\n"},
    ),
    "influxdb": Program(
        "dev",
        ("apt:influxdb",),
        "go",
        "influxd -config $dir/i.conf",
        files={
            "i.conf": 'reporting-disabled = true\nbind-address = "127.0.0.1:$other"\n[meta]\ndir = '
            '"$dir/meta"\n[data]\n'
            'dir = "$dir/data"\nwal-dir = "$dir/wal"\nindex-version = "inmem"\nmax-series-per-database = 0\n'
            'cache-snapshot-memory-size = "4m"\nquery-log-enabled = false\n[http]\nbind-address = "127.0.0.1:$port"\n'
            "log-enabled = false\n[monitor]\nstore-enabled = false\n"
        },
    ),
    # Names
    "unbound": Program(
        "sealed",
        ("apt:unbound",),
        "glibc",
        "unbound -d -c $dir/u.conf",
        files={
            "u.conf": 'server:\n username: ""\n chroot: ""\n directory: "$dir"\n pidfile: "$dir/pid"\n '
            "interface: 127.0.0.1\n"
            ' port: $port\n do-daemonize: no\n use-syslog: no\n logfile: "$dir/ulog"\n local-zone: "example." '
            "static\n"
            ' local-data: "a.example. A 10.0.0.1"\nremote-control:\n control-enable: yes\n control-interface: '
            '"$dir/sock"\n'
            " control-use-cert: no\n"
        },
    ),
    "bind": Program(
        "dev",
        ("apt:bind9",),
        "jemalloc",
        "named -f -u root -c $dir/n.conf -p $port",
        files={
            "n.conf": 'options { directory "$dir"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; '
            'pid-file "$dir/pid"; session-keyfile "$dir/key"; dnssec-validation no; };\ncontrols { };\n'
            'zone "example" { type primary; file "$dir/zone"; allow-update { any; }; };\n',
            "zone": "$$TTL 3600\n@ SOA ns.example. a.example. 1 3600 3600 3600 3600\n@ NS ns.example.\nns A "
            "127.0.0.1\n",
        },
    ),
    "dnsmasq": Program(
        "sealed",
        ("apt:dnsmasq-base",),
        "glibc",
        "dnsmasq -k -C /dev/null -u root -p $port -a 127.0.0.1 --bind-interfaces -R -h --pid-file=$dir/pid "
        "--address=/example/10.0.0.1",
    ),
    # Runtimes
    "tomcat": Program(
        "sealed",
        ("apt:tomcat10", "apt:tomcat10-examples"),
        "jvm",
        "java -XX:TieredStopAtLevel=1 $options -cp "
        "/usr/share/tomcat10/bin/bootstrap.jar:/usr/share/tomcat10/bin/tomcat-juli.jar "
        "-Dcatalina.home=/usr/share/tomcat10 -Dcatalina.base=$dir org.apache.catalina.startup.Bootstrap start",
        {"options": "-Xmx400m", "minutes": "-1"},
        before="mkdir -p $dir/logs $dir/temp $dir/webapps $dir/work && cp -rL /etc/tomcat10 $dir/conf && "
        "cp -rL /usr/share/tomcat10-examples/examples $dir/webapps/ && rm -rf $dir/conf/Catalina && sed -i "
        '\'s/port="8080"/port="$port" address="127.0.0.1"/; s/port="8005"/port="-1"/\' '
        "$dir/conf/server.xml && sed -i "
        "'s/<session-timeout>30</<session-timeout>$minutes</' $dir/conf/web.xml",
    ),
    "puma": Program(
        "dev",
        ("apt:puma",),
        "ruby",
        "puma -b tcp://127.0.0.1:$port -t 2:2 $here/app.ru",
        {"size": "2000"},
        environment={"FIELD_SIZE": "$size", "HOME": "$dir"},
    ),
    "uwsgi": Program(
        "sealed",
        ("apt:uwsgi-core", "apt:uwsgi-plugin-python3"),
        "cpython",
        "uwsgi --plugin python3 --http-socket 127.0.0.1:$port --wsgi-file $here/app.py --callable wsgi --master "
        "--processes 2 --die-on-term --disable-logging $options",
        {"options": "", "size": "2000", "entries": "3000"},
        environment={"FIELD_SIZE": "$size", "FIELD_ENTRIES": "$entries"},
    ),
    "gunicorn": _served("dev", "gunicorn", "cpython", "$py/gunicorn -b 127.0.0.1:$port $options app:wsgi"),
    "uvicorn": _served(
        "sealed", "uvicorn", "cpython", "$py/uvicorn --port $port --log-level warning $options app:asgi"
    ),
    "hypercorn": _served("sealed", "hypercorn", "cpython", "$py/hypercorn -b 127.0.0.1:$port app:asgi"),
    "waitress": _served("dev", "waitress", "cpython", "$py/waitress-serve --listen=127.0.0.1:$port app:wsgi"),
    "granian": _served("sealed", "granian", "rust", "$py/granian --interface asgi --port $port $options app:asgi"),
    "robyn": _served("dev", "robyn", "rust", "$py/python $here/app.py"),
    "express": _script("dev", "express-session"),
    "lru-cache": _script("sealed", "lru-cache"),
    "prom-client": _script("sealed", "prom-client"),
    "node": _script("dev", "node"),
    "aedes": _script("dev", "aedes"),
    "ws": _script("sealed", "ws"),
    "swc": _script("sealed", "@swc/core"),
    "lightningcss": _script("dev", "lightningcss"),
    "deno": _script("sealed", "deno", "v8", "$npm/node_modules/@deno/linux-x64-glibc/deno run -A"),
    "bun": _script("dev", "bun", "jsc", "$npm/node_modules/bun/bin/bun.exe"),
    # Servers and engines out of PyPI and npm
    "ruff": _piped("sealed", "pip:ruff", "rust", "$py/ruff server"),
    "ty": _piped("dev", "pip:ty", "rust", "$py/ty server"),
    "pyrefly": _piped("sealed", "pip:pyrefly", "rust", "$py/pyrefly lsp"),
    "biome": _piped("dev", "npm:@biomejs/biome", "rust", "$npm/node_modules/@biomejs/cli-linux-x64/biome lsp-proxy"),
    "oxlint": _piped("sealed", "npm:oxlint", "rust", "node $npm/node_modules/.bin/oxlint --lsp"),
    "oxigraph": Program("dev", ("pip:oxigraph",), "rust", "$py/oxigraph serve --bind 127.0.0.1:$port"),
    "moto": Program("dev", ("pip:moto",), "cpython", "$py/moto_server -H 127.0.0.1 -p $port"),
    "fakeredis": Program(
        "sealed",
        ("pip:fakeredis",),
        "cpython",
        "$py/python -c 'import fakeredis; fakeredis.TcpFakeServer((\"127.0.0.1\", $port)).serve_forever()'",
    ),
    "mitmproxy": Program(
        "sealed",
        ("pip:mitmproxy",),
        "cpython",
        "$py/$front --mode reverse:http://127.0.0.1:$origin --listen-host 127.0.0.1 -p $port --set "
        "confdir=$dir $options",
        {"front": "mitmdump -q", "options": ""},
    ),
    "polars": _engine("dev", "polars", "polars"),
    "tantivy": _engine("sealed", "tantivy", "tantivy"),
    "surrealdb": _engine("sealed", "surrealdb", "surrealdb"),
    "moka": _engine("dev", "moka-py", "moka"),
    "cachebox": _engine("sealed", "cachebox", "cachebox"),
    "pycrdt": _engine("dev", "pycrdt", "pycrdt"),
    "tokenizers": _engine("sealed", "tokenizers", "tokenizers"),
    "pydantic": _engine("sealed", "pydantic", "pydantic"),
    "rustworkx": _engine("dev", "rustworkx", "rustworkx"),
    "turso": _engine("sealed", "pyturso", "turso"),
    "duckdb": _engine("dev", "duckdb", "duckdb"),
    # Chosen when the verdicts were done with
    "rocksdict": _engine("fresh", "rocksdict", "rocksdict"),
    "wasmtime": _engine("fresh", "wasmtime", "wasmtime"),
    "obstore": _engine("fresh", "obstore", "obstore"),
    "datafusion": _engine("fresh", "datafusion", "datafusion"),
    "minijinja": _engine("fresh", "minijinja", "minijinja"),
    "libsql": _engine("fresh", "libsql", "libsql"),
    "rpds": _engine("fresh", "rpds-py", "rpds"),
    "qdrant": _engine("fresh", "qdrant-client", "qdrant"),
    "zuban": _piped("fresh", "pip:zuban", "rust", "$py/zuban server"),
    "rumdl": _piped("fresh", "pip:rumdl", "rust", "$py/rumdl server"),
    "tombi": _piped("fresh", "pip:tombi", "rust", "$py/tombi lsp --offline"),
    "daphne": _served("fresh", "daphne", "cpython", "$py/daphne -b 127.0.0.1 -p $port app:asgi"),
    "cheroot": _served("fresh", "cheroot", "cpython", "$py/cheroot --bind 127.0.0.1:$port app:wsgi"),
    "twisted": _served(
        "fresh", "twisted", "cpython", "$py/twist web --listen tcp:$port:interface=127.0.0.1 --wsgi app.wsgi"
    ),
    "carbon": Program(
        "fresh",
        ("pip:carbon", "pip:whisper"),
        "cpython",
        "$py/carbon-cache.py --nodaemon --config=$dir/carbon.conf --pidfile=$dir/pid --logdir=$dir start",
        {"most": "inf"},
        {
            "carbon.conf": "[cache]\nSTORAGE_DIR = $dir\nLOCAL_DATA_DIR = $dir/whisper\nCONF_DIR = $dir\n"
            "LOG_DIR = $dir\nPID_DIR = $dir\nMAX_CACHE_SIZE = $most\nUSE_FLOW_CONTROL = False\n"
            "MAX_UPDATES_PER_SECOND = 1\nMAX_CREATES_PER_MINUTE = inf\nLINE_RECEIVER_INTERFACE = 127.0.0.1\n"
            "LINE_RECEIVER_PORT = $port\nENABLE_UDP_LISTENER = False\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\n"
            "PICKLE_RECEIVER_PORT = $other\nCACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = $third\n"
            "CARBON_METRIC_INTERVAL = 0\nLOG_UPDATES = False\n",
            "storage-schemas.conf": "[all]\npattern = .*\nretentions = 60s:1h\n",
        },
        environment={"GRAPHITE_ROOT": "$dir", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    ),
    "statsd": Program(
        "fresh",
        ("npm:statsd",),
        "v8",
        "node $npm/node_modules/statsd/stats.js $dir/s.js",
        files={
            "s.js": '{ servers: [{ server: "./servers/tcp", address: "127.0.0.1", port: $port }], backends: [],\n'
            "  flushInterval: 5000, mgmt_port: $other, mgmt_address: '127.0.0.1' }\n"
        },
    ),
    "rsyslog": Program(
        "fresh",
        ("apt:rsyslog",),
        "glibc",
        "rsyslogd -n -f $dir/r.conf -i $dir/pid",
        {"target": "127.0.0.1:1"},
        {
            "r.conf": 'global(workDirectory="$dir")\nmodule(load="imtcp" maxSessions="500")\n'
            'input(type="imtcp" port="$port" address="127.0.0.1")\n$action\n'
        },
    ),
    "collectd": Program(
        "fresh",
        ("apt:collectd-core",),
        "glibc",
        "collectd -f -C $dir/c.conf",
        files={
            "c.conf": 'Hostname "h"\nFQDNLookup false\nBaseDir "$dir"\nPIDFile "$dir/pid"\n'
            'TypesDB "/usr/share/collectd/types.db"\nInterval 5\nLoadPlugin unixsock\n'
            '<Plugin unixsock>\n SocketFile "$dir/sock"\n</Plugin>\n'
            'LoadPlugin network\n<Plugin network>\n Server "127.0.0.1" "$other"\n</Plugin>\n'
        },
    ),
    "coturn": Program(
        "fresh",
        ("apt:coturn",),
        "glibc",
        "turnserver -n --no-auth --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 --listening-port $port --no-tls "
        "--no-dtls --no-cli --allow-loopback-peers --min-port 36000 --max-port 60000 --max-allocate-lifetime 7200 "
        "--relay-threads 1 --db $dir/db --log-file $dir/t.log --pidfile $dir/pid --simple-log",
    ),
    "knot": Program(
        "fresh",
        ("apt:knot",),
        "glibc",
        "knotd -c $dir/k.conf",
        files={
            "k.conf": "server:\n rundir: $dir\n listen: 127.0.0.1@$port\n udp-workers: 1\n tcp-workers: 1\n"
            " background-workers: 1\ndatabase:\n storage: $dir\n journal-db-max-size: 200M\nacl:\n - id: a\n"
            "   address: 127.0.0.1\n   action: update\nzone:\n - domain: example\n   storage: $dir\n   file: z\n"
            "   acl: a\n   zonefile-sync: -1\n",
            "z": "$$TTL 3600\n@ SOA ns.example. a.example. 1 3600 3600 3600 3600\n@ NS ns.example.\nns A 127.0.0.1\n",
        },
    ),
    "starman": Program(
        "fresh",
        ("apt:starman",),
        "perl",
        "starman --workers 1 --listen 127.0.0.1:$port $options $here/app.psgi",
        {"size": "2000", "options": ""},
        environment={"FIELD_SIZE": "$size", "HOME": "$dir"},
    ),
    "privoxy": Program(
        "fresh",
        ("apt:privoxy",),
        "glibc",
        "privoxy --no-daemon $dir/p.conf",
        files={
            "p.conf": "confdir /etc/privoxy\nlogdir $dir\nlisten-address 127.0.0.1:$port\nmax-client-connections 9000\n"
            "socket-timeout 86400\ntoggle 1\nenable-remote-toggle 0\n"
        },
    ),
    "fastify": _script("fresh", "@fastify/session"),
    "hapi": _script("fresh", "@hapi/hapi"),
    "koa": _script("fresh", "koa"),
    "socket.io": _script("fresh", "socket.io"),
    "canvas": _script("fresh", "@napi-rs/canvas"),
    "memory-level": _script("fresh", "memory-level"),
    "workerd": Program(
        "fresh",
        ("npm:workerd",),
        "v8",
        "$npm/node_modules/@cloudflare/workerd-linux-64/bin/workerd serve $dir/w.capnp",
        {"size": "2000"},
        {
            "w.capnp": 'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (\n'
            '  services = [(name = "main", worker = .w)],\n'
            '  sockets = [(name = "http", address = "127.0.0.1:$port", http = (), service = "main")]);\n'
            'const w :Workerd.Worker = (modules = [(name = "w", esModule = embed "w.js")],\n'
            '  compatibilityDate = "2024-01-01");\n',
            "w.js": "const kept = new Map();\nexport default { async fetch(request) {\n"
            '  const [, use, key] = new URL(request.url).pathname.split("/");\n'
            "  const rows = Array.from({ length: $size / 50 }, (_, i) => [i, key, Math.random()].join());\n"
            '  if (use === "keep") kept.set(key, rows);\n  return new Response(rows.join());\n} };\n',
        },
    ),
    # Chosen for a second look
    "lancedb": _engine("fresh2", "lancedb", "lancedb"),
    "deltalake": _engine("fresh2", "deltalake", "deltalake"),
    "cozo": _engine("fresh2", "cozo-embedded", "cozo"),
    "loro": _engine("fresh2", "loro", "loro"),
    "typst": _engine("fresh2", "typst", "typst"),
    "ast-grep": _engine("fresh2", "ast-grep-py", "ast_grep"),
    "zen": _engine("fresh2", "zen-engine", "zen"),
    "sqruff": _piped("fresh2", "pip:sqruff", "rust", "$py/sqruff lsp"),
    "rolldown": _script("fresh2", "rolldown"),
    "automerge": _script("fresh2", "@automerge/automerge"),
    "nedb": _script("fresh2", "@seald-io/nedb"),
    "graphql-yoga": _script("fresh2", "graphql-yoga"),
    "tornado": _served("fresh2", "tornado", "cpython", "$py/python $here/app.py tornado"),
    "aiohttp": _served("fresh2", "aiohttp", "cpython", "$py/python $here/app.py aiohttp"),
    "sanic": _served("fresh2", "sanic", "cpython", "$py/python $here/app.py sanic"),
    "gevent": _served("fresh2", "gevent", "cpython", "$py/python $here/app.py gevent"),
    "syslog-ng": Program(
        "fresh2",
        ("apt:syslog-ng-core",),
        "glibc",
        "syslog-ng -F -f $dir/s.conf -R $dir/persist -p $dir/pid -c $dir/control --no-caps",
        {"most": "5000000"},
        {
            "s.conf": '@version: 4.8\nsource s { network(ip("127.0.0.1") port($port) transport("tcp")); };\n'
            'destination d { network("127.0.0.1" port(1) transport("tcp") log-fifo-size($most)); };\n'
            "log { source(s); destination(d); };\n"
        },
    ),
    "tarantool": Program(
        "fresh2",
        ("apt:tarantool",),
        "slabs",
        "tarantool $dir/a.lua",
        {"most": "0"},
        {
            "a.lua": "box.cfg{memtx_memory=1073741824, wal_mode='none', work_dir='$dir', log_level=1}\n"
            "local rows, made, most = box.schema.space.create('rows'), 0, $most\nrows:create_index('first')\n"
            "require('socket').tcp_server('127.0.0.1', $port, function(client)\n"
            "  while true do\n    local line = client:read('\\n')\n"
            "    if line == nil or line == '' then return end\n    made = made + 1\n    rows:replace{made, line}\n"
            "    if most > 0 and made > most then rows:delete(made - most) end\n    client:write('ok\\n')\n"
            "  end\nend)\n"
        },
    ),
    "docker-registry": Program(
        "fresh2",
        ("apt:docker-registry",),
        "go",
        "docker-registry serve $dir/r.yml",
        files={
            "r.yml": "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            "storage: {inmemory: {}, maintenance: {uploadpurging: {enabled: false}}}\n"
            "http: {addr: '127.0.0.1:$port'}\n"
        },
        environment={"HOME": "$dir", "OTEL_TRACES_EXPORTER": "none"},
    ),
    "rclone": Program(
        "fresh2",
        ("apt:rclone",),
        "go",
        "rclone rcd --rc-no-auth --rc-addr 127.0.0.1:$port --rc-job-expire-duration $age --rc-job-expire-interval 5s "
        "--config $dir/none",
        {"age": "24h"},
        environment={"HOME": "$dir"},
    ),
    "inspircd": Program(
        "fresh2",
        ("apt:inspircd",),
        "glibc",
        "inspircd --runasroot --nofork --nopid --config $dir/i.conf",
        files={
            "i.conf": '<server name="irc.example.net" description="x" network="x">\n'
            '<bind address="127.0.0.1" port="$port" type="clients">\n'
            '<connect allow="*" timeout="1d" pingfreq="1d" localmax="100000" globalmax="100000" maxchans="100000" '
            'useident="no" resolvehostnames="no" useconnectban="no" commandrate="1000000" fakelag="no" '
            'hardsendq="100M" softsendq="100M" recvq="1M" threshold="100000">\n'
            '<options prefixquit="">\n<performance softlimit="100000" somaxconn="128">\n'
            '<log method="file" level="default" target="$dir/irc.log">\n<path runtimedir="$dir" datadir="$dir">\n'
        },
    ),
    "pdns-recursor": Program(
        "fresh2",
        ("apt:pdns-recursor",),
        "glibc",
        "pdns_recursor --config-dir=$dir",
        {"most": "500000"},
        {
            "recursor.yml": "recursor:\n  socket_dir: $dir\n  threads: 1\n  auth_zones:\n  - zone: example\n"
            "    file: $dir/z\nincoming:\n  listen: ['127.0.0.1:$port']\npacketcache:\n  max_entries: $most\n"
            "  ttl: 86400\nrecordcache:\n  max_entries: $most\ndnssec:\n  validation: off\n",
            "z": "$$TTL 86400\n@ SOA ns.example. a.example. 1 3600 3600 3600 86400\n@ NS ns.example.\nns A 127.0.0.1\n"
            "* TXT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "* A 10.0.0.1\n",
        },
    ),
    "unicorn": Program(
        "fresh2",
        ("apt:unicorn",),
        "ruby",
        "unicorn -l 127.0.0.1:$port -c $dir/u.rb $here/app.ru",
        {"size": "2000"},
        {"u.rb": "worker_processes 2\npreload_app false\n"},
        environment={"FIELD_SIZE": "$size", "HOME": "$dir"},
    ),
    # Chosen for a third look
    "daft": _engine("fresh3", "daft", "daft"),
    "jsonschema-rs": _engine("fresh3", "jsonschema-rs", "jsonschema_rs"),
    "slatedb": _engine("fresh3", "slatedb", "slatedb"),
    "cedar": _engine("fresh3", "cedarpy", "cedarpy"),
    "node-cache": _script("fresh3", "node-cache"),
    "minisearch": _script("fresh3", "minisearch"),
    "orama": _script("fresh3", "@orama/orama"),
    "oxc-parser": _script("fresh3", "oxc-parser"),
    "eventlet": _served("fresh3", "eventlet", "cpython", "$py/python $here/app.py eventlet"),
    "werkzeug": _served("fresh3", "werkzeug", "cpython", "$py/python $here/app.py werkzeug"),
    "php": Program(
        "fresh3", ("apt:php8.4-cli",), "zend", "php -n -d memory_limit=-1 $here/lines.php $port $size $entries", _SIZES
    ),
    "erlang": Program(
        "fresh3", ("apt:erlang-base",), "beam", "escript $here/lines.escript $port $size", _SIZES, environment=_HOME
    ),
    "sbcl": Program(
        "fresh3", ("apt:sbcl",), "sbcl", "sbcl --script $here/lines.lisp $port $size", _SIZES, environment=_HOME
    ),
    "racket": Program("fresh3", ("apt:racket",), "racket", "racket $here/lines.rkt $port $size $entries", _SIZES),
    "webrick": Program(
        "fresh3",
        ("apt:ruby-webrick",),
        "ruby",
        "ruby $here/webrick.rb",
        _SIZES,
        environment={"FIELD_SIZE": "$size", "FIELD_PORT": "$port", "HOME": "$dir"},
    ),
    "jdk": Program(
        "fresh3",
        ("apt:openjdk-17-jdk-headless",),
        "jvm",
        "java $options -Dsize=$size -Dentries=$entries -cp $dir Served $port",
        _SIZES | {"options": "-XX:+UseG1GC"},
        before="javac -d $dir $here/Served.java",
    ),
    "ntfy": Program(
        "fresh3",
        ("apt:ntfy",),
        "go",
        "ntfy serve --config $dir/none.yml --listen-http 127.0.0.1:$port --base-url http://127.0.0.1:$port "
        "--cache-duration $age --manager-interval 10s --visitor-request-limit-exempt-hosts 127.0.0.1 "
        "--visitor-message-daily-limit 10000000",
        {"age": "12h"},
        {"none.yml": ""},
        environment=_HOME,
    ),
    "kamailio": Program(
        "fresh3",
        ("apt:kamailio",),
        "pool",
        "kamailio -DD -E -m 400 -M 8 -f $dir/k.cfg -Y $dir",
        {"age": "86400"},
        {
            "k.cfg": "#!KAMAILIO\ndebug=-1\nlog_stderror=yes\nchildren=1\ndisable_tcp=yes\nlisten=udp:127.0.0.1:$port\n"
            'loadmodule "sl.so"\nloadmodule "pv.so"\nloadmodule "usrloc.so"\nloadmodule "registrar.so"\n'
            'modparam("usrloc", "db_mode", 0)\nmodparam("usrloc", "timer_interval", 5)\n'
            'modparam("registrar", "default_expires", $age)\nmodparam("registrar", "max_expires", $age)\n'
            'modparam("registrar", "min_expires", 1)\n'
            'request_route {\n  if (method == "REGISTER") { save("location"); exit; }\n'
            '  sl_send_reply("404", "no");\n}\n'
        },
    ),
    # Chosen for a fourth look
    "opendal": _engine("fresh4", "opendal", "opendal"),
    "ahocorasick-rs": _engine("fresh4", "ahocorasick_rs", "ahocorasick_rs"),
    "zenoh": _engine("fresh4", "eclipse-zenoh", "zenoh"),
    "lxml": _engine("fresh4", "lxml", "lxml"),
    "pyarrow": _engine("fresh4", "pyarrow", "pyarrow"),
    "usearch": _engine("fresh4", "usearch", "usearch"),
    "cachetools": _engine("fresh4", "cachetools", "cachetools"),
    "better-sqlite3": _script("fresh4", "better-sqlite3"),
    "sql.js": _script("fresh4", "sql.js"),
    "pglite": _script("fresh4", "@electric-sql/pglite"),
    "lokijs": _script("fresh4", "lokijs"),
    "flexsearch": _script("fresh4", "flexsearch"),
    "tcl": Program("fresh4", ("apt:tcl",), "glibc", "tclsh $here/lines.tcl $port $size $entries", _SIZES),
    "guile": Program(
        "fresh4",
        ("apt:guile-3.0",),
        "boehm",
        "guile --no-auto-compile $here/lines.scm $port $size",
        _SIZES,
        environment=_HOME,
    ),
    "lua": Program(
        "fresh4", ("apt:lua5.4", "apt:lua-socket"), "glibc", "lua5.4 $here/lines.lua $port $size $entries", _SIZES
    ),
    "prolog": Program(
        "fresh4",
        ("apt:swi-prolog-nox",),
        "tcmalloc",
        "swipl $here/lines.pl $port $size",
        _SIZES,
        environment=_HOME,
    ),
    "go": Program(
        "fresh4",
        ("apt:golang-go",),
        "go",
        "$dir/lines $port $size $entries",
        _SIZES,
        before="HOME=$dir go build -o $dir/lines $here/lines.go",
    ),
    "aria2": Program(
        "fresh4",
        ("apt:aria2",),
        "glibc",
        "aria2c --no-conf --enable-rpc --rpc-listen-port=$port --dir=$dir --max-download-result=50",
        environment=_HOME,
    ),
}
