// Pages from another machine without https, and files on disk, may have no clipboard: the old way works there.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// Copies what belongs to a button, which says so for a moment.
// oxlint-disable-next-line no-unused-vars -- the script that is put behind it calls it
async function copyBy(button, text) {
  await copy(text);
  const words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = words;
  }, 1500);
}
