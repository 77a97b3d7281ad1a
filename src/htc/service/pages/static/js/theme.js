// Loaded before the first paint, so that a page chosen dark never flashes white. Not a module: modules wait.
(() => {
  try {
    const chosen = localStorage.getItem("htc-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that forbids storage shows the colours of the system.
  }
})();
