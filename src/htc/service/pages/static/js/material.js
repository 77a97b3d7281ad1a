// The page of a material: the crystal turns, the spectrum is drawn, the Eliashberg equations come in.

import { sym } from "./dom.js";
import { ask, get, post, showProblem } from "./api.js";
import { plot } from "./plot.js";
import { viewer } from "./viewer.js";

const stage = document.querySelector("[data-viewer]");
if (stage) {
  const crystal = JSON.parse(document.querySelector("[data-crystal]").textContent);
  get(stage.dataset.elements).then((elements) => viewer(stage, crystal, elements, { formula: stage.dataset.formula }));
}

const drawing = document.querySelector("[data-spectrum]");
if (drawing) {
  const data = JSON.parse(document.querySelector("[data-spectrum-data]").textContent);
  const { omega_mev: x, cumulative_lambda: running, lambda_factors: factors } = data;
  const band = factors ? { low: running.map((v) => v * factors[0]), high: running.map((v) => v * factors[1]) } : {};
  plot(drawing, {
    label: `Spectrum of ${drawing.dataset.formula}: alpha2F on the left axis, running lambda on the right, over energy in meV`,
    x: { title: [sym("ω"), "  (meV)"], min: 0, short: "ω (meV)" },
    y: { title: [sym("α"), "²", sym("F"), "(", sym("ω"), ")"], min: 0 },
    y2: { title: [sym("λ"), "(", sym("ω"), ")"], min: 0 },
    series: [
      { name: "α²F", x, y: data.alpha2f, kind: "area", color: 1 },
      { name: factors ? "running λ, 95 % band" : "running λ", short: "λ", x, y: running, kind: "line", axis: "y2", color: 2, dash: "6 3", ...band },
    ],
    height: 300,
    csv: `${drawing.dataset.formula}-alpha2f.csv`,
  });
}

const methods = document.querySelector("[data-methods]");
const waiting = methods?.querySelector("[data-eliashberg]");
if (waiting) {
  ask(methods.dataset.href, { headers: { Accept: "text/html" } })
    .then((response) => response.text())
    .then((text) => {
      const part = new DOMParser().parseFromString(text, "text/html");
      methods.replaceChildren(...[...part.body.childNodes].map((node) => document.importNode(node, true)));
    })
    .catch((error) => {
      const cell = waiting.querySelector("td");
      showProblem(cell, error);
    });
}

for (const form of document.querySelectorAll("form[data-predict]")) {
  const told = form.querySelector("[data-problem]") ?? form.parentElement.querySelector("[data-problem]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const number = (name) => {
      const text = form.elements[name].value.trim().replace(",", ".");
      return text === "" ? null : Number.isFinite(Number(text)) ? Number(text) : text;
    };
    const button = form.querySelector("button");
    button.disabled = true;
    showProblem(told, null);
    try {
      const answer = await post("/api/htc/predict", {
        composition: form.dataset.composition,
        pressure_gpa: number("pressure_gpa") ?? 0,
        mu_star: number("mu_star"),
      });
      location.assign(`/materials/${encodeURIComponent(answer.reduced_formula)}?prediction=${encodeURIComponent(answer.id)}`);
    } catch (error) {
      showProblem(told, error);
      button.disabled = false;
    }
  });
}

for (const time of document.querySelectorAll("time[datetime]")) {
  if (time.dateTime) time.title = new Date(time.dateTime).toString();
}
