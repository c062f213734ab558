"""Past the tables: the specs as they are declared, and that they run."""

import dataclasses
import hashlib
from collections import Counter

import pytest
import torch

from entropy_rl.algorithms import Trainer
from entropy_rl.experiments import EXPERIMENTS, Store, sweep
from entropy_rl.experiments.beyond import BETAS, PAPERS_BETA, beta_preset
from entropy_rl.experiments.table1 import table1_preset

BETA, SCALING, OPTIMISER, SEEDS = (
    EXPERIMENTS[f"zhang2018.{name}"] for name in ("beta", "scaling", "optimiser", "table3_seeds")
)


def labels(experiment):
    return [(dict(name), spec) for name, spec in experiment.runs("paper").items()]


def values(experiment, key):
    return Counter(dict(name)[key] for name in experiment.runs("paper"))


@pytest.mark.parametrize(
    ("experiment", "runs", "sha256"),
    [
        (BETA, 30, "89ecc4428e1ef052caa2ec6a85c6c5d69fab03301c527c2636f188283b5dabb4"),
        (SCALING, 84, "4b40dbe1f28e943c8d93bc5a9a0200e17b3b925c637344f3ba61047fe25aaa08"),
        (OPTIMISER, 12, "795f778077e19291c619d8cca533a1a5a6b98755e78a95566842dca7e129dc16"),
        (SEEDS, 28, "2151f72e83f178a3e21289ee05a6f1df46e1c552595cbf4a0f4e2bad18f1b892"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_the_specs_of_the_stored_runs_are_fixed(experiment, runs, sha256):
    """Changed on purpose only: every run would have to be made again."""
    specs = experiment.runs("paper").values()
    assert len({spec.hash for spec in specs}) == runs
    text = "".join(spec.canonical for spec in specs)
    assert hashlib.sha256(text.encode()).hexdigest() == sha256


@pytest.mark.parametrize("experiment", [BETA, SCALING, OPTIMISER, SEEDS], ids=lambda x: x.name)
def test_the_quick_tier_runs(experiment, tmp_path):
    report = sweep(experiment, "quick", Store(tmp_path), progress=False)
    assert report.diverged == {}
    assert len(report.done) == len({s.hash for s in experiment.runs("quick").values()})


def test_the_costs_are_those_that_were_meant():
    """In CPU-hours."""
    hours = [sum(map(x.cost, x.runs("paper").values())) / 3600 for x in (BETA, SCALING, OPTIMISER)]
    assert hours[0] < 0.7
    assert hours[1] < 1
    assert hours[2] < 1


def test_the_weights_go_from_none_past_the_papers():
    assert values(BETA, "beta") == {str(beta): 5 for beta in BETAS}
    assert BETAS[0] == 0 < PAPERS_BETA < max(BETAS)
    assert table1_preset("lstm", "smoothed").config.beta == PAPERS_BETA
    for name, spec in BETA.runs("paper").items():
        assert str(float(spec.config.beta)) == dict(name)["beta"]


def test_without_a_weight_smoothed_trains_as_none_does_and_records_the_entropy():
    chosen = beta_preset(0.0).but(episodes=32, batch=16, minibatches=2, cap=5)
    ends, curves = [], []
    for entropy in ("smoothed", "none"):
        env, policy = chosen.but(entropy=entropy).make(0)
        trainer = Trainer(env, policy, chosen.but(entropy=entropy).config, 0)
        while not trainer.finished:
            trainer.step()
        ends.append(torch.nn.utils.parameters_to_vector(policy.parameters()))
        curves.append(trainer.curves["entropy"])
    assert torch.equal(*ends)
    assert min(curves[0]) > 1
    assert set(curves[1]) == {0.0}


def test_the_papers_weight_is_compared_with_every_other():
    others = {dict(c.second)["beta"] for c in BETA.contrasts if c.metric == "reward"}
    assert others == {str(beta) for beta in BETAS} - {str(PAPERS_BETA)}
    assert {(dict(c.first)["beta"], c.sign * (c.metric == "reward")) for c in BETA.contrasts} == {
        (str(PAPERS_BETA), 1),
        (str(PAPERS_BETA), 0),
    }


def test_two_to_eight_hunters_have_every_estimator_and_three_seeds():
    assert values(SCALING, "hunters") == dict.fromkeys(range(2, 9), 12)
    assert set(values(SCALING, "entropy").values()) == {21}
    for name, spec in SCALING.runs("paper").items():
        parts = dict(name)
        assert spec.environment_options["hunters"] == parts["hunters"]
        assert spec.config.entropy == parts["entropy"]
        assert spec.config.beta == (0 if parts["entropy"] == "none" else PAPERS_BETA)
    kinds = Counter((dict(c.first)["entropy"], c.metric, c.sign) for c in SCALING.contrasts)
    assert kinds == {
        ("smoothed", "reward", 1): 7,
        ("unbiased_gradient", "reward", 1): 7,
        ("crude", "reward", 0): 7,
    }


def test_the_papers_optimiser_is_that_of_appendix_a():
    for name, spec in OPTIMISER.runs("paper").items():
        c = spec.config
        assert c.episodes == 15_000
        assert spec.environment_options["observation"] == "coordinates"
        assert c.beta == (0.02 if dict(name)["entropy"] == "smoothed" else 0)
        if dict(name)["optimiser"] == "paper":
            assert (c.batch, c.minibatches, c.epochs, c.reduction) == (1, 1, 1, "sum")
            assert (c.optimiser, c.learning_rate, c.decay) == ("rmsprop", 1e-3, False)
            assert (c.baseline_optimiser, c.baseline_learning_rate) == ("rmsprop", 1e-3)
            assert (c.baseline_loss, c.baseline_hidden, c.first_visit) == ("l1", 64, True)
            assert (c.clip_gradient, c.clip_norm, c.cap) == (1, None, 10_000)
        else:
            assert (c.batch, c.optimiser, c.clip_gradient) == (256, "adam", None)


def test_fewer_updates_are_to_lose_no_tenth():
    """And with either optimiser smoothed entropy is to be better, as it is printed."""
    found = Counter(
        (dict(c.first)["optimiser"], dict(c.second)["optimiser"], c.metric, c.sign, c.factor)
        for c in OPTIMISER.contrasts
    )
    assert found == {
        ("paper", "paper", "length", -1, 1): 1,
        ("paper", "paper", "reward", 1, 1): 1,
        ("batched", "batched", "length", -1, 1): 1,
        ("batched", "batched", "reward", 1, 1): 1,
        ("batched", "paper", "reward", 1, 0.9): 2,
    }


def test_rate_and_weight_are_changed_one_after_the_other():
    """Between neighbouring arms one thing differs at most; without entropy nothing but the rate."""
    configs = {
        (a["arm"], a["entropy"]): spec.config for a, spec in labels(SEEDS) if a["policy"] == "lstm"
    }
    for entropy in ("none", "crude", "smoothed", "unbiased_gradient"):
        printed, rate, both = (
            configs[arm, entropy] for arm in ("printed", "rate", "rate_and_weight")
        )
        assert (printed.beta, printed.batch) == (rate.beta, rate.batch)
        assert dataclasses.replace(rate, beta=both.beta) == both
        assert both.beta == pytest.approx(30 * printed.beta)
        assert dataclasses.replace(configs["every_round", entropy], batch=50) == printed
    assert len({configs["rate", entropy].learning_rate for _, entropy in configs}) == 1


def test_no_seed_of_the_hundred_is_one_that_something_was_chosen_on():
    seeds = {int(name["seed"]) for name, _ in labels(SEEDS)}
    assert len(seeds) == 100
    assert min(seeds) >= 1_000
