/*
 * Behaviour of a page in the frame in which Airflow shows it.
 *
 * The frame is sandboxed: it cannot open windows, and cannot navigate the page around it. It has the
 * same origin as that page, however, so links are followed by the page around the frame: Synapse in
 * a new window, Airflow in the same one. Colours and background are those of Airflow.
 */
"use strict";
(() => {
  const own = new URL("..", document.currentScript.src).href;
  let outer;
  try {
    if (window.parent === window) return;
    outer = window.parent.document;
  } catch {
    return; // the frame of another site
  }

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("frame.css", document.currentScript.src).href;
  document.head.append(style);

  function applyTheme() {
    const page = document.documentElement;
    const isDark = outer.documentElement.classList.contains("dark");
    page.style.setProperty("--graph-background", window.parent.getComputedStyle(outer.body).backgroundColor);
    page.dataset.theme = isDark ? "dark" : "light";
  }
  applyTheme();
  new MutationObserver(applyTheme).observe(outer.documentElement, {attributeFilter: ["class"]});

  function follow(url, isNewWindow) {
    const link = outer.createElement("a");
    link.href = url;
    link.rel = "noopener noreferrer";
    if (isNewWindow) link.target = "_blank";
    outer.body.append(link);
    link.click();
    link.remove();
  }

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a");
    const address = link && (link.href.baseVal ?? link.href);
    if (!address || event.defaultPrevented || link.getAttribute("href")?.startsWith("#")) return;
    const url = new URL(address, document.baseURI);
    if (!["http:", "https:"].includes(url.protocol) || url.href.startsWith(own)) return;
    event.preventDefault();
    follow(url.href, url.origin !== location.origin || event.ctrlKey || event.metaKey);
  });
})();
