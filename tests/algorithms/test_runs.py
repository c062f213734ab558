"""Presets, evaluation, saved runs, and the command line over them."""

import dataclasses
import json

import pytest
import torch

from entropy_rl.algorithms import PRESETS, evaluate, preset, run_preset
from entropy_rl.algorithms.runs import load_run
from entropy_rl.cli import main
from entropy_rl.envs.exact import hunters_mdp, policy_value

TINY = preset("hunters-small").but(episodes=256)


def test_evaluation_agrees_with_the_exact_value_of_the_policy():
    """False alarms: 4 standard errors, once in 16,000; the seed is fixed."""
    env, policy = TINY.make(0)
    mdp = hunters_mdp(env)
    states, joint = mdp.legal.nonzero(as_tuple=True)
    obs = {"observation": mdp.observation[states], "action_mask": mdp.mask[states]}
    with torch.no_grad():
        log_prob = policy.conditionals(obs, mdp.actions[joint]).log_prob.double()
    probs = torch.zeros(mdp.reward.shape, dtype=torch.float64)
    probs[states, joint] = log_prob.exp()
    true = float(mdp.from_start(policy_value(mdp, probs)))
    found = evaluate(env, policy, 4_000, seed=3)
    half = (found.reward_interval[1] - found.reward_interval[0]) / 2
    assert abs(found.reward - true) < 4 / 1.96 * half


def test_evaluation_is_reproducible_and_reports_the_unfinished():
    env, policy = TINY.make(0)
    assert evaluate(env, policy, 100, seed=1) == evaluate(env, policy, 100, seed=1)
    assert evaluate(env, policy, 100, seed=1) != evaluate(env, policy, 100, seed=2)
    cut = evaluate(env, policy, 100, cap=1)
    assert cut.length == 1
    assert cut.unfinished > 0.9
    assert len(cut.lengths) == len(cut.scores) == 100
    short, _ = preset("hunters-small").make(0)
    limited = dataclasses.replace(short, max_episode_steps=3)
    assert evaluate(limited, policy, 100).length <= 3
    assert evaluate(env, policy, 50, greedy=True, cap=20).episodes == 50


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("family", ["independent", "lstm", "mmdp", "commnet"])
def test_every_preset_runs_with_every_family(name, family):
    chosen = preset(name).but(episodes=4, batch=2, minibatches=1, cap=3).with_policy(family)
    run = run_preset(chosen, 0, evaluation_episodes=2, evaluation_cap=5)
    assert run.result.curves["episodes"][-1] == 4


def test_a_commnet_hunter_sees_itself_and_the_rabbits():
    env, policy = preset("hunters").with_policy("commnet").make(0)
    assert policy.view.tolist() == env.agent_view().tolist()


def test_save_load_evaluate_and_provenance(tmp_path):
    saved, written = tmp_path / "p.pt", tmp_path / "r.json"
    run = run_preset(TINY, 0, evaluation_episodes=50, save=saved, result=written)
    env, policy = load_run(saved)
    assert evaluate(env, policy, 50, 1_000_003) == run.evaluation
    record = json.loads(written.read_text())
    assert record["evaluation"]["length"] == run.evaluation.length
    assert record["preset"]["config"]["episodes"] == 256
    assert {"seed", "commit", "versions", "hardware", "cpu_seconds"} <= record.keys()
    assert len(record["curves"]["length"]) == len(record["curves"]["episodes"]) <= 100


def test_a_missing_folder_is_noticed_before_training(tmp_path):
    with pytest.raises(ValueError, match="save: expected an existing folder"):
        run_preset(TINY, 0, save=tmp_path / "no" / "p.pt")


def test_command_line_round_trip(tmp_path, capsys):
    saved = str(tmp_path / "policy.pt")
    arguments = "train hunters-small --policy mmdp --entropy none --episodes 64 --quiet"
    assert main([*arguments.split(), "--save", saved, "--evaluation-episodes", "20"]) == 0
    assert "trained 64 episodes" in capsys.readouterr().out
    assert main(["evaluate", saved, "--episodes", "20", "--greedy", "--cap", "30"]) == 0
    assert "of 20 episodes" in capsys.readouterr().out


def test_list_names_what_the_commands_take(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("hunters-small", "reinforce", "lstm", "unbiased_gradient", "zhang2018.thm4"):
        assert name in out
    assert "entropy_rl/HuntersRabbits-v0" in out


def test_verify_exits_with_the_verdict(capsys, monkeypatch):
    assert main(["verify", "zhang2018.eq3"]) == 0
    assert "1 of 1 hold" in capsys.readouterr().out
    monkeypatch.setattr("entropy_rl.checks.report", lambda claims: False)
    assert main(["verify"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train huntrs", "did you mean 'hunters'"),
        ("train hunters --entropy smothed", "did you mean 'smoothed'"),
        ("train hunters --policy lsmt", "did you mean 'lstm'"),
        ("train hunters --episodes 0", "episodes: expected an integer ≥ 1"),
        ("evaluate nowhere.pt", "nowhere.pt"),
        ("verify zhang2018.thm5", "did you mean 'zhang2018.thm"),
    ],
)
def test_an_error_is_one_line(arguments, words, capsys):
    assert main(arguments.split()) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.startswith("entropy-rl: ")
    assert len(err.strip().splitlines()) == 1
