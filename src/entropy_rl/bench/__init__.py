"""What things cost, measured in one run: ``entropy-rl bench`` or ``python -m entropy_rl.bench``."""

from entropy_rl.bench.report import main

__all__ = ["main"]
