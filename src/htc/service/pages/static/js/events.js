// Server-sent events by fetch, because EventSource cannot send an access key.
//
//   const stop = listen("/api/htc/runs/ID/events", {
//     event: (name, data) => ...,     each event with its parsed JSON; return false to end
//     open: () => ..., lost: (error) => ... });
//   stop();
//
// A connection that ends early is taken up again after the last event seen; what the server refuses (404, 401)
// is told to `lost` with `final` true and not tried again.

import { ask } from "./api.js";

const PAUSES_MS = [500, 1000, 2000, 5000, 10_000];

export function listen(path, { event, open = () => {}, lost = () => {} }) {
  const control = new AbortController();
  let last = null;
  let failures = 0;

  async function once() {
    const headers = { Accept: "text/event-stream" };
    if (last !== null) headers["Last-Event-ID"] = last;
    const response = await ask(path, { headers, signal: control.signal, cache: "no-store" });
    failures = 0;
    open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      rest += value.replaceAll("\r\n", "\n");
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const said = parse(block);
        if (said.id !== null) last = said.id;
        if (said.data && event(said.name, JSON.parse(said.data)) === false) return false;
      }
    }
  }

  async function run() {
    while (!control.signal.aborted) {
      let wait = 0;
      try {
        if (!(await once())) return;
      } catch (error) {
        if (control.signal.aborted) return;
        const final = error.status >= 400 && error.status < 500 && error.status !== 429;
        lost(error, final);
        if (final) return;
        wait = (error.retryAfter ?? 0) * 1000;
      }
      wait = Math.max(wait, PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
      failures += 1;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
  void run();
  return () => control.abort();
}

function parse(block) {
  const said = { name: "message", id: null, data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") said.name = value;
    else if (field === "id") said.id = value;
    else if (field === "data") said.data += (said.data ? "\n" : "") + value;
  }
  return said;
}
