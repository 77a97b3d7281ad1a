// The periodic table of the filters: each element wanted, one of several, the only ones, or unwanted.
//
//   const table = periodicTable(fieldset, onchange)   fieldset holds .el buttons, mode radios, hidden inputs
//   table.read()                                      takes the state from the hidden inputs
//   table.imply(["Nb"])                               marks what a search text asks for
//
// Arrow keys walk the table as it is printed, Space or Enter sets the chosen mode, Delete takes it away.

const NAMES = { elements: "with", any_of: "any of", only: "only", without: "without" };

export function periodicTable(fieldset, onchange) {
  const cells = [...fieldset.querySelectorAll(".el")];
  const bySymbol = new Map(cells.map((cell) => [cell.dataset.symbol, cell]));
  const inputs = Object.fromEntries(Object.keys(NAMES).map((name) => [name, fieldset.querySelector(`input[type="hidden"][name="${name}"]`)]));
  const names = new Map(cells.map((cell) => [cell, cell.getAttribute("aria-label")]));
  const mode = () => fieldset.querySelector('input[name="-mode"]:checked').value;

  function paint(cell, state) {
    if (state) cell.dataset.state = state;
    else delete cell.dataset.state;
    cell.setAttribute("aria-pressed", String(Boolean(state)));
    cell.setAttribute("aria-label", state ? `${names.get(cell)}, ${NAMES[state]}` : names.get(cell));
  }

  function read() {
    for (const cell of cells) paint(cell, null);
    for (const [name, input] of Object.entries(inputs)) {
      for (const symbol of input.value.split(",").map((part) => part.trim())) {
        if (bySymbol.has(symbol)) paint(bySymbol.get(symbol), name);
      }
    }
  }

  function write() {
    for (const [name, input] of Object.entries(inputs)) {
      input.value = cells.filter((cell) => cell.dataset.state === name).map((cell) => cell.dataset.symbol).join(",");
    }
    onchange();
  }

  function move(cell, dr, dc) {
    const row = Number(cell.dataset.row);
    const col = Number(cell.dataset.col);
    const rows = [1, 2, 3, 4, 5, 6, 7, 9, 10];
    const at = (r, c) => cells.find((one) => Number(one.dataset.row) === r && Number(one.dataset.col) === c);
    for (let step = 1; step < 19; step += 1) {
      const r = dr ? rows[rows.indexOf(row) + dr * step] : row;
      const c = col + dc * step;
      if (r === undefined || c < 1 || c > 18) return null;
      const found = at(r, c);
      if (found) return found;
    }
    return null;
  }

  fieldset.addEventListener("click", (event) => {
    const cell = event.target.closest(".el");
    if (!cell) return;
    paint(cell, cell.dataset.state === mode() ? null : mode());
    write();
  });

  fieldset.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".el");
    if (!cell) return;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) {
      event.preventDefault();
      const next = move(cell, ...step);
      if (next) {
        cell.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    } else if ((event.key === "Delete" || event.key === "Backspace") && cell.dataset.state) {
      paint(cell, null);
      write();
    }
  });

  fieldset.addEventListener("focusin", (event) => {
    const cell = event.target.closest(".el");
    if (!cell) return;
    for (const other of cells) other.tabIndex = other === cell ? 0 : -1;
  });

  // What a search text asks for is marked, too, but belongs to the text.
  function imply(symbols) {
    for (const cell of cells) cell.classList.toggle("implied", symbols.includes(cell.dataset.symbol));
  }

  read();
  return { read, imply };
}
