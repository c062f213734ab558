/* What the theme and the widgets leave inaccessible, for every page at once. */
(() => {
  const SCROLLERS = "pre, .bk-figure, .math, mjx-container[display='true'], .bk-scroll, .jp-RenderedHTML";

  // Whoever scrolls by keyboard must be able to reach what scrolls.
  function focusable() {
    for (const box of document.querySelectorAll(SCROLLERS)) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
    }
  }

  // A slider's handle says which quantity it is and which value it stands at, not which index.
  function nameSliders() {
    for (const box of document.querySelectorAll(".jupyter-widgets.widget-hslider, .jupyter-widgets.widget-select-slider")) {
      const handle = box.querySelector(".noUi-handle");
      const name = box.querySelector(".widget-label");
      const value = box.querySelector(".widget-readout");
      if (!handle || !value) continue;
      const set = (key, text) => {
        if (handle.getAttribute(key) !== text) handle.setAttribute(key, text);
      };
      set("aria-label", name ? name.textContent : "value");
      set("aria-valuetext", value.textContent);
    }
  }

  const observer = new MutationObserver(() => {
    nameSliders();
    focusable();
  });
  addEventListener("load", () => {
    nameSliders();
    focusable();
    observer.observe(document.querySelector("main") || document.body, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: ["aria-valuetext", "aria-valuenow", "style"],
    });
  });
  addEventListener("resize", focusable);
})();
