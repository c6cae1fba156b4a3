// The same for node, deno and bun; a session or a cache is that of a package out of npm where the path names one.
import { createServer } from "node:http";
import { EventEmitter } from "node:events";
import process from "node:process";

const size = Number(process.env.FIELD_SIZE ?? 2000);
const kept = new Map();
const bus = new EventEmitter();
bus.setMaxListeners(0);
const made = (key) => ({ key, rows: Array.from({ length: size / 100 }, (_, i) => `row ${i} of ${key} ${Math.random()}`) });

const uses = {
  keep: (key) => kept.set(key, made(key)),
  listen: (key) => {
    const row = made(key);
    bus.on("tick", () => row.rows.length);
  },
  busy: (key) => made(key),
};
const name = process.env.FIELD_PACKAGE;
if (name === "lru-cache") {
  const { LRUCache } = await import("lru-cache");
  const cache = new LRUCache({ max: Number(process.env.FIELD_ENTRIES ?? 3000) });
  uses.cache = (key) => cache.get(key) ?? cache.set(key, made(key));
} else if (name === "prom-client") {
  const { Counter } = await import("prom-client");
  const counter = new Counter({ name: "requests_total", help: "requests", labelNames: ["path"] });
  uses.label = (key) => counter.inc({ path: `/items/${key}` });
} else if (name === "@swc/core") {
  const { transform } = await import("@swc/core");
  const source = Array.from({ length: 120 }, (_, i) => `export const f${i} = async (x: number) => x?.y ?? ${i};`).join("\n");
  uses.build = (key) => transform(`${source}\n// ${key}`, { jsc: { parser: { syntax: "typescript" }, target: "es2015" } });
} else if (name === "lightningcss") {
  const { transform } = await import("lightningcss");
  const rules = Array.from({ length: 300 }, (_, i) => `.c${i} { .d { color: lab(${i % 100}% 20 30); inset: ${i}px } }`).join("\n");
  const last = [];
  uses.build = (key) => transform({ filename: "a.css", code: new TextEncoder().encode(`${rules}/* ${key} */`), minify: true });
  uses.results = (key) => last.push(uses.build(key).code);
} else if (name === "@tursodatabase/database") {
  const { connect } = await import("@tursodatabase/database");
  const db = await connect(":memory:");
  await db.exec("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)");
  const put = await db.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)");
  uses.keep = (key) => put.run(Number(key), "x".repeat(size));
  uses.same = (key) => put.run(Number(key) % 500, "x".repeat(size));
} else if (name === "@napi-rs/canvas") {
  const { createCanvas } = await import("@napi-rs/canvas");
  uses.draw = async (key) => {
    const canvas = createCanvas(200, 100);
    const context = canvas.getContext("2d");
    context.fillText(`picture ${key}`, 20, 50);
    return (await canvas.encode("png")) && canvas;
  };
  uses.pictures = async (key) => kept.set(key, await uses.draw(key));
} else if (name === "memory-level") {
  const { MemoryLevel } = await import("memory-level");
  const db = new MemoryLevel();
  uses.keep = (key) => db.put(key, JSON.stringify(made(key)));
} else if (name === "rolldown") {
  const { rolldown } = await import("rolldown");
  const source = Array.from({ length: 150 }, (_, i) => `export const f${i} = (x) => x?.y ?? ${i};`).join("\n");
  uses.build = async (key) => {
    const bundle = await rolldown({
      input: "main",
      plugins: [{ name: "virtual", resolveId: (id) => id, load: (id) => (id === "main" ? 'export * from "part"' : `${source}\n// ${key}`) }],
    });
    const { output } = await bundle.generate({ format: "esm" });
    return { bundle, output };
  };
  uses.bundles = async (key) => kept.set(key, await uses.build(key));
  uses.once = async (key) => (await uses.build(key)).bundle.close();
} else if (name === "@automerge/automerge") {
  const engine = await import("@automerge/automerge");
  let document = engine.from({ rows: {}, last: "" });
  uses.keep = (key) => (document = engine.change(document, (it) => (it.last = `${key} ${"x".repeat(size)}`)));
  uses.once = (key) => engine.save(engine.change(engine.from(made(key)), (it) => (it.key = "done")));
} else if (name === "@seald-io/nedb") {
  const { default: Datastore } = await import("@seald-io/nedb");
  const store = new Datastore();
  const age = Number(process.env.FIELD_AGE || 0);
  if (age) await store.ensureIndexAsync({ fieldName: "at", expireAfterSeconds: age });
  uses.keep = (key) => store.insertAsync({ ...made(key), at: new Date() });
  // An entry that is too old goes when somebody asks for it.
  uses.expire = async (key) => {
    await uses.keep(key);
    if (key % 20 === 0) await store.findAsync({});
  };
} else if (name === "node-cache") {
  const { default: NodeCache } = await import("node-cache");
  const cache = new NodeCache({ stdTTL: Number(process.env.FIELD_AGE || 0), checkperiod: 10, useClones: false });
  uses.keep = (key) => cache.set(key, made(key));
} else if (name === "minisearch") {
  const { default: MiniSearch } = await import("minisearch");
  const empty = () => new MiniSearch({ fields: ["text"], storeFields: ["text"] });
  const text = (key) => made(key).rows.join(" ");
  let index = empty();
  uses.keep = (key) => index.add({ id: key, text: text(key) });
  // Built anew, as a nightly job would: the last index goes when the next is there.
  uses.build = (key) => {
    const next = empty();
    for (let i = 0; i < 40; i++) next.add({ id: i, text: text(`${key}/${i}`) });
    index = next;
  };
} else if (name === "@orama/orama") {
  const { create, insert, remove } = await import("@orama/orama");
  const db = create({ schema: { text: "string" } });
  const last = [];
  uses.keep = (key) => insert(db, { text: made(key).rows.join(" ") });
  uses.last = async (key) => {
    last.push(await uses.keep(key));
    if (last.length > Number(process.env.FIELD_ENTRIES)) await remove(db, last.shift());
  };
} else if (name === "oxc-parser") {
  const { parseSync } = await import("oxc-parser");
  const source = Array.from({ length: 120 }, (_, i) => `export const f${i} = async (x: number) => x?.y ?? ${i};`).join("\n");
  uses.parse = (key) => parseSync("a.ts", `${source}\n// ${key}`).program.body.length;
  uses.keep = (key) => kept.set(key, parseSync("a.ts", `${source}\n// ${key}`).program);
} else if (name === "better-sqlite3") {
  const { default: Database } = await import("better-sqlite3");
  const db = new Database(":memory:");
  db.exec("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)");
  const put = db.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)");
  uses.keep = (key) => put.run(Number(key), "x".repeat(size));
  uses.same = (key) => put.run(Number(key) % 500, "x".repeat(size));
} else if (name === "sql.js") {
  const { default: open } = await import("sql.js");
  const db = new (await open()).Database();
  db.run("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)");
  uses.keep = (key) => db.run("INSERT INTO t VALUES (?, ?)", [Number(key), "x".repeat(size)]);
  uses.last = (key) => {
    uses.keep(key);
    db.run("DELETE FROM t WHERE k < ?", [Number(key) - Number(process.env.FIELD_ENTRIES)]);
  };
} else if (name === "@electric-sql/pglite") {
  const { PGlite } = await import("@electric-sql/pglite");
  const db = new PGlite("memory://");
  await db.exec("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)");
  uses.keep = (key) => db.query("INSERT INTO t VALUES ($1, $2)", [Number(key), Array.from({ length: size / 10 }, Math.random).join("")]);
  uses.ask = (key) => db.query("SELECT g, md5(g::text) FROM generate_series(1, $1) g ORDER BY 2", [size + (key % 10)]);
} else if (name === "lokijs") {
  const { default: Loki } = await import("lokijs");
  const age = Number(process.env.FIELD_AGE || 0) * 1000;
  const rows = new Loki("a").addCollection("rows", age ? { ttl: age, ttlInterval: 10000 } : {});
  uses.keep = (key) => rows.insert(made(key));
} else if (name === "flexsearch") {
  const { default: flexsearch } = await import("flexsearch");
  const index = new flexsearch.Index({ tokenize: "strict" });
  uses.keep = (key) => index.add(Number(key), made(key).rows.join(" "));
  uses.last = (key) => {
    uses.keep(key);
    index.remove(Number(key) - Number(process.env.FIELD_ENTRIES));
  };
} else if (name === "graphql-yoga") {
  const { createYoga, createSchema } = await import("graphql-yoga");
  const schema = createSchema({
    typeDefs: `type Row { id: ID! ${Array.from({ length: 20 }, (_, i) => `f${i}: String`).join(" ")} } type Query { row(id: ID): Row }`,
    resolvers: { Query: { row: (_, { id }) => (process.env.FIELD_AGE ? kept.set(id, made(id)) : made(id)) && { id, f1: "a" } } },
  });
  const yoga = createYoga({ schema, logging: false });
  const fields = "id f1 f2 f3 f4 f5 f6 f7 f8";
  uses.query = async (key) => {
    const query = encodeURIComponent(`{ a${key}: row(id: "${key}") { ${fields} } }`);
    return (await yoga.fetch(`http://a/graphql?query=${query}`)).text();
  };
}

if (name === "express-session") {
  const express = (await import("express")).default;
  const session = (await import("express-session")).default;
  const age = process.env.FIELD_AGE ? Number(process.env.FIELD_AGE) : undefined;
  const app = express();
  app.use(session({ secret: "s", resave: false, saveUninitialized: true, cookie: { maxAge: age } }));
  app.get("/visit/:key", (request, response) => {
    request.session.basket = made(request.params.key).rows;
    response.send("ok");
  });
  app.listen(Number(process.env.FIELD_PORT), "127.0.0.1");
} else if (name === "aedes") {
  const { Aedes } = await import("aedes");
  const { createServer: tcp } = await import("node:net");
  const broker = Aedes.createBroker ? await Aedes.createBroker() : new Aedes();
  tcp(broker.handle).listen(Number(process.env.FIELD_PORT), "127.0.0.1");
} else if (name === "@fastify/session") {
  const { default: fastify } = await import("fastify");
  const app = fastify();
  app.register((await import("@fastify/cookie")).default);
  app.register((await import("@fastify/session")).default, { secret: "s".repeat(32), cookie: { secure: false } });
  app.get("/visit/:key", async (request) => {
    request.session.basket = made(request.params.key).rows;
    return "ok";
  });
  app.get("/busy/:key", async (request) => made(request.params.key));
  await app.listen({ port: Number(process.env.FIELD_PORT), host: "127.0.0.1" });
} else if (name === "@hapi/hapi") {
  const { server: make } = await import("@hapi/hapi");
  const server = make({ port: Number(process.env.FIELD_PORT), host: "127.0.0.1" });
  const cache = server.cache({ segment: "made", expiresIn: Number(process.env.FIELD_AGE || 86400000) });
  server.route({
    method: "GET",
    path: "/cache/{key}",
    handler: async (request) => {
      await cache.set(request.params.key, made(request.params.key));
      return "ok";
    },
  });
  await server.start();
} else if (name === "koa") {
  const Koa = (await import("koa")).default;
  const app = new Koa();
  app.use(async (context) => {
    const [, use, key] = context.path.split("/");
    if (use === "listen") app.on("closing", () => context.path);
    context.body = made(key);
  });
  app.setMaxListeners(0);
  app.listen(Number(process.env.FIELD_PORT), "127.0.0.1");
} else if (name === "socket.io") {
  const { Server } = await import("socket.io");
  const io = new Server({ pingInterval: 86400000 });
  io.on("connection", (socket) => socket.join(`room ${socket.id}`));
  io.listen(Number(process.env.FIELD_PORT));
} else if (name === "ws") {
  const { WebSocketServer } = await import("ws");
  new WebSocketServer({ port: Number(process.env.FIELD_PORT), host: "127.0.0.1" });
} else {
  createServer(async (request, response) => {
    const [, use, key] = request.url.split("/");
    await uses[use](key);
    response.end(JSON.stringify(made(key)));
  }).listen(Number(process.env.FIELD_PORT), "127.0.0.1");
}
