"""``python -m entropy_rl.bench``."""

import sys

from entropy_rl.bench.report import main

if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
