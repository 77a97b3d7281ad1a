// A crystal that turns: spheres, bonds, the cell. Drawn on a canvas, so that it runs wherever pages do.
//
//   const view = viewer(container, crystal, elements, { formula })
//   crystal   {matrix: rows in angstrom, sites: [{symbol, abc, occupancy}], spacegroup, cell}
//   elements  {symbol: {name, color, radius}}
//
// Drag or arrow keys turn it, + and - (or Ctrl and the wheel) bring it nearer, A B C look along an axis, 0 goes
// back, the space bar stops and starts the turning. It does not turn by itself where less motion is asked for.

import { calm, h, s } from "./dom.js";

const NEIGHBOURS = 1.1;
const EDGE = 1e-3;
const NOMINAL_RADIUS = 1.4;
// A proton is still to be seen at the end of its bond.
const SMALLEST = 0.19;
const LIGHT = [-0.45, 0.62, 0.64];

export function viewer(container, crystal, elements, options = {}) {
  return new Viewer(container, crystal, elements, options);
}

class Viewer {
  constructor(container, crystal, elements, { formula = "" }) {
    Object.assign(this, { container, crystal, elements, formula, zoom: 1, repeat: 1 });
    this.sprites = new Map();
    this.turning = !calm();
    this.canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": this.describe() });
    this.told = h("p", { class: "viewer-told", "aria-live": "polite" });
    const tool = (text, title, f, pressed = null) =>
      h("button", { type: "button", title, "aria-label": title, "aria-pressed": pressed, onclick: f }, text);
    this.turnButton = tool("⟳", "Turn by itself", () => this.setTurning(!this.turning), String(this.turning));
    this.repeatButton = tool("2×2×2", "Show eight cells", () => this.setRepeat(this.repeat === 1 ? 2 : 1), "false");
    container.replaceChildren(this.canvas, this.told, this.legend(),
      h("div", { class: "viewer-tools" }, tool("a", "Look along a", () => this.along(0)), tool("b", "Look along b", () => this.along(1)),
        tool("c", "Look along c", () => this.along(2)), this.repeatButton, this.turnButton,
        tool("PNG", "Save the picture", () => this.save())));
    this.build();
    this.home();
    this.listen();
  }

  describe() {
    const { crystal } = this;
    const counts = new Map();
    for (const site of crystal.sites) counts.set(site.symbol, (counts.get(site.symbol) ?? 0) + 1);
    const atoms = [...counts].map(([symbol, n]) => `${n} ${this.elements[symbol]?.name ?? symbol}`).join(", ");
    const group = crystal.spacegroup ? `, space group ${crystal.spacegroup}` : "";
    return `Crystal of ${this.formula}${group}: ${atoms} in the ${crystal.cell} cell. Arrow keys turn it, A, B and C look along the axes.`;
  }

  legend() {
    const symbols = [...new Set(this.crystal.sites.map((site) => site.symbol))];
    return h("ul", { class: "viewer-legend" }, symbols.map((symbol) => h("li", null,
      s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, s("circle", { cx: 7, cy: 7, r: 6, fill: this.colour(symbol), stroke: "var(--rule-2)" })), symbol)));
  }

  colour(symbol) {
    return this.elements[symbol]?.color ?? "#999999";
  }

  radius(symbol) {
    return this.elements[symbol]?.radius ?? NOMINAL_RADIUS;
  }

  // geometry, once for each number of cells

  build() {
    const { matrix, sites } = this.crystal;
    const place = (f) => [0, 1, 2].map((k) => f[0] * matrix[0][k] + f[1] * matrix[1][k] + f[2] * matrix[2][k]);
    const n = this.repeat;
    const centre = place([n / 2, n / 2, n / 2]);
    const atoms = [];
    for (const site of sites) {
      const base = site.abc.map((x) => (x > 1 - EDGE ? 0 : x));
      // Atoms on a face, an edge or a corner are drawn on every one of them that belongs to the cells shown.
      const shifts = base.map((x) => Array.from({ length: n + (x < EDGE ? 1 : 0) }, (_, i) => i));
      for (const i of shifts[0]) for (const j of shifts[1]) for (const k of shifts[2]) {
        const abc = [base[0] + i, base[1] + j, base[2] + k];
        atoms.push({ symbol: site.symbol, abc: base, at: place(abc).map((x, m) => x - centre[m]), occupancy: site.occupancy });
      }
    }
    this.atoms = atoms;
    this.bonds = bondsOf(atoms, this.nearestDistances(matrix, sites, place));
    const corner = (f) => place(f).map((x, m) => x - centre[m]);
    this.edges = [];
    for (let axis = 0; axis < 3; axis += 1) {
      const others = [0, 1, 2].filter((one) => one !== axis);
      for (let u = 0; u <= n; u += 1) for (let v = 0; v <= n; v += 1) {
        const from = [0, 0, 0];
        from[others[0]] = u;
        from[others[1]] = v;
        const to = [...from];
        to[axis] = n;
        this.edges.push([corner(from), corner(to)]);
      }
    }
    const lengths = [0, 1, 2].map((axis) => {
      const to = [0, 0, 0];
      to[axis] = n * 1.0;
      return corner(to);
    });
    this.axes = { origin: corner([0, 0, 0]), ends: lengths };
    this.reach = Math.max(...atoms.map((atom) => Math.hypot(...atom.at) + 0.4 * this.radius(atom.symbol)), ...this.edges.flat().map((at) => Math.hypot(...at)));
  }

  nearestDistances(matrix, sites, place) {
    const near = sites.map(() => Infinity);
    sites.forEach((a, i) => {
      for (const b of sites) for (let u = -1; u <= 1; u += 1) for (let v = -1; v <= 1; v += 1) for (let w = -1; w <= 1; w += 1) {
        const d = place([b.abc[0] - a.abc[0] + u, b.abc[1] - a.abc[1] + v, b.abc[2] - a.abc[2] + w]);
        const far = Math.hypot(...d);
        if (far > 0.3) near[i] = Math.min(near[i], far);
      }
    });
    const key = (site) => `${site.symbol}|${site.abc.map((x) => (x > 1 - EDGE ? 0 : x).toFixed(3))}`;
    const found = new Map(sites.map((site, i) => [key(site), near[i]]));
    return (atom) => found.get(`${atom.symbol}|${atom.abc.map((x) => x.toFixed(3))}`) ?? Infinity;
  }

  // turning

  home() {
    const up = normal(this.crystal.matrix[2]);
    const a = this.crystal.matrix[0];
    const across = normal(minus(a, times(up, dot(a, up))));
    const depth = cross(across, up);
    // c upwards, a to the right and somewhat towards the reader, seen a little from above
    this.turn = multiply(aroundX(0.3), multiply(aroundY(-0.5), [across, up, depth]));
    this.zoom = 1;
    this.draw();
  }

  along(axis) {
    this.setTurning(false);
    const out = normal(this.crystal.matrix[axis]);
    const next = this.crystal.matrix[(axis + 2) % 3];
    const up = normal(minus(next, times(out, dot(next, out))));
    this.turn = [cross(up, out), up, out];
    this.draw();
    this.told.textContent = `along ${"abc"[axis]}`;
  }

  rotate(dx, dy) {
    this.turn = multiply(aroundX(dy), multiply(aroundY(dx), this.turn));
    this.told.textContent = "";
    this.draw();
  }

  setTurning(on) {
    this.turning = on;
    this.turnButton.setAttribute("aria-pressed", String(on));
    if (on) this.spin();
  }

  setRepeat(n) {
    this.repeat = n;
    this.repeatButton.setAttribute("aria-pressed", String(n > 1));
    this.build();
    this.draw();
  }

  spin() {
    if (this.frame) return;
    let last = null;
    const step = (now) => {
      this.frame = null;
      if (!this.turning || !this.seen) return;
      if (last !== null) {
        this.turn = multiply(aroundAxis(this.turn.map((row) => dot(row, normal(this.crystal.matrix[2]))), Math.min(now - last, 60) * 2.6e-4), this.turn);
        this.draw();
      }
      last = now;
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" && !event.isPrimary) return;
      drag = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
      this.setTurning(false);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) {
        this.point(event);
        return;
      }
      this.rotate((event.clientX - drag[0]) * 0.01, (event.clientY - drag[1]) * 0.01);
      drag = [event.clientX, event.clientY];
    });
    const end = () => {
      drag = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      // The wheel alone scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.nearer(Math.exp(-event.deltaY * 0.004));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] }[event.key];
      if (steps) {
        this.setTurning(false);
        this.rotate(...steps);
      } else if (event.key === "+" || event.key === "=") this.nearer(1.15);
      else if (event.key === "-") this.nearer(1 / 1.15);
      else if (event.key === "0") this.home();
      else if ("abc".includes(event.key.toLowerCase()) && event.key.length === 1 && !event.ctrlKey && !event.metaKey) this.along("abc".indexOf(event.key.toLowerCase()));
      else if (event.key === " ") this.setTurning(!this.turning);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.draw()).observe(this.container);
    new IntersectionObserver(([one]) => {
      this.seen = one.isIntersecting;
      if (this.seen && this.turning) this.spin();
    }).observe(canvas);
    document.addEventListener("htc:theme", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  nearer(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.4), 6);
    this.draw();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const hit = this.drawn?.filter((one) => (one.x - x) ** 2 + (one.y - y) ** 2 < one.r ** 2).sort((a, b) => b.z - a.z)[0];
    const share = hit && hit.atom.occupancy < 0.999 ? `, ${Math.round(100 * hit.atom.occupancy)} % occupied` : "";
    this.told.textContent = hit ? `${this.elements[hit.atom.symbol]?.name ?? hit.atom.symbol} at ${hit.atom.abc.map((v) => v.toFixed(3)).join(", ")}${share}` : "";
  }

  // drawing

  draw() {
    const { clientWidth: width, clientHeight: height } = this.container;
    if (!width || !height || !this.turn) return;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const looks = getComputedStyle(this.container);
    // A canvas knows no variables: these two are resolved where they are used as properties.
    const paper = looks.backgroundColor;
    const ink = looks.color;
    const far = this.reach * 5.5;
    const scale = (0.5 * Math.min(width, height) * this.zoom) / this.reach;
    const project = (at) => {
      const [x, y, z] = [0, 1, 2].map((k) => dot(this.turn[k], at));
      const k = far / (far - z);
      return { x: width / 2 + x * scale * k, y: height / 2 - y * scale * k, z, k: k * scale };
    };
    const items = [];
    for (const [from, to] of this.edges) {
      const pieces = 8;
      for (let n = 0; n < pieces; n += 1) {
        const a = project(between(from, to, n / pieces));
        const b = project(between(from, to, (n + 1) / pieces));
        items.push({ z: (a.z + b.z) / 2, paint: () => this.paintEdge(g, a, b, ink) });
      }
    }
    for (const [i, j] of this.bonds) {
      const [p, q] = [this.atoms[i], this.atoms[j]];
      const middle = project(between(p.at, q.at, 0.5));
      const [a, b] = [project(p.at), project(q.at)];
      items.push({ z: (a.z * 0.6 + middle.z * 0.4), paint: () => this.paintBond(g, a, middle, this.colour(p.symbol)) });
      items.push({ z: (b.z * 0.6 + middle.z * 0.4), paint: () => this.paintBond(g, b, middle, this.colour(q.symbol)) });
    }
    this.drawn = [];
    for (const atom of this.atoms) {
      const at = project(atom.at);
      const r = Math.max(0.38 * this.radius(atom.symbol), SMALLEST) * at.k;
      this.drawn.push({ x: at.x, y: at.y, z: at.z, r, atom });
      items.push({ z: at.z, paint: () => this.paintAtom(g, at, r, atom, paper) });
    }
    items.sort((a, b) => a.z - b.z);
    for (const item of items) item.paint();
    this.paintAxes(g, project, ink, looks.getPropertyValue("--math"));
  }

  haze(z) {
    return 0.42 * Math.min(Math.max((0.35 * this.reach - z) / (1.35 * this.reach), 0), 1);
  }

  paintEdge(g, a, b, ink) {
    g.globalAlpha = 0.75 - this.haze((a.z + b.z) / 2);
    g.strokeStyle = ink;
    g.lineWidth = 1;
    line(g, a, b);
    g.globalAlpha = 1;
  }

  paintBond(g, a, b, colour) {
    const width = 0.15 * a.k;
    g.lineCap = "butt";
    g.globalAlpha = 1 - this.haze(a.z) * 0.6;
    for (const [share, shade] of [[1, shadeOf(colour, 0.45)], [0.8, shadeOf(colour, 0.7)], [0.52, shadeOf(colour, 0.95)], [0.2, tintOf(colour, 0.45)]]) {
      g.strokeStyle = shade;
      g.lineWidth = width * share;
      line(g, a, b);
    }
    g.globalAlpha = 1;
  }

  paintAtom(g, at, r, atom, paper) {
    const sprite = this.sprite(atom.symbol);
    g.drawImage(sprite, at.x - r, at.y - r, 2 * r, 2 * r);
    const haze = this.haze(at.z);
    if (haze > 0.01) {
      g.globalAlpha = haze;
      g.fillStyle = paper;
      g.beginPath();
      g.arc(at.x, at.y, r, 0, 2 * Math.PI);
      g.fill();
      g.globalAlpha = 1;
    }
  }

  sprite(symbol) {
    const known = this.sprites.get(symbol);
    if (known) return known;
    const size = 160;
    const sprite = document.createElement("canvas");
    sprite.width = size;
    sprite.height = size;
    const g = sprite.getContext("2d");
    const c = size / 2;
    const colour = this.colour(symbol);
    const shine = g.createRadialGradient(c + c * LIGHT[0] * 0.75, c - c * LIGHT[1] * 0.75, c * 0.04, c, c, c);
    shine.addColorStop(0, tintOf(colour, 0.78));
    shine.addColorStop(0.16, tintOf(colour, 0.34));
    shine.addColorStop(0.5, colour);
    shine.addColorStop(0.84, shadeOf(colour, 0.68));
    shine.addColorStop(1, shadeOf(colour, 0.42));
    g.fillStyle = shine;
    g.beginPath();
    g.arc(c, c, c - 1.5, 0, 2 * Math.PI);
    g.fill();
    g.strokeStyle = shadeOf(colour, 0.3);
    g.lineWidth = 2;
    g.stroke();
    this.sprites.set(symbol, sprite);
    return sprite;
  }

  paintAxes(g, project, ink, face) {
    const origin = project(this.axes.origin);
    g.fillStyle = ink;
    g.font = `italic 14px ${face}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    this.axes.ends.forEach((end, n) => {
      const at = project(end);
      const away = Math.hypot(at.x - origin.x, at.y - origin.y);
      // Seen along an axis its letter would lie on the origin.
      if (away < 14) return;
      const clear = 13 + 0.38 * this.radius(this.atoms[0].symbol) * at.k;
      g.fillText("abc"[n], at.x + (clear * (at.x - origin.x)) / away, at.y + (clear * (at.y - origin.y)) / away);
    });
  }

  save() {
    const link = h("a", { href: this.canvas.toDataURL("image/png"), download: `${this.formula || "crystal"}.png` });
    document.body.append(link);
    link.click();
    link.remove();
  }
}

// A pair is bonded where each is about as near to the other as its nearest neighbour is.
function bondsOf(atoms, nearest) {
  const found = [];
  const limits = atoms.map((atom) => NEIGHBOURS * nearest(atom));
  for (let i = 0; i < atoms.length; i += 1) {
    for (let j = i + 1; j < atoms.length; j += 1) {
      const far = Math.hypot(...minus(atoms[i].at, atoms[j].at));
      if (far > 0.3 && far <= limits[i] && far <= limits[j]) found.push([i, j]);
    }
  }
  return found;
}

function line(g, a, b) {
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.lineTo(b.x, b.y);
  g.stroke();
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const times = (a, k) => a.map((x) => x * k);
const minus = (a, b) => a.map((x, n) => x - b[n]);
const between = (a, b, t) => a.map((x, n) => x + (b[n] - x) * t);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const normal = (a) => times(a, 1 / (Math.hypot(...a) || 1));
const multiply = (m, n) => m.map((row) => [0, 1, 2].map((k) => row[0] * n[0][k] + row[1] * n[1][k] + row[2] * n[2][k]));
const aroundX = (t) => [[1, 0, 0], [0, Math.cos(t), -Math.sin(t)], [0, Math.sin(t), Math.cos(t)]];
const aroundY = (t) => [[Math.cos(t), 0, Math.sin(t)], [0, 1, 0], [-Math.sin(t), 0, Math.cos(t)]];

function aroundAxis(axis, t) {
  const [x, y, z] = normal(axis);
  const [c, sn] = [Math.cos(t), Math.sin(t)];
  const d = 1 - c;
  return [
    [c + x * x * d, x * y * d - z * sn, x * z * d + y * sn],
    [y * x * d + z * sn, c + y * y * d, y * z * d - x * sn],
    [z * x * d - y * sn, z * y * d + x * sn, c + z * z * d],
  ];
}

const parts = (colour) => [1, 3, 5].map((n) => parseInt(colour.slice(n, n + 2), 16));
const shadeOf = (colour, k) => `rgb(${parts(colour).map((v) => Math.round(v * k)).join(" ")})`;
const tintOf = (colour, k) => `rgb(${parts(colour).map((v) => Math.round(v + (255 - v) * k)).join(" ")})`;
