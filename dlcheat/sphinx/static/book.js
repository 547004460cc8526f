// Small repairs that need a script. It runs in the head, before the page is drawn.
"use strict";
// The search page fetches excerpts of its hits; from the disk a browser refuses that.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// A box that scrolls can be reached by the keyboard. Boxes off the screen have no size and wait.
const SCROLLING = "pre, .cell_output > .output, .pst-scrollable-table-container, .math-display, .bd-article table";
const sizes = new ResizeObserver((entries) => {
  const found = entries.map(({ target: box }) => [box, box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight]);
  for (const [box, scrolls] of found) scrolls ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
});
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(SCROLLING)) if (!box.closest(".dlw")) sizes.observe(box);
});
// Paper does not scroll: a formula is told how wide it is, in its own letters, and shrinks to its line.
addEventListener("beforeprint", () => {
  for (const formula of document.querySelectorAll(".katex-display .katex")) {
    const all = document.createRange();
    all.selectNodeContents(formula.querySelector(".katex-html") ?? formula);
    formula.style.setProperty("--ems", String(all.getBoundingClientRect().width / parseFloat(getComputedStyle(formula).fontSize)));
  }
});
