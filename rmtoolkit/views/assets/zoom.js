// Runs once in a page, for every icicle in it. It reads what the markup says and asks nothing of anybody.

// The longest end of a name, with its size where there is room, that fits a node.
const label = (node, width, letter) => {
  const room = Math.floor((width - 10) / letter),
    parts = node.name.split("::");
  for (let at = 0; at < parts.length; at++) {
    const text = `${node.mark}${parts.slice(at).join("::")} ${node.size}`;
    if (text.length <= room) return text;
  }
  const last = node.mark + parts[parts.length - 1];
  return last.length <= room ? last : room >= 4 ? `${last.slice(0, room - 1)}…` : "";
};

const beside = (now, node, step) => {
  const row = now.nodes.filter(one => one.shown && one.d === node.d).sort((a, b) => a.x - b.x);
  return row[row.indexOf(node) + step];
};

for (const box of document.querySelectorAll(".rm-zoom")) {
  const views = [...box.querySelectorAll(".view")];
  const said = box.querySelector(".said"),
    found = box.querySelector(".found");
  const search = box.querySelector("input"),
    choice = box.querySelector("select"),
    whole = box.querySelector("button");
  const wide = Number(box.dataset.width);
  const letter = Number(box.dataset.letter);
  let view = 0;
  const all = views.map(part => {
    const nodes = [...part.querySelectorAll("g[data-x]")].map((g, at) => ({
      g,
      at,
      x: +g.dataset.x,
      w: +g.dataset.w,
      d: +g.dataset.d,
      up: g.dataset.up === "" ? -1 : +g.dataset.up,
      name: g.dataset.name,
      size: g.dataset.size,
      mark: g.dataset.mark || "",
      value: +g.dataset.value,
      rect: g.querySelector("rect"),
      text: g.querySelector("text"),
      shown: true,
    }));
    return { nodes, part, zoom: nodes[0], at: nodes[0] };
  });
  const draw = now => {
    const above = new Set();
    for (let node = now.zoom; node; node = now.nodes[node.up]) above.add(node);
    for (const node of now.nodes) {
      let x = (node.x - now.zoom.x) / now.zoom.w,
        w = node.w / now.zoom.w;
      if (above.has(node)) {
        x = 0;
        w = 1;
      }
      const left = x * wide,
        width = w * wide;
      node.shown = above.has(node) || (node.d > now.zoom.d && x > -1e-4 && x + w < 1 + 1e-4 && width >= 0.7);
      node.g.style.display = node.shown ? "" : "none";
      node.g.classList.toggle("above", above.has(node) && node !== now.zoom);
      node.rect.setAttribute("x", left);
      node.rect.setAttribute("width", width);
      node.text.setAttribute("x", left + 6);
      node.text.textContent = label(node, width, letter);
    }
    whole.disabled = now.zoom === now.nodes[0];
  };
  const say = node => {
    said.textContent = node.g.getAttribute("aria-label");
  };
  const go = (now, node) => {
    if (!node) return;
    now.at.g.tabIndex = -1;
    now.at = node;
    node.g.tabIndex = 0;
    node.g.focus();
    say(node);
  };
  const zoom = (now, node) => {
    now.zoom = node;
    draw(now);
    go(now, node);
  };
  const look = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const now of all) {
      const inside = new Set();
      let hits = 0,
        total = 0;
      for (const node of now.nodes) {
        const hit = wanted !== "" && node.up >= 0 && node.name.toLowerCase().includes(wanted);
        node.g.classList.toggle("hit", hit);
        node.g.classList.toggle("dim", wanted !== "" && !hit);
        hits += hit;
        if (inside.has(node.up)) inside.add(node.at);
        else if (hit) {
          inside.add(node.at);
          total += node.value;
        }
      }
      if (now === all[view]) {
        const share = now.nodes[0].value ? Math.floor((1000 * total) / now.nodes[0].value) / 10 : 0;
        found.textContent = wanted === "" ? "" : `${hits} place${hits === 1 ? "" : "s"}, ${share} %`;
      }
    }
  };
  all.forEach((now, place) => {
    now.part.addEventListener("click", event => {
      const g = event.target.closest("g[data-x]");
      if (g)
        zoom(
          now,
          now.nodes.find(node => node.g === g),
        );
    });
    now.part.addEventListener("pointerover", event => {
      const g = event.target.closest("g[data-x]");
      if (g) said.textContent = g.getAttribute("aria-label");
    });
    now.part.addEventListener("keydown", event => {
      const moves = {
        ArrowDown: () => now.nodes.find(node => node.up === now.at.at && node.shown),
        ArrowUp: () => now.nodes[now.at.up],
        ArrowRight: () => beside(now, now.at, 1),
        ArrowLeft: () => beside(now, now.at, -1),
        Home: () => now.nodes[0],
      };
      if (event.key in moves) go(now, moves[event.key]());
      else if (event.key === "Enter" || event.key === " ") zoom(now, now.at);
      else if (event.key === "Escape") zoom(now, now.nodes[0]);
      else return;
      event.preventDefault();
    });
    now.part.hidden = place !== view;
  });
  search.addEventListener("input", look);
  search.addEventListener("keydown", event => {
    if (event.key === "Escape") {
      search.value = "";
      look();
    }
  });
  whole.addEventListener("click", () => zoom(all[view], all[view].nodes[0]));
  if (choice)
    choice.addEventListener("change", () => {
      view = choice.selectedIndex;
      views.forEach((part, at) => {
        part.hidden = at !== view;
      });
      look();
      draw(all[view]);
    });
  box.classList.add("live");
  all.forEach(draw);
}
