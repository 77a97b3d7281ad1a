// Plots in SVG: they take their colours from the page, print well, and can be read by keyboard.
//
//   const p = plot(container, {
//     label: "alpha2F of MgB2",                          for screen readers: say what is seen
//     x: { title: ["", sym("ω"), unit("meV")] | "Energy (meV)", log: false, min, max },
//     y: { title: "α²F(ω)", min: 0 },   y2: { title: "λ(ω)" },        y2: a right axis, optional
//     series: [
//       { name, x: [...], y: [...], kind: "line" | "area" | "points", color: 1..6, axis: "y2", dash: "5 4",
//         low: [...], high: [...],                       a band around a line, error bars on points
//         xlow: [...], xhigh: [...],                     error bars along x
//         labels: [...], hrefs: [...], shape: "circle" | "square" | "diamond" | "triangle", size: 4 } ],
//     lines: [{ y: 0 } | { x: 39, name: "measured" } | { diagonal: true, name: "equal" }],
//     height: 300, legend: true, csv: "alpha2f.csv", digits: 3, onpick: (series, index) => ... });
//   p.update({ series })   p.set(options)   p.destroy()
//
// Readers drag to zoom, double-click or press 0 to see all, move along points with the arrow keys, open a
// linked point with Enter, and save the picture (SVG) or its numbers (CSV).

import { h, s } from "./dom.js";

const MARGIN = { top: 10, right: 14, bottom: 38, left: 56 };
let plots = 0;

export function plot(container, options) {
  return new Plot(container, options);
}

export const colour = (n) => `var(--c${((n - 1) % 6) + 1})`;

class Plot {
  constructor(container, options) {
    this.id = `plot-${++plots}`;
    this.options = { height: 300, legend: true, digits: 3, lines: [], ...options };
    this.zoom = null;
    this.picked = null;
    this.readout = h("span", { class: "readout", role: "status", "aria-live": "polite" });
    this.legend = h("ul", { class: "plot-legend" });
    this.svg = s("svg", { role: "group", tabindex: "0", "aria-roledescription": "plot" });
    const save = (what, f) => h("button", { type: "button", onclick: f, title: `Save as ${what}` }, what);
    this.tools = h("div", { class: "plot-tools" },
      (this.all = h("button", { type: "button", hidden: true, onclick: () => this.reset() }, "Show all")),
      save("SVG", () => this.saveSvg()),
      this.options.csv ? save("CSV", () => this.saveCsv()) : null);
    this.root = h("div", { class: "plot" }, this.svg,
      h("div", { class: "plot-bar" }, this.legend, this.readout, this.tools));
    container.replaceChildren(this.root);
    this.svg.addEventListener("pointerdown", (event) => this.startZoom(event));
    this.svg.addEventListener("pointermove", (event) => this.hover(event));
    this.svg.addEventListener("pointerleave", () => this.pick(null));
    this.svg.addEventListener("dblclick", () => this.reset());
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("blur", () => this.pick(null));
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.root);
    this.draw();
  }

  set(options) {
    Object.assign(this.options, options);
    this.picked = null;
    this.draw();
  }

  update(options) {
    this.set(options);
  }

  destroy() {
    this.sizes.disconnect();
    this.root.remove();
  }

  reset() {
    this.zoom = null;
    this.draw();
  }

  draw() {
    const { series, lines, label, height } = this.options;
    const width = Math.max(this.root.clientWidth, 240);
    this.width = width;
    this.height = height;
    const right = this.options.y2 ? MARGIN.left : MARGIN.right;
    this.area = { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - right, h: height - MARGIN.top - MARGIN.bottom };
    const { area } = this;
    this.x = this.scale("x", area.x, area.x + area.w);
    this.y = this.scale("y", area.y + area.h, area.y);
    this.y2 = this.options.y2 ? this.scale("y2", area.y + area.h, area.y) : null;

    const svg = this.svg;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", label ?? "plot");
    svg.replaceChildren(
      s("desc", null, this.describe()),
      s("defs", null, s("clipPath", { id: this.id }, s("rect", { x: area.x, y: area.y, width: area.w, height: area.h }))),
    );
    this.axes(svg);
    const inside = s("g", { "clip-path": `url(#${this.id})` });
    svg.append(inside);
    for (const line of lines) this.guide(inside, line);
    this.dots = [];
    series.forEach((one, n) => this.one(inside, one, n));
    this.marker = s("g", { "clip-path": `url(#${this.id})` });
    svg.append(this.marker);
    this.drawLegend();
    this.all.hidden = this.zoom === null;
    if (this.picked) this.pick(this.picked);
  }

  describe() {
    return this.options.series
      .filter((one) => one.x.length)
      .map((one) => `${one.name}: ${one.x.length} points`)
      .join("; ");
  }

  scale(name, from, to) {
    const axis = this.options[name];
    const values = [];
    for (const one of this.options.series) {
      if (name === "x") push(values, one.x, one.xlow, one.xhigh);
      else if ((one.axis ?? "y") === name) push(values, one.y, one.low, one.high);
    }
    for (const line of this.options.lines) {
      if (name === "x" && line.x !== undefined) values.push(line.x);
      if (name === "y" && line.y !== undefined) values.push(line.y);
    }
    const usable = axis.log ? values.filter((v) => v > 0) : values;
    let low = axis.min ?? Math.min(...usable);
    let high = axis.max ?? Math.max(...usable);
    if (!usable.length && (axis.min === undefined || axis.max === undefined)) [low, high] = axis.log ? [0.1, 10] : [0, 1];
    if (axis.log) {
      low = Math.max(low, 1e-9);
      if (axis.min === undefined) low /= 1.15;
      if (axis.max === undefined) high *= 1.15;
    } else {
      if (low === high) [low, high] = [low - 0.5, high + 0.5];
      const room = 0.05 * (high - low);
      if (axis.max === undefined) high += room;
      if (axis.min === undefined) low -= room;
    }
    const zoomed = this.zoom?.[name];
    if (zoomed) [low, high] = zoomed;
    const f = axis.log ? Math.log10 : (v) => v;
    const back = axis.log ? (v) => 10 ** v : (v) => v;
    const span = f(high) - f(low) || 1;
    const at = (v) => from + ((f(axis.log ? Math.max(v, 1e-12) : v) - f(low)) / span) * (to - from);
    return { at, low, high, log: axis.log, ticks: ticks(low, high, axis.log, Math.abs(to - from) / (name === "x" ? 80 : 46)),
      value: (pixel) => back(f(low) + ((pixel - from) / (to - from)) * span) };
  }

  axes(svg) {
    const { area, x, y, y2 } = this;
    const bottom = area.y + area.h;
    for (const t of x.ticks) {
      svg.append(s("line", { class: "tick", x1: x.at(t), x2: x.at(t), y1: bottom, y2: bottom + 4 }),
        s("text", { x: x.at(t), y: bottom + 16, "text-anchor": "middle" }, tickText(t)));
    }
    for (const t of y.ticks) {
      svg.append(s("line", { class: "grid", x1: area.x, x2: area.x + area.w, y1: y.at(t), y2: y.at(t) }),
        s("text", { x: area.x - 7, y: y.at(t) + 4, "text-anchor": "end" }, tickText(t)));
    }
    if (y2) {
      for (const t of y2.ticks) {
        svg.append(s("line", { class: "tick", x1: area.x + area.w, x2: area.x + area.w + 4, y1: y2.at(t), y2: y2.at(t) }),
          s("text", { x: area.x + area.w + 7, y: y2.at(t) + 4 }, tickText(t)));
      }
    }
    svg.append(s("rect", { class: "frame-line", x: area.x, y: area.y, width: area.w, height: area.h }));
    svg.append(this.title(this.options.x.title, area.x + area.w / 2, this.height - 5, 0));
    svg.append(this.title(this.options.y.title, 13, area.y + area.h / 2, -90));
    if (y2) svg.append(this.title(this.options.y2.title, this.width - 5, area.y + area.h / 2, -90));
  }

  title(text, x, y, turn) {
    const parts = Array.isArray(text) ? text : [text ?? ""];
    return s("text", { class: "axis-title", x, y, "text-anchor": "middle", transform: turn ? `rotate(${turn} ${x} ${y})` : null },
      parts.map((part) => (typeof part === "string" ? part : s("tspan", { class: part.className, "font-style": part.className === "sym" ? "italic" : null }, part.textContent))));
  }

  guide(parent, line) {
    const { area, x, y } = this;
    const stroke = { class: "cross", stroke: "var(--ink-2)" };
    if (line.diagonal) {
      const low = Math.max(x.low, y.low);
      const high = Math.min(x.high, y.high);
      parent.append(s("line", { ...stroke, x1: x.at(low), y1: y.at(low), x2: x.at(high), y2: y.at(high) }));
    } else if (line.x !== undefined) {
      parent.append(s("line", { ...stroke, x1: x.at(line.x), x2: x.at(line.x), y1: area.y, y2: area.y + area.h }));
      if (line.name) parent.append(s("text", { x: x.at(line.x) + 5, y: area.y + 13 }, line.name));
    } else {
      parent.append(s("line", { ...stroke, x1: area.x, x2: area.x + area.w, y1: y.at(line.y), y2: y.at(line.y) }));
      if (line.name) parent.append(s("text", { x: area.x + 6, y: y.at(line.y) - 5 }, line.name));
    }
  }

  one(parent, one, n) {
    const ink = colour(one.color ?? n + 1);
    const y = one.axis === "y2" ? this.y2 : this.y;
    const { x } = this;
    if (one.kind === "points") {
      const group = s("g", null);
      parent.append(group);
      one.x.forEach((value, i) => {
        if (!isFinite(value) || !isFinite(one.y[i]) || value === null || one.y[i] === null) return;
        const [px, py] = [x.at(value), y.at(one.y[i])];
        if (one.low && one.low[i] !== null) bar(group, ink, px, y.at(one.low[i]), px, y.at(one.high[i]));
        if (one.xlow && one.xlow[i] !== null) bar(group, ink, x.at(one.xlow[i]), py, x.at(one.xhigh[i]), py);
        const mark = s("path", { class: `point${one.hrefs || this.options.onpick ? " link" : ""}`, d: shape(one.shape ?? "circle", px, py, one.size ?? 4), fill: one.fills ? one.fills[i] : ink });
        mark.addEventListener("click", () => this.open(one, i));
        group.append(mark);
        this.dots.push({ series: one, index: i, px, py, mark });
      });
      return;
    }
    if (one.low) {
      const up = one.x.map((v, i) => [x.at(v), y.at(one.high[i])]);
      const down = one.x.map((v, i) => [x.at(v), y.at(one.low[i])]).reverse();
      parent.append(s("path", { class: "band", d: `${path([...up, ...down])}Z`, fill: ink }));
    }
    const points = one.x.map((v, i) => (one.y[i] === null ? null : [x.at(v), y.at(one.y[i])]));
    if (one.kind === "area" && points.length) {
      const zero = y.at(Math.max(y.low, Math.min(0, y.high)));
      parent.append(s("path", { class: "area", fill: ink, d: `${path(points)}L${points.at(-1)[0].toFixed(1)},${zero}L${points[0][0].toFixed(1)},${zero}Z` }));
    }
    parent.append(s("path", { class: "line", d: path(points), stroke: ink, "stroke-dasharray": one.dash }));
  }

  drawLegend() {
    const shown = this.options.series.filter((one) => one.name && one.legend !== false);
    this.legend.replaceChildren(...(this.options.legend && shown.length > 0 ? shown : []).map((one) => {
      const ink = colour(one.color ?? this.options.series.indexOf(one) + 1);
      const key = one.kind === "points"
        ? s("path", { d: shape(one.shape ?? "circle", 11, 5, 4), fill: ink })
        : s("path", { d: "M0 5H22", stroke: ink, "stroke-width": 2, "stroke-dasharray": one.dash, fill: "none" });
      return h("li", null, s("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, key), one.name);
    }));
  }

  // reading

  spot(event) {
    const box = this.svg.getBoundingClientRect();
    const k = this.width / box.width;
    return [(event.clientX - box.left) * k, (event.clientY - box.top) * k];
  }

  hover(event) {
    if (this.dragging) return this.dragZoom(event);
    const [px, py] = this.spot(event);
    if (this.dots.length) {
      let best = null;
      let least = 26 ** 2;
      for (const dot of this.dots) {
        const far = (dot.px - px) ** 2 + (dot.py - py) ** 2;
        if (far < least) [best, least] = [dot, far];
      }
      return this.pick(best && { series: best.series, index: best.index });
    }
    const lead = this.options.series.find((one) => one.kind !== "points" && one.x.length);
    if (!lead || px < this.area.x || px > this.area.x + this.area.w) return this.pick(null);
    return this.pick({ series: lead, index: nearest(lead.x, this.x.value(px)) });
  }

  pick(place) {
    this.picked = place;
    this.marker.replaceChildren();
    for (const dot of this.dots) dot.mark.classList.toggle("active", Boolean(place) && dot.series === place.series && dot.index === place.index);
    if (!place) {
      this.readout.textContent = "";
      return;
    }
    const { series, index } = place;
    const digits = this.options.digits;
    if (series.kind === "points") {
      const name = series.labels?.[index];
      this.readout.textContent = this.options.tell
        ? this.options.tell(series, index)
        : [name, `${series.x[index]?.toPrecision(digits)}, ${series.y[index]?.toPrecision(digits)}`].filter(Boolean).join(": ");
      return;
    }
    const value = series.x[index];
    const px = this.x.at(value);
    this.marker.append(s("line", { class: "cross", x1: px, x2: px, y1: this.area.y, y2: this.area.y + this.area.h }));
    const told = [];
    this.options.series.forEach((one, n) => {
      if (one.kind === "points" || !one.x.length || one.silent) return;
      const i = one.x.length === series.x.length ? index : nearest(one.x, value);
      if (one.y[i] === null) return;
      const y = one.axis === "y2" ? this.y2 : this.y;
      this.marker.append(s("circle", { cx: this.x.at(one.x[i]), cy: y.at(one.y[i]), r: 3.5, fill: colour(one.color ?? n + 1) }));
      told.push(`${one.short ?? one.name} ${one.y[i].toPrecision(digits)}`);
    });
    this.readout.textContent = `${this.options.x.short ?? "x"} ${value.toPrecision(digits + 1)}: ${told.join(", ")}`;
  }

  open(series, index) {
    if (this.options.onpick) this.options.onpick(series, index);
    else if (series.hrefs?.[index]) location.assign(series.hrefs[index]);
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (event.key === "0" || event.key === "Escape") {
      this.reset();
      return;
    }
    if (event.key === "Enter" && this.picked) {
      this.open(this.picked.series, this.picked.index);
      return;
    }
    if (!step) return;
    event.preventDefault();
    const all = this.dots.length
      ? [...this.dots].sort((a, b) => a.px - b.px)
      : null;
    if (all) {
      const now = all.findIndex((dot) => dot.series === this.picked?.series && dot.index === this.picked?.index);
      const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
      this.pick({ series: next.series, index: next.index });
      return;
    }
    const lead = this.options.series.find((one) => one.kind !== "points" && one.x.length);
    if (!lead) return;
    const stride = Math.max(1, Math.round(lead.x.length / 100)) * step;
    const now = this.picked ? this.picked.index + stride : 0;
    this.pick({ series: lead, index: Math.min(Math.max(now, 0), lead.x.length - 1) });
  }

  startZoom(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const [px, py] = this.spot(event);
    const { area } = this;
    if (px < area.x || px > area.x + area.w || py < area.y || py > area.y + area.h) return;
    this.dragging = { px, py };
    const end = (last) => {
      removeEventListener("pointerup", end);
      const start = this.dragging;
      this.dragging = null;
      this.box?.remove();
      this.box = null;
      const [qx, qy] = this.spot(last);
      if (Math.abs(qx - start.px) < 8 || Math.abs(qy - start.py) < 8) return;
      const range = (scale, a, b) => [scale.value(a), scale.value(b)].sort((u, v) => u - v);
      this.zoom = { x: range(this.x, start.px, qx), y: range(this.y, start.py, qy), y2: this.y2 && range(this.y2, start.py, qy) };
      this.draw();
    };
    addEventListener("pointerup", end);
  }

  dragZoom(event) {
    const [px, py] = this.spot(event);
    const { px: x0, py: y0 } = this.dragging;
    this.box ??= this.svg.appendChild(s("rect", { class: "zoom-box" }));
    const at = { x: Math.min(px, x0), y: Math.min(py, y0), width: Math.abs(px - x0), height: Math.abs(py - y0) };
    for (const [name, value] of Object.entries(at)) this.box.setAttribute(name, value);
  }

  // saving

  saveSvg() {
    const copy = this.svg.cloneNode(true);
    const originals = [this.svg, ...this.svg.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((node, n) => {
      const looks = getComputedStyle(originals[n]);
      for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-style"]) {
        node.setAttribute(name, looks.getPropertyValue(name));
      }
    });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", this.width);
    copy.setAttribute("height", this.height);
    const ground = s("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body.querySelector(".panel") ?? document.documentElement).backgroundColor });
    copy.prepend(ground);
    save(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }), (this.options.csv ?? "plot.csv").replace(/\.csv$/, ".svg"));
  }

  saveCsv() {
    const rows = ["series,label,x,y,low,high"];
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    for (const one of this.options.series) {
      one.x.forEach((value, i) => rows.push([one.name ?? "", one.labels?.[i] ?? "", value, one.y[i] ?? "", one.low?.[i] ?? "", one.high?.[i] ?? ""].map((cell) => quote(String(cell))).join(",")));
    }
    save(new Blob([`${rows.join("\n")}\n`], { type: "text/csv" }), this.options.csv);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function push(values, ...arrays) {
  for (const array of arrays) {
    if (array) for (const value of array) if (value !== null && isFinite(value)) values.push(value);
  }
}

function bar(group, ink, x1, y1, x2, y2) {
  group.append(s("line", { x1, y1, x2, y2, stroke: ink, "stroke-width": 1.3, opacity: 0.45 }));
}

function path(points) {
  let out = "";
  let up = true;
  for (const point of points) {
    if (point === null) {
      up = true;
      continue;
    }
    out += `${up ? "M" : "L"}${point[0].toFixed(1)},${point[1].toFixed(1)}`;
    up = false;
  }
  return out;
}

function shape(kind, x, y, r) {
  if (kind === "square") return `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`;
  if (kind === "diamond") return `M${x},${y - 1.3 * r}L${x + 1.3 * r},${y}L${x},${y + 1.3 * r}L${x - 1.3 * r},${y}Z`;
  if (kind === "triangle") return `M${x},${y - 1.2 * r}L${x + 1.15 * r},${y + 0.9 * r}L${x - 1.15 * r},${y + 0.9 * r}Z`;
  return `M${x - r},${y}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`;
}

function nearest(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle;
    else high = middle;
  }
  return Math.abs(sorted[low] - value) <= Math.abs(sorted[high] - value) ? low : high;
}

export function ticks(low, high, log, most) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const head of Math.log10(high / low) > 2.2 ? [1] : [1, 2, 5]) {
        const value = head * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
      }
    }
    return found;
  }
  const rough = (high - low) / Math.max(most, 2);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((candidate) => candidate >= rough) ?? power * 10;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) found.push(n * step);
  return found;
}

function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(0).replace("-", "−");
  return String(Number(value.toPrecision(6))).replace("-", "−");
}
