/* What the theme and the widgets leave inaccessible, for every page at once. */
(() => {
  const set = (element, key, value) => {
    if (element.getAttribute(key) !== value) element.setAttribute(key, value);
  };

  // Whoever scrolls by keyboard must be able to reach what scrolls.
  const SCROLLERS =
    "pre, .bk-figure, .bk-card, .bk-scroll, div.math, mjx-container[display='true'], " +
    ".output.text_html, .pst-scrollable-table-container";
  function reach(root) {
    for (const box of root.querySelectorAll(SCROLLERS)) {
      const scrolls =
        box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls) set(box, "tabindex", "0");
      if (scrolls && box.tagName !== "PRE") hint(box);
      else box.removeAttribute("data-bk-more");
    }
  }

  // Where there is more to see than fits: to the left, to the right, or both.
  const hinted = new WeakSet();
  function hint(box) {
    const left = box.scrollLeft > 1 ? "left" : "";
    const right = box.scrollLeft + box.clientWidth < box.scrollWidth - 1 ? "right" : "";
    set(box, "data-bk-more", `${left} ${right}`.trim());
    if (hinted.has(box)) return;
    hinted.add(box);
    box.addEventListener("scroll", () => hint(box), { passive: true });
  }

  // A slider's handle says which quantity it is and at which value it stands, not at which index.
  function nameSliders(root) {
    for (const box of root.querySelectorAll(".widget-slider")) {
      const handle = box.querySelector(".noUi-handle");
      const readout = box.querySelector(".widget-readout");
      const label = box.querySelector(".widget-label");
      if (!handle || !readout) continue;
      set(handle, "aria-label", (label && label.textContent) || "value");
      set(handle, "aria-valuetext", readout.textContent);
      // Its number can be typed over to no effect.
      readout.removeAttribute("contenteditable");
      if (label) label.removeAttribute("title");
    }
  }

  // The buttons of Play are icons without a word.
  const ICONS = { play: "Play", pause: "Pause", stop: "Back to the start", retweet: "Repeat" };
  function nameButtons(root) {
    for (const icon of root.querySelectorAll(".widget-play button > .fa")) {
      const name = Object.keys(ICONS).find((key) => icon.classList.contains(`fa-${key}`));
      if (name) set(icon.parentElement, "aria-label", ICONS[name]);
      set(icon, "aria-hidden", "true");
    }
  }

  function start() {
    const root = document.querySelector(".bd-article") || document.body;
    let due = false;
    const tend = () => {
      due = false;
      nameSliders(root);
      nameButtons(root);
      reach(root);
    };
    const soon = () => {
      if (!due) {
        due = true;
        requestAnimationFrame(tend);
      }
    };
    tend();
    new MutationObserver((changes) => {
      // At once for a slider, before a screen reader asks; the rest with the next frame.
      if (changes.some((c) => c.attributeName === "aria-valuetext")) nameSliders(root);
      soon();
    }).observe(root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: ["aria-valuetext", "style", "class", "open"],
    });
    addEventListener("resize", soon);
  }
  if (document.readyState === "complete") start();
  else addEventListener("load", start);
})();
