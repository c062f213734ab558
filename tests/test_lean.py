"""The package needs torch and Gymnasium alone: everything else is imported where it is used."""

import subprocess
import sys

BLOCKED = (
    "scipy", "tqdm", "tyro", "joblib", "ray", "pandas", "matplotlib", "pettingzoo", "bookkit",
)  # fmt: skip
BLOCK = f"""
import sys
for name in {BLOCKED!r}:
    sys.modules[name] = None  # an import of it finds that it is not there
"""
USE = """
import entropy_rl.checks, entropy_rl.conditionals, entropy_rl.envs, entropy_rl.estimators
import entropy_rl.losses, entropy_rl.returns, entropy_rl.tabular
from entropy_rl.algorithms import evaluate, preset, train
chosen = preset("hunters-small").but(episodes=8, batch=4, minibatches=1)
env, policy = chosen.make(0)
train(env, policy, chosen.config, 0)
print(evaluate(env, policy, 4, cap=5).episodes)
"""


def run(body):
    return subprocess.run([sys.executable, "-c", body], capture_output=True, text=True)


def test_trains_where_only_torch_and_gymnasium_are_installed():
    done = run(BLOCK + USE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4"


def test_the_command_line_says_in_one_line_what_it_lacks():
    done = run(BLOCK + "import entropy_rl.cli")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "entropy-rl: the command line needs the extra 'cli': pip install 'entropy-rl[cli]'"
    )


CLI = ("tqdm", "tyro")  # what the extra 'cli' brings


def test_a_command_says_in_one_line_which_extra_it_lacks():
    blocked = BLOCK + f"for name in {CLI!r}:\n    del sys.modules[name]\n"
    done = run(blocked + "from entropy_rl.cli import main\nsys.exit(main(['verify']))")
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip() == (
        "entropy-rl: scipy: is not installed; pip install 'entropy-rl[experiments]' has it"
    )


def test_an_extra_that_a_library_names_is_the_one_that_is_told():
    code = (
        "from entropy_rl.cli import main\nimport entropy_rl.cli as cli\n"
        "def lacks(self):\n"
        "    told = \"pictures need ale-py: pip install 'entropy-rl[atari]'\"\n"
        "    raise ModuleNotFoundError(told, name='ale_py')\n"
        "cli.List.run = lacks\nsys.exit(main(['list']))"
    )
    done = run("import sys\n" + code)
    assert done.returncode == 2, done.stderr
    assert (
        done.stderr.strip() == "entropy-rl: pictures need ale-py: pip install 'entropy-rl[atari]'"
    )


def test_a_kernel_does_not_wait_for_what_only_the_build_reads():
    """It takes seconds: nbformat's schemas compile a grammar of addresses."""
    names = "animate, claims, explore, ledger, refute, show, use_style, verify"
    done = run(f"import sys\nsys.modules['nbformat'] = None\nfrom bookkit import {names}")
    assert done.returncode == 0, done.stderr
