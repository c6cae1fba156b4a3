// The picture of a chart, until the kernel has made what draws it live.

function render({ model, el }) {
  const draw = () => {
    // It stands until what takes its place is there.
    if (model.get("still")) el.innerHTML = model.get("still");
  };
  el.classList.add("rm-live-chart");
  model.on("change:still", draw);
  draw();
  // First the picture is painted: the kernel answers nothing else meanwhile.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      model.set("asked", true);
      model.save_changes();
    }),
  );
  return () => model.off("change:still", draw);
}

export default { render };
