// The list of runs, and starting one from pasted formulas and dropped crystals.

import { get, post, showProblem } from "./api.js";
import { announce, fill, h, later } from "./dom.js";
import { ago, moment, verdict } from "./format.js";
import { dropped, onceOnly, significant } from "./intake.js";

const at = (id) => document.getElementById(id);
const MAX_BYTES = 1_000_000;
const KINDS = { screen: "screening", optimize: "optimisation", validate: "validation" };

let crystals = []; // {name, text}
let rows = [];
let cursor = null;

const kind = () => document.querySelector("input[name=kind]:checked").value;

function formulas() {
  return at("formulas").value
    .split("\n")
    .filter((line) => !line.trim().startsWith("#"))
    .flatMap((line) => line.split(/[,;\s]+/))
    .filter(Boolean);
}

function showCount() {
  const n = formulas().length;
  at("formula-count").textContent = n ? `${n} ${n === 1 ? "formula" : "formulas"}.` : "";
}

async function take(files) {
  showProblem(at("problem"), null);
  for (const file of files) {
    if (file.size > MAX_BYTES) {
      showProblem(at("problem"), new Error(`${file.name} has ${significant(file.size / 1e6, 3)} MB; a crystal of more than 1 MB is not read.`));
      continue;
    }
    crystals.push({ name: file.name, text: await file.text() });
  }
  showFiles();
  announce(`${crystals.length} crystals`);
}

function showFiles() {
  fill(at("file-list"), crystals.map((crystal, n) =>
    h("li", null, crystal.name, h("button", {
      class: "icon", type: "button", "aria-label": `Leave ${crystal.name} out`,
      onclick: () => {
        crystals.splice(n, 1);
        showFiles();
        at("files").focus();
      },
    }, "×"))));
}

function showKind() {
  for (const field of document.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== kind();
  at("go").textContent = kind() === "screen" ? "Start screening" : "Start optimising";
}

// "Nb3Sn: Sn = Al, Ge; Nb = V" as the API wants it.
function substitutions() {
  return at("substitutions").value.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#")).map((line) => {
    const colon = line.indexOf(":");
    const replace = {};
    for (const part of colon < 0 ? [] : line.slice(colon + 1).split(";").filter((text) => text.trim())) {
      const [old, others] = part.split("=").map((text) => text.trim());
      const list = (others ?? "").split(/[,\s]+/).filter(Boolean);
      if (!old || !list.length) throw new Error(`“${line}” is not understood: write it as Nb3Sn: Sn = Al, Ge; Nb = V`);
      replace[old] = list;
    }
    if (!Object.keys(replace).length) throw new Error(`“${line}” is not understood: write it as Nb3Sn: Sn = Al, Ge; Nb = V`);
    return { prototype: line.slice(0, colon).trim(), replace };
  });
}

function pressures() {
  const values = at("pressures").value.split(/[,;\s]+/).filter(Boolean).map(Number);
  if (!values.length || values.some((value) => !Number.isFinite(value))) throw new Error("The pressures are numbers in GPa with commas, such as 0, 50, 100");
  return values;
}

function wanted() {
  const wish = {
    candidates: {
      formulas: formulas(),
      structures: crystals.map(({ name, text }) => ({ label: name.slice(0, 200), text })),
      substitutions: substitutions(),
    },
    label: at("label").value.trim() || null,
    pressures_gpa: pressures(),
    mu_star: at("mu-star").value === "" ? null : Number(at("mu-star").value),
    tier: at("tier").value,
    stability: at("stability").value,
  };
  if (!Object.values(wish.candidates).some((list) => list.length)) {
    at("formulas").focus();
    throw new Error("Give at least one formula, crystal or substitution.");
  }
  if (kind() === "optimize") {
    wish.budget = Number(at("budget").value);
    wish.seed = Number(at("seed").value);
    wish.objectives = [...document.querySelectorAll("input[name=objective]:checked")].map((box) => ({ column: box.value }));
  }
  return wish;
}

async function start(event) {
  event.preventDefault();
  showProblem(at("problem"), null);
  at("go").disabled = true;
  try {
    const wish = wanted();
    at("started").textContent = "Starting …";
    // The same click sent twice, by an impatient network, starts one run.
    const run = await post(`/api/htc/${kind()}`, wish, { headers: { "Idempotency-Key": onceOnly() } });
    location.assign(`/runs/${encodeURIComponent(run.run_id)}`);
  } catch (error) {
    at("started").textContent = "";
    showProblem(at("problem"), error);
  } finally {
    at("go").disabled = false;
  }
}

function line(run) {
  return h("tr", null,
    h("th", { scope: "row" }, h("a", { href: `/runs/${encodeURIComponent(run.run_id)}` }, run.label || run.run_id.slice(0, 8))),
    h("td", null, KINDS[run.kind] ?? run.kind),
    h("td", null, verdict(run.state)),
    h("td", null, run.total && ["running", "queued"].includes(run.state)
      ? h("progress", { max: run.total, value: run.done, "aria-label": "Progress" }) : null,
    progressText(run)),
    h("td", null, run.created_by),
    h("td", null, moment(run.created_at), h("span", { class: "note" }, ` ${ago(run.created_at)}`)));
}

function progressText({ done, total, failed }) {
  if (!done && !total) return "–";
  return `${done}${total ? ` of ${total}` : ""}${failed ? `, ${failed} failed` : ""}`;
}

async function list({ more = false } = {}) {
  try {
    const page = await get("/api/htc/runs", { n: 30, after: more ? cursor : null });
    if (more) rows.push(...page.rows);
    // A look at the first page keeps what was unfolded below it.
    else rows = [...page.rows, ...rows.filter((old) => !page.rows.some((run) => run.run_id === old.run_id))];
    if (more || rows.length === page.rows.length) cursor = page.next_cursor;
    showProblem(at("list-problem"), null);
    fill(at("run-rows"), rows.map(line));
    at("none").hidden = rows.length > 0;
    at("more").hidden = cursor === null;
    const busy = rows.filter((run) => ["running", "queued"].includes(run.state)).length;
    at("runs-said").textContent = busy ? `${busy} under way` : "";
    again(busy ? 2000 : 20_000);
  } catch (error) {
    showProblem(at("list-problem"), error);
    again((error.retryAfter ?? 10) * 1000);
  }
}

let timer = null;
function again(ms) {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? again(ms) : void list()), ms);
}

dropped(at("drop"), take);
at("files").addEventListener("change", (event) => {
  void take([...event.target.files]);
  event.target.value = "";
});
at("formulas").addEventListener("input", later(showCount, 150));
for (const choice of document.querySelectorAll("input[name=kind]")) choice.addEventListener("change", showKind);
at("start").addEventListener("submit", start);
at("more").addEventListener("click", () => void list({ more: true }));
showKind();
showCount();
void list();
