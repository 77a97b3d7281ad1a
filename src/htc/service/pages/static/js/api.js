// Asking the service.
//
//   const ranking = await get("/api/htc/rankings", { n: 50, elements: "Nb" })   null and "" are left out
//   const answer = await post("/api/htc/predict", { composition: "MgB2" })       or a FormData
//   for await (const line of lines("/api/htc/predict/batch", body)) ...          NDJSON, line by line
//   await download("/api/bete/report/ID", "nb3sn.zip")                           saves a file, with the key
//   const response = await ask(path, options)                                    fetch with key and errors
//
// Whatever fails throws a Problem with .status, .code, .detail, .where, .hint, .retryAfter (seconds or null).
//   showProblem(node, error)   writes it into a node with role=alert; showProblem(node, null) clears it
//   reveal(key) / forget()     keep the access key for this tab; haveKey()

const KEY = "htc-key";
let kept = null;

export const haveKey = () => Boolean(readKey());

function readKey() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

export function reveal(key) {
  kept = key;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // Without storage the key lives as long as the page.
  }
}

export function forget() {
  kept = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was stored.
  }
}

export class Problem extends Error {
  constructor({ status = 0, code = "error", detail = "", where = null, hint = null, retryAfter = null, requestId = null }) {
    super(detail);
    Object.assign(this, { status, code, detail, where, hint, retryAfter, requestId });
  }
}

export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) continue;
    query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = readKey();
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable", detail: "The service does not answer.", hint: "Is it still running?" });
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

async function problemOf(response) {
  let told = {};
  try {
    if (response.headers.get("Content-Type")?.startsWith("text/html")) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      told.detail = page.querySelector("[data-what]")?.textContent.trim();
    } else {
      told = await response.json();
    }
  } catch {
    // An answer from something between us and the service.
  }
  return new Problem({
    status: response.status,
    code: told.code ?? `http-${response.status}`,
    detail: told.detail ?? `The service answered ${response.status}.`,
    where: told.where,
    hint: told.hint,
    retryAfter: Number(response.headers.get("Retry-After")) || null,
    requestId: response.headers.get("X-Request-ID"),
  });
}

export async function get(path, params, options = {}) {
  return (await ask(address(path, params), options)).json();
}

export async function post(path, body, options = {}) {
  return (await ask(path, withBody(body, options))).json();
}

function withBody(body, options) {
  if (body instanceof FormData) return { method: "POST", body, ...options };
  return {
    method: "POST",
    body: JSON.stringify(body ?? {}),
    ...options,
    headers: { "Content-Type": "application/json", ...options.headers },
  };
}

export async function* lines(path, body, options = {}) {
  const response = await ask(path, withBody(body, options));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const whole = rest.split("\n");
    rest = whole.pop();
    for (const line of whole) if (line.trim()) yield JSON.parse(line);
    if (done) break;
  }
  if (rest.trim()) yield JSON.parse(rest);
}

export async function download(path, name) {
  const response = await ask(path);
  const said = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "");
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = said?.[1] ?? name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function showProblem(node, error) {
  if (!error) {
    node.hidden = true;
    node.replaceChildren();
    return;
  }
  if (error.name === "AbortError") return;
  node.hidden = false;
  node.classList.add("problem");
  node.setAttribute("role", "alert");
  const where = error.where && !["body", "composition"].includes(error.where) ? `${error.where}: ` : "";
  const text = error.detail ?? error.message;
  node.replaceChildren(where + text.charAt(0).toUpperCase() + text.slice(1));
  if (error.hint) {
    const hint = document.createElement("small");
    hint.textContent = error.hint;
    node.append(hint);
  }
}
