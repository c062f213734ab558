"""What things cost, measured in one run: ``entropy-rl bench`` or ``python -m entropy_rl.bench``.

:mod:`entropy_rl.bench.gradients` measures the gradients of the entropy in a training, into a file.
"""

from entropy_rl.bench.report import main

__all__ = ["main"]
