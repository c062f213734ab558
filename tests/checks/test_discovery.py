"""A new file of checks is found without being named anywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import entropy_rl

NEW = '''"""A new topic."""

from entropy_rl.checks._base import Refutation, checks


@checks("tiny2020.thm1")
def new() -> Refutation:
    """It is false."""
    return Refutation("tiny2020.thm1", "a witness", 0.0, 1.0, 0.5, quantity="a number")
'''
ASK = "import entropy_rl.checks as c; print(*c.CHECKS); assert c.run('tiny2020.thm1').holds"


def test_a_new_topic_is_a_new_file(tmp_path):
    package = Path(entropy_rl.__file__).parent
    shutil.copytree(package, tmp_path / "entropy_rl", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "entropy_rl" / "checks" / "a_topic.py").write_text(NEW)
    (tmp_path / "entropy_rl" / "checks" / "_private.py").write_text("raise RuntimeError")
    found = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not found.returncode, found.stderr
    # In alphabetical order of the topics, whatever imports what.
    assert found.stdout.split()[0] == "tiny2020.thm1"
