// Tables of rows that arrive as JSON: sortable, linked, with the numbers aligned.
//
//   const t = table(container, {
//     caption: "Items of the run",
//     columns: [
//       { key: "formula", title: "Material", cell: (row) => formula(row.formula), head: true },
//       { key: "tc_predicted", title: [sym("T"), "c"], unit: "K", numeric: true, cell: (row) => kelvin(row.tc_predicted) },
//     ],
//     rows, rowKey: (row) => row.id, empty: "Nothing yet", sort: { key: "tc_predicted", down: true } });
//   t.set(rows)          all rows anew; the reader's sorting stays
//   t.add(row) or t.add([...])
//
// cell returns text or a node (never HTML); without it the value of key is shown. value(row) is sorted by when
// it differs from row[key]; sortable: false takes the button away.

import { fill, h, unit } from "./dom.js";

export function table(container, options) {
  return new Table(container, options);
}

class Table {
  constructor(container, { caption = null, columns, rows = [], empty = "Nothing here yet.", sort = null, rowKey = null }) {
    Object.assign(this, { columns, rows: [...rows], empty, sort, rowKey });
    this.heads = columns.map((column) =>
      h("th", { scope: "col", class: column.numeric ? "n" : null },
        column.sortable === false ? this.titleOf(column) : h("button", { type: "button", onclick: () => this.sortBy(column) }, this.titleOf(column))));
    this.body = h("tbody");
    fill(container, h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": caption ?? "table" },
      h("table", { class: "data" }, caption ? h("caption", null, caption) : null, h("thead", null, h("tr", null, this.heads)), this.body)));
    this.draw();
  }

  titleOf(column) {
    return [column.title, column.unit ? [" ", unit(column.unit)] : null];
  }

  set(rows) {
    this.rows = [...rows];
    this.draw();
  }

  add(rows) {
    this.rows.push(...[rows].flat());
    this.draw();
  }

  sortBy(column) {
    this.sort = { key: column.key, down: this.sort?.key === column.key ? !this.sort.down : Boolean(column.numeric) };
    this.draw();
  }

  draw() {
    const column = this.columns.find((one) => one.key === this.sort?.key);
    this.heads.forEach((head, n) => {
      if (this.columns[n] === column) head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const rows = column ? [...this.rows].sort(order(column, this.sort.down)) : this.rows;
    if (!rows.length) {
      fill(this.body, h("tr", null, h("td", { colspan: this.columns.length, class: "empty" }, this.empty)));
      return;
    }
    fill(this.body, rows.map((row) =>
      h("tr", { "data-key": this.rowKey ? this.rowKey(row) : null }, this.columns.map((one) =>
        h(one.head ? "th" : "td", { scope: one.head ? "row" : null, class: one.numeric ? "n" : null },
          one.cell ? one.cell(row) : row[one.key] ?? "–")))));
  }
}

function order(column, down) {
  const value = column.value ?? ((row) => row[column.key]);
  return (a, b) => {
    const [u, v] = [value(a), value(b)];
    // What has no value comes last, whichever way.
    if (u === null || u === undefined) return v === null || v === undefined ? 0 : 1;
    if (v === null || v === undefined) return -1;
    const side = typeof u === "string" ? u.localeCompare(v) : u - v;
    return down ? -side : side;
  };
}
