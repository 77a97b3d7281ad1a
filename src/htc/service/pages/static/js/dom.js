// Building elements. Whatever comes from data goes in as text, never as HTML.
//
//   h("p", { class: "note", hidden: true, onclick: f, "data-id": 3 }, "text", node, [more], null)
//   s("circle", { cx: 3, r: 2, class: "point" })          the same for SVG
//   sym("λ")            a symbol of a quantity            unit("K")    its unit
//   announce("12 rows") says a sentence to screen readers
//   fill(node, ...children)   replaces the children
//   later(f, ms)        f, once calls have paused for ms

const SVG = "http://www.w3.org/2000/svg";

function build(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => build(document.createElementNS(SVG, tag), props, children);

export const sym = (text) => h("i", { class: "sym" }, text);
export const unit = (text) => h("span", { class: "unit" }, text);

export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

export function later(f, ms) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(f, ms, ...args);
  };
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
