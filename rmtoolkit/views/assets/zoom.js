// Draws a call tree from what stands beside it: by any measure, from either end, of any stretch of time. It asks
// nothing of anybody.

const SVG = "http://www.w3.org/2000/svg";
const NARROWEST = 0.7,
  DEEPEST = 60,
  MOST = 3000,
  UNCHANGED = 0.01;

// Measured amounts in three significant digits, as everywhere else.
const figure = value => value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
const memory = bytes => {
  const size = Math.abs(bytes);
  if (size >= 10 * 2 ** 30) return `${figure(bytes / 2 ** 30)} GiB`;
  if (size >= 2 ** 20 / 10 || !size) return `${figure(bytes / 2 ** 20)} Mi`;
  return size >= 1024 / 10 ? `${figure(bytes / 1024)} Ki` : `${figure(bytes)} B`;
};
const share = part => (part > 0 && part < 0.001 ? "<0.1 %" : `${figure(Math.floor(part * 1000) / 10)} %`);

// The longest end of a name, with its size where there is room, that fits a node.
const PARTS = /(?:::|\/|\.(?![^([]{0,24}\/))(?=[^\W\d]|[(<{*])(?![^()[\]<>]{0,24}[)\]>])/g;
const label = (node, width, letter) => {
  const room = Math.floor((width - 10) / letter),
    name = node.name,
    names = [name, ...[...name.matchAll(PARTS)].map(found => name.slice(found.index + found[0].length))].map(part => node.mark + part),
    last = names.at(-1),
    tail = (room - 1) >> 1,
    cut = room >= 4 ? `${last.slice(0, room - 1 - tail)}…${last.slice(-tail)}` : "";
  return [...names.map(part => `${part} ${node.size}`), last].find(text => text.length <= room) ?? cut;
};

// What each node holds by itself: its width, what that is now, and what it was before.
const amounts = (tree, wanted) => {
  const measure = tree.measures[wanted.measure];
  if (measure) {
    const { now, before } = measure;
    return now.map((value, at) => [before ? Math.max(value, before[at], 0) : Math.max(value, 0), value, before?.[at]]);
  }
  const grown = tree.nodes[0].map(() => [0, 0]);
  for (const [node, ...steps] of tree.held) {
    let came = 0;
    for (let at = wanted.from + 1; at <= wanted.to; at++) came += steps[at];
    grown[node] = [Math.max(came, 0), Math.max(came, 0)];
  }
  return grown;
};

const made = (frame, up) => ({ frame, up, size: 0, value: 0, before: 0, below: new Map() });
const addTo = (node, [size, value, before]) => {
  node.size += size;
  node.value += value;
  node.before += before ?? 0;
};

// Puts all stacks together; where a function fills the width, its outermost call on each stack.
const plant = (tree, wanted) => {
  const [parents, frames] = tree.nodes;
  const top = made(frames[0], null);
  amounts(tree, wanted).forEach((own, at) => {
    if (!own[0] && !own[2]) return;
    let path = [];
    for (let node = at; node > 0; node = parents[node]) path.unshift(frames[node]);
    if (wanted.root) {
      const first = path.findIndex(frame => tree.frames[frame][0] === wanted.root);
      if (first < 0) return;
      top.frame = path[first];
      path = path.slice(first + 1);
    }
    if (wanted.upwards) {
      // What Rust and the system do below the last function of one's own is the same for all.
      const last = path.findLastIndex(frame => tree.frames[frame][2] !== "std");
      path = (last < 0 ? path : path.slice(0, last + 1)).toReversed();
    }
    addTo(top, own);
    let node = top;
    for (const frame of path) {
      const [name] = tree.frames[frame];
      if (!node.below.has(name)) node.below.set(name, made(frame, node));
      node = node.below.get(name);
      addTo(node, own);
    }
  });
  return top;
};

// Finds where each node is, parents first and the widest child first; what is too narrow is left out.
const lay = (top, zoom, least) => {
  const found = [],
    above = [];
  for (let node = zoom; node; node = node.up) above.unshift(node);
  const place = (node, x, w, d) => {
    found.push(Object.assign(node, { x, w, d }));
    if (d >= DEEPEST) return;
    for (const child of [...node.below.values()].sort((one, other) => other.size - one.size)) {
      const width = child.size / zoom.size;
      if (width < least || found.length >= MOST) break;
      place(child, x, width, d + 1);
      x += width;
    }
  };
  above.slice(0, -1).forEach((node, d) => found.push(Object.assign(node, { x: 0, w: 1, d })));
  place(zoom, 0, 1, above.length - 1);
  return found;
};

const add = (parent, name, attributes) => {
  const drawing = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) drawing.setAttribute(key, String(value));
  parent.append(drawing);
  return drawing;
};

const enliven = (box, wanted = {}) => {
  const tree = JSON.parse(box.dataset.tree);
  const [wide, row, letter] = ["width", "row", "letter"].map(name => Number(box.dataset[name]));
  const [measure, order, hide] = box.querySelectorAll("select");
  const search = box.querySelector("input[type=search]");
  const whole = box.querySelector(".whole"),
    copying = box.querySelector(".copy"),
    said = box.querySelector(".said"),
    found = box.querySelector(".found"),
    stretch = box.querySelector(".stretch"),
    drawn = box.querySelector(".drawn");
  const ends = stretch.querySelectorAll("input");
  const sends = box.dataset.sends !== undefined;
  const chart = box.closest("main")?.querySelector(".rm-over-time");
  Object.assign(wanted, { measure: 0, least: 0, from: 0, to: tree.times.length - 1, word: "", path: [], ...wanted });
  wanted.root = box.dataset.root;
  if (wanted.measure >= measure.options.length || wanted.to >= tree.times.length)
    Object.assign(wanted, { measure: 0, from: 0, to: tree.times.length - 1 });
  let top = null,
    zoom = null,
    at = null,
    shown = [];
  const isTimed = () => wanted.measure >= tree.measures.length;
  const write = value => (isTimed() || tree.measures[wanted.measure].bytes ? memory(value) : value.toLocaleString("en-US"));
  const isCompared = () => Boolean(tree.measures[wanted.measure]?.before);
  const changed = node => {
    const change = node.value - node.before;
    return change ? `${change > 0 ? "+" : "−"}${write(Math.abs(change))}` : "";
  };
  const told = node => {
    if (!isCompared()) return write(node.value);
    return changed(node) ? `${changed(node)} to ${write(node.value)}` : `${write(node.value)} as before`;
  };
  const describe = node => {
    const [name, where, , frames] = tree.frames[node.frame];
    const parts = [`${name}: ${told(node)}, ${share(top.size ? node.size / top.size : 0)}`];
    if (where) parts.push(where);
    if (frames > 1) parts.push(`${frames} frames`);
    return parts.join("; ");
  };
  const grows = node => !isCompared() && node.up && tree.frames[node.frame][0] === tree.grows;
  const kind = (node, most) => {
    if (!node.up && !wanted.root) return ["all"];
    if (isCompared()) {
      const change = node.value - node.before;
      if (!most || Math.abs(change) < UNCHANGED * most) return ["same"];
      return [change > 0 ? "more" : "less", 0.2 + (0.4 * Math.abs(change)) / most];
    }
    return [tree.frames[node.frame][2] + (grows(node) ? " suspect" : "")];
  };
  const mostly = () => {
    const named = shown.filter(node => node.up).sort((one, other) => other.size - one.size);
    const own = named.filter(node => tree.frames[node.frame][2] === "own");
    const parts = [...own, ...named.filter(node => !own.includes(node))].slice(0, 2).map(node => `${tree.frames[node.frame][0]} (${told(node)})`);
    return parts.length ? `, most of it through ${parts.join(", ")}` : "";
  };
  const draw = () => {
    top = plant(tree, wanted);
    zoom = top;
    for (const name of wanted.path) {
      const child = zoom.below.get(name);
      if (!child) break;
      zoom = child;
    }
    shown = top.size ? lay(top, zoom, Math.max(wanted.least, NARROWEST / wide)) : [];
    const most = Math.max(0, ...shown.map(node => Math.abs(node.value - node.before)));
    const chosen = measure.options[wanted.measure].textContent;
    const title = chosen[0].toUpperCase() + chosen.slice(1);
    const span = isTimed() ? `: ${tree.instants[wanted.from]} to ${tree.instants[wanted.to]}` : "";
    drawn.querySelector("h3").textContent = title + span;
    drawn.querySelector("svg, p")?.remove();
    whole.disabled = zoom === top && !wanted.root;
    copying.disabled = true;
    for (const [place, end] of ends.entries()) {
      end.value = place ? wanted.to : wanted.from;
      end.setAttribute("aria-valuetext", tree.instants[end.value]);
      end.nextElementSibling.textContent = tree.instants[end.value];
    }
    stretch.hidden = !isTimed();
    mark();
    if (!top.size) {
      const nothing = document.createElement("p");
      nothing.className = "note";
      nothing.textContent = isTimed() ? "Nothing came between these two instants, and stayed." : "Nothing.";
      drawn.append(nothing);
      return;
    }
    const height = row * (1 + Math.max(...shown.map(node => node.d))) + 1;
    const through = wanted.root ? ` through ${wanted.root}` : "";
    const svg = add(drawn, "svg", {
      class: "rm-icicle",
      role: "tree",
      "aria-label": `${title}${through}${span}: ${told(top)}${mostly()}.`,
      width: wide,
      height,
      viewBox: `0 0 ${wide} ${height}`,
    });
    for (const node of shown) {
      const [name, , , , raw] = tree.frames[node.frame];
      const [kinds, weight] = kind(node, most);
      const above = node.d < zoom.d;
      node.g = add(svg, "g", {
        class: above ? `${kinds} above` : kinds,
        role: "treeitem",
        "aria-level": node.d + 1,
        "aria-label": `${grows(node) ? "grows steadily: " : ""}${describe(node)}`,
        tabindex: -1,
        "data-name": name,
        "data-rm-send": sends ? `zoom ${node.up || wanted.root ? (raw ?? name) : ""}` : undefined,
      });
      add(node.g, "rect", { x: node.x * wide, y: node.d * row, width: node.w * wide, height: row, "fill-opacity": weight });
      const about = { name, mark: grows(node) ? "▲ " : "", size: isCompared() ? changed(node) || told(node) : told(node) };
      add(node.g, "text", { x: node.x * wide + 6, y: node.d * row + 15 }).textContent = label(about, node.w * wide, letter);
    }
    at = zoom;
    at.g.tabIndex = 0;
    look();
  };
  const tell = node => {
    said.textContent = node.g.getAttribute("aria-label");
  };
  const choose = node => {
    if (!node) return;
    at.g.tabIndex = -1;
    at = node;
    at.g.tabIndex = 0;
    copying.disabled = !at.up;
    tell(at);
  };
  const go = node => {
    choose(node);
    node?.g.focus();
  };
  const magnify = node => {
    wanted.path = [];
    for (let one = node; one.up; one = one.up) wanted.path.unshift(tree.frames[one.frame][0]);
    draw();
    if (top.size) go(zoom);
  };
  const look = () => {
    const word = wanted.word.trim().toLowerCase();
    const inside = new Set();
    let hits = 0,
      total = 0;
    for (const node of shown) {
      const hit = word !== "" && Boolean(node.up) && tree.frames[node.frame][0].toLowerCase().includes(word);
      node.g.classList.toggle("hit", hit);
      node.g.classList.toggle("dim", word !== "" && !hit);
      hits += hit;
      if (inside.has(node.up)) inside.add(node);
      else if (hit) {
        inside.add(node);
        total += node.size;
      }
    }
    found.textContent = word === "" ? "" : `${hits} place${hits === 1 ? "" : "s"}, ${share(top.size ? total / top.size : 0)}`;
  };
  const nodeOf = event => {
    const g = event.target.closest("g[role=treeitem]");
    return g && shown.find(node => node.g === g);
  };
  // A stretch of the chart above that is chosen; the chart says where its axis begins and ends.
  const axis = chart && ["begin", "end", "left", "right", "top", "base"].map(name => Number(chart.dataset[name]));
  const svgOf = () => chart.querySelector("svg");
  let band = null;
  const mark = () => {
    if (!chart || tree.times.length < 2) return;
    const [begin, end, left, right, over, base] = axis;
    band ??= add(svgOf(), "rect", { class: "chosen", y: over, height: base - over });
    const [x, to] = [wanted.from, wanted.to].map(
      step => left + ((tree.times[step] - begin) / (end - begin)) * (right - left),
    );
    band.setAttribute("x", String(x));
    band.setAttribute("width", String(Math.max(to - x, 0)));
    band.style.display = isTimed() ? "" : "none";
  };
  const stepAt = event => {
    const [begin, end, left, right] = axis;
    const around = svgOf().getBoundingClientRect();
    const x = ((event.clientX - around.left) / around.width) * svgOf().viewBox.baseVal.width;
    const time = begin + ((x - left) / (right - left)) * (end - begin);
    let best = 0;
    for (const [step, one] of tree.times.entries())
      if (Math.abs(one - time) < Math.abs(tree.times[best] - time)) best = step;
    return best;
  };
  const between = (one, other) => {
    const isSame = isTimed() && wanted.from === Math.min(one, other) && wanted.to === Math.max(one, other);
    if (one === other || isSame) return;
    Object.assign(wanted, { measure: tree.measures.length, from: Math.min(one, other), to: Math.max(one, other) });
    measure.selectedIndex = wanted.measure;
    draw();
  };
  if (chart && tree.times.length > 1) {
    chart.classList.add("live");
    let first = 0;
    chart.addEventListener("pointerdown", event => {
      // A finger scrolls; it has the sliders.
      if (event.button || event.pointerType === "touch") return;
      first = stepAt(event);
      chart.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    chart.addEventListener("pointermove", event => {
      if (chart.hasPointerCapture(event.pointerId)) between(first, stepAt(event));
    });
  }
  drawn.addEventListener("click", event => {
    const node = nodeOf(event);
    if (node && !sends) magnify(node);
  });
  drawn.addEventListener("focusin", event => choose(nodeOf(event)));
  drawn.addEventListener("pointerover", event => {
    const node = nodeOf(event);
    if (node) tell(node);
  });
  const beside = step => {
    const level = shown.filter(node => node.d === at.d);
    return level[level.indexOf(at) + step];
  };
  box.press = key => {
    const moves = {
      ArrowDown: () => shown.find(node => node.up === at),
      ArrowUp: () => at.up,
      ArrowRight: () => beside(1),
      ArrowLeft: () => beside(-1),
      Home: () => shown[0],
    };
    if (key in moves) go(moves[key]());
    else if (key === "Enter" || key === " ") at.g.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    else if (key === "Escape") magnify(top);
    else return false;
    return true;
  };
  drawn.addEventListener("keydown", event => {
    if (box.press(event.key)) event.preventDefault();
  });
  measure.addEventListener("change", () => {
    wanted.measure = measure.selectedIndex;
    draw();
  });
  order.addEventListener("change", () => {
    Object.assign(wanted, { upwards: order.selectedIndex === 1, path: [] });
    draw();
  });
  hide.addEventListener("change", () => {
    wanted.least = Number.parseFloat(hide.value) / 100;
    draw();
  });
  for (const [place, end] of ends.entries())
    end.addEventListener("input", () => {
      const other = place ? wanted.from : wanted.to;
      // The two never meet.
      const value = place ? Math.max(Number(end.value), other + 1) : Math.min(Number(end.value), other - 1);
      wanted[place ? "to" : "from"] = value;
      draw();
    });
  search.addEventListener("input", () => {
    wanted.word = search.value;
    look();
  });
  search.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    search.value = wanted.word = "";
    look();
    event.stopPropagation();
  });
  whole.addEventListener("click", () => magnify(top));
  if (sends) whole.dataset.rmSend = "zoom ";
  copying.addEventListener("click", async () => {
    const lines = [];
    for (let node = at; node?.up; node = node.up) {
      const [name, where] = tree.frames[node.frame];
      lines.push(where ? `${name} (${where})` : name);
    }
    if (!lines.length) return;
    // The allocating function first, as in a backtrace.
    await copy((wanted.upwards ? lines.toReversed() : lines).join("\n"));
    said.textContent = `Copied: ${lines.length} function${lines.length === 1 ? "" : "s"}.`;
  });
  for (const still of box.querySelectorAll(".view:not(.drawn)")) still.remove();
  box.classList.add("live");
  measure.selectedIndex = wanted.measure;
  order.selectedIndex = wanted.upwards ? 1 : 0;
  hide.selectedIndex = Math.max([...hide.options].findIndex(one => Number.parseFloat(one.value) / 100 === wanted.least), 0);
  search.value = wanted.word;
  draw();
};

for (const page of document.querySelectorAll("main.rm .rm-zoom")) enliven(page);
