"""Keep a comma with the formula that it follows: browsers break lines between the two."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.transforms import SphinxTransform

MARKS = re.compile(r"[,.;:!?)\]’”]+")


class KeepPunctuation(SphinxTransform):
    """Put a paragraph's formulas, with the marks right behind them, into boxes that do not wrap."""

    default_priority = 880

    def apply(self, **kwargs: Any) -> None:
        """Change the document in place."""
        for formula in list(self.document.findall(nodes.math)):
            parent = formula.parent
            after = formula.next_node(descend=False, siblings=True)
            found = MARKS.match(after) if isinstance(after, nodes.Text) else None
            # Titles are sphinx-proof's to make: it puts them in parentheses.
            if found is None or not isinstance(parent, nodes.paragraph):
                continue
            box = nodes.inline(classes=["bk-kept"])
            # By identity: texts that read alike are equal to docutils' own replace.
            place = next(i for i, child in enumerate(parent) if child is formula)
            parent[place] = box
            parent[place + 1] = nodes.Text(after[found.end() :])
            box += [formula, nodes.Text(found[0])]
