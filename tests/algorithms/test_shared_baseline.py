"""A baseline on the policy's own features: its term in the loss, its gradient, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from corridor import BANDIT, QUICK, flat_gradient, policy_for
from gymnasium import spaces

from entropy_rl.algorithms import OnPolicyConfig, Trainer, train
from entropy_rl.algorithms.baseline import SharedBaseline, ValueBaseline
from entropy_rl.envs import Tabular

SHARED = dataclasses.replace(
    QUICK, algorithm="ppo", baseline="shared", minibatches=2, epochs=2, value_weight=0.25
)


def trainer_of(family="independent", **changes):
    return Trainer(
        BANDIT, policy_for(BANDIT, family=family), dataclasses.replace(SHARED, **changes), 0
    )


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_its_term_is_the_weighted_loss_of_a_linear_head(kind):
    trainer = trainer_of(baseline_loss=kind)
    rollout = trainer.play(32)
    rows, advantage = torch.arange(5, 20), torch.zeros(len(rollout))
    value = torch.linspace(-1.0, 2.0, len(rollout))
    context = trainer.context(rollout)
    terms, _ = trainer.losses(context, rows, advantage, False, value)
    without, _ = trainer.losses(context, rows, advantage)
    assert set(terms) - set(without) == {"value term"}
    policy, head = trainer.policy, trainer.baseline.head
    seen = head(policy.torso(rollout.obs[rows].float())).squeeze(-1)
    loss = {"mse": torch.nn.functional.mse_loss, "huber": torch.nn.functional.huber_loss}[kind]
    plain = loss(seen, value[rows])
    assert torch.allclose(terms["value term"], 0.25 * plain)
    assert torch.allclose(trainer.baseline.last, plain.detach())
    for module in (policy, head):
        ours = flat_gradient(terms["value term"], module)
        assert torch.allclose(ours, flat_gradient(0.25 * plain, module), atol=1e-7)
        assert ours.any()
    assert torch.allclose(trainer.baseline.evaluate(rollout.obs[rows]), seen.detach())


@pytest.mark.parametrize("family", ["independent", "lstm", "mmdp", "commnet"])
def test_it_learns_the_mean_return_beside_the_policy(family):
    """The bandit's optimum is 5; the head begins near 0."""
    config = dataclasses.replace(SHARED, episodes=6_400, learning_rate=1e-2, epochs=1)
    policy = policy_for(BANDIT, family=family)
    trainer = Trainer(BANDIT, policy, config, 0)
    while not trainer.finished:
        trainer.step()
    obs = trainer.play(16).obs
    last = sum(trainer.curves["reward"][-10:]) / 10
    assert last > 4.5
    assert abs(trainer.baseline.evaluate(obs).mean().item() - last) < 0.3
    assert trainer.curves["baseline_loss"][-1] < trainer.curves["baseline_loss"][0] / 5


def test_the_weight_matters():
    ended = [
        torch.nn.utils.parameters_to_vector(
            train(BANDIT, policy_for(BANDIT), dataclasses.replace(SHARED, value_weight=w), 0)
            .policy.parameters()
        )
        for w in (0.25, 0.5)
    ]  # fmt: skip
    assert not torch.equal(*ended)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithm": "trpo", "epochs": 1, "minibatches": 1}, r"^baseline: expected another for"),
        ({"baseline_epochs": 2}, r"^baseline_epochs: expected None"),
        ({"baseline_minibatches": 2}, r"^baseline_minibatches: expected None"),
        ({"first_visit": True}, r"^first_visit: expected False"),
        ({"value_weight": 0.0}, r"^value_weight: expected"),
    ],
)
def test_what_it_would_ignore_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(SHARED, **changes)


def test_a_policy_without_features_is_refused():
    game = Tabular("rooms")
    with pytest.raises(ValueError, match=r"^policy: expected one whose steps have features"):
        Trainer(game, policy_for(game, family="table"), SHARED, 0)


def test_a_value_network_of_pictures_has_a_torso_of_its_own():
    space = spaces.Box(0, 255, (1, 36, 36), np.uint8)
    config = OnPolicyConfig(baseline_hidden=6)
    baseline = ValueBaseline(space, config, torch.device("cpu"))
    obs = torch.randint(0, 256, (8, 1, 36, 36), dtype=torch.uint8)
    torso, head = baseline.network
    assert torch.allclose(baseline.evaluate(obs), head(torso(obs)).squeeze(-1))
    losses = [baseline.learn(obs, torch.arange(8.0)).item() for _ in range(60)]
    assert losses[-1] < losses[0] / 3
    assert not isinstance(baseline, SharedBaseline)
