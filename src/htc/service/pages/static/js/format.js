// Numbers and formulas as pages write them; htc.service.pages.words writes them alike on the server.
//
//   kelvin(39.24) "39.2"   kelvin(0.31) "0.31"   kelvin(null) "–"        without the unit
//   interval(19.1, 80)  "19.1 – 80.0"            number(-0.5, 2) "−0.50"  compact(1234.5) "1,234"
//   formula("Nb3Sn")  a fragment with <sub>; put it into a page with append or h(...)
//   ago("2026-01-31T12:00:00Z") "3 hours ago"    moment(...) "2026-01-31 12:00"
//   level("medium")   the three bars of confidence with their word for screen readers
//   verdict("stable") a badge       intervalBar({...}) the bar of js/table columns and of the ranking

import { h, s } from "./dom.js";

export const NONE = "–";
const SPACE = "\u202f";

export function kelvin(value) {
  if (value === null || value === undefined) return NONE;
  if (value > 0 && value < 0.01) return "<0.01";
  return value >= 0.995 || value === 0 ? value.toFixed(1) : value.toFixed(2);
}

export const number = (value, decimals = 2) =>
  value === null || value === undefined ? NONE : value.toFixed(decimals).replace("-", "−");

export const compact = (value) =>
  value === null || value === undefined ? NONE : new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(value);

export const interval = (low, high) =>
  low === null || low === undefined || high === null || high === undefined
    ? NONE
    : `${kelvin(low)}${SPACE}–${SPACE}${kelvin(high)}`;

export function formula(text) {
  const out = document.createDocumentFragment();
  if (!text) {
    out.append(NONE);
    return out;
  }
  for (const part of text.replaceAll(" ", "").split(/((?<=[A-Za-z)\]])\d+(?:\.\d+)?)/)) {
    if (part) out.append(/^\d/.test(part) ? h("sub", null, part) : part);
  }
  return out;
}

export function moment(text) {
  if (!text) return NONE;
  return new Date(text).toISOString().slice(0, 16).replace("T", " ");
}

export function ago(text) {
  if (!text) return NONE;
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  for (const [size, name] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${name}${count > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

export function level(word) {
  if (!word) return h("span", { class: "unit" }, NONE);
  return h("span", { class: `level ${word}`, role: "img", "aria-label": `${word} confidence`, title: `${word} confidence` },
    h("i"), h("i"), h("i"));
}

const BADGES = { stable: "good", unstable: "bad", undecided: "warn", finished: "good", done: "good", failed: "bad",
  cancelled: "warn", running: "warn", queued: "" };

export const verdict = (word) => (word ? h("span", { class: `badge ${BADGES[word] ?? ""}` }, word) : NONE);

// Temperatures on a logarithmic axis from 0.3 to 400 K: the same in every row of every table.
export const AXIS = { low: 0.3, high: 400, ticks: [1, 10, 100] };
export const axisPercent = (kelvins) => {
  const at = Math.log(Math.max(kelvins, AXIS.low) / AXIS.low) / Math.log(AXIS.high / AXIS.low);
  return 100 * Math.min(Math.max(at, 0), 1);
};

// An interval as a bar: {tc, low, high, measured} in K, any of them null.
export function intervalBar({ tc, low, high, measured = null }) {
  const bar = s("svg", { class: "interval-bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (low !== null && high !== null) {
    const from = axisPercent(low);
    bar.append(s("rect", { class: "span", x: from, y: 4, width: Math.max(axisPercent(high) - from, 0.4), height: 4 }));
  }
  if (tc !== null) bar.append(s("rect", { class: "here", x: axisPercent(tc) - 0.7, y: 1.5, width: 1.4, height: 9 }));
  if (measured !== null) bar.append(s("rect", { class: "measured", x: axisPercent(measured) - 0.5, y: 0, width: 1, height: 12 }));
  return bar;
}
