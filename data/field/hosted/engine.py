"""Put an engine of PyPI behind lines of text: ``engine.py NAME PORT``; a line ``USE NUMBER`` is a unit of work."""

from __future__ import annotations

import os
import socketserver
import sys
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = int(os.environ.get("FIELD_SIZE", "2000"))
ENTRIES = int(os.environ.get("FIELD_ENTRIES", "3000"))
Uses = dict[str, "Callable[[int], Any]"]


def _text() -> str:
    return os.urandom(SIZE // 2).hex()


def polars() -> Uses:
    """Make frames: kept in a list, or grouped and dropped."""
    import polars as pl

    kept: list[Any] = []

    def job(number: int) -> Any:  # noqa: ANN401
        frame = pl.DataFrame({"a": range(SIZE)}).with_columns(
            b=pl.col("a") * number % 97, c=pl.col("a").cast(pl.String)
        )
        return frame.group_by("b").agg(pl.col("a").sum(), pl.col("c").first())

    return {"keep": lambda number: kept.append(job(number)), "work": job}


def tantivy() -> Uses:
    """Build an index: documents committed now and then, to memory or to a folder."""
    import tantivy as engine

    schema = engine.SchemaBuilder().add_text_field("body", stored=True).build()
    memory = engine.Index(schema)
    disk = engine.Index(schema, path=tempfile.mkdtemp(dir="."))
    writers: dict[str, Any] = {}

    def add(name: str, index: Any, number: int) -> None:  # noqa: ANN401
        if name not in writers:
            writers[name] = index.writer(heap_size=15_000_000, num_threads=1)
        body = " ".join(f"w{(number * 31 + i * i) % 9973}" for i in range(SIZE // 8))
        writers[name].add_document(engine.Document(body=[f"{body} {number}"]))
        if number % 40 == 0:
            writers[name].commit()

    return {"keep": lambda number: add("memory", memory, number), "work": lambda number: add("disk", disk, number)}


def surrealdb() -> Uses:
    """Fill a database in memory: new records, or the same ones again."""
    from surrealdb import Surreal

    db = Surreal("mem://")
    db.__enter__()
    db.use("a", "b")

    def put(number: int) -> None:
        db.query(f"UPSERT t:{number} SET v = '{_text()}'")

    return {"keep": put, "same": lambda number: put(number % 300)}


def moka() -> Uses:
    """Fill a cache with a bound."""
    from moka_py import Moka

    cache: Any = Moka(ENTRIES)
    return {"put": lambda number: cache.set(number, _text())}


def cachebox() -> Uses:
    """Fill a cache whose entries expire."""
    import cachebox as engine

    cache: Any = engine.TTLCache(1_000_000, float(os.environ.get("FIELD_TTL", "40")))
    return {"put": lambda number: cache.insert(number, _text())}


def pycrdt() -> Uses:
    """Edit a shared document: text is added, or replaced."""
    from pycrdt import Doc, Text

    doc: Any = Doc()
    doc["text"] = text = Text()

    def replace(number: int) -> None:
        del text[:]
        text.insert(0, f"{number} {_text()}")

    return {"keep": lambda number: text.insert(0, f"{number} {_text()}"), "same": replace}


def tokenizers() -> Uses:
    """Tokenize, or add each word as a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.train_from_iterator(
        [f"{_text()} {i}" for i in range(200)], trainers.BpeTrainer(vocab_size=2000, show_progress=False)
    )
    return {
        "add": lambda number: engine.add_tokens([f"token-{number}-{i}-{_text()[:40]}" for i in range(10)]),
        "work": lambda number: engine.encode_batch([f"{_text()} {number} {i}" for i in range(4)]),
    }


def pydantic() -> Uses:
    """Make a model for each request, or validate with one."""
    from pydantic import TypeAdapter, create_model

    fields: Any = {f"f{i}": (str, "x") for i in range(12)}
    fixed = create_model("Fixed", **fields)
    kept: list[Any] = []
    adapter = TypeAdapter(list[fixed])  # type: ignore[valid-type]
    rows = [{f"f{i}": "y" * 40 for i in range(12)}] * 100
    return {
        "keep": lambda number: kept.append(create_model(f"M{number}", **fields)),
        "work": lambda _: adapter.dump_json(adapter.validate_python(rows)),
    }


def rustworkx() -> Uses:
    """Let a graph grow, or search one of a fixed size."""
    import rustworkx as engine

    graph: Any = engine.PyDiGraph()
    fixed: Any = engine.undirected_gnp_random_graph(1500, 0.01, seed=1)

    def grow(number: int) -> None:
        nodes = graph.add_nodes_from([f"{number}/{i}" for i in range(SIZE // 20)])
        graph.add_edges_from([(nodes[0], node, number) for node in nodes])

    return {"keep": grow, "work": lambda number: engine.dijkstra_shortest_paths(fixed, number % 1500)}


def _sql(db: Any) -> Uses:  # noqa: ANN401 - connections of several engines
    """Fill a table in memory."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")

    def put(number: int) -> None:
        db.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (number, _text()))
        db.commit()

    return {"keep": put, "same": lambda number: put(number % 400)}


def turso() -> Uses:
    """Fill an SQL database in memory."""
    import turso as engine

    return _sql(engine.connect(":memory:"))


def duckdb() -> Uses:
    """Let a table grow, or run jobs over a fixed one."""
    import duckdb as engine

    db: Any = engine.connect(":memory:", config={"memory_limit": "1GB", "threads": 1})
    db.execute("CREATE TABLE t (k BIGINT, v VARCHAR)")
    db.execute("CREATE TABLE fixed AS SELECT i AS k, i % 97 AS g, random()::VARCHAR AS v FROM range(50000) r(i)")
    job = "SELECT g, max(v), count(DISTINCT k) FROM fixed GROUP BY g ORDER BY 2"
    return {
        "keep": lambda n: db.execute(
            "INSERT INTO t SELECT ?, random()::VARCHAR || ? FROM range(20)", (n, _text()[:200])
        ),
        "work": lambda _: db.execute(job).fetchall(),
    }


def rocksdict() -> Uses:
    """Open a column family for each tenant, or write the same keys, which go to files."""
    import rocksdict as engine

    options: Any = engine.Options()
    options.set_write_buffer_size(4 << 20)
    db: Any = engine.Rdict(tempfile.mkdtemp(dir="."), options)
    kept: list[Any] = []

    def tenant(number: int) -> None:
        kept.append(db.create_column_family(f"t{number}", engine.Options()))
        kept[-1]["first"] = _text()

    return {"keep": tenant, "same": lambda number: db.__setitem__(number % ENTRIES, _text())}


def wasmtime() -> Uses:
    """Start an instance for each request: kept, or dropped."""
    import wasmtime as engine

    here: Any = engine.Engine()
    module: Any = engine.Module(here, '(module (memory (export "m") 2))')
    kept: list[Any] = []

    def start(number: int) -> Any:  # noqa: ANN401
        store: Any = engine.Store(here)
        instance: Any = engine.Instance(store, module, [])
        instance.exports(store)["m"].write(store, f"{number} {_text()}".encode(), 0)
        return store, instance

    return {"keep": lambda number: kept.append(start(number)), "work": start}


def obstore() -> Uses:
    """Put objects into a store in memory: new ones, or the same again."""
    import obstore as engine
    from obstore.store import MemoryStore

    store: Any = MemoryStore()

    def put(number: int) -> None:
        engine.put(store, f"objects/{number}", _text().encode())

    return {"keep": put, "same": lambda number: put(number % ENTRIES)}


def datafusion() -> Uses:
    """Register a table for each request, or query one."""
    import datafusion as engine
    import pyarrow as pa

    context: Any = engine.SessionContext()

    def table(rows: int) -> Any:  # noqa: ANN401
        return pa.record_batch({"a": range(rows), "b": [f"row {i} {i * i}" for i in range(rows)]})

    context.register_record_batches("fixed", [[table(30000)]])
    job = "SELECT a % 977 AS g, count(DISTINCT b), max(b) FROM fixed GROUP BY g ORDER BY 2"
    return {
        "keep": lambda number: context.register_record_batches(f"t{number}", [[table(SIZE // 20)]]),
        "work": lambda _: context.sql(job).collect(),
    }


def minijinja() -> Uses:
    """Add a template for each request, or render one that is given."""
    import minijinja as engine

    templates: Any = engine.Environment()

    def source(number: int) -> str:
        return f"{{% for i in range(40) %}}<p>{{{{ i }}}} of {number} {_text()}</p>{{% endfor %}}"

    return {
        "keep": lambda number: templates.add_template(f"t{number}", source(number)),
        "work": lambda number: templates.render_str(source(number)),
    }


def libsql() -> Uses:
    """Fill an SQL database in memory."""
    import libsql as engine

    return _sql(engine.connect(":memory:"))


def rpds() -> Uses:
    """Change a persistent map: each version kept, or the last ones only."""
    from collections import deque

    from rpds import HashTrieMap

    last: Any = HashTrieMap(dict.fromkeys(range(2000), ""))
    versions: deque[Any] = deque([last])
    bounded: deque[Any] = deque([last], maxlen=ENTRIES)

    def change(kept: deque[Any], number: int) -> None:
        kept.append(kept[-1].insert(number * 7919 % 2000, f"{number} {_text()}"))

    return {"keep": lambda number: change(versions, number), "put": lambda number: change(bounded, number)}


def qdrant() -> Uses:
    """Put points into a collection in memory: new ones, or the same again."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("c", vectors_config=models.VectorParams(size=128, distance=models.Distance.COSINE))

    def put(number: int) -> None:
        vector = [float((number * 31 + i) % 97) + 1 for i in range(128)]
        client.upsert("c", [models.PointStruct(id=number, vector=vector, payload={"text": _text()})])

    return {"keep": put, "same": lambda number: put(number % 300)}


def lancedb() -> Uses:
    """Add rows to a table in memory, or search one of a fixed size."""
    import lancedb as engine

    db: Any = engine.connect("memory://")

    def row(number: int) -> dict[str, Any]:
        return {"key": number, "text": _text(), "vector": [float((number * 31 + i) % 97) for i in range(64)]}

    rows: Any = db.create_table("t", [row(0)])
    fixed: Any = db.create_table("fixed", [row(number) for number in range(1500)])
    return {
        "keep": lambda number: rows.add([row(number * 10 + i) for i in range(10)]),
        "work": lambda number: fixed.search([float(number % 97)] * 64).limit(20).to_list(),
    }


def deltalake() -> Uses:
    """Open a table for each request, kept; or read one whole and drop it."""
    import deltalake as engine
    import pyarrow as pa

    folder = tempfile.mkdtemp(dir=".")
    for part in range(25):
        rows = {"key": list(range(SIZE)), "text": [f"row {i} of {part}" for i in range(SIZE)]}
        engine.write_deltalake(folder, pa.table(rows), mode="append")
    kept: list[Any] = []
    return {
        "keep": lambda _: kept.append(engine.DeltaTable(folder)),
        "work": lambda _: engine.DeltaTable(folder).to_pyarrow_table().num_rows,
    }


def cozo() -> Uses:
    """Put rows into a relation in memory: new ones, or the same again."""
    from cozo_embedded import CozoDbPy

    db: Any = CozoDbPy("mem", "", "{}")
    db.run_script(":create t {k: Int => v: String}", {}, False)  # noqa: FBT003 - has no name there

    def put(number: int) -> None:
        values = {"k": number, "v": _text()}
        db.run_script("?[k, v] <- [[$k, $v]] :put t {k => v}", values, False)  # noqa: FBT003

    return {"keep": put, "same": lambda number: put(number % ENTRIES)}


def loro() -> Uses:
    """Edit a document that keeps its history, or make one for each request."""
    import loro as engine

    document: Any = engine.LoroDoc()

    def edit(target: Any, number: int) -> None:  # noqa: ANN401
        text = target.get_text("text")
        if text.len_unicode:
            text.delete(0, text.len_unicode)
        text.insert(0, f"{number} {_text()}")
        target.commit()

    def once(number: int) -> None:
        fresh: Any = engine.LoroDoc()
        for turn in range(8):
            edit(fresh, number + turn)

    return {"keep": lambda number: edit(document, number), "work": once}


def typst() -> Uses:
    """Set pages: with a compiler for each tenant that is kept, or with one that ends."""
    import typst as engine

    kept: list[Any] = []

    def source(number: int) -> bytes:
        return f"= Bill {number}\n#lorem({SIZE // 20})\n#table(columns: 3, ..range(30).map(i => [#i]))".encode()

    return {
        "keep": lambda number: kept.append(engine.Compiler(source(number))),
        "work": lambda number: engine.compile(source(number)),
    }


def ast_grep() -> Uses:
    """Parse and search: the tree kept, or dropped."""
    from ast_grep_py import SgRoot

    kept: list[Any] = []

    def parse(number: int) -> Any:  # noqa: ANN401
        lines = [f"def f{i}(a, b={number}):\n    return [a for _ in range({i})]" for i in range(SIZE // 60)]
        root: Any = SgRoot("\n".join(lines), "python")
        return root, len(root.root().find_all(pattern="return $A"))

    return {"keep": lambda number: kept.append(parse(number)), "work": parse}


def zen() -> Uses:
    """Make a decision for each tenant, kept; or ask a fixed one."""
    import zen as engine

    rules: Any = engine.ZenEngine()
    kept: list[Any] = []

    def graph(number: int) -> dict[str, Any]:
        steps = [{"id": f"{i}", "key": f"y{i}", "value": f"a * {number + i}"} for i in range(SIZE // 100)]
        nodes = [
            {"id": "a", "type": "inputNode", "name": "a"},
            {"id": "b", "type": "expressionNode", "name": "b", "content": {"expressions": steps}},
            {"id": "c", "type": "outputNode", "name": "c"},
        ]
        edges = [{"id": pair, "sourceId": pair[0], "targetId": pair[1], "type": "edge"} for pair in ("ab", "bc")]
        places = [node | {"position": {"x": 0, "y": 0}} for node in nodes]
        return {"contentType": "application/vnd.gorules.decision", "nodes": places, "edges": edges}

    fixed = rules.create_decision(graph(0))
    return {
        "keep": lambda number: kept.append(rules.create_decision(graph(number))),
        "work": lambda number: fixed.evaluate({"a": number}),
    }


def daft() -> Uses:
    """Make frames: kept in a list, or grouped and dropped."""
    import daft as engine

    kept: list[Any] = []

    def job(number: int) -> Any:  # noqa: ANN401
        rows = {"a": list(range(SIZE)), "b": [f"{i * number % 97}" for i in range(SIZE)]}
        return engine.from_pydict(rows).where(engine.col("a") % 3 == number % 3).collect()

    return {"keep": lambda number: kept.append(job(number)), "work": job}


def jsonschema_rs() -> Uses:
    """Compile a schema for each tenant: kept, only the last ones, or dropped."""
    from collections import deque

    import jsonschema_rs as engine

    kept: dict[int, Any] = {}
    last: deque[Any] = deque(maxlen=ENTRIES)

    def made(number: int) -> Any:  # noqa: ANN401
        fields = {f"f{number}_{i}": {"type": "string", "maxLength": i + 1} for i in range(SIZE // 40)}
        return engine.validator_for({"type": "object", "properties": fields})

    return {
        "keep": lambda number: kept.__setitem__(number, made(number)),
        "put": lambda number: last.append(made(number)),
        "work": lambda number: made(number).is_valid({}),
    }


def slatedb() -> Uses:
    """Put values into a database over a store in memory: new keys, or the same again, which it writes anew."""
    import asyncio

    from slatedb import uniffi as engine

    loop = asyncio.new_event_loop()

    async def opened() -> Any:  # noqa: ANN401
        return await engine.DbBuilder("db", engine.ObjectStore.resolve("memory:///")).build()

    db: Any = loop.run_until_complete(opened())

    def put(number: int) -> None:
        loop.run_until_complete(db.put(f"key{number}".encode(), _text().encode()))

    return {"keep": put, "same": lambda number: put(number % ENTRIES)}


def cedarpy() -> Uses:
    """Ask whether something is allowed: policies are parsed anew for each answer."""
    import cedarpy as engine

    def ask(number: int) -> Any:  # noqa: ANN401
        rules = "".join(
            f'permit(principal == User::"u{i}", action, resource == Doc::"d{i + number % 7}");\n'
            for i in range(SIZE // 40)
        )
        request = {"principal": 'User::"u1"', "action": 'Action::"view"', "resource": 'Doc::"d1"', "context": {}}
        return engine.is_authorized(request, rules, [])

    return {"work": ask}


def opendal() -> Uses:
    """Write to a store in memory: new names, or the same again."""
    import opendal as engine

    store: Any = engine.Operator("memory")
    return {
        "keep": lambda number: store.write(f"key{number}", _text().encode()),
        "same": lambda number: store.write(f"key{number % ENTRIES}", _text().encode()),
    }


def ahocorasick_rs() -> Uses:
    """Build automata: one kept for each tenant, or used once and dropped."""
    import ahocorasick_rs as engine

    kept: dict[int, Any] = {}

    def made(number: int) -> Any:  # noqa: ANN401
        return engine.AhoCorasick([f"{number} {i * i} {_text()[:12]}" for i in range(SIZE // 20)])

    return {
        "keep": lambda number: kept.__setitem__(number, made(number)),
        "work": lambda number: made(number).find_matches_as_indexes(_text()),
    }


def zenoh() -> Uses:
    """Publish and subscribe: subscribers never undeclared, the last ones, or messages to a few."""
    import zenoh as engine

    alone = '{mode: "peer", scouting: {multicast: {enabled: false}, gossip: {enabled: false}}, listen: {endpoints: []}}'
    session: Any = engine.open(engine.Config.from_json5(alone))
    kept: dict[int, Any] = {}

    def subscribe(number: int) -> None:
        kept[number] = session.declare_subscriber(f"tenant/{number}/{_text()[:60]}", lambda _: None)

    def last(number: int) -> None:
        subscribe(number)
        if len(kept) > ENTRIES:
            kept.pop(min(kept)).undeclare()

    return {
        "keep": subscribe,
        "put": last,
        "work": lambda number: session.put(f"tenant/{number % 50}", _text()),
    }


def lxml() -> Uses:
    """Parse documents: each kept, or read and dropped."""
    from lxml import etree

    kept: dict[int, Any] = {}

    def made(number: int) -> Any:  # noqa: ANN401
        rows = "".join(f'<row id="{number}-{i}"><a>{i * number}</a></row>' for i in range(SIZE // 20))
        return etree.fromstring(f"<rows>{rows}</rows>")

    return {
        "keep": lambda number: kept.__setitem__(number, made(number)),
        "work": lambda number: len([made(number + i).xpath("//a") for i in range(10)]),
    }


def pyarrow() -> Uses:
    """Make tables: kept in a list, or sorted and dropped."""
    import pyarrow as pa

    kept: list[Any] = []

    def made(number: int) -> Any:  # noqa: ANN401
        return pa.table({"a": [i * number % 997 for i in range(SIZE)], "b": [f"{i}" for i in range(SIZE)]})

    return {
        "keep": lambda number: kept.append(made(number)),
        "work": lambda number: pa.concat_tables([made(number + i) for i in range(8)]).sort_by("a"),
    }


def usearch() -> Uses:
    """Index vectors: never removed, or the last ones."""
    import numpy as np
    from usearch.index import Index

    index: Any = Index(ndim=SIZE // 8)
    random = np.random.default_rng(1)

    def add(number: int) -> None:
        index.add(number, random.random(SIZE // 8, dtype=np.float32))

    def put(number: int) -> None:
        add(number)
        if number >= ENTRIES:
            index.remove(number - ENTRIES)

    return {"keep": add, "put": put}


def cachetools() -> Uses:
    """Fill a cache whose entries expire, or one without a bound."""
    import cachetools as engine

    expiring: Any = engine.TTLCache(1_000_000, float(os.environ.get("FIELD_TTL", "40")))
    answered: Any = engine.cached({})(lambda number: [number, _text()])
    return {"put": lambda number: expiring.__setitem__(number, _text()), "keep": answered}


ENGINES = (
    *(polars, tantivy, surrealdb, moka, cachebox, pycrdt, tokenizers, pydantic, rustworkx, turso, duckdb),
    *(rocksdict, wasmtime, obstore, datafusion, minijinja, libsql, rpds, qdrant),
    *(lancedb, deltalake, cozo, loro, typst, ast_grep, zen),
    *(daft, jsonschema_rs, slatedb, cedarpy),
    *(opendal, ahocorasick_rs, zenoh, lxml, pyarrow, usearch, cachetools),
)


def main() -> None:
    """Serve one engine."""
    uses = next(engine for engine in ENGINES if engine.__name__ == sys.argv[1])()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                use, number = line.split()
                uses[use.decode()](int(number))
                self.wfile.write(b"ok\n")

    socketserver.TCPServer.allow_reuse_address = True
    socketserver.TCPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
