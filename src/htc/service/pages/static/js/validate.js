// What is predicted, calculated and solved here against what is known: the last run of each suite, what changed
// since the one before, and running it again.

import { get, post, showProblem } from "./api.js";
import { fill, h } from "./dom.js";
import { listen } from "./events.js";
import { ago, formula, moment, number } from "./format.js";
import { onceOnly, significant } from "./intake.js";
import { plot } from "./plot.js";
import { table } from "./table.js";

const at = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const NAMES = { reference: "Known materials", formulas: "Formulas", eliashberg: "Eliashberg", fold3: "Held-out fold", experiment: "Experiment" };
const SHAPES = ["circle", "diamond", "square", "triangle"];
const MOST_GROUPS = 6;
const MOST_ROWS = 2000;

let answer = null;
let parity = null;
let stop = () => {};

const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(100 * value < 99.95 ? 1 : 0)} %`);
const withRange = (metrics, name, write) => {
  const ends = metrics.intervals[name];
  return ends && metrics[name] !== null ? `${write(metrics[name])} (${write(ends[0])} – ${write(ends[1])})` : write(metrics[name]);
};
const three = (value) => (value > 0 && value < 1e-9 ? "≈ 0" : significant(value, 3));
const two = (value) => number(value, 2);

const FIGURES = [
  ["mae", "Mean absolute error", "MAE", three, true],
  ["rmse", "Root mean square error", "RMSE", three, true],
  ["bias", "Mean error", "Mean error", three, true],
  ["r2", ["R", h("sup", null, "2")], ["R", h("sup", null, "2")], two, false],
  ["mape", "Mean relative error", "MAPE", percent, false],
  ["spearman", "Rank correlation", "Rank corr.", two, false],
  ["median_factor", "Median factor off", "Median factor", three, false],
  ["coverage", "Inside the 95 % interval", "In interval", percent, false],
  ["within", "Agree within the digits", "Agree", percent, false],
];
const copy = (title) => [title].flat().map((part) => (part.cloneNode ? part.cloneNode(true) : part));

// all suites

async function loadSuites() {
  try {
    const { suites } = await get("/api/htc/validations");
    const rows = suites.flatMap((suite) => suite.views.length
      ? suite.views.map((view) => ({ suite, view, metrics: view.parts[view.headline_part] ?? Object.values(view.parts)[0] }))
      : [{ suite, view: null, metrics: null }]);
    table(at("suites"), {
      caption: "All suites: figures of the last run, with 95 % bootstrap intervals",
      columns: [
        { key: "suite", title: "Suite", head: true, value: (row) => row.suite.suite, cell: (row) => h("button", { type: "button", onclick: () => choose(row.suite.suite, row.view?.name) }, NAMES[row.suite.suite]) },
        { key: "view", title: "What against what", value: (row) => row.view?.title ?? "", cell: (row) => (row.view ? titleOf(row.view) : row.suite.available ? "not run here yet" : "needs the laboratory's data, which this service does not have") },
        { key: "n", title: "Pairs", numeric: true, value: (row) => row.metrics?.n ?? null, cell: (row) => row.metrics?.n ?? "–" },
        { key: "mae", title: "MAE", numeric: true, value: (row) => row.metrics?.mae ?? null, cell: (row) => (row.metrics ? `${withRange(row.metrics, "mae", three)} ${row.view.unit}` : "–") },
        { key: "r2", title: h("span", null, "R", h("sup", null, "2")), numeric: true, value: (row) => row.metrics?.r2 ?? null, cell: (row) => two(row.metrics?.r2) },
        { key: "covered", title: "In interval", numeric: true, value: (row) => row.metrics?.coverage ?? null, cell: (row) => percent(row.metrics?.coverage) },
        { key: "within", title: "Agree", numeric: true, value: (row) => row.metrics?.within ?? null, cell: (row) => percent(row.metrics?.within) },
        { key: "when", title: "Run", numeric: true, value: (row) => row.suite.run?.finished_at ?? null, cell: (row) => (row.suite.run ? ago(row.suite.run.finished_at) : "–") },
        { key: "regressions", title: "Worse", numeric: true, value: (row) => row.suite.regressions, cell: (row) => (row.suite.regressions ? h("strong", { class: "mark" }, String(row.suite.regressions)) : row.suite.regressions ?? "–") },
      ],
      rows,
    });
  } catch (error) {
    showProblem(at("problem"), error);
  }
}

const titleOf = (view) => (view.headline_part === "all" ? view.title : `${view.title}, ${view.headline_part.split(": ")[1]}`);

function choose(suite, view) {
  const radio = document.querySelector(`input[name=suite][value=${suite}]`);
  radio.checked = true;
  void changed(view).then(() => at("h-run").scrollIntoView({ block: "start" }));
}

// one suite

async function load(view) {
  showProblem(at("problem"), null);
  const suite = chosen("suite");
  try {
    const found = await get(`/api/htc/validations/${suite}`);
    if (suite !== chosen("suite")) return;
    answer = found;
    show(view);
  } catch (error) {
    if (suite !== chosen("suite")) return;
    answer = null;
    at("results").hidden = true;
    fill(at("refused"));
    if (error.status === 404) at("about").textContent = "It has not been run here yet.";
    else showProblem(at("problem"), error);
  }
  at("again").textContent = answer ? "Run it again" : "Run it";
}

function show(view) {
  const { run, points, refused, failed, excluded, title, about } = answer;
  at("results").hidden = false;
  fill(at("about"), `${title}. ${about} ${points.length} pairs, ${moment(run.finished_at)} UTC (${ago(run.finished_at)}). `,
    h("a", { href: `/runs/${encodeURIComponent(run.run_id)}` }, "The run"));
  at("refused").textContent = [
    refused.length ? `Outside electron-phonon theory and given no number, as it should be: ${refused.join(", ")}.` : "",
    failed ? `${failed} could not be judged.` : "",
    ...Object.entries(excluded).map(([why, n]) => `Left out: ${n}, ${why}.`),
  ].join(" ").trim();
  fill(at("view"), answer.views.map((one) => h("option", { value: one.name, selected: one.name === view }, one.title)));
  showChange();
  showView();
}

const viewNow = () => answer.views.find((one) => one.name === at("view").value) ?? answer.views[0];
const unitOf = (view) => (view.unit ? ` ${view.unit}` : "");

function showView() {
  showParity();
  showMetrics();
  showParts();
  showPoints();
}

function showChange() {
  const { comparison } = answer;
  if (!comparison) {
    at("change-said").textContent = "There was no run of this suite at the same tier and μ* before it.";
    fill(at("changes"));
    return;
  }
  const before = comparison.conditions.model_id && comparison.conditions.model_id !== answer.conditions.model_id ? ` by ${comparison.conditions.model_id}, now ${answer.conditions.model_id}` : "";
  fill(at("change-said"), "Compared with ", h("a", { href: `/runs/${encodeURIComponent(comparison.run_id)}` }, `the run of ${moment(comparison.finished_at)} UTC`),
    `${before}: ${comparison.changed} values changed, `,
    comparison.regressions.length ? h("strong", { class: "mark" }, `${comparison.regressions.length} got worse by more than they may`) : "none got worse by more than it may",
    comparison.same_data ? "." : ". The data are not the same; figures are compared on the cases that both have.",
    comparison.lost.length ? ` Lost: ${comparison.lost.join(", ")}.` : "", comparison.new.length ? ` New: ${comparison.new.length}.` : "");
  const titles = Object.fromEntries(answer.views.map((view) => [view.name, view.title]));
  const rows = [
    ...comparison.figures.filter((one) => one.before !== one.now).map((one) => ({ what: one.figure.toUpperCase(), ...one, known: null })),
    ...comparison.cases.map((one) => ({ what: one.label, ...one })),
  ].sort((a, b) => Number(b.worse) - Number(a.worse));
  if (!rows.length) {
    fill(at("changes"));
    return;
  }
  table(at("changes"), {
    caption: "What changed, the worse first",
    columns: [
      { key: "what", title: "Case or figure", head: true },
      { key: "view", title: "View", cell: (row) => titles[row.view] ?? row.view },
      { key: "known", title: "Known", numeric: true, cell: (row) => significant(row.known, 4) },
      { key: "before", title: "Before", numeric: true, cell: (row) => significant(row.before, 4) },
      { key: "now", title: "Now", numeric: true, cell: (row) => significant(row.now, 4) },
      { key: "worse", title: "", value: (row) => Number(row.worse), cell: (row) => (row.worse ? h("strong", { class: "mark" }, "worse") : "") },
    ],
    rows,
  });
}

// The groups that the plot tells apart, by colour and by shape; the small ones together.
function groups(points, key) {
  const found = new Map();
  for (const point of points) {
    const name = (key && point.groups[key]) ?? (key ? "not stated" : "all");
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(point);
  }
  const sorted = [...found].sort((a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0]));
  if (sorted.length <= MOST_GROUPS) return sorted;
  return [...sorted.slice(0, MOST_GROUPS - 1), ["others", sorted.slice(MOST_GROUPS - 1).flatMap(([, some]) => some)]];
}

function showParity() {
  const view = viewNow();
  const points = answer.points.filter((point) => point.view === view.name);
  const log = chosen("scale") === "log";
  const ends = points.flatMap((point) => [point.known, point.predicted]).filter((value) => value > 0);
  const top = Math.max(...ends, 1e-3) * (log ? 1.6 : 1.08);
  const floor = log ? Math.max(Math.min(...ends, top) / 1.6, top / 1e4) : 0;
  const edge = (value) => Math.max(value, floor);
  const below = log ? points.filter((point) => point.predicted < floor || point.known < floor) : [];
  const wish = {
    label: `${view.title}, ${points.length} pairs`, csv: `validation-${answer.suite}-${view.name}.csv`, height: 460,
    x: { title: view.known, short: "known", log, min: floor, max: top },
    y: { title: view.predicted, log, min: floor, max: top },
    lines: [{ diagonal: true }],
    series: groups(points, view.group).map(([name, some], n) => ({
      name, kind: "points", color: n + 1, shape: SHAPES[n % SHAPES.length], size: points.length > 300 ? 2.6 : 4,
      x: some.map((point) => edge(point.known)), y: some.map((point) => edge(point.predicted)),
      low: some.map((point) => (point.lower_95 === null || points.length > 300 ? null : edge(point.lower_95))), high: some.map((point) => point.upper_95),
      labels: some.map((point) => point.label), hrefs: some.map(linkOf), points: some,
    })),
    tell: (series, n) => {
      const point = series.points[n];
      const range = point.lower_95 === null ? "" : ` (${three(point.lower_95)} – ${three(point.upper_95)})`;
      return `${point.label}: known ${significant(point.known, 4)}${unitOf(view)}, here ${significant(point.predicted, 4)}${unitOf(view)}${range}${point.groups.family ? `, ${point.groups.family}` : ""}`;
    },
  };
  at("parity-said").textContent = [
    points.some((point) => point.lower_95 !== null) && points.length <= 300 ? "Bars: 95 % intervals." : "",
    "The line is where both are equal.",
    below.length ? `Far below the axis, and drawn at its edge: ${below.length}.` : "",
  ].join(" ").trim();
  if (parity) {
    parity.zoom = null;
    parity.set(wish);
  } else parity = plot(at("plot-parity"), wish);
}

const linkOf = (point) => (/^([A-Z][a-z]?[\d.]*)+$/.test(point.formula) ? `/materials/${encodeURIComponent(point.formula)}` : null);

function showMetrics() {
  const view = viewNow();
  const metrics = view.parts[view.headline_part] ?? Object.values(view.parts)[0];
  at("metrics-of").textContent = view.headline_part === "all" ? "" : `Of ${view.headline_part.split(": ")[1]}.`;
  at("metrics").replaceChildren(h("dt", null, "Pairs"), h("dd", null, String(metrics.n)));
  for (const [name, title, , write, hasUnit] of FIGURES) {
    if (metrics[name] === null) continue;
    at("metrics").append(h("dt", null, copy(title)), h("dd", null, withRange(metrics, name, write), hasUnit ? unitOf(view) : ""));
  }
  const held = Object.entries(answer.conditions).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${value}`).join(", ");
  fill(at("metrics-said"), `In brackets: 95 % intervals, compositions resampled. ${answer.cautions.join(" ")} `, held ? `${held}. ` : "",
    h("a", { href: "/help#validation" }, "How to read this page"));
}

function showParts() {
  const view = viewNow();
  const shown = FIGURES.filter(([name]) => Object.values(view.parts).some((metrics) => metrics[name] !== null));
  table(at("parts"), {
    caption: `Figures of parts of the pairs${view.unit ? `, in ${view.unit}` : ""}; in brackets 95 % bootstrap intervals`,
    columns: [
      { key: "name", title: "Part", head: true },
      { key: "n", title: "Pairs", numeric: true },
      ...shown.map(([name, , title, write]) => ({ key: name, title: Array.isArray(title) ? h("span", null, copy(title)) : title, numeric: true, cell: (row) => (name === "mae" ? withRange(row, name, write) : write(row[name])) })),
    ],
    rows: Object.entries(view.parts).sort(([a], [b]) => Number(b === "all") - Number(a === "all") || a.localeCompare(b))
      .map(([name, metrics]) => ({ name, ...metrics })),
  });
}

function showPoints() {
  const view = viewNow();
  const points = answer.points.filter((point) => point.view === view.name)
    .map((point) => ({ ...point, off: Math.abs(point.predicted - point.known) }))
    .sort((a, b) => b.off - a.off).slice(0, MOST_ROWS);
  const inside = (point) => (point.within !== null ? point.within : point.lower_95 === null ? null : point.lower_95 <= point.known && point.known <= point.upper_95);
  const has = (f) => points.some((point) => f(point) !== null && f(point) !== undefined);
  const keys = [...new Set(points.flatMap((point) => Object.keys(point.groups)))].filter((key) => key !== "source" && key !== "pressure").slice(0, 3);
  const unit = view.unit || undefined;
  table(at("points"), {
    caption: "Every pair, with the source of what is known",
    columns: [
      { key: "label", title: "Case", head: true, cell: (row) => (linkOf(row) ? h("a", { href: linkOf(row) }, row.label === row.formula ? formula(row.label) : row.label) : row.label) },
      { key: "known", title: "Known", unit, numeric: true, cell: (row) => significant(row.known, 4) },
      { key: "predicted", title: "Here", unit, numeric: true, cell: (row) => significant(row.predicted, 4) },
      { key: "off", title: "Off by", unit, numeric: true, cell: (row) => significant(row.off, 3) },
      ...(has((point) => point.lower_95) ? [{ key: "lower_95", title: "95 % interval", unit, cell: (row) => (row.lower_95 === null ? "–" : `${three(row.lower_95)} – ${three(row.upper_95)}`) }] : []),
      ...(has(inside) ? [{ key: "inside", title: has((point) => point.within) ? "Agrees" : "Inside", value: (row) => ({ true: 1, false: 0 })[inside(row)] ?? null, cell: (row) => ({ true: "yes", false: "no" })[inside(row)] ?? "–" }] : []),
      ...keys.map((key) => ({ key: `group-${key}`, title: key[0].toUpperCase() + key.slice(1), value: (row) => row.groups[key] ?? null, cell: (row) => row.groups[key] ?? "–" })),
      ...(has((point) => point.pressure_gpa || null) ? [{ key: "pressure_gpa", title: "Pressure", unit: "GPa", numeric: true, cell: (row) => three(row.pressure_gpa) }] : []),
      { key: "source", title: "Source", cell: (row) => (row.doi ? h("a", { href: `https://doi.org/${row.doi}`, rel: "noreferrer" }, row.doi) : row.source) },
    ],
    rows: points,
  });
}

// running it

async function again() {
  at("again").disabled = true;
  showProblem(at("problem"), null);
  at("status").textContent = "Starting …";
  try {
    const run = await post("/api/htc/validate", { suite: chosen("suite") }, { headers: { "Idempotency-Key": onceOnly() } });
    follow(run.run_id);
  } catch (error) {
    at("status").textContent = "";
    at("again").disabled = false;
    showProblem(at("problem"), error);
  }
}

function follow(id) {
  const bar = at("bar");
  bar.hidden = false;
  bar.removeAttribute("value");
  const told = (run) => {
    if (run.total) {
      bar.max = run.total;
      bar.value = run.done;
    }
    at("status").textContent = run.state === "queued" ? "Waiting for a worker …" : run.total ? `${run.done} of ${run.total} …` : (run.message ?? "Working …");
  };
  const over = (run) => {
    bar.hidden = true;
    at("again").disabled = false;
    at("status").textContent = run.state === "finished" ? "" : `The run is ${run.state}${run.error ? `: ${run.error.what}${run.error.hint ? ` (${run.error.hint})` : ""}` : ""}.`;
    if (run.state === "finished") {
      void load();
      void loadSuites();
    }
  };
  stop = listen(`/api/htc/runs/${encodeURIComponent(id)}/events`, {
    event: (name, data) => {
      if (name === "progress") told(data);
      if (name !== "end") return true;
      over(data);
      return false;
    },
    lost: (error, final) => {
      if (!final) return;
      bar.hidden = true;
      at("again").disabled = false;
      showProblem(at("problem"), error);
    },
  });
}

function changed(view) {
  stop();
  at("bar").hidden = true;
  at("again").disabled = false;
  at("status").textContent = "";
  return load(view);
}

at("again").addEventListener("click", () => void again());
at("view").addEventListener("change", () => answer && showView());
for (const choice of document.querySelectorAll("input[name=suite]")) choice.addEventListener("change", () => void changed());
for (const choice of document.querySelectorAll("input[name=scale]")) choice.addEventListener("change", () => answer && showParity());
void loadSuites();
void load();
