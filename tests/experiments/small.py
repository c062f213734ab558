"""Runs of a second or less, and an experiment of them."""

from entropy_rl.algorithms import OnPolicyConfig
from entropy_rl.experiments import Contrast, EvaluationSpec, Experiment, RunSpec, label


def small(seed=0, entropy="smoothed", episodes=256, **changes):
    """3×3, two hunters, an LSTM of eight."""
    config = OnPolicyConfig(
        episodes=episodes,
        batch=16,
        minibatches=2,
        cap=5,
        entropy=entropy,
        beta=0.0 if entropy == "none" else 0.02,
        **changes,
    )
    return RunSpec(
        "hunters",
        "lstm",
        config,
        seed,
        {"size": 3, "hunters": 2},
        {"hidden_size": 8},
        EvaluationSpec(20, 30),
    )


def small_experiment(seeds=2, **changes):
    """Two columns and one that is linked; compared, where there are seeds to pair."""
    runs = {
        label(entropy=entropy, seed=seed): small(
            seed, "smoothed" if entropy == "linked" else entropy, **changes
        )
        for entropy in ("none", "smoothed", "linked")
        for seed in range(seeds)
    }
    contrast = Contrast("length", label(entropy="smoothed"), label(entropy="none"), -1)
    contrasts = (contrast,) if seeds > 1 else ()
    return Experiment("small.table", "a test", {"quick": runs, "paper": runs}, contrasts)


def data_files(store):
    """The bytes of every data file by name."""
    return {path.name: path.read_bytes() for path in store.folder.glob("*.npz")}
