"""Table 2 as it is declared: every printed cell, its weights, what is compared; and Figure 2."""

import hashlib
from collections import Counter
from pathlib import Path

import pandas as pd

from entropy_rl.experiments import EXPERIMENTS, Store, label, sweep

TABLE = EXPERIMENTS["zhang2018.table2"]
PRINTED = Path(__file__).parents[2] / "data" / "papers" / "zhang2018_table2.csv"


def test_every_printed_cell_has_five_seeds_of_fifty_thousand_episodes():
    runs = TABLE.runs("paper")
    cells = Counter((dict(name)["policy"], dict(name)["entropy"]) for name in runs)
    printed = pd.read_csv(PRINTED)
    assert set(cells) == set(zip(printed["policy"], printed["entropy"], strict=True))
    assert set(cells.values()) == {5}
    for name, spec in runs.items():
        assert (spec.policy, spec.config.entropy) == tuple(dict(name).values())[:2]
        assert spec.config.episodes == 50_000
        assert spec.environment_options["hunters"] == 4
        assert (spec.evaluation.episodes, spec.evaluation.cap) == (1_000, 10_000)
    assert len({spec.hash for spec in runs.values()}) == 20


def test_the_specs_of_the_stored_runs_are_fixed():
    """Changed on purpose only: every run of the table would have to be made again."""
    text = "".join(spec.canonical for spec in TABLE.runs("paper").values())
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "5b53345fcbfbcbb3fcc305d7b838cf40366896f9e97efbb39c0d511755501ce5"
    )


def test_columns_of_a_policy_differ_by_entropy_and_weight_alone():
    by_policy = {}
    for name, spec in TABLE.runs("paper", {"seed": "0"}).items():
        by_policy.setdefault(dict(name)["policy"], []).append(spec.to_json())
    for first, second in by_policy.values():
        assert first["config"].pop("beta") == 0.03
        assert second["config"].pop("beta") == 0.01
        assert second["config"].pop("entropy") == "exact" != first["config"].pop("entropy")
        assert first == second


def test_the_contrasts_expect_what_is_printed():
    """With the margin of "slightly worse" and without it, each printed pair is on its side."""
    printed = pd.read_csv(PRINTED).set_index(["policy", "entropy", "metric"])["mean"]
    kinds = Counter()
    for contrast in TABLE.contrasts:
        values = [
            printed[dict(side)["policy"], dict(side)["entropy"], contrast.metric]
            for side in (contrast.first, contrast.second)
        ]
        assert contrast.sign * (values[0] - contrast.factor * values[1]) > 0, contrast
        kinds[contrast.factor] += 1
    assert kinds == {1.1: 2, 0.9: 2, 1.0: 6}


def test_the_claims_are_those_of_the_margin():
    assert set(TABLE.claims) == {"zhang2018.table2.lstm", "zhang2018.table2.mmdp"}
    for contrasts in TABLE.claims.values():
        assert [(c.metric, c.sign, c.factor) for c in contrasts] == [
            ("length", -1, 1.1),
            ("reward", 1, 0.9),
        ]


def test_the_quick_tier_runs(tmp_path):
    report = sweep(TABLE, "quick", Store(tmp_path), progress=False)
    assert (len(report.done), report.diverged) == (8, {})


def test_every_run_has_an_expected_cost():
    costs = [TABLE.cost(spec) for spec in TABLE.runs("paper").values()]
    assert all(30 <= cost <= 600 for cost in costs)
    assert sum(costs) / 3600 < 1.7


def test_figure_2_compares_the_spread_of_runs_of_table_1():
    figure, table = EXPERIMENTS["zhang2018.fig2"], EXPERIMENTS["zhang2018.table1"]
    for tier in ("quick", "paper"):
        assert figure.runs(tier).items() <= table.runs(tier).items()
    assert {dict(c.first)["policy"] for c in figure.contrasts} == {"independent", "lstm", "mmdp"}
    for contrast in figure.contrasts:
        assert (contrast.statistic, contrast.metric, contrast.sign) == ("spread", "length", -1)
        assert dict(contrast.first)["entropy"] == "smoothed"
        assert dict(contrast.second)["entropy"] == "none"
    assert label(policy="lstm", entropy="none", seed=4) in figure.runs("paper")
