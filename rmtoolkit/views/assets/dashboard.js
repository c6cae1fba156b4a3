// Runs once for every view of a dashboard and leaves with it. It asks for nothing from anywhere.

const ROLES = { "rm-status": "status", "rm-alert": "alert" };

function set(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function nameOf(element) {
  return element?.querySelector(".rm-name, .widget-label")?.textContent.trim() ?? "";
}

// ipywidgets leave sliders and rows of toggle buttons without a name, and say nowhere which button is pressed.
function describe(root) {
  for (const [name, role] of Object.entries(ROLES)) {
    for (const element of root.querySelectorAll(`.${name}`)) set(element, "role", role);
  }
  for (const handle of root.querySelectorAll(".rm-slider .noUi-handle")) {
    set(handle, "aria-label", nameOf(handle.closest(".rm-slider").querySelector(".widget-text")));
    set(handle, "aria-disabled", String(handle.closest(".noUi-target").hasAttribute("disabled")));
  }
  for (const row of root.querySelectorAll(".widget-toggle-buttons")) {
    set(row, "role", "group");
    set(row, "aria-label", nameOf(row));
    for (const button of row.querySelectorAll("button")) {
      set(button, "aria-pressed", String(button.classList.contains("mod-active")));
      if (!button.title) button.removeAttribute("title");
    }
  }
}

// What somebody unfolded stays so when it is drawn anew.
function unfold(root, unfolded, seen) {
  for (const details of root.querySelectorAll("details")) {
    if (seen.has(details)) continue;
    seen.add(details);
    if (unfolded.has(title(details))) details.open = true;
  }
}

function title(details) {
  return details.querySelector("summary")?.firstChild?.textContent.trim() ?? "";
}

function open(root, wanted) {
  const details = [...root.querySelectorAll("details")].find(one => title(one) === wanted);
  if (!details) return;
  details.open = true;
  details.querySelector("summary").focus({ preventScroll: true });
  details.scrollIntoView({ block: "start" });
}

// What is typed into a list replaces what stood there, so that the list shows all that matches.
function focus(event) {
  if (event.target.list) event.target.select();
}

function lost(root) {
  const active = document.activeElement;
  return active === document.body || (root.contains(active) && !active.checkVisibility());
}

function render({ model, el }) {
  const style = document.createElement("style");
  style.textContent = model.get("css");
  el.append(style);
  let root = null;
  const leave = new AbortController();
  // A button that was pressed may be drawn anew by what it did: its like then has the focus.
  let pressed = null;
  const unfolded = new Set();
  const seen = new WeakSet();
  // So does what somebody chose of a call tree.
  const chosen = {};
  const arrive = () => {
    describe(root);
    unfold(root, unfolded, seen);
    for (const box of root.querySelectorAll(".rm-zoom:not(.live)")) enliven(box, chosen);
  };
  const changes = new MutationObserver(() => {
    arrive();
    if (pressed === null || !lost(root)) return;
    root.querySelector(`[data-rm-send="${CSS.escape(pressed)}"]:not(:disabled)`)?.focus();
    // Something took the place of all that was there: its button has the focus, so that keys go on from there.
    if (lost(root)) root.querySelector(":scope > .rm-views .mod-active")?.focus();
  });

  const click = async event => {
    const target = event.target.closest("[data-rm-send], [data-rm-copy], [data-rm-open]");
    if (!target) return;
    if (target.dataset.rmOpen !== undefined) open(root, target.dataset.rmOpen);
    if (target.dataset.rmSend !== undefined) {
      pressed = target.dataset.rmSend;
      model.send({ kind: "send", value: target.dataset.rmSend });
    }
    if (target.dataset.rmCopy !== undefined) await copyBy(target, target.dataset.rmCopy);
  };
  const key = event => {
    if (!root.contains(event.target)) return;
    const item = event.target.closest("[role=treeitem]");
    if (event.key === "Escape") model.send({ kind: "escape", value: item ? "tree" : "" });
    else if (item?.closest(".rm-zoom").press(event.key)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  const fold = event => {
    if (!(event.target instanceof HTMLDetailsElement)) return;
    if (event.target.open) unfolded.add(title(event.target));
    else unfolded.delete(title(event.target));
  };
  // The view is made before it stands in the page; it has a width as soon as it does.
  const arrival = new ResizeObserver(() => {
    const found = el.closest(".rm-dashboard");
    if (!found || found === root) return;
    root = found;
    arrive();
    changes.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "disabled"] });
    const signal = leave.signal;
    root.addEventListener("click", click, { signal });
    // JupyterLab listens on the document and keeps Escape to itself: the window hears it first.
    window.addEventListener("keydown", key, { signal, capture: true });
    root.addEventListener("focusin", focus, { signal });
    root.addEventListener("toggle", fold, { signal, capture: true });
  });
  el.style.cssText = "width:100%;height:0;margin:0;overflow:hidden";
  arrival.observe(el);
  return () => {
    arrival.disconnect();
    changes.disconnect();
    leave.abort();
  };
}

export default { render };
