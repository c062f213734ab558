"""The benchmark of gradients: what it measures, against enumeration; what it writes."""

import json
from pathlib import Path

import pytest
import torch

from entropy_rl.algorithms import ADVANTAGES, OnPolicyConfig, Trainer, preset
from entropy_rl.algorithms.rollout import rows_of
from entropy_rl.bench import gradient_looks, gradients
from entropy_rl.bench.gradient_draws import Draws, exact_gradient, flat_gradient, play
from entropy_rl.bench.gradient_looks import Settings, measure
from entropy_rl.bench.moments import variance
from entropy_rl.envs import HuntersRabbits
from entropy_rl.estimators import exact, smoothed, unbiased_gradient
from entropy_rl.experiments import RunSpec
from entropy_rl.experiments.files import dump_record
from entropy_rl.policies import make_policy
from enumeration import seeded

TINY = Settings(hunters=2, episodes=64, draws=4, rounds=1, states=6, batch=4, exact=True)
MEASURED = Path(__file__).parents[2] / "data" / "measured"
ESTIMATORS = {"smoothed", "unbiased_gradient", "constant", "critic", "to_go"}


@pytest.fixture
def small_batches(monkeypatch):
    """Two batches of 32 episodes make the training of ``TINY``."""
    small = preset("hunters").but(batch=32, minibatches=2)
    monkeypatch.setattr(gradient_looks, "preset", lambda name: small)


@pytest.fixture(scope="module")
def trainer():
    """Three hunters on 3×3 and an LSTM that is far from uniform."""
    game = HuntersRabbits(size=3, hunters=3)
    torch.manual_seed(0)
    policy = make_policy("lstm", game.observation_space, game.action_space, hidden_size=8)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter *= 4
    config = OnPolicyConfig(
        episodes=64, batch=16, minibatches=2, cap=3, beta=1.0,
        entropy="unbiased_gradient", entropy_baseline="critic", learning_rate=1e-4,
    )  # fmt: skip
    trainer = Trainer(game, policy, config, 0)
    trainer.step()
    return trainer


def seen(trainer, count):
    generator = seeded(1)
    rollout = play(trainer, 32, generator)
    return rows_of(rollout.obs, torch.arange(count)), generator


def draws_of(trainer, count, mean_to_go, generator):
    return Draws(trainer, count, mean_to_go, generator, lambda: None)


def found(rows, quantity):
    return {row["estimator"]: row for row in rows if row["quantity"] == quantity}


def enumerated(policy, obs, estimator):
    """Σ p ‖∇ - mean‖² over all joint actions of one state."""
    actions = torch.cartesian_prod(*[torch.arange(9)] * 3)
    legal = obs["action_mask"][0][torch.arange(3), actions].all(-1)
    actions = actions[legal]
    many = {k: v.expand(len(actions), *v.shape[1:]) for k, v in obs.items()}
    chain = policy.conditionals(many, actions)
    p = chain.log_prob.detach().exp()
    surrogate = estimator(chain).surrogate
    each = torch.stack([flat_gradient(x, policy) for x in surrogate])
    return float(p @ (each - p @ each).square().sum(-1))


def test_the_variance_is_that_of_all_joint_actions(trainer):
    """One state, 400 draws; the seed is fixed, and the intervals are those of 99.9 %."""
    obs, generator = seen(trainer, 1)
    rows = draws_of(trainer, 400, torch.zeros(3), generator).in_states(obs, exact=True)
    variances = found(rows, "variance")
    assert set(variances) == ESTIMATORS
    for name, estimator in (("smoothed", smoothed), ("unbiased_gradient", unbiased_gradient)):
        row, truth = variances[name], enumerated(trainer.policy, obs, estimator)
        half = 3.3 / 1.966 * (row["high"] - row["value"])
        assert abs(row["value"] - truth) < half < 0.3 * truth
    assert variances["constant"]["value"] == variances["unbiased_gradient"]["value"]


def test_the_bias_is_seen_where_there_is_one(trainer):
    """Of four unbiased ones all intervals, widened to 99.9 %, hold 0; the smoothed one's not."""
    obs, generator = seen(trainer, 8)
    rows = draws_of(trainer, 300, torch.ones(3), generator).in_states(obs, exact=True)
    for name, row in found(rows, "squared_bias_share").items():
        half = 3.3 / 1.968 * (row["high"] - row["value"])
        assert (abs(row["value"]) < half) == (name != "smoothed")
    assert found(rows, "squared_bias_share")["smoothed"]["value"] > 1e-3
    errors = found(rows, "error")
    assert 0 < errors["critic"]["value"] < 2 * found(rows, "spread")["to_go"]["value"] + 3


def test_the_exact_gradient_is_taken_in_parts(trainer):
    obs, _ = seen(trainer, 11)
    whole = flat_gradient(exact(trainer.policy, obs).surrogate.mean(), trainer.policy)
    assert (exact_gradient(trainer.policy, obs) - whole).abs().max() < 1e-6


def test_in_batches_the_update_is_the_one_that_the_trainer_makes(trainer):
    rows = draws_of(trainer, 5, torch.zeros(3), seeded(0)).in_batches(episodes=4)
    assert set(found(rows, "update_variance")) == ESTIMATORS - {"to_go"}
    generator, updates = seeded(0), []
    for _ in range(5):
        rollout = play(trainer, 4, generator)
        context = trainer.context(rollout)
        advantage = rollout.rows(ADVANTAGES["return"](context).advantage)
        terms, _ = trainer.losses(context, torch.arange(len(rollout)), advantage)
        updates.append(flat_gradient(-sum(terms.values()), trainer.policy))
    expected = variance(torch.stack(updates))[0]
    update = found(rows, "update_variance")
    assert abs(update["critic"]["value"] / expected - 1) < 1e-4
    assert abs(update["unbiased_gradient"]["value"] / expected - 1) > 1e-2


def same(a, b):
    """Nested states are equal, bit for bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


def test_looking_changes_nothing_of_the_training(monkeypatch, small_batches):
    made = []

    class Kept(Trainer):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(gradient_looks, "Trainer", Kept)
    rows = measure(TINY, progress=False)
    chosen = TINY.preset
    plain = Trainer(*chosen.make(0), chosen.config, 0)
    while not plain.finished:
        plain.step()
    same(made[0].state_dict(), plain.state_dict())
    assert {row["share"] for row in rows} == {0.0, 0.5, 1.0}, "two batches have no quarter"
    again = measure(TINY, progress=False)
    assert [r for r in again if r["where"] != "cost"] == [r for r in rows if r["where"] != "cost"]


def test_what_is_written_can_be_read(tmp_path, small_batches, capsys):
    out = tmp_path / "gradients.json"
    words = "--hunters 2 --episodes 64 --draws 3 --rounds 1 --states 4 --batch 2 --seed 3 --quiet"
    threads = torch.get_num_threads()
    gradients.main([*words.split(), "--out", str(out)])
    assert torch.get_num_threads() == threads
    record = gradients.load(out)
    assert record["settings"]["draws"] == 3
    assert RunSpec.from_json(record["spec"]).config.entropy_baseline == "critic"
    assert {"commit", "versions", "hardware", "seconds", "threads"} <= record.keys()
    costs = {r["estimator"]: r for r in record["rows"] if r["quantity"] == "cost_over_smoothed"}
    assert set(costs) == {"smoothed", "unbiased_gradient", "critic"}
    assert costs["smoothed"]["value"] == 1
    assert not [r for r in record["rows"] if r["quantity"] == "squared_bias_share"]
    assert json.loads(out.read_text())["rows"] == record["rows"]
    assert "variance_over_smoothed" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["truncated", "altered", "of another format"])
def test_a_file_that_is_not_as_it_was_written_is_refused_by_name(tmp_path, fault):
    out = tmp_path / "gradients.json"
    whole = gradients.record(TINY, [], {"cpu": 1.0})
    if fault == "of another format":
        whole["format"] = "entropy_rl.gradients/0"
    content = dump_record(whole)
    if fault == "truncated":
        content = content[:-9]
    elif fault == "altered":
        content = content.replace(b'"cpu":1.0', b'"cpu":2.0')
    out.write_bytes(content)
    with pytest.raises(ValueError, match=r"gradients\.json: "):
        gradients.load(out)


@pytest.mark.parametrize("hunters", [3, 5])
def test_the_measured_tables_are_whole_and_of_committed_code(hunters):
    record = gradients.load(MEASURED / f"gradients-{hunters}.json")
    settings = Settings(**record["settings"])
    assert settings.hunters == hunters
    assert settings.exact
    assert RunSpec.from_json(record["spec"]) == RunSpec.of(settings.preset, settings.seed)
    assert record["commit"].isalnum(), "a + is for code that was changed"
    assert {row["share"] for row in record["rows"]} == {0.0, 0.25, 0.5, 1.0}
    for quantity in ("variance_over_smoothed", "squared_bias_share", "cost_over_smoothed"):
        assert {"smoothed", "unbiased_gradient", "critic"} <= set(found(record["rows"], quantity))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--hunters 1 --out a.json", "hunters: expected a number ≥ 2"),
        ("--draws 2 --out a.json", "draws: expected a number ≥ 3"),
        ("--out nowhere/a.json", "out: expected a file in an existing folder"),
    ],
)
def test_what_cannot_be_done_is_said_before(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gradients, "measure", lambda *args: pytest.fail("it began"))
    with pytest.raises(ValueError, match=message):
        gradients.main(words.split())
