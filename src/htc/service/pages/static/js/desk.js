// The ranking desk: filters that answer as one types, endless pages, choosing for comparison, predicting.

import { announce, fill, h, later } from "./dom.js";
import { ask, lines, post, showProblem } from "./api.js";
import { formula, interval, intervalBar, kelvin, level } from "./format.js";
import { periodicTable } from "./periodic.js";

const MOST_COMPARED = 6;
const form = document.querySelector("[data-filters]");
const ranking = document.querySelector(".ranking");
const table = document.querySelector("[data-ranking]");
const more = document.querySelector("[data-more]");
const told = ranking.querySelector("[data-problem]");
const elements = periodicTable(form.querySelector("[data-elements]"), () => changed(true));

form.querySelector("[data-apply]").hidden = true;
if (matchMedia("(max-width: 1000px)").matches) form.querySelector("details").open = false;

// filters

// Not form.elements: one of the fields has that very name and hides it.
const fields = [...form.querySelectorAll("input[name], select[name]")].filter((field) => !field.name.startsWith("-"));
const fieldOf = (name) => fields.find((field) => field.name === name);

function wish() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (!name.startsWith("-") && value.trim()) query.set(name, value.trim());
  }
  return query;
}

function addressOf(query) {
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `/?${text}` : "/";
}

let asking = null;
let settled = true;

async function refresh() {
  asking?.abort();
  asking = new AbortController();
  ranking.setAttribute("aria-busy", "true");
  try {
    const part = await rowsAt(addressOf(wish()), asking.signal);
    table.tBodies[0].replaceWith(part.body);
    showMore(part);
    form.querySelector("[data-understood]").replaceWith(part.understood);
    showProblem(told, null);
    announce(part.body.querySelector(".none") ? "No prediction passes the filters" : `${part.body.rows.length} predictions shown`);
    recount();
    compared();
  } catch (error) {
    if (error.name === "AbortError") return;
    showProblem(told, error);
  }
  ranking.removeAttribute("aria-busy");
}

async function rowsAt(address, signal) {
  const response = await ask(address, { headers: { "X-Part": "rows", Accept: "text/html" }, signal });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const take = (selector) => document.importNode(page.querySelector(selector), true);
  return { body: take("tbody"), understood: take("[data-understood]"), more: take("[data-more]") };
}

const soon = later(refresh, 220);

function changed(now = false) {
  const address = addressOf(wish());
  if (address !== location.pathname + location.search) {
    // One step back undoes one change, not one letter.
    if (settled) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    settled = now;
    if (!now) settle();
  }
  chips();
  if (now) refresh();
  else soon();
}

const settle = later(() => {
  settled = true;
}, 1500);

form.addEventListener("input", (event) => {
  if (event.target.name?.startsWith("-")) return;
  changed(event.target.tagName === "SELECT");
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed(true);
});
form.querySelector("[data-clear]").addEventListener("click", (event) => {
  event.preventDefault();
  clear();
  changed(true);
});

function clear() {
  for (const field of fields) field.value = "";
  elements.read();
}

addEventListener("popstate", () => {
  clear();
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (fieldOf(name)) fieldOf(name).value = value;
  }
  elements.read();
  chips();
  refresh();
});

const WORDS = {
  q: (v) => `“${v}”`, elements: (v) => `with ${v}`, any_of: (v) => `any of ${v}`, only: (v) => `only ${v}`,
  without: (v) => `without ${v}`, min_tc_predicted: (v) => `Tc ≥ ${v} K`, max_tc_predicted: (v) => `Tc ≤ ${v} K`,
  min_pressure_required_gpa: (v) => `p ≥ ${v} GPa`, max_pressure_required_gpa: (v) => `p ≤ ${v} GPa`,
  phonon_stable: (v) => (v === "true" ? "phonons stable" : "phonons unstable"),
  thermo_stable: (v) => (v === "true" ? "on the hull" : "above the hull"),
  max_hull_distance_eV: (v) => `hull ≤ ${v} eV/atom`, min_confidence_level: (v) => `confidence ≥ ${v}`,
  model_tier: (v) => `tier ${v}`, family: (v) => v.replaceAll("_", " "), experiment_id: (v) => `run ${v.slice(0, 8)}`,
};

function chips() {
  const query = wish();
  fill(document.querySelector("[data-chips]"), [...query].filter(([name]) => WORDS[name]).map(([name, value]) =>
    h("button", { type: "button", class: "chip", "aria-label": `Remove filter ${WORDS[name](value)}`, onclick: () => {
      fieldOf(name).value = "";
      elements.read();
      changed(true);
    } }, WORDS[name](value.replaceAll(",", ", ")))));
  query.delete("after");
  const csv = query.toString().replaceAll("%2C", ",");
  document.querySelector("[data-csv]").href = csv ? `/rankings.csv?${csv}` : "/rankings.csv";
}

function recount() {
  const implied = form.querySelector("[data-implied]")?.dataset.implied ?? "";
  elements.imply(implied.split(","));
  const rows = table.tBodies[0].querySelectorAll("tr:not(.none)").length;
  const open = more.childElementCount > 0;
  document.querySelector("[data-count]").textContent = rows ? `${rows}${open ? "+" : ""} shown` : "none";
}

// pages

function showMore(part) {
  more.replaceChildren(...part.more.childNodes);
}

let loading = false;

async function next() {
  const link = more.querySelector("a");
  if (!link || loading) return;
  loading = true;
  link.textContent = "Loading …";
  try {
    const part = await rowsAt(link.getAttribute("href"));
    table.tBodies[0].append(...part.body.rows);
    showMore(part);
    showProblem(told, null);
    recount();
  } catch (error) {
    link.textContent = "More";
    showProblem(told, error);
  }
  loading = false;
}

more.addEventListener("click", (event) => {
  if (!event.target.closest("a")) return;
  event.preventDefault();
  next();
});
new IntersectionObserver((seen) => {
  if (seen.some((one) => one.isIntersecting)) next();
}, { rootMargin: "400px" }).observe(more);

// comparing

const compareLink = document.querySelector("[data-compare]");

function compared() {
  const chosen = [...table.querySelectorAll(".pick :checked")].map((box) => box.value);
  compareLink.setAttribute("aria-disabled", String(chosen.length < 2));
  compareLink.textContent = chosen.length ? `Compare ${chosen.length}` : "Compare";
  compareLink.href = chosen.length ? `/compare?${new URLSearchParams(chosen.map((id) => ["with", id]))}` : "/compare";
}

table.addEventListener("change", (event) => {
  if (!event.target.closest(".pick")) return;
  const chosen = table.querySelectorAll(".pick :checked");
  if (chosen.length > MOST_COMPARED) {
    event.target.checked = false;
    announce(`${MOST_COMPARED} materials at most can be compared`);
  }
  compared();
});

// predicting

const box = document.querySelector("[data-predict]");
const results = document.querySelector("[data-predicted]");
const files = document.querySelector("[data-files]");

box.addEventListener("submit", async (event) => {
  event.preventDefault();
  const what = box.elements.composition.value.trim();
  const view = resultView([what]);
  await one(view, 0, () => post("/api/htc/predict", { composition: what, pressure_gpa: pressure() }));
  box.elements.composition.select();
});

function pressure() {
  const text = box.elements.pressure_gpa.value.trim().replace(",", ".");
  const value = Number(text || "0");
  return Number.isFinite(value) ? value : text;
}

async function one(view, index, asked) {
  try {
    view.show(index, await asked(), null);
    refresh();
  } catch (error) {
    view.show(index, null, error);
  }
}

function resultView(names) {
  const rows = names.map((name) => h("tr", null, h("th", { scope: "row" }, name), h("td", { colspan: 6, class: "faint" }, "predicting …")));
  const close = h("button", { type: "button", class: "quiet", onclick: () => results.replaceChildren() }, "Close");
  fill(results, h("section", { class: "panel", "aria-label": "Predictions just made" },
    h("div", { class: "table-scroll" }, h("table", { class: "data" },
      h("thead", null, h("tr", null, ["Input", "Material", "Tc K", "", "95 % K", "Confidence", ""].map((title, n) =>
        h("th", { scope: "col", class: n === 2 || n === 4 ? "n" : null }, title || h("span", { class: "visually-hidden" }, n === 3 ? "Interval" : "Link"))))),
      h("tbody", null, rows))), h("div", { class: "row" }, h("span", { class: "grow" }), close)));
  return {
    show(index, answer, error) {
      const name = h("th", { scope: "row" }, names[index]);
      if (error) {
        const problem = h("td", { colspan: 6 });
        showProblem(problem, error);
        fill(rows[index], name, problem);
        return;
      }
      const link = `/materials/${encodeURIComponent(answer.reduced_formula)}?prediction=${encodeURIComponent(answer.id)}`;
      if (!answer.applicable) {
        fill(rows[index], name, h("td", null, h("a", { href: link }, formula(answer.reduced_formula))),
          h("td", { colspan: 5 }, `No Tc: ${answer.reason}`));
        announce(`${answer.reduced_formula}: no Tc, ${answer.reason}`);
        return;
      }
      fill(rows[index], name, h("td", null, h("a", { href: link }, formula(answer.reduced_formula))),
        h("td", { class: "n tc" }, h("strong", null, kelvin(answer.tc_predicted))),
        h("td", { class: "bar-cell" }, intervalBar({ tc: answer.tc_predicted, low: answer.tc_lower_95ci, high: answer.tc_upper_95ci })),
        h("td", { class: "n" }, interval(answer.tc_lower_95ci, answer.tc_upper_95ci)),
        h("td", null, level(answer.confidence_level), answer.extrapolation_warning ? " outside the training data" : ""),
        h("td", null, h("a", { href: link }, "Open")));
      announce(`${answer.reduced_formula}: ${kelvin(answer.tc_predicted)} kelvin`);
    },
  };
}

async function predictFiles(list) {
  const chosen = [...list].slice(0, 1000);
  if (!chosen.length) return;
  const view = resultView(chosen.map((file) => file.name));
  const items = await Promise.all(chosen.map(async (file) => ({ structure: await file.text(), label: file.name.slice(0, 200) })));
  try {
    for await (const line of lines("/api/htc/predict/batch", { items, pressure_gpa: pressure() })) {
      view.show(line.index, line.prediction, line.problem);
    }
    refresh();
  } catch (error) {
    chosen.forEach((_, n) => view.show(n, null, error));
  }
}

files.addEventListener("change", () => {
  predictFiles(files.files);
  files.value = "";
});

const veil = document.querySelector("[data-veil]");
let within = 0;
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  within += 1;
  veil.hidden = false;
});
addEventListener("dragleave", () => {
  within = Math.max(within - 1, 0);
  if (!within) veil.hidden = true;
});
addEventListener("dragover", (event) => {
  if (carriesFiles(event)) event.preventDefault();
});
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  within = 0;
  veil.hidden = true;
  predictFiles(event.dataTransfer.files);
});

chips();
recount();
compared();

// What was typed before this module was there, or a browser put back into the fields, counts as well.
const inAddress = new URLSearchParams([...new URLSearchParams(location.search)].filter(([name, value]) => fieldOf(name) && value.trim()));
const sorted = (query) => [...query].map(([name, value]) => `${name}=${value.trim()}`).sort().join("&");
if (sorted(wish()) !== sorted(inAddress)) changed(true);
