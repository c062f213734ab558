"""The updates printed in CONTRIBUTING.md run, and move what they are meant to move."""

import re
from pathlib import Path

import pytest
import torch
from gymnasium import spaces

from entropy_rl.policies import make_policy

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def printed():
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(compile(block, "CONTRIBUTING.md", "exec"), namespace)
    return namespace


def lstm():
    torch.manual_seed(0)
    return make_policy("lstm", spaces.Box(-1, 1, (3,)), spaces.MultiDiscrete([3, 3]), hidden_size=8)


def test_each_update_is_about_ten_lines():
    bodies = re.findall(r'"""\n(    chain.*?)```', TEXT, re.S)
    assert len(bodies) == 2
    assert all(len(body.strip().splitlines()) <= 10 for body in bodies)


def test_ppo_update_over_stale_actions_raises_what_had_an_advantage(printed):
    policy, obs = lstm(), torch.randn(256, 3)
    with torch.no_grad():
        chain = policy.sample(obs, torch.Generator().manual_seed(0))
    liked = (chain.actions == 1).all(-1)
    advantage = liked.float() - liked.float().mean()
    optimiser = torch.optim.Adam(policy.parameters(), 0.02)
    for _ in range(8):
        printed["ppo_update"](
            policy, optimiser, obs, chain.actions, chain.component_log_probs, advantage
        )
    with torch.no_grad():
        after = policy.conditionals(obs, chain.actions).log_prob
    assert (after - chain.log_prob)[liked].mean() > 0.1


def test_sac_update_reaches_its_target_entropy(printed):
    policy, obs = lstm(), torch.randn(256, 3)
    log_alpha = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([*policy.parameters(), log_alpha], 0.02)
    torch.manual_seed(0)
    for _ in range(400):
        entropy = printed["sac_update"](
            policy, lambda obs, a: a.sum(-1).float(), optimiser, obs, log_alpha, 1.0
        )
    assert abs(entropy - 1.0) < 0.15
