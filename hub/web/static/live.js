/* Keeps the page up to date: the server says that something moved, the page fetches itself and swaps. */
"use strict";

(function () {
  const root = () => document.querySelector("[data-live]");
  if (!root()) return;
  let busy = false;
  let again = false;

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

  async function swap() {
    if (busy || busyTyping()) {
      again = true;
      return;
    }
    busy = true;
    try {
      const url = new URL(location.href);
      url.searchParams.delete("note");
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
      if (!fresh) return;
      const kept = remember();
      root().replaceWith(document.adoptNode(fresh));
      restore(kept);
    } finally {
      busy = false;
      if (again) {
        again = false;
        setTimeout(swap, 300);
      }
    }
  }

  function scrollToDay() {
    const scroller = document.querySelector("[data-scroll]");
    if (scroller) scroller.scrollTop = 7 * 48 - 8;
  }

  scrollToDay();
  const source = new EventSource(root().dataset.url + "?since=" + encodeURIComponent(root().dataset.signature));
  source.addEventListener("moved", swap);
  document.addEventListener("focusout", () => again && setTimeout(swap, 100));
  /* "12 s ago" grows old by itself. */
  setInterval(() => document.visibilityState === "visible" && swap(), 30000);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
})();
