// One Vega view whose rows are replaced in place; people zoom, pan and select on its time axis.

const KEYS = { ArrowLeft: [-0.1, 1], ArrowRight: [0.1, 1], "+": [0, 0.8], "=": [0, 0.8], "-": [0, 1.25] };

function tuples(columns) {
  const names = Object.keys(columns);
  const length = names.length ? columns[names[0]].length : 0;
  const rows = new Array(length);
  for (let at = 0; at < length; at += 1) {
    const row = {};
    for (const name of names) row[name] = columns[name][at];
    rows[at] = row;
  }
  return rows;
}

// The ends of the time axis, at least so far apart and within what there is.
function kept(x0, x1, least, home) {
  const wanted = Math.max(x1 - x0, least);
  const span = Math.min(wanted, home.x1 - home.x0);
  const from = (x0 + x1 - wanted) / 2;
  const begin = Math.min(Math.max(from, home.x0), home.x1 - span);
  return [begin, begin + span];
}

async function render({ model, el }) {
  const result = await vegaEmbed(el, structuredClone(model.get("spec")), { actions: false, renderer: "svg" });
  const view = result.view;
  view.tooltip((_handler, event, _item, value) => {
    const written = value?.w ?? (typeof value === "string" ? value : "");
    tip.textContent = written;
    // Where a mark goes away under a pointer that rests, there is no event.
    tip.hidden = !(written && event);
    if (tip.hidden) return;
    const box = el.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - box.left + 10, box.width - 160)}px`;
    tip.style.top = `${event.clientY - box.top - 30}px`;
  });
  const tip = document.createElement("div");
  tip.className = "rm-tip";
  tip.hidden = true;
  el.append(tip);
  el.classList.add("rm-live-chart");
  el.tabIndex = 0;
  const padding = model.get("spec").padding;
  let drawn = null;
  let applied = null;
  let resting = null;

  const run = async (changed = view) => {
    await changed.runAsync();
    const [first, last] = limits();
    el.dataset.shown = `${new Date(first).toISOString()}/${new Date(last).toISOString()}`;
    // An empty group is no symbol of anything.
    for (const group of el.querySelectorAll("g[role=graphics-symbol]:empty")) {
      group.removeAttribute("role");
      group.removeAttribute("aria-roledescription");
    }
  };
  const limits = () => [view.signal("x0"), view.signal("x1")];
  const plot = () => {
    const box = el.querySelector("svg").getBoundingClientRect();
    return { left: box.left + padding.left, width: view.width() };
  };
  const instant = clientX => {
    const [x0, x1] = limits();
    const { left, width } = plot();
    return x0 + Math.min(Math.max((clientX - left) / width, 0), 1) * (x1 - x0);
  };
  const fit = () => {
    const width = Math.max(Math.floor(el.clientWidth - padding.left - padding.right), 200);
    if (el.clientWidth && width !== view.width()) run(view.width(width));
  };

  // Everything that Python changed at once is drawn at once.
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(async () => {
      waiting = false;
      const rows = model.get("rows");
      if (rows !== drawn) {
        drawn = rows;
        for (const [name, columns] of Object.entries(rows)) {
          view.data(name, tuples(columns));
        }
      }
      const axes = model.get("axes");
      // Told apart by their number: the front end may hand the same axes over again, as another object.
      if (axes.serial !== applied) {
        applied = axes.serial;
        for (const name of ["x0", "x1", "top"]) if (name in axes) view.signal(name, axes[name]);
        mark(null);
      }
      await run();
      // Where it is wider than its place: the newest first.
      const around = el.closest(".rm-scroll");
      if (around && !("drawn" in el.dataset)) around.scrollLeft = around.scrollWidth;
      el.setAttribute("aria-label", model.get("says"));
      el.setAttribute("data-drawn", model.get("serial"));
    });
  };

  const mark = ends => {
    const rows = ends ? [{ t: Math.min(...ends), t2: Math.max(...ends) }] : [];
    view.data("selected", rows);
  };

  const show = (x0, x1) => {
    const [from, to] = kept(x0, x1, 2 * model.get("step"), model.get("home"));
    run(view.signal("x0", from).signal("x1", to));
    clearTimeout(resting);
    // When it comes to rest, Python sends what this stretch looks like from near.
    resting = setTimeout(() => {
      model.set("shown", [Math.round(from), Math.round(to)]);
      model.save_changes();
    }, 120);
  };
  const move = (by, scale, centre = null) => {
    const [x0, x1] = limits();
    const about = centre ?? (x0 + x1) / 2;
    show(about - (about - x0) * scale + by * (x1 - x0), about + (x1 - about) * scale + by * (x1 - x0));
  };

  const leave = new AbortController();
  const on = (name, handle, target = el, options = {}) =>
    target.addEventListener(name, handle, { signal: leave.signal, ...options });
  let drag = null;
  on("pointerdown", event => {
    if (event.button !== 0) return;
    const { left, width } = plot();
    if (event.clientX < left - 4 || event.clientX > left + width + 4) return;
    const select = (model.get("drag") === "judge") !== event.shiftKey;
    drag = { x: event.clientX, limits: limits(), select, from: instant(event.clientX), width };
    el.setPointerCapture(event.pointerId);
    el.focus({ preventScroll: true });
    event.preventDefault();
  });
  on("pointermove", event => {
    if (!drag) return;
    if (drag.select) {
      mark([drag.from, instant(event.clientX)]);
      run();
    } else {
      const by = ((drag.x - event.clientX) / drag.width) * (drag.limits[1] - drag.limits[0]);
      show(drag.limits[0] + by, drag.limits[1] + by);
    }
  });
  const end = event => {
    if (!drag) return;
    const { select, from, x } = drag;
    drag = null;
    if (!select || event.type === "pointercancel" || Math.abs(event.clientX - x) < 4) {
      mark(null);
      run();
      return;
    }
    const ends = [from, instant(event.clientX)].map(Math.round).sort((a, b) => a - b);
    model.set("selection", ends);
    model.save_changes();
  };
  on("pointerup", end);
  on("pointercancel", end);
  const zoom = event => {
    // A page that scrolls must not zoom by accident: only after the chart was chosen, or with Ctrl.
    if (!event.ctrlKey && document.activeElement !== el) return;
    event.preventDefault();
    move(0, event.deltaY > 0 ? 1.2 : 1 / 1.2, instant(event.clientX));
  };
  on("wheel", zoom, el, { passive: false });
  const home = () => show(...Object.values(model.get("home")));
  on("dblclick", home);
  const press = event => {
    if (event.target !== el || event.altKey || event.metaKey || event.ctrlKey) return;
    if (event.key === "Home") home();
    else if (event.key in KEYS) move(...KEYS[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  on("keydown", press, window, { capture: true });

  const size = new ResizeObserver(fit);
  size.observe(el);
  const watched = ["rows", "axes", "says"];
  for (const name of watched) model.on(`change:${name}`, redraw);
  fit();
  redraw();
  return () => {
    for (const name of watched) model.off(`change:${name}`, redraw);
    clearTimeout(resting);
    size.disconnect();
    leave.abort();
    result.finalize();
  };
}

export default { render };
