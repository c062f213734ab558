"""The package needs torch and Gymnasium alone: everything else is imported where it is used."""

import subprocess
import sys

BLOCKED = ("scipy", "tqdm", "tyro", "joblib", "pandas", "matplotlib", "pettingzoo", "bookkit")
BODY = f"""
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)


BLOCKED = {BLOCKED!r}
sys.meta_path.insert(0, Blocker())
import entropy_rl.checks, entropy_rl.conditionals, entropy_rl.envs, entropy_rl.estimators
import entropy_rl.losses, entropy_rl.returns, entropy_rl.tabular
from entropy_rl.algorithms import evaluate, preset, train
chosen = preset("hunters-small").but(episodes=8, batch=4, minibatches=1)
env, policy = chosen.make(0)
train(env, policy, chosen.config, 0)
print(evaluate(env, policy, 4, cap=5).episodes)
"""


def test_trains_where_only_torch_and_gymnasium_are_installed():
    done = subprocess.run([sys.executable, "-c", BODY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4"


def test_the_command_line_says_in_one_line_what_it_lacks():
    body = BODY.split("import entropy_rl.checks")[0] + "import entropy_rl.cli"
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "entropy-rl: the command line needs the extra 'cli': pip install 'entropy-rl[cli]'"
    )
