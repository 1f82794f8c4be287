/* Keeps the page up to date: the server says the signature of how things are; a page that shows another fetches
   itself and swaps, until it shows what was said last. */
"use strict";

(function () {
  const root = () => document.querySelector("[data-live]");
  if (!root()) return;
  const SOON = 500;
  const LATEST = 8000;
  const LONGEST = 20000;
  let said = root().dataset.signature;
  let pause = SOON;
  let busy = false;

  function busyTyping() {
    const active = document.activeElement;
    return active && root().contains(active) && active.matches("input:not([type=checkbox]), textarea");
  }

  const name = (field) => field.name + (field.type === "checkbox" ? field.value : "");

  /* What a person has opened, ticked and scrolled to stays as it is. */
  function remember() {
    const place = root();
    const scroller = place.querySelector("[data-scroll]");
    return {
      keys: new Set([...place.querySelectorAll("[data-key]")].map((e) => e.dataset.key)),
      open: [...place.querySelectorAll("details")].map((e) => e.open),
      fields: new Map([...place.querySelectorAll("form.stack [name]")].map((e) => [name(e), e])),
      scroll: scroller ? scroller.scrollTop : null,
      focus: document.activeElement && document.activeElement.getAttribute("href"),
    };
  }

  function restore(kept) {
    const place = root();
    const details = [...place.querySelectorAll("details")];
    if (details.length === kept.open.length) details.forEach((e, i) => (e.open = kept.open[i]));
    for (const field of place.querySelectorAll("form.stack [name]")) {
      const old = kept.fields.get(name(field));
      if (!old || field.type === "hidden") continue;
      if (field.type === "checkbox") field.checked = old.checked && !field.disabled;
      else if (field.tagName !== "SELECT" || [...field.options].some((o) => o.value === old.value)) field.value = old.value;
    }
    const scroller = place.querySelector("[data-scroll]");
    if (scroller && kept.scroll !== null) scroller.scrollTop = kept.scroll;
    else scrollToDay();
    for (const e of place.querySelectorAll("[data-key]")) if (!kept.keys.has(e.dataset.key)) e.classList.add("fresh");
    if (kept.focus) {
      const target = [...place.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === kept.focus);
      if (target) target.focus({ preventScroll: true });
    }
  }

  /* A page may be fetched in a moment that is over when the server looks next: what it shows was then never said. */
  function follow() {
    if (root().dataset.signature === said) pause = SOON;
    else swap();
  }

  async function swap() {
    if (busy || busyTyping()) return;
    busy = true;
    const fresh = await read();
    busy = false;
    setTimeout(follow, pause);
    pause = Math.min(2 * pause, LATEST);
    if (!fresh || busyTyping()) return;
    const kept = remember();
    root().replaceWith(document.adoptNode(fresh));
    restore(kept);
  }

  /* What the server shows now; null if it is away or takes too long. */
  async function read() {
    const url = new URL(location.href);
    url.searchParams.delete("note");
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(LONGEST) });
      if (answer.status === 401) location.reload();
      const text = answer.ok ? await answer.text() : "";
      return new DOMParser().parseFromString(text, "text/html").querySelector("[data-live]");
    } catch {
      return null;
    }
  }

  /* A stream that ends comes again by itself; one that is refused, as by a proxy while the server starts, does not. */
  function listen() {
    const place = root().dataset;
    said = place.signature;
    const source = new EventSource(place.url + "?since=" + encodeURIComponent(said));
    source.addEventListener("moved", (event) => {
      said = event.data;
      pause = SOON;
      follow();
    });
    source.addEventListener("error", () => source.readyState === EventSource.CLOSED && setTimeout(listen, LATEST));
  }

  function scrollToDay() {
    const scroller = document.querySelector("[data-scroll]");
    if (scroller) scroller.scrollTop = 7 * 48 - 8;
  }

  scrollToDay();
  listen();
  document.addEventListener("focusout", () => setTimeout(follow, 100));
  /* "12 s ago" grows old by itself. */
  setInterval(() => document.visibilityState === "visible" && swap(), 30000);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
})();
