// Materials or predictions side by side. The address holds which: /compare?with=MgB2&with=<id of a prediction>.

import { get, post, showProblem } from "./api.js";
import { fill, h, s, sym, unit } from "./dom.js";
import { formula, interval, kelvin, level, moment, number, verdict } from "./format.js";
import { significant } from "./intake.js";
import { colour, plot, ticks } from "./plot.js";

const at = (id) => document.getElementById(id);
const MOST = 6;
const IS_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

let columns = []; // {wish, prediction, crystal, measured, spectrum, surrogate}
let spectra = null;

const wishes = () =>
  [...new Set(new URLSearchParams(location.search).getAll("with").map((name) => name.trim()).filter(Boolean))];
const addressOf = (names) => (names.length ? `/compare?${new URLSearchParams(names.map((name) => ["with", name]))}` : "/compare");

function go(names) {
  history.pushState(null, "", addressOf(names));
  void load();
}

async function column(wish) {
  const prediction = IS_ID.test(wish) ? await get(`/api/htc/predictions/${wish}`) : null;
  const name = prediction?.reduced_formula ?? wish;
  const material = await get(`/api/htc/materials/${encodeURIComponent(name)}`);
  const shown = prediction ?? material.best;
  if (!shown) throw new Error(`Nothing is stored of ${wish} yet: predict it on the page of the ranking first.`);
  const [crystal, run] = await Promise.all([
    shown.structure_hash ? get(`/api/htc/structures/${encodeURIComponent(shown.structure_hash)}`) : null,
    shown.bete_run_id ? get(`/api/bete/runs/${encodeURIComponent(shown.bete_run_id)}`) : null,
  ]);
  const pressure = shown.pressure_required_gpa ?? 0;
  // Measured where the prediction holds: as near as the library asks of a structure.
  const measured = material.references
    .filter((one) => one.tc_measured !== null && Math.abs(one.pressure_gpa - pressure) <= Math.max(2, 0.1 * Math.max(pressure, one.pressure_gpa)));
  return { wish, prediction: shown, crystal, measured, spectrum: run?.spectrum ?? null, surrogate: shown.spectrum_origin === "surrogate" };
}

async function load() {
  const names = wishes().slice(0, MOST);
  fill(at("problem"));
  at("status").textContent = names.length ? "Loading …" : "";
  const found = await Promise.allSettled(names.map(column));
  if (names.join("\n") !== wishes().slice(0, MOST).join("\n")) return;
  columns = found.filter((one) => one.status === "fulfilled").map((one) => one.value);
  at("status").textContent = wishes().length > MOST ? `The first ${MOST} of ${wishes().length} are shown.` : "";
  for (const [n, one] of found.entries()) {
    if (one.status !== "rejected") continue;
    const told = h("div");
    showProblem(told, one.reason);
    told.append(" ", h("button", { type: "button", onclick: () => go(wishes().filter((name) => name !== names[n])) }, `Leave ${names[n]} out`));
    at("problem").append(told);
  }
  at("results").hidden = columns.length === 0;
  at("empty").hidden = names.length > 0;
  if (!columns.length) {
    if (!names.length) void suggest();
    return;
  }
  document.title = `${columns.map((one) => one.prediction.reduced_formula).join(", ")} · Compare · HTC`;
  showIntervals();
  showFacts();
  showSpectra();
}

async function suggest() {
  const { rows } = await get("/api/htc/rankings", { n: 30 });
  const names = [...new Set(rows.map((row) => row.reduced_formula).filter(Boolean))].slice(0, 3);
  if (names.length < 2) return;
  at("suggested").href = addressOf(names);
  at("suggested").textContent = names.join(", ");
  at("suggestion").hidden = false;
}

// All intervals on one axis.
function showIntervals() {
  const host = at("intervals");
  const width = Math.max(host.clientWidth, 280);
  const left = Math.min(170, 0.34 * width);
  const tall = 34;
  const bottom = 6 + columns.length * tall;
  const height = bottom + 40;
  const values = columns.flatMap(({ prediction: p, measured }) =>
    [p.tc_predicted, p.tc_upper_95ci, p.tc_experiment_upper_95ci, ...measured.map((one) => one.tc_measured)]);
  const most = 1.04 * Math.max(...values.filter((value) => value !== null), 1);
  const x = (value) => left + ((width - left - 14) * value) / most;
  const picture = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": columns.map(inWords).join("; ") });
  for (const tick of ticks(0, most, false, (width - left) / 70)) {
    picture.append(
      s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 0, y2: bottom }),
      s("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, String(Number(tick.toPrecision(6)))));
  }
  picture.append(s("text", { class: "axis-title", x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "Tc (K)"));
  for (const [n, { prediction: p, measured }] of columns.entries()) {
    const y = 6 + tall * (n + 0.5);
    const stroke = colour(n + 1);
    picture.append(s("text", { class: "name", x: 0, y: y + 4 }, p.reduced_formula, p.pressure_required_gpa ? ` ${significant(p.pressure_required_gpa, 3)} GPa` : ""));
    if (p.tc_predicted === null) {
      picture.append(s("text", { x: left, y: y + 4 }, "outside the theory: no Tc"));
      continue;
    }
    const line = (name, from, to, row) => s("line", { class: name, x1: x(from), x2: Math.max(x(to), x(from) + 1), y1: row, y2: row, stroke });
    if (p.tc_experiment_lower_95ci !== null) picture.append(line("experiment", p.tc_experiment_lower_95ci, p.tc_experiment_upper_95ci, y + 9));
    if (p.tc_lower_95ci !== null) picture.append(line("calculated", p.tc_lower_95ci, p.tc_upper_95ci, y));
    picture.append(s("line", { class: "here", x1: x(p.tc_predicted), x2: x(p.tc_predicted), y1: y - 9, y2: y + 6, stroke }));
    for (const one of measured) {
      const px = x(one.tc_measured);
      picture.append(s("path", { class: "measured", d: `M${px},${y - 6}l6,6l-6,6l-6,-6Z` }));
    }
  }
  fill(host, h("div", { class: "plot" }, picture));
  const key = (name, ...marks) => h("li", null, s("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, ...marks), name);
  const plain = { stroke: "var(--ink-2)" };
  fill(at("interval-legend"),
    key("95 % against calculation", s("line", { ...plain, x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 7, opacity: 0.55 }), s("line", { ...plain, x1: 11, x2: 11, y1: 0, y2: 10, "stroke-width": 2.6 })),
    key("95 % against experiment", s("line", { ...plain, x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 1.6 })),
    key("measured", s("path", { d: "M11,0l5,5l-5,5l-5,-5Z", fill: "none", stroke: "var(--ink)", "stroke-width": 1.6 })));
}

function inWords({ prediction: p, measured }) {
  if (p.tc_predicted === null) return `${p.reduced_formula}: outside the theory`;
  const known = measured.length ? `, measured ${kelvin(measured[0].tc_measured)} K` : "";
  return `${p.reduced_formula}: ${kelvin(p.tc_predicted)} K, interval ${interval(p.tc_lower_95ci, p.tc_upper_95ci)} K${known}`;
}

const omega = (name) => [sym("ω"), h("sub", null, name)];

// Quantity, unit, its text, how it is shown where that is more than the text, and whether it is a condition:
// where conditions differ, the numbers of two columns do not answer the same question.
const CONDITION = true;
const ROWS = [
  [[sym("T"), h("sub", null, "c"), ", calculated"], "K", (c) => kelvin(c.prediction.tc_predicted)],
  ["95 % interval against calculation", "K", (c) => interval(c.prediction.tc_lower_95ci, c.prediction.tc_upper_95ci)],
  ["95 % interval against experiment", "K", (c) => interval(c.prediction.tc_experiment_lower_95ci, c.prediction.tc_experiment_upper_95ci)],
  ["Measured", "K", (c) => c.measured.map((one) => kelvin(one.tc_measured)).join(", ") || "–"],
  ["Why there is no number", "", (c) => c.prediction.reason ?? "–"],
  ["Pressure", "GPa", (c) => significant(c.prediction.pressure_required_gpa, 4), null, CONDITION],
  [[sym("μ"), "*"], "", (c) => significant(c.prediction.mu_star, 3), null, CONDITION],
  ["Method", "", (c) => c.prediction.prediction_method ?? "–", null, CONDITION],
  ["Tier of the model", "", (c) => c.prediction.model_tier ?? "–", null, CONDITION],
  ["Confidence", "", (c) => c.prediction.confidence_level ?? "–",
    (c) => [level(c.prediction.confidence_level), " ", c.prediction.confidence_level ?? ""], CONDITION],
  ["Outside the training data", "", (c) => (c.prediction.extrapolation_warning ? c.prediction.extrapolation_reasons.join("; ") || "yes" : "no"), null, CONDITION],
  ["Cautions", "", (c) => c.prediction.cautions.join("; ") || "none", null, CONDITION],
  [sym("λ"), "", (c) => number(c.prediction.lambda_ep, 2)],
  [omega("log"), "K", (c) => number(c.prediction.omega_log, 0)],
  [omega("2"), "K", (c) => number(c.prediction.omega_2, 0)],
  ["Phonons", "", (c) => c.prediction.phonon_verdict ?? "–", (c) => verdict(c.prediction.phonon_verdict)],
  ["Above the hull", "eV/atom", (c) => number(c.prediction.hull_distance_eV, 3)],
  ["Family", "", (c) => c.prediction.family ?? "–"],
  ["Space group", "", (c) => String(c.crystal?.spacegroup_number ?? "–")],
  ["Atoms in the primitive cell", "", (c) => String(c.crystal?.nsites ?? "–")],
  ["Volume", "Å³/atom", (c) => (c.crystal?.volume ? number(c.crystal.volume / c.crystal.nsites, 2) : "–")],
  ["Crystal known from", "", (c) => c.prediction.structure_origin ?? "composition only"],
  ["Spectrum", "", (c) => ({ measured: "given", surrogate: "formed from predicted moments" })[c.prediction.spectrum_origin] ?? "none"],
  ["Stored", "UTC", (c) => moment(c.prediction.created_at)],
];

function showFacts() {
  const several = columns.length > 1;
  // Where there is no Tc there are no conditions of it either.
  const asked = columns.filter((one) => one.prediction.tc_predicted !== null);
  const rows = ROWS.map(([name, of, text, show, condition]) => ({
    name, of, show: show ?? text, said: columns.map(text),
    differs: several && new Set(columns.map(text)).size > 1,
    unlike: Boolean(condition) && new Set(asked.map(text)).size > 1,
  })).filter((row) => row.said.some((text) => text !== "–"));
  const unlike = rows.filter((row) => row.unlike);
  fill(at("unlike"), unlike.length
    ? h("p", { class: "badge warn" }, h("span", null, "Not all of it is alike: read the rows marked ", h("span", { class: "mark" }, "≠"), " before the numbers are compared."))
    : several ? h("p", { class: "badge good" }, "All numbers hold under the same conditions, with the same confidence.") : null);
  fill(at("facts"),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Quantity"), columns.map((one, n) => {
      const name = one.prediction.reduced_formula;
      return h("th", { scope: "col" }, h("span", { class: `swatch c${n + 1}`, "aria-hidden": "true" }),
        h("a", { href: `/materials/${encodeURIComponent(name)}` }, formula(name)),
        h("button", { class: "icon", type: "button", "aria-label": `Take ${name} out`, onclick: () => go(wishes().filter((wish) => wish !== one.wish)) }, "×"));
    }))),
    h("tbody", null, rows.filter((row) => row.differs || !at("only-differences").checked).map((row) =>
      h("tr", { class: row.unlike ? "unlike" : null },
        h("th", { scope: "row" }, row.name, row.of ? [" ", unit(row.of)] : null,
          row.unlike ? [h("span", { class: "mark", "aria-hidden": "true" }, " ≠"), h("span", { class: "visually-hidden" }, " (differs)")] : null),
        columns.map((one) => h("td", null, row.show(one)))))));
}

function showSpectra() {
  const curve = document.querySelector("input[name=curve]:checked").value;
  const having = columns.filter((one) => one.spectrum);
  const without = columns.filter((one) => !one.spectrum).map((one) => one.prediction.reduced_formula);
  const formed = having.some((one) => one.surrogate);
  at("form-spectra").hidden = !columns.some(formable);
  at("spectra-said").textContent = [
    formed ? "Dashed: formed from predicted moments, not calculated." : "",
    without.length ? `Without a spectrum: ${without.join(", ")}.` : "",
  ].join(" ");
  if (!having.length) {
    spectra?.destroy();
    spectra = null;
    return;
  }
  const wish = {
    label: `Spectra of ${having.map((one) => one.prediction.reduced_formula).join(", ")}`,
    csv: "spectra.csv", height: 310,
    x: { title: ["phonon energy ", sym("ω"), " (meV)"], short: "ω / meV", min: 0 },
    y: { title: curve === "alpha2f" ? "α²F(ω)" : "λ(ω)", min: 0 },
    series: columns.map((one, n) => one.spectrum && {
      name: one.prediction.reduced_formula, x: one.spectrum.omega_mev, y: one.spectrum[curve], kind: "line", color: n + 1,
      dash: one.surrogate ? "6 4" : null,
    }).filter(Boolean),
  };
  if (spectra) {
    spectra.zoom = null;
    spectra.set(wish);
  } else spectra = plot(at("plot-spectra"), wish);
}

const formable = (one) => !one.spectrum && one.prediction.tc_predicted !== null && one.prediction.structure_hash;

async function formSpectra() {
  showProblem(at("spectra-problem"), null);
  at("form-spectra").disabled = true;
  try {
    for (const one of columns.filter(formable)) {
      const { run } = await post("/api/bete/predict", {
        structure_id: one.prediction.structure_hash, mu_star: one.prediction.mu_star,
        pressure_gpa: one.prediction.pressure_required_gpa ?? 0,
      });
      one.spectrum = run?.spectrum ?? null;
      one.surrogate = true;
      showSpectra();
    }
  } catch (error) {
    showProblem(at("spectra-problem"), error);
  } finally {
    at("form-spectra").disabled = false;
  }
}

at("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("item").value.trim();
  if (!name) return;
  if (wishes().length >= MOST) {
    at("status").textContent = `${MOST} are as many as can be compared: take one out first.`;
    return;
  }
  at("item").value = "";
  go([...wishes(), name]);
});
at("form-spectra").addEventListener("click", () => void formSpectra());
at("only-differences").addEventListener("change", showFacts);
for (const choice of document.querySelectorAll("input[name=curve]")) choice.addEventListener("change", showSpectra);
addEventListener("popstate", () => void load());
new ResizeObserver(() => {
  if (columns.length) showIntervals();
}).observe(at("intervals"));
load().catch((error) => showProblem(at("problem"), error));
