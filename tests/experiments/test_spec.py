"""A spec says a run completely: equal specs have equal hashes, and a hash never changes."""

import dataclasses
import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import small

from entropy_rl.algorithms import (
    ALGORITHMS,
    ENVIRONMENTS,
    OffPolicyConfig,
    OnPolicyConfig,
    Option,
    preset,
)
from entropy_rl.experiments import EvaluationSpec, RunSpec
from entropy_rl.experiments import spec as spec_module
from entropy_rl.policies import POLICIES

CONFIG = OnPolicyConfig()

# What format 1 holds. A new environment or policy adds a line, with all the fields that it is born
# with. A new field of what is here goes to LATER in spec.py, with the value under which old runs
# mean what they meant: the lines that are here and the hashes below stay as they are.
FORMAT_1 = {
    "run": "environment policy config seed environment_options policy_options evaluation device "
    "replicas",
    "config": "algorithm episodes batch minibatches grouping epochs cap discount entropy beta beam "
    "entropy_baseline reduction optimiser learning_rate decay clip_gradient clip_norm baseline "
    "baseline_loss baseline_hidden baseline_learning_rate first_visit options precision",
    "off_policy": "algorithm episodes batch cap discount temperature target_entropy "
    "updates_per_step learning_starts capacity minibatch optimiser learning_rate "
    "critic_learning_rate temperature_learning_rate critic_hidden critic_layers polyak options",
    "evaluation": "episodes cap seed",
    "hunters": "size hunters placement masking exponent capture_at_reset observation gamma "
    "max_episode_steps illegal",
    "bandit": "agents arms bonus bonus_probability assignment",
    "independent": "hidden_size layers",
    "mmdp": "hidden_size layers",
    "commnet": "hidden_size rounds view",
    "lstm": "hidden_size",
    "pendulum": "gravity max_episode_steps reward_shift reward_scale",
    "tabular": "process max_episode_steps",
    "breakout": "max_episode_steps clip_rewards life_loss noop_max sticky",
    "convolutional": "hidden_size",
    "gaussian": "hidden_size layers",
    "squashed": "hidden_size layers",
    "table": "scale",
}


def test_no_section_is_left_out():
    missing = {*ENVIRONMENTS, *POLICIES} - FORMAT_1.keys()
    assert not missing, f"add to FORMAT_1, not to LATER, the fields of {sorted(missing)}"


def fields_now(section):
    if section == "run":
        return [x.name for x in dataclasses.fields(RunSpec)]
    if section == "config":
        return [x.name for x in dataclasses.fields(OnPolicyConfig)]
    if section == "off_policy":
        return [x.name for x in dataclasses.fields(OffPolicyConfig)]
    if section == "evaluation":
        return [x.name for x in dataclasses.fields(EvaluationSpec)]
    if section in ENVIRONMENTS:
        return [x.name for x in dataclasses.fields(ENVIRONMENTS[section]) if x.init]
    return list(inspect.signature(POLICIES[section]).parameters)[2:]


@pytest.mark.parametrize("section", FORMAT_1)
def test_a_new_field_is_declared_as_later(section):
    first, later = FORMAT_1[section].split(), spec_module.LATER.get(section, {})
    assert sorted([*first, *later]) == sorted(fields_now(section))


def test_hashes_are_the_ones_that_stored_runs_have():
    assert small().hash == "dc5e01df373cf6cd"
    paper = preset("hunters-paper").but(baseline_optimiser="adam")
    assert RunSpec.of(paper, 3).hash == "7e2066532ceccff8"
    assert RunSpec.of(preset("bandit"), 0).hash == "f2c31391f8af302b"


configs = st.builds(
    dict,
    episodes=st.integers(1, 3),
    batch=st.sampled_from([8, 16]),
    beta=st.sampled_from([0, 0.0, 0.1, 1, 1.0]),
    decay=st.booleans(),
    entropy=st.sampled_from(["smoothed", "crude"]),
)
specs = st.builds(
    lambda config, size, policy, width, seed, cap: RunSpec(
        "hunters",
        policy,
        OnPolicyConfig(**config),
        seed,
        {"size": size, "hunters": 2},
        {} if width is None else {"hidden_size": width},
        EvaluationSpec(5, cap),
    ),
    configs,
    st.sampled_from([2, 3]),
    st.sampled_from(["lstm", "independent", "commnet"]),
    st.sampled_from([None, 64, 128]),
    st.integers(0, 2),
    st.sampled_from([4, 5]),
)


def meaning(spec):
    """What a spec says, compared as Python compares."""
    config = dataclasses.asdict(spec.config)
    return (
        spec.environment, spec.policy, config, spec.seed, spec.environment_options,
        spec.policy_options, spec.evaluation, spec.device, spec.replicas, spec.workers,
    )  # fmt: skip


@given(specs, specs)
def test_specs_are_equal_exactly_where_their_hashes_are(a, b):
    assert (a == b) == (a.hash == b.hash) == (meaning(a) == meaning(b))
    assert len({a, b}) == 2 - (a == b)


@given(specs, st.randoms())
def test_a_spec_comes_back_from_json_whatever_the_order(spec, random):
    def shuffled(x):
        if not isinstance(x, dict):
            return x
        items = [(key, shuffled(value)) for key, value in x.items()]
        random.shuffle(items)
        return dict(items)

    back = RunSpec.from_json(shuffled(json.loads(spec.canonical)))
    assert back == spec
    assert back.hash == spec.hash
    assert meaning(back) == meaning(spec)


def test_every_field_changes_the_hash():
    base = small(entropy="smoothed_mode")
    others = [
        dataclasses.replace(base, seed=1),
        dataclasses.replace(base, device="cuda"),
        dataclasses.replace(base, replicas=2),
        dataclasses.replace(base, workers=1),
        dataclasses.replace(base, workers=2),
        dataclasses.replace(base, environment_options={"size": 3, "hunters": 2, "exponent": 1}),
        dataclasses.replace(base, policy_options={"hidden_size": 9}),
        dataclasses.replace(base, evaluation=EvaluationSpec(20, 31)),
        dataclasses.replace(base, evaluation=EvaluationSpec(20, 30, greedy=True)),
    ]
    changes = {
        "grouping": "rows", "entropy": "smoothed", "reduction": "sum",
        "optimiser": "rmsprop", "baseline_optimiser": "rmsprop", "clip_gradient": 1.0,
        "clip_norm": 1.0, "baseline": "none", "baseline_loss": "l1", "precision": "float64",
        "decay": False, "beta_decay": True, "continuing": True, "lag": 2, "baseline_epochs": 3,
        "baseline_minibatches": 2, "first_visit": True, "discount": 0.5,
    }  # fmt: skip
    for name in fields_now("config"):
        if name in ("algorithm", "options", "entropy_baseline"):  # without another value here
            continue
        if name == "stagger":  # only of episodes that go on
            on = dataclasses.replace(base.config, continuing=True, stagger=5)
            others.append(dataclasses.replace(base, config=on))
            continue
        value = changes[name] if name in changes else 2 * getattr(base.config, name)
        others.append(
            dataclasses.replace(base, config=dataclasses.replace(base.config, **{name: value}))
        )
    assert len({spec.hash for spec in (base, *others)}) == len(others) + 1


def test_a_default_that_changes_changes_no_stored_spec(monkeypatch):
    spec = small()
    defaults = tuple(0.5 if x == 0.8 else x for x in OnPolicyConfig.__init__.__defaults__)
    monkeypatch.setattr(OnPolicyConfig.__init__, "__defaults__", defaults)
    assert OnPolicyConfig().discount == 0.5
    assert RunSpec.from_json(json.loads(spec.canonical)) == spec
    assert small() != spec


@pytest.mark.parametrize("name", ["independent", "mmdp", "commnet", "lstm"])
def test_a_signature_rewritten_for_readers_changes_no_spec(monkeypatch, name):
    """Sphinx leaves such a one on what it documents: in place of the defaults is their source."""
    spec, constructor = RunSpec("hunters", name, CONFIG, 0), POLICIES[name].__init__
    plain = inspect.signature(constructor)
    shown = plain.replace(
        parameters=[
            x if x.default is x.empty else x.replace(default=Ellipsis)
            for x in plain.parameters.values()
        ]
    )
    monkeypatch.setattr(constructor, "__signature__", shown, raising=False)
    assert inspect.signature(POLICIES[name]).parameters["hidden_size"].default is Ellipsis
    again = RunSpec("hunters", name, CONFIG, 0)
    assert again.policy_options["hidden_size"] == 128
    assert again.hash == spec.hash


def test_defaults_that_only_the_environment_knows_are_written_out():
    assert len(RunSpec("hunters", "commnet", CONFIG, 0).policy_options["view"]) == 5


def test_the_prose_of_a_preset_does_not_enter():
    one = preset("hunters")
    other = dataclasses.replace(one, source="another word")
    assert RunSpec.of(one, 0) == RunSpec.of(other, 0)


def test_a_field_that_came_later_changes_no_stored_hash(monkeypatch):
    """Take a field out of format 1 and say that it came later: the specs without it are as before
    it was there, and a spec that uses it has another hash."""
    monkeypatch.setitem(spec_module.LATER, "config", {"clip_norm": None})
    data = json.loads(small().canonical)
    assert "clip_norm" not in data["config"]
    assert RunSpec.from_json(data) == small()
    assert small(clip_norm=1.0).hash != small().hash
    assert RunSpec.from_json(small(clip_norm=1.0).to_json()).config.clip_norm == 1.0


def test_an_exact_evaluation_where_there_is_none_is_refused():
    with pytest.raises(ValueError, match="evaluation: expected exact=False for 'hunters'"):
        dataclasses.replace(small(), evaluation=EvaluationSpec(20, 30, exact=True))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "entropy_rl.run/2", "format: expected 'entropy_rl.run/1'"),
        (["sedd"], 0, "spec: expected one of .*'sedd' .did you mean 'seed'"),
        (["config", "betta"], 0, "config: expected one of .*did you mean 'beta'"),
        (["environment_options", "sise"], 0, "environment_options: .*did you mean 'size'"),
        (["policy_options", "width"], 0, "policy_options: expected one of"),
        (["evaluation", "greddy"], True, "evaluation: expected one of .*did you mean 'greedy'"),
        (["config"], 3, "config: expected an object, got int"),
        (["seed"], -1, "seed: expected an integer"),
        (["device"], "tpu", "device: expected one of"),
        (["workers"], -1, "workers: expected an integer ≥ 0"),
        (["policy"], "lstn", "did you mean 'lstm'"),
    ],
)
def test_an_altered_spec_is_refused_by_name(path, value, message):
    data = json.loads(small().canonical)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        RunSpec.from_json(data)


@pytest.mark.parametrize("section", ["", "config", "environment_options", "evaluation"])
def test_a_missing_field_is_refused_by_name(section):
    whole = json.loads(small().canonical)
    for key in whole[section] if section else [k for k in whole if k != "format"]:
        data = json.loads(small().canonical)
        del (data[section] if section else data)[key]
        with pytest.raises(ValueError, match=f"expected a field '{key}', got none"):
            RunSpec.from_json(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="environment_options: expected"):
        RunSpec("hunters", "lstm", CONFIG, 0, {"size": value})


def test_an_off_policy_spec_is_read_back_and_every_field_changes_its_hash():
    base = RunSpec.of(preset("pendulum-sac"), 0, EvaluationSpec(4, 7, greedy=True))
    back = RunSpec.from_json(json.loads(base.canonical))
    assert back == base
    assert back.config == base.config
    assert base.hash == "af3d325e812f241c"
    changes = {"optimiser": "sgd", "algorithm": "sac_fixed", "target_entropy": 0.5, "episodes": 800}
    for name in fields_now("off_policy"):
        if name == "options":  # no row has any
            continue
        if name in changes:
            other = changes[name]
        else:
            value = getattr(base.config, name)
            other = 2 * value if isinstance(value, int) else value / 2
        changed = dataclasses.replace(base.config, **{name: other})
        assert dataclasses.replace(base, config=changed).hash != base.hash, name


def test_replicas_of_the_other_loop_are_refused_by_name():
    spec = RunSpec.of(preset("pendulum-sac"), 0)
    with pytest.raises(ValueError, match="replicas: expected 1, off-policy, got 2"):
        dataclasses.replace(spec, replicas=2)


def test_a_field_of_the_other_loop_is_refused_by_name():
    data = json.loads(RunSpec.of(preset("pendulum-sac"), 0).canonical)
    data["config"]["beta"] = 0.1
    with pytest.raises(ValueError, match=r"config: expected one of .*'polyak'.*got 'beta'"):
        RunSpec.from_json(data)


def test_a_new_option_of_a_row_that_is_declared_changes_no_hash_and_keeps_its_old_meaning(
    monkeypatch,
):
    before = RunSpec.of(preset("pendulum").but(algorithm="ppo"), 0)
    written = json.loads(before.canonical)
    row = ALGORITHMS["ppo"]
    wider = dataclasses.replace(row, options={**row.options, "extra": Option(5.0)})
    monkeypatch.setitem(ALGORITHMS, "ppo", wider)
    monkeypatch.setitem(spec_module.LATER, "ppo", {"extra": 3})
    back = RunSpec.from_json(written)
    assert back.config.options["extra"] == 3, "what old runs did, and not the default"
    assert back.hash == before.hash
    now = RunSpec.of(preset("pendulum").but(algorithm="ppo"), 0)
    assert now.config.options["extra"] == 5
    assert now.hash != before.hash
    assert RunSpec.from_json(json.loads(now.canonical)) == now


def test_an_evaluation_of_one_episode_has_no_interval_and_is_refused():
    with pytest.raises(ValueError, match="episodes: expected at least 2, for an interval, got 1"):
        EvaluationSpec(1)
