// Runs once in a served page: JupyterLab would set the light theme, the page follows the system's.

const dark = matchMedia("(prefers-color-scheme: dark)");

function follow() {
  const wanted = String(!dark.matches);
  if (document.body.dataset.jpThemeLight !== wanted) document.body.dataset.jpThemeLight = wanted;
}

// Voilà counts the cells that have run: there is one.
window.update_loading_text = () => {};
document.title = "Memory: fleet, triage, limits";
document.documentElement.lang = "en";
dark.addEventListener("change", follow);
new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
follow();
