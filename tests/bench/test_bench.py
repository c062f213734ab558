import tempfile

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

from entropy_rl.algorithms import make_trainer, preset
from entropy_rl.bench import pictures, report, timing
from entropy_rl.bench.entropies import exact_costs
from entropy_rl.bench.stacking import columns_costs, stacking_costs
from entropy_rl.bench.textbook import TextbookTrainer
from entropy_rl.envs import HuntersRabbits
from entropy_rl.estimators import smoothed
from entropy_rl.experiments.table3 import COLUMNS, table3_preset


def test_the_textbook_policy_is_ours():
    env, ours = preset("hunters").make(3)
    policy = TextbookTrainer(env, preset("hunters").config, 128, 0).policy.double()
    ours, K = ours.double(), ours.K
    # torch's LSTMCell orders its gates input, forget, candidate, output; ours has the last two
    # the other way round.
    order = torch.arange(4 * 128).view(4, 128)[[0, 1, 3, 2]].flatten()
    policy.cell.weight_ih.data[:, :K] = ours.from_previous.weight.data.t()[order]
    policy.cell.weight_ih.data[:, K:] = ours.from_observation.weight.data[order]
    policy.cell.weight_hh.data = ours.from_hidden.weight.data[order]
    policy.cell.bias_ih.data = ours.from_observation.bias.data[order]
    policy.cell.bias_hh.data.zero_()
    policy.head.load_state_dict(ours.head.state_dict())
    generator = torch.Generator().manual_seed(0)
    state = env.reset(200, generator=generator)
    for _ in range(4):
        state, _ = env.step(state, ours.sample(env.observe(state), generator).actions)
    obs = env.observe(state)
    chain = ours.sample(obs, generator)
    x, mask = obs["observation"].double(), obs["action_mask"]
    _, log_prob, entropy = policy(x, mask, chain.actions)
    assert (log_prob - chain.log_prob).abs().max() < 1e-12
    assert (entropy - smoothed(chain).value).abs().max() < 1e-12


def test_the_textbook_takes_its_steps_and_learns_from_them():
    chosen = preset("hunters").but(batch=8, episodes=8, minibatches=2, cap=3)
    trainer = TextbookTrainer(chosen.make(0)[0], chosen.config, 16, 0)
    before = [p.clone() for p in trainer.policy.parameters()]
    assert 8 <= trainer.batch() <= 24
    after = trainer.policy.parameters()
    assert all((p - q).abs().max() > 0 for p, q in zip(before, after, strict=True))


@pytest.mark.parametrize("rounds", [6, 9, 25, 41])
def test_the_interval_of_the_median_has_its_coverage(rounds):
    found = timing.ratio(np.arange(1.0, rounds + 1), np.ones(rounds))
    k = round(found.low)
    assert found.high == rounds + 1 - k
    assert 2 * binom.cdf(k - 1, rounds, 0.5) <= 0.05 < 2 * binom.cdf(k, rounds, 0.5)
    assert found.median == (rounds + 1) / 2
    assert found.rounds == rounds


def test_tasks_take_turns():
    calls = []

    def task(name, units):
        def run():
            calls.append(name)
            sum(range(200_000))
            return units

        return run

    found = timing.interleave({"a": task("a", 1), "b": task("b", 4)}, 3)
    assert calls == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert all(x.shape == (3,) and (x > 0).all() for x in found.values())
    assert timing.ratio(found["a"], found["b"]).median > 1.5, "per unit, of which b makes four"


def test_prefixes_are_cheaper_than_leaves():
    found = exact_costs(3, 3)
    assert timing.ratio(found["leaves"], found["prefixes"]).low > 5


def test_stacked_seeds_are_cheaper_than_seeds_apart():
    found = stacking_costs(table3_preset("printed", "independent", "smoothed"), 3, updates=3)
    assert timing.ratio(found["alone"], found["stacked"]).low > 2


def test_columns_as_one_are_cheaper_than_apart():
    columns = [table3_preset("printed", "independent", entropy) for entropy in COLUMNS]
    found = columns_costs(columns, 3, updates=3)
    assert timing.ratio(found["apart"], found["as one"]).low > 1.2


def test_peer_counts_its_steps_and_leaves_no_folder_of_logs(monkeypatch, tmp_path):
    pytest.importorskip("stable_baselines3")
    from entropy_rl.bench.peers import SharedVecEnv, ppo

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("SB3_LOGDIR", raising=False)
    assert ppo(4, 1)() == 256
    assert list(tmp_path.glob("SB3-*")) == []
    env = SharedVecEnv(HuntersRabbits(masking="clip", max_episode_steps=25), 3)
    env.reset()
    for _ in range(25):
        seen, reward, over, infos = env.step(np.full((3, 5), 4))
    assert over.all(), "hunters that never move are stopped after 25 steps"
    assert reward.shape == (3,)
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert not np.array_equal(seen[0], infos[0]["terminal_observation"])


def widths(network):
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return [(m.in_features, m.out_features) for m in layers]


def test_peers_have_the_networks_and_the_minibatches_of_the_preset():
    pytest.importorskip("stable_baselines3")
    from entropy_rl.bench.peers import ppo_like, ppo_model, sac_like, sac_model

    chosen = preset("pendulum").but(
        algorithm="ppo", batch=4, episodes=4, cap=10, minibatches=5, epochs=2
    )
    model, policy = ppo_model(chosen), chosen.make(0)[1]
    assert (model.batch_size, model.n_epochs) == (8, 2)
    assert widths(model.policy.mlp_extractor.policy_net) == widths(policy.torso)
    assert ppo_like(chosen)() == 40

    chosen = preset("pendulum-sac").but(learning_starts=8, cap=5)
    model, (env, policy) = sac_model(chosen), chosen.make(0)
    assert model.batch_size == chosen.config.minibatch
    assert widths(model.actor.latent_pi) == widths(policy.torso)
    critic = make_trainer(env, policy, chosen.config, 0).critic.network
    shapes = [(x.weight.shape[2], x.weight.shape[1]) for x in critic if hasattr(x, "weight")]
    assert widths(model.critic.q_networks[0]) == shapes
    assert sac_like(chosen)() == chosen.config.updates_per_batch == 20


def test_our_side_counts_what_the_peer_counts():
    chosen = preset("pendulum-sac").but(learning_starts=8, cap=5)
    assert report._batches(chosen, "updates")() == 20
    assert report._batches(chosen, "steps")() == 20


def test_the_tables_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(report, "_trainings", lambda batch: {report.TEXTBOOK: lambda: batch})
    monkeypatch.setattr(report, "estimator_costs", lambda rounds: {"none": np.ones(rounds)})
    monkeypatch.setattr(
        report, "exact_costs", lambda d, rounds: dict.fromkeys(["leaves", "prefixes"], np.ones(3))
    )
    kinds = ["alone", "stacked"]
    monkeypatch.setattr(
        report, "stacking_costs", lambda chosen, rounds: dict.fromkeys(kinds, np.ones(3))
    )
    ways = ["apart", "as one"]
    monkeypatch.setattr(
        report, "columns_costs", lambda columns, rounds: dict.fromkeys(ways, np.ones(3))
    )
    monkeypatch.setattr(report, "_batches", lambda chosen, unit: lambda: 1)
    threads = torch.get_num_threads()
    report.main(quick=True)
    assert torch.get_num_threads() == threads
    out = capsys.readouterr().out
    for words in (
        "512 episodes",
        "none",
        "820 prefixes",
        "alone over stacked",
        "apart over as one",
        "over SB3",
        "CPU-seconds in all",
    ):
        assert words in out


def test_what_a_step_of_breakout_costs_is_counted_in_steps():
    trainer = pictures._trainer(cap=3, epochs=1)
    assert pictures._updates(trainer)() == 8 * 3
    assert trainer.updates == 1
    assert pictures._loop(trainer)() == 8 * 3
    assert set(pictures._KINDS) >= {pictures.UPDATES}
