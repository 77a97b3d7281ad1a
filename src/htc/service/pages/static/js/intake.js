// Files and text that come from the reader, and numbers for tables of mixed size.
//
//   dropped(zone, (files) => ...)     files let go anywhere on the page; the zone shows that they may be
//   significant(0.012345, 3) "0.0123"    significant(null) "–"
//   onceOnly()   a new key for the header Idempotency-Key
//   saveText("rows.csv", text, "text/csv")      csv([["a", 1], ...])

import { h } from "./dom.js";

export function dropped(zone, take) {
  let inside = 0;
  const show = (on) => zone.classList.toggle("over", on);
  const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!holds(event)) return;
    inside += 1;
    show(true);
  });
  addEventListener("dragleave", (event) => {
    if (!holds(event)) return;
    inside = Math.max(inside - 1, 0);
    if (!inside) show(false);
  });
  // Without this a file let go beside the zone would replace the page.
  addEventListener("dragover", (event) => {
    if (holds(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    inside = 0;
    show(false);
    take([...event.dataTransfer.files]);
  });
}

export function significant(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(digits - 1).replace("-", "−");
  return value.toLocaleString("en", { maximumSignificantDigits: digits, useGrouping: false }).replace("-", "−");
}

export function csv(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    // A spreadsheet takes a text that begins like a formula for one.
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

export function saveText(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function onceOnly() {
  // crypto.randomUUID is there over https and on this machine only.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
