/* Runs before every other script of the page. */

// Font Awesome replaces each <i> by an <svg>, also those inside widgets, which then lose their handlers.
window.FontAwesomeConfig = { observeMutations: false };

// html-manager typesets with MathJax 2's queue; hand its elements to MathJax 3. Sphinx's inline script and
// MathJax itself each assign window.MathJax anew, so the queue goes along with every assignment.
const queue = {
  Queue(call) {
    const loaded = (window.MathJax.startup || {}).promise || Promise.resolve();
    loaded.then(() => window.MathJax.typesetPromise && window.MathJax.typesetPromise([call[2]]));
  },
};
let mathjax;
Object.defineProperty(window, "MathJax", {
  configurable: true,
  get: () => mathjax,
  set: (value) => {
    value.Hub = queue;
    mathjax = value;
  },
});

// Whatever requirejs looks for, it finds beside itself, never on the page's own path.
window.require = {
  baseUrl: new URL("lib/", document.currentScript.src).href,
  waitSeconds: 0,
};
