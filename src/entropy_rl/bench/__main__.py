"""``python -m entropy_rl.bench``."""

import argparse

from entropy_rl.bench.report import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m entropy_rl.bench", description="Print speeds.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    main(quick=parser.parse_args().quick)
