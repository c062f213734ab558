"""Under what an executed notebook keeps its records for the build.

Apart from what reads them: that brings nbformat, which a kernel should not wait for.
"""

from __future__ import annotations

# Records for us, not for the reader: Sphinx would warn that it cannot show them.
PRIVATE = "application/vnd.bookkit."
CHECK = PRIVATE + "check+json"
EXPLORE = PRIVATE + "explore+json"
