// Predictions against measurements: the last validation by each suite, and running it again.

import { get, post, showProblem } from "./api.js";
import { fill, h, sym } from "./dom.js";
import { listen } from "./events.js";
import { ago, formula, interval, kelvin, moment, number } from "./format.js";
import { onceOnly, significant } from "./intake.js";
import { plot } from "./plot.js";
import { table } from "./table.js";

const at = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const METHODS = { exponential: "exponential", allen_dynes_f1: "Allen-Dynes f₁", allen_dynes: "Allen-Dynes f₁f₂", xie_2022: "Xie 2022" };
const SHAPES = ["circle", "diamond", "square", "triangle"];

let answer = null;
let parity = null;
let stop = () => {};

async function load() {
  showProblem(at("problem"), null);
  const suite = chosen("suite");
  try {
    const found = await get(`/api/htc/validations/${suite}`);
    if (suite !== chosen("suite")) return;
    answer = found;
    show();
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

function show() {
  const { run, points, refused, failed, title } = answer;
  at("results").hidden = false;
  fill(at("about"), `${title}: ${points.length} pairs, ${moment(run.finished_at)} UTC (${ago(run.finished_at)}). `,
    h("a", { href: `/runs/${encodeURIComponent(run.run_id)}` }, "The run"));
  at("refused").textContent = [
    refused.length ? `Outside electron-phonon theory and given no number, as it should be: ${refused.join(", ")}.` : "",
    failed ? `${failed} could not be predicted.` : "",
  ].join(" ");
  at("meaning").hidden = !points.some((point) => point.tc_experiment !== null);
  showParity();
  showMetrics();
  showParts();
  showPoints();
}

const byExperiment = () => !at("meaning").hidden && chosen("meaning") === "experiment";
const predicted = (point) => (byExperiment() ? point.tc_experiment : point.tc_predicted);
const low = (point) => (byExperiment() ? point.tc_experiment_lower_95ci : point.tc_lower_95ci);
const high = (point) => (byExperiment() ? point.tc_experiment_upper_95ci : point.tc_upper_95ci);

// The groups that the plot tells apart, by colour and by shape.
function groups(points) {
  if (answer.suite === "formulas") {
    return [...new Set(points.map((point) => point.method))].map((method) => [METHODS[method] ?? method, points.filter((point) => point.method === method)]);
  }
  return [
    ["crystal not trained on", points.filter((point) => point.in_training === false)],
    ["crystal trained on", points.filter((point) => point.in_training === true)],
    ["not known whether trained on", points.filter((point) => point.in_training === null)],
  ].filter(([, some]) => some.length);
}

function showParity() {
  const log = chosen("scale") === "log";
  const usable = answer.points.filter((point) => predicted(point) !== null);
  const ends = usable.flatMap((point) => [point.tc_measured, predicted(point)]).filter((value) => value > 0);
  const floor = log ? Math.max(Math.min(...ends) / 1.6, 0.01) : 0;
  const top = Math.max(...ends) * (log ? 1.6 : 1.08);
  const below = log ? usable.filter((point) => predicted(point) < floor) : [];
  const wish = {
    label: `Predicted against measured critical temperature of ${usable.length} pairs`, csv: `validation-${answer.suite}.csv`, height: 460,
    x: { title: "measured Tc (K)", short: "measured", log, min: floor, max: top },
    y: { title: byExperiment() ? "Tc expected in the laboratory (K)" : "calculated Tc (K)", log, min: floor, max: top },
    lines: [{ diagonal: true }],
    series: groups(usable).map(([name, some], n) => ({
      name, kind: "points", color: n + 1, shape: SHAPES[n % SHAPES.length],
      x: some.map((point) => point.tc_measured), y: some.map((point) => Math.max(predicted(point), floor)),
      low: some.map(low), high: some.map(high), labels: some.map((point) => point.label),
      hrefs: some.map((point) => `/materials/${encodeURIComponent(point.formula)}`), points: some,
    })),
    tell: (series, n) => {
      const point = series.points[n];
      const ends95 = low(point) === null ? "" : ` (${interval(low(point), high(point))})`;
      return `${point.label}: measured ${kelvin(point.tc_measured)} K, predicted ${kelvin(predicted(point))} K${ends95}${point.family ? `, ${point.family}` : ""}`;
    },
  };
  at("parity-said").textContent = [
    "Bars: 95 % intervals. The line is where prediction and measurement agree.",
    below.length ? `Predicted far below the axis, and drawn at its edge: ${below.map((point) => point.label).join(", ")}.` : "",
  ].join(" ");
  if (parity) {
    parity.zoom = null;
    parity.set(wish);
  } else parity = plot(at("plot-parity"), wish);
}

const COLUMNS = [
  ["Pairs", "", (m) => String(m.n)],
  ["Mean absolute error", "K", (m) => significant(m.mae, 3)],
  ["Root mean square error", "K", (m) => significant(m.rmse, 3)],
  ["Mean error", "K", (m) => significant(m.bias, 3)],
  ["Median factor off", "", (m) => significant(m.median_factor, 3)],
  [["R", h("sup", null, "2")], "", (m) => number(m.r2, 2)],
  ["Rank correlation", "", (m) => number(m.spearman, 2)],
  ["Inside the 95 % interval", "", (m) => (m.coverage === null ? "–" : `${Math.round(100 * m.coverage)} %`)],
];

function showMetrics() {
  const name = byExperiment() ? "against experiment" : answer.parts["all"] ? "all" : "allen_dynes";
  const metrics = answer.parts[name];
  at("metrics").replaceChildren();
  if (!metrics) return;
  for (const [title, of, value] of COLUMNS) {
    const copied = Array.isArray(title) ? title.map((part) => (part.cloneNode ? part.cloneNode(true) : part)) : title;
    at("metrics").append(h("dt", null, copied), h("dd", null, value(metrics), of && metrics.n ? ` ${of}` : ""));
  }
  fill(at("metrics-said"), answer.suite === "formulas"
    ? "By the full Allen-Dynes formula. The spectra are computed, and no one μ* is right for all materials. "
    : [byExperiment() ? "" : "The interval is against a calculation, not against experiment: fewer than 95 % of measurements have to lie inside. ",
      "These materials are well known. A crystal that was not trained on may still have a near relative, or its own formula, in the training data: for an unknown material expect more error than this. "],
  h("a", { href: "/help#validation" }, "How to read this page"));
}

function showParts() {
  const names = { "trained on": "crystal trained on", "not trained on": "crystal not trained on" };
  const title = (name) => METHODS[name] ?? names[name] ?? name.replace(/^family /, "");
  const order = (name) => ["all", "not trained on", "trained on", "against experiment"].indexOf(name);
  const rows = Object.entries(answer.parts)
    .sort(([a], [b]) => (order(a) < 0 ? 9 : order(a)) - (order(b) < 0 ? 9 : order(b)) || a.localeCompare(b))
    .map(([name, metrics]) => ({ name: title(name), ...metrics }));
  table(at("parts"), {
    caption: "Metrics of parts of the pairs; temperatures in K",
    columns: [
      { key: "name", title: "Part", head: true },
      { key: "n", title: "Pairs", numeric: true },
      { key: "mae", title: "MAE", unit: "K", numeric: true, cell: (row) => significant(row.mae, 3) },
      { key: "rmse", title: "RMSE", unit: "K", numeric: true, cell: (row) => significant(row.rmse, 3) },
      { key: "bias", title: "Mean error", unit: "K", numeric: true, cell: (row) => significant(row.bias, 3) },
      { key: "median_factor", title: "Median factor", numeric: true, cell: (row) => significant(row.median_factor, 3) },
      { key: "r2", title: h("span", null, "R", h("sup", null, "2")), numeric: true, cell: (row) => number(row.r2, 2) },
      { key: "spearman", title: "Rank corr.", numeric: true, cell: (row) => number(row.spearman, 2) },
      { key: "coverage", title: "In interval", unit: "%", numeric: true, cell: (row) => (row.coverage === null ? "–" : String(Math.round(100 * row.coverage))) },
    ],
    rows,
  });
}

function showPoints() {
  const inside = (point) => (low(point) === null ? null : low(point) <= point.tc_measured && point.tc_measured <= high(point));
  const model = answer.suite === "reference";
  table(at("points"), {
    caption: "Every pair, with the source of the measured value",
    columns: [
      { key: "label", title: "Material", head: true, cell: (row) => h("a", { href: `/materials/${encodeURIComponent(row.formula)}` }, row.label === row.formula ? formula(row.label) : row.label) },
      model ? { key: "family", title: "Family" } : { key: "method", title: "Formula", cell: (row) => METHODS[row.method] ?? row.method },
      { key: "pressure_gpa", title: "Pressure", unit: "GPa", numeric: true, cell: (row) => significant(row.pressure_gpa, 3) },
      { key: "tc_measured", title: h("span", null, "Measured ", sym("T"), h("sub", null, "c")), unit: "K", numeric: true, cell: (row) => kelvin(row.tc_measured) },
      { key: "predicted", title: "Predicted", unit: "K", numeric: true, value: predicted, cell: (row) => kelvin(predicted(row)) },
      ...(model ? [
        { key: "low", title: "95 % interval", unit: "K", value: low, cell: (row) => interval(low(row), high(row)) },
        { key: "inside", title: "Inside", value: (row) => ({ true: 1, false: 0 })[inside(row)] ?? null, cell: (row) => ({ true: "yes", false: "no" })[inside(row)] ?? "–" },
        { key: "in_training", title: "Crystal trained on", value: (row) => ({ true: 1, false: 0 })[row.in_training] ?? null, cell: (row) => ({ true: "yes", false: "no" })[row.in_training] ?? "–" },
      ] : []),
      { key: "source", title: "Source", cell: (row) => (row.doi ? h("a", { href: `https://doi.org/${row.doi}`, rel: "noreferrer" }, row.doi) : row.source) },
    ],
    rows: answer.points, sort: { key: "tc_measured", down: true },
  });
}

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
    at("status").textContent = run.state === "finished" ? "" : `The run is ${run.state}${run.error ? `: ${run.error.what}` : ""}.`;
    if (run.state === "finished") void load();
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

at("again").addEventListener("click", () => void again());
for (const choice of document.querySelectorAll("input[name=suite]")) {
  choice.addEventListener("change", () => {
    stop();
    at("bar").hidden = true;
    at("again").disabled = false;
    at("status").textContent = "";
    void load();
  });
}
for (const choice of document.querySelectorAll("input[name=scale], input[name=meaning]")) {
  choice.addEventListener("change", () => answer && show());
}
void load();
