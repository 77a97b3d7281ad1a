// What every page does: choose colours, open what is locked, save files that need the key.
//
//   <a href="/api/bete/report/ID" data-download="nb3sn.zip">   with a key kept, is fetched with it and saved
//   A locked page is fetched again with the key and its <main> put in place, then its scripts are imported.

import { announce } from "./dom.js";
import { Problem, ask, download, forget, haveKey, reveal, showProblem } from "./api.js";

const choice = document.querySelector("[data-theme-switch]");
if (choice) {
  choice.value = document.documentElement.dataset.theme ?? "";
  choice.addEventListener("change", () => {
    if (choice.value) document.documentElement.dataset.theme = choice.value;
    else delete document.documentElement.dataset.theme;
    try {
      if (choice.value) localStorage.setItem("htc-theme", choice.value);
      else localStorage.removeItem("htc-theme");
    } catch {
      // Then it holds for this page alone.
    }
    document.dispatchEvent(new CustomEvent("htc:theme"));
  });
}

const out = document.querySelector("[data-sign-out]");
out.hidden = !haveKey();
out.addEventListener("click", () => {
  forget();
  location.reload();
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-download]");
  if (!link || !haveKey()) return;
  event.preventDefault();
  try {
    await download(link.href, link.dataset.download);
  } catch (error) {
    announce(error.detail ?? error.message);
    link.insertAdjacentElement("afterend", Object.assign(document.createElement("p"), { className: "problem" }));
    showProblem(link.nextElementSibling, error);
  }
});

async function unlock() {
  const response = await ask(location.href, { headers: { Accept: "text/html" } }).catch((error) => {
    // Another page's error is a page as well; only the lock itself is not.
    if (error instanceof Problem && error.status !== 401 && error.status !== 0) return null;
    throw error;
  });
  if (response === null) throw new Problem({ detail: "This page cannot be shown with this key." });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  document.title = page.title;
  for (const sheet of page.querySelectorAll('link[rel="stylesheet"]')) {
    if (!document.querySelector(`link[href="${CSS.escape(sheet.getAttribute("href"))}"]`)) {
      await new Promise((done) => {
        const ours = document.importNode(sheet);
        ours.onload = ours.onerror = done;
        document.head.append(ours);
      });
    }
  }
  document.querySelector("main").replaceWith(document.importNode(page.querySelector("main"), true));
  out.hidden = false;
  for (const script of page.querySelectorAll('script[type="module"][src]')) await import(script.src);
}

const locked = document.querySelector("[data-locked]");
if (locked) {
  const form = locked.querySelector("[data-sign-in]");
  const told = locked.querySelector("[data-problem]");
  const open = async () => {
    try {
      await unlock();
    } catch (error) {
      if (error.status === 401) forget();
      out.hidden = !haveKey();
      showProblem(told, error);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    reveal(new FormData(form).get("key").trim());
    open();
  });
  if (haveKey()) open();
}
