// One run: how far it is, what came out so far, and what of it no other candidate beats.
//
// The stream of events says that there is something new; the results are then asked for from where they ended.
// Where a stream cannot be had, the same question is asked every few seconds.

import { get, post, showProblem } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { formula, interval, kelvin, level, number, verdict } from "./format.js";
import { listen } from "./events.js";
import { csv, saveText, significant } from "./intake.js";
import { plot } from "./plot.js";

const at = (id) => document.getElementById(id);
const ID = at("run").dataset.run;
const RESULTS = `/api/htc/results/${encodeURIComponent(ID)}`;
const ENDED = ["finished", "failed", "cancelled"];
const SHOWN = 400;
const PAGE = 500;
const NAMES = { tc_predicted: "high Tc", tc_lower_95ci: "high lower end of the interval", tc_experiment: "high Tc in the laboratory",
  pressure_required_gpa: "low pressure", hull_distance_eV: "low energy above the hull", tc_uncertainty: "low uncertainty",
  lambda_ep: "high lambda", omega_log: "high omega_log" };

let run = null;
let items = [];
let front = new Set(); // positions of the items that no other beats
let objectives = ""; // by which they are compared, in words
let last = null; // where the items known so far end
let busy = false;
let missed = false;
let stop = () => {};
let timer = null;
const plots = {};

async function refresh() {
  // One question at a time; a change that comes meanwhile is asked for afterwards.
  if (busy) {
    missed = true;
    return;
  }
  busy = true;
  missed = false;
  clearTimeout(timer);
  try {
    for (;;) {
      const answer = await get(RESULTS, { n: PAGE, after: last });
      run = answer.run;
      const found = answer.items;
      items.push(...found);
      if (found.length) last = found.at(-1).position;
      objectives = answer.pareto.objectives.map((one) => NAMES[one.column] ?? one.column).join(", ");
      front = new Set(answer.pareto.points.map((point) => point.position));
      showProblem(at("problem"), null);
      if (run.kind === "campaign") showFunnel(await get(`/api/htc/runs/${encodeURIComponent(ID)}/funnel`));
      show();
      if (found.length < PAGE || answer.next_cursor === null) break;
    }
    if (ENDED.includes(run.state)) end();
  } catch (error) {
    showProblem(at("problem"), error);
  } finally {
    busy = false;
  }
  if (missed) void refresh();
}

function end() {
  stop();
  stop = () => {};
  clearTimeout(timer);
  at("connection").textContent = "";
  announce(`The run is ${run.state}.`);
}

function follow() {
  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      void refresh();
      later(ms);
    }, ms);
  };
  let told = 0;
  stop = listen(`/api/htc/runs/${encodeURIComponent(ID)}/events`, {
    open: () => {
      clearTimeout(timer);
      at("connection").textContent = "Live.";
      void refresh();
    },
    event: (name) => {
      if (name === "end") {
        void refresh();
        return false;
      }
      // Fast runs tell more often than is worth drawing.
      const now = Date.now();
      clearTimeout(timer);
      if (now - told > 400) {
        told = now;
        void refresh();
      } else timer = setTimeout(() => void refresh(), 400);
      return true;
    },
    lost: (_, final) => {
      at("connection").textContent = final ? "Asked for every three seconds." : "The stream of events was lost; asked for every three seconds until it is back.";
      later(3000);
    },
  });
}

function show() {
  const { state, done, total, failed } = run;
  fill(at("state"), verdict(state));
  at("bar").hidden = ENDED.includes(state) && total === null;
  if (total) {
    at("bar").max = total;
    at("bar").value = done;
  } else if (!ENDED.includes(state)) at("bar").removeAttribute("value");
  at("count").textContent = `${done}${total ? ` of ${total}` : ""}${failed ? `, ${failed} failed` : ""}${remaining()}`;
  at("said").textContent = run.error ? sentence(run.error) : (run.message ?? "");
  at("cancel").hidden = ENDED.includes(state) || !at("run").dataset.job;
  at("cancel").disabled = Boolean(run.cancel_requested);
  at("cancel").textContent = run.cancel_requested ? "Being cancelled …" : "Cancel the run";
  showTable();
  showTold();
  showFailed();
  showPareto();
}

function showFunnel({ planned, stages, pruned }) {
  at("pruned").hidden = pruned === null;
  if (pruned) at("pruned").textContent = `${pruned.rows.toLocaleString("en")} rows of candidates that did not pass were dropped on ${pruned.at.slice(0, 10)} by ${pruned.by}; the counts are of the whole run.`;
  at("funnel-panel").hidden = stages.length === 0;
  fill(at("stages"), stages.map((one) => {
    const judged = one.done + one.failed + one.rejected;
    const count = (n) => h("td", { class: "n" }, n === null ? "" : n.toLocaleString("en"));
    return h("tr", {},
      h("th", { scope: "row" }, `${one.stage + 1} of ${planned}: ${one.kind}${one.spec.tier ? ` ${one.spec.tier}` : ""}`),
      count(one.entries),
      h("td", {}, h("progress", { max: Math.max(one.entries, 1), value: judged, "aria-label": "judged" }), ` ${judged.toLocaleString("en")}`),
      h("td", { class: "n" }, one.rejected.toLocaleString("en"), reasons(one)), count(one.failed), count(one.duplicates), count(one.passed));
  }));
}

function reasons({ rejections }) {
  const said = Object.entries(rejections ?? {}).map(([rule, n]) => `${rule} ${n.toLocaleString("en")}`).join(", ");
  return said ? h("span", { class: "note" }, ` (${said})`) : null;
}

function remaining() {
  if (run.state !== "running" || !run.started_at || !run.total || run.done < 3) return "";
  const passed = (Date.now() - new Date(run.started_at).getTime()) / 1000;
  const left = (passed / run.done) * (run.total - run.done);
  return left > 5400 ? `, about ${Math.round(left / 3600)} h to go` : left > 90 ? `, about ${Math.round(left / 60)} min to go` : `, about ${Math.max(1, Math.round(left))} s to go`;
}

const sentence = (error) => `${error.what ?? error.detail ?? error.code}${error.hint ? ` (${error.hint})` : ""}`;
const withTc = () => items.filter((item) => item.prediction?.tc_predicted !== null && item.prediction?.tc_predicted !== undefined);
const linkTo = (item) => `/materials/${encodeURIComponent(item.prediction.reduced_formula ?? item.label)}`;

function showTable() {
  const best = withTc().sort((a, b) => b.prediction.tc_predicted - a.prediction.tc_predicted || a.position - b.position);
  at("none").hidden = best.length > 0 || items.some((item) => item.values?.measured);
  at("none").textContent = ENDED.includes(run.state) ? "Nothing came of it." : "Nothing yet.";
  at("results").hidden = best.length === 0;
  at("save-csv").hidden = items.length === 0;
  at("results-said").textContent = best.length > SHOWN ? `The best ${SHOWN} of ${best.length}; all of them are in the CSV file.` : "";
  fill(at("rows"), best.slice(0, SHOWN).map((item) => {
    const p = item.prediction;
    return h("tr", { class: front.has(item.position) ? "chosen" : null },
      h("th", { scope: "row" }, h("a", { href: linkTo(item) }, formula(p.reduced_formula)),
        item.label !== p.reduced_formula ? h("span", { class: "note" }, ` ${item.label}`) : null,
        front.has(item.position) ? h("span", { class: "visually-hidden" }, " (not beaten)") : null),
      h("td", { class: "n strong" }, kelvin(p.tc_predicted)),
      h("td", null, interval(p.tc_lower_95ci, p.tc_upper_95ci)),
      h("td", { class: "n" }, number(p.lambda_ep, 2)),
      h("td", { class: "n" }, number(p.omega_log, 0)),
      h("td", { class: "n" }, significant(p.pressure_required_gpa, 4)),
      h("td", { class: "n" }, number(p.hull_distance_eV, 3)),
      h("td", null, level(p.confidence_level)));
  }));
}

// Answers of a laboratory or another code have no prediction: their values are all that there is.
const answers = (item) => Object.entries(item.values?.measured ?? {}).map(([column, value]) => (column === "tc_predicted" ? `Tc ${significant(value, 4)} K` : `${column} ${significant(value, 4)}`)).join(", ");

function showTold() {
  const told = items.filter((item) => item.values?.measured);
  at("told-panel").hidden = told.length === 0;
  fill(at("told"), told.slice(0, SHOWN).map((item) => h("li", null, h("strong", null, item.label), ` ${answers(item)}`,
    front.has(item.position) ? h("span", { class: "note" }, " (not beaten)") : null)));
}

function showFailed() {
  const without = items.filter((item) => item.error || (item.prediction && item.prediction.tc_predicted === null));
  at("failed-panel").hidden = without.length === 0;
  // The same candidate fails at every pressure for the same reason: once is enough.
  const told = new Map();
  for (const item of without) {
    const text = item.error ? sentence(item.error) : (item.prediction.reason ?? "outside the theory");
    const key = `${item.label}\n${text}`;
    told.set(key, { label: item.label, text, times: (told.get(key)?.times ?? 0) + 1 });
  }
  fill(at("failed"), [...told.values()].slice(0, SHOWN).map(({ label, text, times }) =>
    h("li", null, h("strong", null, label), ` ${text}`, times > 1 ? h("span", { class: "note" }, ` (${times} times)`) : null)));
}

function showPareto() {
  const found = withTc();
  at("pareto-panel").hidden = found.length < 2;
  if (found.length < 2) return;
  const known = found.filter((item) => item.prediction.hull_distance_eV !== null);
  at("pareto-said").textContent = [
    front.size ? `Diamonds are not beaten by any other candidate in ${objectives} together.` : "",
    new Set(found.map((item) => item.prediction.pressure_required_gpa)).size > 1
      ? "A crystal is judged as it is given: a pressure does not compress it." : "",
    known.length ? "" : "No energies above the hull: they are computed only when a run asks for them.",
  ].join(" ");
  scatter("pressure", found, (p) => p.pressure_required_gpa, "pressure (GPa)", "p / GPa");
  at("plot-hull").hidden = known.length === 0;
  if (known.length) scatter("hull", known, (p) => p.hull_distance_eV, "energy above the hull (eV/atom)", "hull / eV");
}

function scatter(name, found, cost, title, short) {
  const kept = found.slice().sort((a, b) => b.prediction.tc_predicted - a.prediction.tc_predicted).slice(0, 2000);
  const group = (chosen, label, shape, color, size) => {
    const some = kept.filter((item) => front.has(item.position) === chosen);
    return {
      name: some.length ? label : "", kind: "points", shape, color, size,
      x: some.map((item) => cost(item.prediction)), y: some.map((item) => item.prediction.tc_predicted),
      // Many stand above each other: only what is not beaten shows its interval, the rest tell theirs.
      low: chosen ? some.map((item) => item.prediction.tc_lower_95ci) : null, high: chosen ? some.map((item) => item.prediction.tc_upper_95ci) : null,
      items: some, labels: some.map((item) => item.prediction.reduced_formula ?? item.label), hrefs: some.map(linkTo),
    };
  };
  const wish = {
    label: `Critical temperature against ${title}, ${kept.length} candidates`, csv: `tc-${name}.csv`, height: 300,
    // A little room at the left, or points at zero would stand on the frame.
    x: { title: [title], short, min: -0.03 * (Math.max(...kept.map((item) => cost(item.prediction))) || 1) }, y: { title: "Tc (K)", min: 0 },
    series: [group(false, "beaten", "circle", 6, 3.5), group(true, "not beaten", "diamond", 2, 5)],
    tell: (series, n) => {
      const { label, prediction: p } = series.items[n];
      return `${label}: ${kelvin(p.tc_predicted)} K (${interval(p.tc_lower_95ci, p.tc_upper_95ci)}), ${short} ${significant(series.x[n], 3)}`;
    },
  };
  // A redraw takes away what a reader stands on: only when something changed.
  const sum = JSON.stringify([kept.length, [...front]]);
  if (plots[name]?.sum === sum) return;
  if (plots[name]) plots[name].plot.set(wish);
  else plots[name] = { plot: plot(at(`plot-${name}`), wish) };
  plots[name].sum = sum;
}

function save() {
  const columns = ["reduced_formula", "tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "lambda_ep", "omega_log", "pressure_required_gpa",
    "hull_distance_eV", "confidence_level", "reason"];
  const rows = items.map((item) => [item.position, item.label, item.prediction_id, ...columns.map((name) => item.prediction?.[name]), answers(item), item.error ? sentence(item.error) : ""]);
  saveText(`run-${ID}.csv`, csv([["position", "label", "prediction_id", ...columns, "told", "error"], ...rows]), "text/csv");
}

at("cancel").addEventListener("click", async () => {
  at("cancel").disabled = true;
  try {
    await post(`/api/htc/runs/${encodeURIComponent(ID)}/cancel`, {});
    await refresh();
  } catch (error) {
    at("cancel").disabled = false;
    showProblem(at("problem"), error);
  }
});
at("save-csv").addEventListener("click", save);
void refresh().then(() => {
  if (!run || !ENDED.includes(run.state)) follow();
});
