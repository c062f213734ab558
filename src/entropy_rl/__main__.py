"""``python -m entropy_rl`` is ``entropy-rl``."""

from entropy_rl.cli import console

console()
