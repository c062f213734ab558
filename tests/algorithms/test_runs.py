"""Presets, evaluation, saved runs, and the command line over them."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
import torch
from corridor import Corridor

from entropy_rl.algorithms import (
    ALGORITHMS,
    ENTROPIES,
    OFF_POLICY_ALGORITHMS,
    PRESETS,
    SURROGATES,
    Algorithm,
    Option,
    TrainingDiverged,
    evaluate,
    preset,
    register_algorithm,
    run_preset,
)
from entropy_rl.algorithms.runs import load_run
from entropy_rl.cli import main
from entropy_rl.envs.exact import hunters_mdp, policy_value
from entropy_rl.policies import load_policy

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


DISCRETE = ["independent", "lstm", "mmdp", "commnet"]
FITTING = [
    (name, family)
    for name, chosen in PRESETS.items()
    for family in (DISCRETE if chosen.policy in DISCRETE else [chosen.policy])
]


@pytest.mark.parametrize(("name", "family"), FITTING)
def test_every_preset_runs_with_every_family_that_fits(name, family):
    few = {"learning_starts": 6} if family == "squashed" else {"minibatches": 1}
    chosen = preset(name).but(episodes=4, batch=2, cap=3, **few).with_policy(family)
    run = run_preset(chosen, 0, evaluation_episodes=2, evaluation_cap=5)
    assert run.result.curves["episodes"][-1] == 4


def test_a_commnet_hunter_sees_itself_and_the_rabbits():
    env, policy = preset("hunters").with_policy("commnet").make(0)
    assert policy.view.tolist() == env.agent_view().tolist()


def test_what_is_known_in_closed_form_is_given_where_it_is_asked():
    env, policy = preset("bandit").make(0)
    plain, exact = (evaluate(env, policy, 20, 0, exact=asked) for asked in (False, True))
    assert exact.exact == env.closed_form(policy)
    assert exact.summary() == {**plain.summary(), **exact.exact}
    assert exact.scores == plain.scores
    with pytest.raises(ValueError, match="exact: expected False for HuntersRabbits"):
        evaluate(*preset("hunters-small").make(0), 20, exact=True)


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


@pytest.fixture
def untrained(monkeypatch):
    def train(*args):
        raise AssertionError("it was trained")

    monkeypatch.setattr("entropy_rl.algorithms.runs.train", train)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"save": "no/p.pt"}, "save: expected a file in an existing folder"),
        ({"result": "folder"}, "result: expected the name of a file, got the folder"),
        pytest.param(
            {"save": "/proc/p.pt"},
            r"save: expected a file that can be written, got /proc/p.pt \(",
            marks=pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder nobody writes"),
        ),
        ({"save": "both", "result": "both"}, "result: expected another file than save"),
        ({"evaluation_episodes": 0}, "evaluation_episodes: expected an integer ≥ 1"),
        ({"evaluation_cap": 0}, "evaluation_cap: expected an integer ≥ 1"),
        ({"seed": 10**20}, "seed: expected an integer in"),
    ],
)
def test_bad_arguments_are_noticed_before_training(changes, words, tmp_path, untrained):
    (tmp_path / "folder").mkdir()
    paths = {k: tmp_path / v for k, v in changes.items() if isinstance(v, str)}
    with pytest.raises(ValueError, match=words):
        run_preset(TINY, **{"seed": 0, **changes, **paths})
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_the_policy_is_saved_before_it_is_evaluated(tmp_path, monkeypatch):
    def fails(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("entropy_rl.algorithms.runs.evaluate", fails)
    with pytest.raises(KeyboardInterrupt):
        run_preset(TINY, 0, save=tmp_path / "p.pt")
    assert load_policy(tmp_path / "p.pt")[1]["environment"] == "hunters"


@pytest.fixture
def diverging(monkeypatch):
    """The policy loss of the third update is NaN."""
    healthy, calls = SURROGATES["score_function"], []

    def poisoned(minibatch):
        calls.append(None)
        return healthy(minibatch) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setitem(SURROGATES, "score_function", poisoned)


def test_the_last_good_policy_of_a_run_that_diverged_is_saved(tmp_path, diverging):
    with pytest.raises(TrainingDiverged) as caught:
        run_preset(TINY, 0, save=tmp_path / "p.pt")
    saved = load_policy(tmp_path / "p.pt")[0].state_dict()
    assert all(torch.equal(v, saved[k]) for k, v in caught.value.last_good["policy"].items())
    assert caught.value.last_good["counts"][2] == 2


def test_a_run_that_diverged_is_one_line_on_the_command_line(tmp_path, diverging, capsys):
    saved = tmp_path / "p.pt"
    arguments = f"train hunters-small --episodes 256 --quiet --save {saved}"
    assert main(arguments.split()) == 1
    assert capsys.readouterr().err == (
        "entropy-rl: update 2: policy loss is not finite; set back to the last good state, "
        f"whose policy is in {saved}\n"
    )


def test_a_greedy_policy_without_steps_is_refused():
    """One without a mode of its own: a Gaussian has one."""
    corridor, stepless = Corridor(), torch.nn.Linear(1, 1)
    for space in ("observation_space", "action_space"):
        setattr(stepless, space, getattr(corridor, space))
    with pytest.raises(ValueError, match="policy: expected a step policy"):
        evaluate(corridor, stepless, greedy=True)
    env, policy = preset("pendulum").make(0)
    assert evaluate(env, policy, 2, greedy=True, cap=3).length == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": "a"}, "seed: expected an integer"),
        ({"greedy": 2}, "greedy: expected True or False"),
        ({"cap": 0}, "cap: expected an integer ≥ 1"),
        ({"episodes": 0}, "episodes: expected an integer ≥ 1"),
    ],
)
def test_a_bad_evaluation_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        evaluate(*TINY.make(0), **changes)


def test_a_result_has_intervals_and_so_two_episodes_or_more(tmp_path):
    """Refused before anything is trained, which it was not."""
    result = tmp_path / "r.json"
    with pytest.raises(ValueError, match="evaluation_episodes: expected at least 2 for a result"):
        run_preset(
            TINY,
            0,
            evaluation_episodes=1,
            result=result,
            training=lambda *_: pytest.fail("trained"),
        )
    assert not result.exists()


def test_command_line_round_trip(tmp_path, capsys):
    saved = str(tmp_path / "policy.pt")
    arguments = "train hunters-small --policy mmdp --entropy none --episodes 64 --quiet"
    assert main([*arguments.split(), "--save", saved, "--evaluation-episodes", "20"]) == 0
    assert "trained 64 episodes" in capsys.readouterr().out
    assert main(["evaluate", saved, "--episodes", "20", "--greedy", "--cap", "30"]) == 0
    assert "of 20 episodes" in capsys.readouterr().out


def test_an_algorithm_and_its_options_are_named_on_the_command_line(tables, tmp_path):
    row = Algorithm("return", "score_function", "bonus", {"lambda": Option(0.9, 0.0, 1.0)})
    register_algorithm("toy", row)
    result = tmp_path / "r.json"
    arguments = f"train bandit --algorithm toy --set lambda=0.5 --episodes 64 --result {result}"
    assert main([*arguments.split(), "--evaluation-episodes", "2", "--quiet"]) == 0
    config = json.loads(result.read_text())["preset"]["config"]
    assert (config["algorithm"], config["options"]) == ("toy", {"lambda": 0.5})


def test_options_that_are_not_given_stay_those_of_the_preset():
    patience = preset("patience")
    assert patience.config.options == {"clip": 0.5}
    assert patience.but(options={"lambda": 0.9}).config.options == {"clip": 0.5, "lambda": 0.9}
    assert patience.but(options={"clip": 0.1}).config.options == {"clip": 0.1}
    assert patience.but(algorithm="sppo40").config.options == {"clip": 0.5}
    assert patience.but(algorithm="a2c").config.options == {}  # whose row has no clip


def test_the_summary_tells_stretches_from_episodes():
    run = run_preset(preset("patience").but(episodes=256), 0, evaluation_episodes=2)
    assert f"trained 256 stretches of {run.preset.config.cap} steps" in run.summary()
    run = run_preset(TINY, 0, evaluation_episodes=2)
    assert "trained 256 episodes" in run.summary()


def test_a_single_episode_has_no_interval():
    env, policy = TINY.make(0)
    assert all(map(math.isnan, evaluate(env, policy, 1).reward_interval))
    assert not any(map(math.isnan, evaluate(env, policy, 2).reward_interval))


def test_list_names_what_the_commands_take(capsys):
    """Every name under "train --policy" and its like is one that the flag takes."""
    assert main(["list"]) == 0
    parts = re.split(r"^(?=\S)", capsys.readouterr().out, flags=re.M)[1:]
    names = {
        part.splitlines()[0].split(" (")[0]: [x.split()[0] for x in part.splitlines()[1:]]
        for part in parts
    }
    assert {"hunters-small", "bandit"} <= set(names["train PRESET"])
    assert "reinforce" in names["train --algorithm"]
    assert names["train --policy"] == [*DISCRETE, "convolutional", "gaussian", "squashed", "table"]
    assert names["train pendulum-sac --algorithm"] == list(OFF_POLICY_ALGORITHMS)
    assert "unbiased_gradient" in names["train --entropy"]
    assert "zhang2018.thm4" in names["verify CLAIMS"]
    quick = ["--episodes", "16", "--evaluation-episodes", "1", "--quiet"]
    # One learns from 1,000 steps on, of another 256 stretches are a batch, and one is slow.
    least = {"pendulum-sac": "40", "patience": "256", "breakout": "8"}
    enough = {game: ["--episodes", number, *quick[2:]] for game, number in least.items()}
    for title, listed in names.items():
        flag = title.removeprefix("train ")
        for name in listed if flag.startswith("--") else ():
            needed = what_a_row_needs(name) if flag == "--algorithm" else []
            games = {
                "convolutional": "breakout",
                "gaussian": "pendulum",
                "squashed": "pendulum-sac",
                "table": "patience",
            }
            game = games.get(name, "bandit")
            more = enough.get(game, quick)
            assert main(["train", game, flag, name, *needed, *more]) == 0
    for name in OFF_POLICY_ALGORITHMS:
        more = enough["pendulum-sac"]
        assert main(["train", "pendulum-sac", "--algorithm", name, *more]) == 0


def what_a_row_needs(name):
    """An estimator that its use of the entropy takes; a policy that can be derived twice."""
    row = ALGORITHMS[name]
    policy = ["--policy", "independent"] if row.update == "trust_region" else []
    taken = ENTROPIES[row.entropy].estimators
    return policy + ([] if "smoothed" in taken else ["--entropy", taken[-1]])


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
        ("train hunters --seed 99999999999999999999", "seed: expected an integer in [0, 2⁶³)"),
        ("train hunters --evaluation-episodes 0", "evaluation_episodes: expected an integer ≥ 1"),
        ("train hunters --algorithm reinforec", "did you mean 'reinforce'"),
        ("train hunters --set clip", "set: expected KEY=NUMBER, got 'clip'"),
        ("train hunters --set clip=0.1", "options: expected none for 'reinforce'"),
        ("train patience --set clip=0.1 clip=0.3", "--set: expected 'clip' once"),
        ("train pendulum-sac --beta 0.1", "--beta: expected none with 'pendulum-sac', got 0.1"),
        ("train hunters --algorithm sac1", "algorithm: expected one of the loop of 'reinforce'"),
        ("train hunters --save /", "save: expected the name of a file, got the folder /"),
        ("train hunters --beam 3", "beam: expected 1 for 'smoothed'"),
        ("evaluate /", "Is a directory"),
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
