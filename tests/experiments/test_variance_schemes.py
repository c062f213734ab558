"""The four variance schemes: how cells differ, what is registered, what is claimed."""

import hashlib
import math

import pytest

from entropy_rl.experiments import ACTING, VARIANCE, label, run_spec
from entropy_rl.experiments.store import Store
from entropy_rl.policies.gaussian import VARIANCES

RUNS = VARIANCE.runs("paper")


def test_cells_differ_by_row_and_scheme_alone():
    seen = set()
    for name, spec in RUNS.items():
        parts, plain = dict(name), spec.to_json()
        scheme = plain["policy_options"].pop("variance", "local")  # unwritten where it is local
        assert plain["config"].pop("algorithm") == parts["algorithm"]
        assert (scheme, plain.pop("seed")) == (parts["variance"], parts["seed"])
        seen.add(str(plain))
    assert len(seen) == 1
    assert len({spec.hash for spec in RUNS.values()}) == len(RUNS) == 80


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(s.canonical for s in RUNS.values())
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "82c9043cf43549b2328b3161342265eddc474d40bb016317bc3a7333cc38b5cf"
    )


def test_what_is_registered():
    """Signs as §4.2 says them of SPPO, 0 of PPO; each by sampled and by most likely actions."""
    signs = {}
    for contrast in VARIANCE.contrasts:
        first, second = dict(contrast.first), dict(contrast.second)
        assert first["algorithm"] == second["algorithm"]
        key = first["algorithm"], first["variance"], second["variance"]
        signs.setdefault(key, set()).add((contrast.metric, contrast.sign))
    schemes = [x for x in VARIANCES if x != "global"]
    expected = {("ppo", x, "global"): 0 for x in schemes}
    expected |= {("sppo38", x, "global"): -1 if x == "local" else 1 for x in schemes}
    expected["sppo38", "clipped", "product"] = 1
    assert signs == {k: {("reward", v), ("greedy_reward", v)} for k, v in expected.items()}
    claimed = [c for chosen in VARIANCE.claims.values() for c in chosen]
    assert len(set(claimed)) == len(claimed) == 8
    assert all(c.sign for c in claimed)


@pytest.mark.parametrize("variance", VARIANCES)
def test_a_quick_run_is_judged_twice(tmp_path, variance):
    name = label(algorithm="sppo38", variance=variance, seed=1)
    spec = VARIANCE.runs("quick")[name]
    run_spec(spec, Store(tmp_path))
    seen = Store(tmp_path).load(spec.hash).of(1)
    assert {"reward", "greedy_reward"} <= set(seen.evaluation)


def test_with_clipped_entropies_that_option_is_all_that_differs():
    own = 0
    for name, spec in ACTING.runs("paper").items():
        parts = dict(name)
        other = RUNS[label(algorithm="sppo38", variance=parts["variance"], seed=parts["seed"])]
        if parts["entropy"] == "gaussian":
            assert spec == other
            continue
        own += 1
        mine = spec.to_json()
        assert mine["policy_options"].pop("clipped_entropy") is True
        assert mine == other.to_json()
    assert own == 20
    assert ACTING.folder == VARIANCE.folder, "or they could not be shared"


def test_a_quick_run_with_clipped_entropies_is_stored(tmp_path):
    curves = {}
    for entropy in ("gaussian", "clipped"):
        spec = ACTING.runs("quick")[label(variance="local", entropy=entropy, seed=0)]
        run_spec(spec, Store(tmp_path))
        curves[entropy] = Store(tmp_path).load(spec.hash).of(0).curves["entropy"]
    assert (curves["clipped"] < math.log(6)).all()
    # σ is about 1 at first, so that few actions are clipped, but some are.
    assert 0.01 < curves["gaussian"][0] - curves["clipped"][0] < 0.2
