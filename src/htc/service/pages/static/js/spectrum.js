// The page of spectra: a file goes in, everything that follows from it comes out.
//
// The closed formulas are asked for first and shown at once; the Eliashberg equations take a moment and follow.
// The slider of mu* stands on the points of the scan, whose values are exact and shown while it moves; letting go
// of it computes everything anew.

import { ask, post, showProblem } from "./api.js";
import { announce, fill, h, sym, unit } from "./dom.js";
import { formula, kelvin } from "./format.js";
import { dropped, significant } from "./intake.js";
import { plot } from "./plot.js";

const at = (id) => document.getElementById(id);
const MAX_BYTES = 8_000_000;
const METHODS = {
  exponential: { name: "exponential", color: 6, dash: "2 3" },
  allen_dynes_f1: { name: "Allen-Dynes f₁", color: 3, dash: "6 4" },
  allen_dynes: { name: "Allen-Dynes f₁f₂", color: 1 },
  xie_2022: { name: "Xie 2022", color: 4, dash: "8 3 2 3" },
  eliashberg: { name: "Eliashberg", color: 2 },
};

let input = null; // {text, fileName}
let answer = null; // the newest answer with everything in it
let asked = null; // the options it was asked with
let everyConvention = false;
let newest = 0;
const plots = {};

const muStar = () => Number(at("mu-star-number").value);

function options() {
  return {
    mu_star: muStar(),
    convention: at("convention").value,
    unit: at("unit").value || null,
    negative: at("negative").value,
    label: at("label").value || null,
  };
}

async function compute() {
  if (!input) return;
  const mine = (newest += 1);
  const wish = { text: input.text, file_name: input.fileName, ...options() };
  showProblem(at("problem"), null);
  at("status").textContent = answer ? "" : `Reading ${input.fileName} …`;
  try {
    if (known(wish)) tabulate(answer, { place: scanPlace() });
    else {
      const quick = await post("/api/htc/spectrum", { ...wish, eliashberg: false, gap: false, scan: false });
      if (mine !== newest) return;
      at("status").textContent = "";
      at("results").hidden = false;
      describe(quick);
      tabulate(quick, { pending: true });
    }
    at("solving").textContent = "Solving the Eliashberg equations …";
    const whole = await post("/api/htc/spectrum", { ...wish, all_conventions: everyConvention });
    if (mine !== newest) return;
    answer = whole;
    asked = { ...wish, label: at("label").value || null };
    at("solving").textContent = "";
    tabulate(whole);
    showScan(whole.mu_star_scan);
    showGap(whole.eliashberg[0]);
    const solved = whole.eliashberg[0]?.tc_kelvin;
    announce(`${whole.source}: lambda ${significant(whole.lambda_ep, 3)}, Eliashberg Tc ${kelvin(solved ?? null)} kelvin`);
  } catch (error) {
    if (mine !== newest) return;
    at("status").textContent = "";
    at("solving").textContent = "";
    if (!answer) at("results").hidden = true;
    showProblem(at("problem"), error);
  }
}

// Whether nothing but mu* changed, and to a value that the scan has: then all that comes at once is shown already.
function known(wish) {
  const same = asked && answer && Object.keys(wish).every((name) => name === "mu_star" || wish[name] === asked[name]);
  return same && scanPlace() >= 0 && !everyConvention;
}

function scanPlace() {
  const scan = answer?.mu_star_scan;
  return scan ? scan.mu_star.findIndex((value) => Math.abs(value - muStar()) < 1e-9) : -1;
}

function describe(found) {
  at("what").textContent = found.source;
  at("format").textContent = [found.format, ...found.notes].join(" · ");
  const several = found.spectra.length > 1;
  at("label-field").hidden = !several;
  fill(at("label"), found.spectra.map((one) => h("option", { value: one.label }, one.label || "the only one")));
  at("label").value = found.chosen;
  fill(at("flags"), found.flags.length
    ? h("ul", { class: "cautions" }, found.flags.map((flag) => h("li", null, h("code", null, flag.code), ` ${flag.message}`)))
    : h("p", { class: "badge good" }, "The checks of the spectrum find nothing to object to."));
  showSpectrum(found.spectrum, found.source);
  showMoments(found);
  showSmearings(found, several);
}

function showSpectrum(spectrum, source) {
  const said = {
    label: `alpha2F and running lambda of ${source}, up to ${significant(spectrum.omega_mev.at(-1), 3)} meV`,
    csv: `${source}.csv`,
    series: [
      { name: "α²F", x: spectrum.omega_mev, y: spectrum.alpha2f, kind: "area", color: 1 },
      { name: "λ(ω)", x: spectrum.omega_mev, y: spectrum.cumulative_lambda, kind: "line", axis: "y2", color: 2 },
    ],
  };
  if (plots.spectrum) plots.spectrum.zoom = null;
  plots.spectrum = drawn(plots.spectrum, at("plot-spectrum"), {
    ...said, height: 330,
    x: { title: ["phonon energy ", sym("ω"), " (meV)"], short: "ω / meV", min: 0 },
    // Both axes from zero, unless there is something below it to be seen.
    y: { title: "α²F(ω)", min: Math.min(...spectrum.alpha2f) < -1e-3 * Math.max(...spectrum.alpha2f) ? undefined : 0 },
    y2: { title: "λ(ω)", min: 0 },
  });
}

function drawn(old, place, wish) {
  if (!old) return plot(place, wish);
  old.set(wish);
  return old;
}

function showMoments(found) {
  const row = (name, value, of = null) => [h("dt", null, name), h("dd", null, value, of ? [" ", unit(of)] : null)];
  const ratio = found.omega_2 && found.omega_log ? found.omega_2 / found.omega_log : null;
  fill(at("moments"),
    row(sym("λ"), significant(found.lambda_ep)),
    row([sym("ω"), h("sub", null, "log")], significant(found.omega_log), "K"),
    row([sym("ω"), h("sub", null, "2")], significant(found.omega_2), "K"),
    row([sym("ω"), h("sub", null, "2"), "/", sym("ω"), h("sub", null, "log")], significant(ratio)),
    row("grid ends at", significant(found.spectrum.omega_mev.at(-1)), "meV"),
    row("points", String(found.spectrum.omega_mev.length)));
}

function showSmearings(found, several) {
  at("smearing-block").hidden = !several;
  if (!several) return;
  const { plateau } = found;
  at("plateau").textContent = plateau
    ? plateau.found
      ? `They agree from ${significant(plateau.lower, 3)} to ${significant(plateau.upper, 3)} ${plateau.unit} (${plateau.criterion}).`
      : `They do not agree with each other (${plateau.criterion}).`
    : "";
  fill(at("smearings"),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Spectrum"), h("th", { scope: "col", class: "n" }, sym("λ")),
      h("th", { scope: "col", class: "n" }, sym("ω"), h("sub", null, "log"), " ", unit("K")))),
    h("tbody", null, found.spectra.map((one) => h("tr", { class: one.label === found.chosen ? "chosen" : null },
      h("th", { scope: "row" }, one.label, one.label === found.chosen ? h("span", { class: "visually-hidden" }, " (shown)") : null),
      h("td", { class: "n" }, significant(one.lambda_ep)), h("td", { class: "n" }, significant(one.omega_log))))));
}

/* The table of critical temperatures. `place` shows the point of the scan with that number instead. */
function tabulate(found, { pending = false, place = null } = {}) {
  const scanned = (method, value) => (place === null ? value : (found.mu_star_scan.tc_kelvin[method]?.[place] ?? null));
  const rows = found.formulas.map((row) => ({
    color: METHODS[row.method]?.color ?? 6, name: row.title, tc: scanned(row.method, row.tc_kelvin),
    reason: place === null ? row.reason : null, means: row.mu_star_convention, doi: row.doi, remarks: [],
  }));
  found.eliashberg.forEach((row, n) => {
    if (place !== null && n > 0) return;
    rows.push({
      color: 2, name: "Eliashberg equations", tc: n === 0 ? scanned("eliashberg", row.tc_kelvin) : row.tc_kelvin,
      reason: place === null ? (row.problem?.detail ?? row.reason) : null, means: `${row.convention}: ${row.title}`,
      doi: "10.1103/RevModPhys.62.1027", remarks: place === null ? row.warnings : [],
    });
  });
  const most = Math.max(...rows.map((row) => row.tc ?? 0), 1e-9);
  at("mu-shown").textContent = String(Number(muStar().toFixed(4)));
  fill(at("tc-rows"),
    rows.map((row) => h("tr", null,
      h("th", { scope: "row" }, row.name, row.remarks.map((text) => h("p", { class: "remark" }, text))),
      h("td", { class: "n strong" }, significant(row.tc, 4), row.reason ? h("p", { class: "remark" }, row.reason) : null),
      h("td", { class: "bar-cell" }, bar(row.tc, most, row.color)),
      h("td", { class: "note" }, row.means),
      h("td", null, h("a", { href: `https://doi.org/${row.doi}`, rel: "noreferrer" }, row.doi)))),
    pending ? h("tr", null, h("th", { scope: "row" }, "Eliashberg equations"), h("td", { class: "n" }, "…"), h("td"), h("td"), h("td")) : null);
}

function bar(value, most, color) {
  const node = h("span", { class: `tc-bar c${color}`, "aria-hidden": "true" });
  node.style.inlineSize = `${value ? Math.max((100 * value) / most, 0.5) : 0}%`;
  return node;
}

function showScan(scan) {
  if (!scan) return;
  const slider = at("mu-star");
  slider.min = scan.mu_star[0];
  slider.max = scan.mu_star.at(-1);
  slider.step = Number((scan.mu_star[1] - scan.mu_star[0]).toPrecision(6));
  slider.value = muStar();
  plots.scan = drawn(plots.scan, at("plot-scan"), {
    label: `Critical temperature against mu* from ${scan.mu_star[0]} to ${scan.mu_star.at(-1)}, by method`,
    csv: "tc-over-mu-star.csv", height: 290,
    x: { title: ["Coulomb pseudopotential ", sym("μ"), "*"], short: "μ*" }, y: { title: "Tc (K)", min: 0 },
    lines: [{ x: muStar() }],
    series: Object.entries(scan.tc_kelvin).map(([method, values]) => ({
      name: METHODS[method]?.name ?? method, x: scan.mu_star, y: values, kind: "line",
      color: METHODS[method]?.color ?? 5, dash: METHODS[method]?.dash,
    })),
  });
}

function showGap(solved) {
  const gap = solved?.gap;
  plots.gap?.destroy();
  plots.gap = null;
  if (!gap) {
    at("gap-said").textContent = solved?.problem?.detail ?? solved?.reason ?? "No gap was found.";
    return;
  }
  fill(at("gap-said"), sym("Δ"), "(0) = ", h("strong", null, significant(gap.zero_temperature_mev, 3)), " ", unit("meV"),
    ",  2", sym("Δ"), "(0)/", sym("k"), h("sub", null, "B"), sym("T"), h("sub", null, "c"), " = ",
    h("strong", null, significant(gap.ratio_2delta_ktc, 3)), h("span", { class: "note" }, " (3.53 in weak coupling)"));
  plots.gap = plot(at("plot-gap"), {
    label: "Superconducting gap against temperature", csv: "gap.csv", height: 262, legend: false,
    x: { title: "T (K)", short: "T / K", min: 0 }, y: { title: "Δ (meV)", min: 0 },
    series: [{ name: "Δ at the first Matsubara frequency", short: "Δ / meV", x: gap.temperature_kelvin, y: gap.delta0_mev, kind: "line", color: 2 }],
  });
}

function slide() {
  at("mu-star-number").value = at("mu-star").value;
  const place = scanPlace();
  if (place < 0) return;
  tabulate(answer, { place });
  plots.scan?.set({ lines: [{ x: muStar() }] });
}

async function take([file]) {
  if (!file) return;
  if (file.size > MAX_BYTES) {
    showProblem(at("problem"), new Error(`${file.name} has ${significant(file.size / 1e6, 3)} MB; a spectrum of more than 8 MB is not read.`));
    return;
  }
  give(await file.text(), file.name);
}

function give(text, fileName, name = "", pressure = 0) {
  input = { text, fileName };
  answer = null;
  everyConvention = false;
  fill(at("label"));
  at("unit").value = "";
  at("formula").value = name;
  at("pressure").value = pressure;
  fill(at("stored"));
  void compute();
}

async function sample(button) {
  const { sample: name, fileName, formula: material, pressure } = button.dataset;
  try {
    const text = await (await ask(`/api/htc/examples/${encodeURIComponent(name)}`)).text();
    give(text, fileName, material, pressure);
  } catch (error) {
    showProblem(at("problem"), error);
  }
}

async function store(event) {
  event.preventDefault();
  showProblem(at("store-problem"), null);
  at("stored").textContent = "Storing …";
  try {
    const { prediction: kept } = await post("/api/htc/spectrum", {
      text: input.text, file_name: input.fileName, ...options(), eliashberg: false, gap: false, scan: false,
      store: true, formula: at("formula").value.trim(), pressure_gpa: Number(at("pressure").value),
    });
    const link = h("a", { href: `/materials/${encodeURIComponent(kept.reduced_formula)}` }, formula(kept.reduced_formula));
    fill(at("stored"), kept.applicable ? `Stored with ${kelvin(kept.tc_predicted)} K: ` : `Stored, but without a number: ${kept.reason}: `, link);
  } catch (error) {
    fill(at("stored"));
    showProblem(at("store-problem"), error);
  }
}

dropped(at("drop"), take);
at("file").addEventListener("change", (event) => {
  void take([...event.target.files]);
  // The same file chosen again after an edit is a change, too.
  event.target.value = "";
});
for (const button of document.querySelectorAll("[data-sample]")) button.addEventListener("click", () => void sample(button));
at("mu-star").addEventListener("input", slide);
at("mu-star").addEventListener("change", () => void compute());
at("mu-star-number").addEventListener("change", () => {
  at("mu-star").value = at("mu-star-number").value;
  void compute();
});
for (const id of ["convention", "unit", "negative", "label"]) at(id).addEventListener("change", () => void compute());
at("all-conventions").addEventListener("click", () => {
  everyConvention = true;
  void compute();
});
at("store").addEventListener("submit", store);
