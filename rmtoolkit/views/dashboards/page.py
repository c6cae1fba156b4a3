"""What a dashboard needs of the page around it and ipywidgets do not give: style, names for screen readers, clicks."""

from __future__ import annotations

from typing import Final

import anywidget
import traitlets

from rmtoolkit.views.dashboards.style import DASHBOARD

#: Runs once for every view of a dashboard and leaves with it. It asks for nothing from anywhere.
_SCRIPT: Final = """
const ROLES = {"rm-status": "status", "rm-alert": "alert"};

function set(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function nameOf(element) {
  return element?.querySelector(".rm-name, .widget-label")?.textContent.trim() ?? "";
}

// ipywidgets leave sliders and rows of toggle buttons without a name, and say nowhere which button is pressed.
function describe(root) {
  for (const [name, role] of Object.entries(ROLES)) {
    for (const element of root.querySelectorAll("." + name)) set(element, "role", role);
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

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages from another machine without https have no clipboard: the old way works there.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function render({ model, el }) {
  const style = document.createElement("style");
  style.textContent = model.get("css");
  el.append(style);
  let root = null;
  const leave = new AbortController();
  // A button that was pressed may be drawn anew by what it did: its like then has the focus.
  let pressed = null;
  const changes = new MutationObserver(() => {
    describe(root);
    if (pressed === null || document.activeElement !== document.body) return;
    root.querySelector(`[data-rm-send="${CSS.escape(pressed)}"]`)?.focus();
  });

  const click = async (event) => {
    const target = event.target.closest("[data-rm-send], [data-rm-copy]");
    if (!target) return;
    if (target.dataset.rmSend !== undefined) {
      pressed = target.dataset.rmSend;
      model.send({ kind: "send", value: target.dataset.rmSend });
    }
    if (target.dataset.rmCopy !== undefined) {
      await copy(target.dataset.rmCopy);
      const before = target.textContent;
      target.textContent = "Copied";
      setTimeout(() => { target.textContent = before; }, 1500);
    }
  };
  const key = (event) => {
    if (event.key === "Escape" && root.contains(event.target)) model.send({ kind: "escape", value: "" });
  };
  // What is typed into a list replaces what stood there, so that the list shows all that matches.
  const focus = (event) => {
    if (event.target.list) event.target.select();
  };

  // The view is made before it stands in the page; it has a width as soon as it does.
  const arrival = new ResizeObserver(() => {
    const found = el.closest(".rm-dashboard");
    if (!found || found === root) return;
    root = found;
    describe(root);
    changes.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "disabled"] });
    const signal = leave.signal;
    root.addEventListener("click", click, { signal });
    // JupyterLab listens on the document and keeps Escape to itself: the window hears it first.
    window.addEventListener("keydown", key, { signal, capture: true });
    root.addEventListener("focusin", focus, { signal });
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
"""


class Page(anywidget.AnyWidget):
    """The first child of every dashboard.

    It gives sliders and toggle buttons the names that screen readers read, elements with the class ``rm-status`` or
    ``rm-alert`` that role, copies ``data-rm-copy`` when such a button is pressed, and sends what is pressed
    (``data-rm-send``) and the Escape key to Python: ``page.on_msg(lambda widget, content, buffers: …)`` with content
    ``{"kind": "send", "value": …}`` or ``{"kind": "escape", …}``.

    Examples
    --------
    >>> page = Page()
    >>> ".rm.rm-dashboard" in page.css
    True
    >>> page.close()
    """

    _esm = _SCRIPT
    css = traitlets.Unicode(DASHBOARD).tag(sync=True)
