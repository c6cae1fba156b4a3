// The page's one script: unfolds cards, filters, sorts. Without it the first rows and cards stand open.

const byId = name => document.getElementById(name);
const inflate = async node => {
  const bytes = Uint8Array.from(atob(node.textContent), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
};
const plain = text => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const folds = new Map(),
  places = new Map(),
  chunks = new Map(),
  tables = new Map();
const PER_CHUNK = Number(document.body.dataset.chunk),
  MORE = 25;
let all = null;
const ready = (async () => {
  if (byId("rows")) all = await inflate(byId("rows"));
})();

const built = markup => {
  const box = document.createElement("template");
  box.innerHTML = markup;
  return box.content.firstElementChild;
};
const foldOf = async anchor => {
  if (folds.has(anchor)) return folds.get(anchor);
  await ready;
  const place = all.packed[all.anchors.indexOf(anchor)];
  const chunk = Math.floor(place / PER_CHUNK);
  if (!chunks.has(chunk)) chunks.set(chunk, inflate(byId(`cards-${chunk}`)));
  const cards = await chunks.get(chunk);
  if (!folds.has(anchor)) {
    const fold = document.createElement("div");
    fold.className = "fold";
    fold.id = anchor;
    fold.append(built(cards[place % PER_CHUNK]));
    const code = fold.querySelector("code[data-of]");
    if (code) code.textContent = all.patches[code.dataset.of];
    const large = fold.querySelector(".large");
    if (large) {
      large.innerHTML = all.sparks[all.anchors.indexOf(anchor)];
      large.firstElementChild?.setAttribute("preserveAspectRatio", "none");
    }
    folds.set(anchor, fold);
  }
  return folds.get(anchor);
};
const linksTo = anchor => [...document.querySelectorAll("a[data-card]")].filter(link => link.dataset.card === anchor);
const set = (link, on) => link.setAttribute("aria-expanded", on);
// A row for a card, below the one that it belongs to.
const unfoldedFor = (row, fold) => {
  const unfolded = document.createElement("tr"),
    cell = document.createElement("td");
  unfolded.className = "unfolded";
  cell.colSpan = row.cells.length;
  unfolded.append(cell);
  cell.append(fold);
  return unfolded;
};
const put = (link, fold) => {
  const row = link.closest("tr"),
    holder = fold.closest("tr");
  if (holder && holder === row.nextElementSibling) return;
  row.after(unfoldedFor(row, fold));
  if (holder) holder.remove();
};
const toNow = fold => {
  for (const box of fold.querySelectorAll(".scroll")) {
    const chart = box.querySelector("svg");
    if (chart?.dataset.now && box.scrollWidth > box.clientWidth)
      box.scrollLeft = chart.dataset.now * box.scrollWidth - 0.3 * box.clientWidth;
  }
};
const open = async link => {
  const anchor = link.dataset.card,
    fold = await foldOf(anchor);
  for (const other of linksTo(anchor)) set(other, other === link);
  put(link, fold);
  fold.removeAttribute("hidden");
  places.set(anchor, link.closest("table"));
  toNow(fold);
  return fold;
};
const close = link => {
  const fold = folds.get(link.dataset.card);
  set(link, false);
  places.delete(link.dataset.card);
  if (fold) fold.setAttribute("hidden", "until-found");
};
document.addEventListener("click", async event => {
  const link = event.target.closest?.("a[data-card]");
  if (!link) return;
  event.preventDefault();
  const on = link.getAttribute("aria-expanded") !== "true";
  if (on) await open(link);
  else close(link);
  history.replaceState(null, "", on ? `#${link.dataset.card}` : location.pathname + location.search);
});
// Patches: one, all, or all that are not provisional.
const copied = byId("copied");
document.addEventListener("click", async event => {
  const button = event.target.closest?.("button[data-patch]");
  if (!button) return;
  const which = button.dataset.patch;
  let texts = [button.previousElementSibling?.textContent];
  if (which !== "beside") {
    await ready;
    texts = (all.sets[which] ?? [which]).map(at => all.patches[at]);
  }
  await copyBy(button, texts.join("---\n"));
  if (copied) copied.textContent = `${texts.length.toLocaleString("en")} ${texts.length === 1 ? "patch" : "patches"} copied`;
});
document.addEventListener("click", event => {
  const link = event.target.closest?.("a[data-space]");
  if (!link || byId("filter").hidden) return;
  event.preventDefault();
  space.value = link.dataset.space;
  filter().then(() => byId("filter").scrollIntoView());
});
document.addEventListener("keydown", event => {
  const link = event.target.closest?.("a[data-card]");
  if (link && event.key === " ") {
    event.preventDefault();
    link.click();
  }
});

// What is unknown comes last, whichever way a table is sorted.
const compare = (a, b, way) => {
  if (a === null || b === null) return (a === null) - (b === null);
  return way * (a < b ? -1 : a > b ? 1 : 0);
};

class Table {
  constructor(section) {
    this.key = section.dataset.key;
    this.section = section;
    this.table = section.querySelector("table");
    this.body = section.querySelector("tbody");
    this.note = section.querySelector("h2 .note");
    this.words = this.note.textContent;
    this.more = section.querySelector(".more");
    this.shown = this.body.querySelectorAll(".row").length;
    this.first = this.shown || MORE;
    this.order = null;
    this.pinned = null;
    for (const [at, head] of [...section.querySelectorAll("thead th")].entries()) this.sortable(head, at);
    this.more.addEventListener("click", () => {
      this.shown += this.step();
      this.draw();
    });
  }
  sortable(head, at) {
    const by = head.dataset.by;
    if (!by) return;
    const button = document.createElement("button");
    button.className = "sort";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", async () => {
      const first = by === "text" ? 1 : -1;
      this.order =
        !this.order || this.order.at !== at
          ? { at, way: first }
          : this.order.way === first
            ? { at, way: -first }
            : null;
      for (const other of this.section.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      if (this.order) head.setAttribute("aria-sort", this.order.way > 0 ? "ascending" : "descending");
      await ready;
      this.draw();
    });
  }
  chosen() {
    const rows = all.sections[this.key].filter(([at]) => matches(at) || at === this.pinned);
    if (this.order) {
      const { at, way } = this.order;
      const value = row => (at === 0 ? all.search[row[0]] : row[2][at]);
      rows.sort((one, other) => compare(value(one), value(other), way));
    }
    return rows;
  }
  draw() {
    const rows = this.chosen(),
      drawn = [];
    const cut = rows.slice(0, this.shown);
    if (this.pinned !== null && !cut.some(([at]) => at === this.pinned))
      cut.unshift(...rows.filter(([at]) => at === this.pinned));
    for (const [at, markup] of cut) {
      const row = built(markup),
        link = row.querySelector("a[data-card]"),
        anchor = link.dataset.card;
      const cell = row.querySelector("[data-spark]");
      if (cell) cell.innerHTML = all.sparks[at];
      link.setAttribute("role", "button");
      const on = places.get(anchor) === this.table && folds.has(anchor);
      set(link, on);
      drawn.push(row);
      if (on) drawn.push(unfoldedFor(row, folds.get(anchor)));
    }
    this.body.replaceChildren(...drawn);
    const whole = all.sections[this.key].length;
    const found = rows.length.toLocaleString("en");
    this.note.textContent = rows.length === whole ? this.words : `${found} of ${this.words}`;
    this.foot(rows.length);
    this.table.hidden = !rows.length;
  }
  step() {
    return MORE * (this.shown >= 100 ? 8 : 1);
  }
  foot(amount) {
    const left = amount - this.shown;
    this.more.hidden = left <= 0;
    const next = Math.min(left, this.step());
    this.more.textContent = `Show ${next} more${next < left ? ` of ${left.toLocaleString("en")}` : ""}`;
  }
}

const query = byId("search"),
  space = byId("namespace"),
  hits = byId("hits");
let wanted = "",
  within = "";
const matches = at => (!within || all.spaces[at] === within) && (!wanted || all.search[at].includes(wanted));
const filter = async () => {
  await ready;
  wanted = query.value.trim().toLowerCase();
  within = space.value;
  for (const table of tables.values()) {
    table.shown = table.first;
    table.pinned = null;
    table.draw();
  }
  const found = all.search.filter((_, at) => matches(at)).length;
  const whole = all.search.length.toLocaleString("en");
  hits.textContent = wanted || within ? `${found.toLocaleString("en")} of ${whole} workloads` : "";
};
const follow = async () => {
  const name = location.hash.slice(1);
  if (!name || byId(name)?.matches("h2, section")) return;
  let link = linksTo(name)[0];
  if (!link) {
    await ready;
    if (!all) return;
    let at = all.anchors.indexOf(name);
    if (at < 0) at = all.anchors.findIndex(anchor => plain(anchor) === plain(name));
    if (at < 0) return;
    link = linksTo(all.anchors[at])[0];
    for (const table of link ? [] : tables.values())
      if (!link && all.sections[table.key].some(row => row[0] === at)) {
        table.pinned = at;
        table.draw();
        link = linksTo(all.anchors[at])[0];
      }
  }
  if (link) (await open(link)).scrollIntoView();
};
const narrow = matchMedia("(max-width:640px)").matches;
for (const fold of document.querySelectorAll(".fold")) folds.set(fold.id, fold);
for (const link of document.querySelectorAll("a[data-card]")) {
  link.setAttribute("role", "button");
  const fold = folds.get(link.dataset.card);
  const here = fold && fold.closest("tr") === link.closest("tr").nextElementSibling;
  set(link, false);
  if (here && link.dataset.open && !narrow) open(link);
  else if (here) {
    close(link);
    fold.addEventListener("beforematch", () => open(link));
  }
}
if (byId("rows") && "DecompressionStream" in window) {
  for (const section of document.querySelectorAll("section[data-key]"))
    tables.set(section.dataset.key, new Table(section));
  byId("filter").hidden = false;
  query.addEventListener("input", filter);
  space.addEventListener("change", filter);
  query.addEventListener("keydown", event => {
    if (event.key === "Escape") {
      query.value = "";
      filter();
    }
  });
  ready.then(() => {
    for (const table of tables.values()) table.foot(all.sections[table.key].length);
  });
}
addEventListener("hashchange", follow);
follow();
