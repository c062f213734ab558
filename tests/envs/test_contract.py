"""What every registered environment promises, asked of each in a few settings (dm_env's manner)."""

import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check

from entropy_rl.envs import HuntersRabbitsEnv, TeamBanditEnv

HUNTERS, BANDIT = "entropy_rl/HuntersRabbits-v0", "entropy_rl/TeamBandit-v0"
SINGLE = {HUNTERS: HuntersRabbitsEnv, BANDIT: TeamBanditEnv}
CASES = [
    (HUNTERS, {}),
    (HUNTERS, {"masking": "clip"}),
    (HUNTERS, {"size": 3, "hunters": 2, "observation": "one_hot", "placement": "distinct"}),
    (HUNTERS, {"size": 2, "hunters": 3, "placement": "iid", "capture_at_reset": True}),
    (HUNTERS, {"size": 4, "hunters": 3, "exponent": 1, "max_episode_steps": 3}),
    (BANDIT, {}),
    (BANDIT, {"agents": 2, "arms": 3, "bonus_probability": 0.5, "assignment": 7}),
]
every_case = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{n[11:-3]}-{k}" for k, (n, _) in enumerate(CASES)]
)


def arrays(x):
    """Tensors to arrays, also inside a dict."""
    return {k: arrays(v) for k, v in x.items()} if isinstance(x, dict) else x.numpy()


def equal(x, y):
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(equal(x[k], y[k]) for k in x)
    return np.array_equal(x, y)


def row_of(x, n):
    """Episode n of an observation, as an array or a dict of them."""
    return {k: v[n].numpy() for k, v in x.items()} if isinstance(x, dict) else x[n].numpy()


def legal_actions(env, observed, generator):
    """Uniform over what is legal, int64 (N, d)."""
    shape = (env.num_envs, *env.single_action_space.shape, int(env.single_action_space.nvec[0]))
    mask = observed["action_mask"] if isinstance(observed, dict) else torch.ones(shape)
    return torch.multinomial(mask.flatten(0, 1).float(), 1, generator=generator).view(shape[:-1])


def rollout(env, seed, steps=6):
    generator = torch.Generator().manual_seed(seed)
    observed, info = env.reset(seed=seed)
    out = [(arrays(observed), arrays(info))]
    for _ in range(steps):
        observed, *rest, info = env.step(legal_actions(env, observed, generator))
        out.append((arrays(observed), *(x.numpy() for x in rest), arrays(info)))
    return out


@every_case
def test_spaces_contain_what_comes(name, options):
    env = gymnasium.make_vec(name, num_envs=5, **options)
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    generator = torch.Generator().manual_seed(0)
    observed, _ = env.reset(seed=0)
    for _ in range(4):
        assert env.observation_space.contains(arrays(observed))
        actions = legal_actions(env, observed, generator)
        assert env.action_space.contains(actions.numpy())
        observed, reward, terminated, truncated, info = env.step(actions)
        assert reward.dtype == torch.float32
        assert terminated.dtype == truncated.dtype == torch.bool
        assert reward.shape == terminated.shape == truncated.shape == (5,)
        assert all(x.shape == (5,) for x in info.values())
        assert not (terminated & truncated).any()


@every_case
def test_numpy_actions_are_accepted(name, options):
    env = gymnasium.make_vec(name, num_envs=3, **options)
    observed, _ = env.reset(seed=0)
    actions = legal_actions(env, observed, torch.Generator().manual_seed(0))
    first = arrays(env.step(actions)[0])
    env.reset(seed=0)
    assert equal(first, arrays(env.step(actions.numpy())[0]))


@every_case
def test_the_same_seed_gives_the_same_numbers(name, options):
    """Of 4096 fresh episodes two seeds share all with a probability below 1e-30 in every case."""
    env = gymnasium.make_vec(name, num_envs=4096, **options)
    for x, y in zip(rollout(env, 3), rollout(env, 3), strict=True):
        assert all(equal(a, b) for a, b in zip(x, y, strict=True))
    env.reset(seed=3)
    start = env.state
    env.reset(seed=4)
    assert any((getattr(start, s) != getattr(env.state, s)).any() for s in env.core.starts)


@every_case
def test_a_generator_passed_in_is_the_only_source(name, options):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        g = torch.Generator().manual_seed(5)
        env = gymnasium.make_vec(name, num_envs=64, generator=g, **options)
        env.reset()
        states.append(env.state)
    assert all((getattr(states[0], s) == getattr(states[1], s)).all() for s in env.core.starts)


@every_case
def test_the_batch_equals_a_loop_of_single_ones(name, options):
    num = 24
    batch = gymnasium.make_vec(name, num_envs=num, **options)
    singles = [SINGLE[name](**options) for _ in range(num)]
    observed, info = batch.reset(seed=11)
    cells = getattr(batch.core, "cells", 2)
    # Captured at reset: the code without its flag is the cell where it was placed.
    given = {s: getattr(batch.state, s) for s in batch.core.starts}
    given = {k: v if v.dtype == torch.bool else v % cells for k, v in given.items()}
    for n, one in enumerate(singles):
        seen, told = one.reset(options={k: v[n] for k, v in given.items()})
        assert equal(seen, row_of(observed, n))
        assert told == {k: v[n].item() for k, v in info.items()}
    generator = torch.Generator().manual_seed(0)
    for _ in range(12):
        actions = legal_actions(batch, observed, generator)
        observed, reward, terminated, truncated, info = batch.step(actions)
        for n, one in enumerate(singles):
            seen, r, over, cut, told = one.step(actions[n].numpy())
            assert equal(seen, row_of(observed, n))
            assert (r, over, cut) == (reward[n], terminated[n], truncated[n])
            assert told == pytest.approx({k: v[n].item() for k, v in info.items()}, abs=1e-12)


@every_case
def test_reset_mask_begins_those_and_leaves_the_others(name, options):
    env = gymnasium.make_vec(name, num_envs=64, **options)
    observed, _ = env.reset(seed=0)
    env.step(legal_actions(env, observed, torch.Generator().manual_seed(0)))
    before, mask = env.state, torch.arange(64) % 3 == 0
    _, info = env.reset(options={"reset_mask": mask})
    for field in vars(before):
        assert (getattr(env.state, field)[~mask] == getattr(before, field)[~mask]).all()
    assert (info["length"][mask] == 0).all()
    assert (env.reset(options={"reset_mask": ~mask.numpy()})[1]["length"] == 0).all()
    last = env.state
    env.reset(options={"reset_mask": torch.zeros(64, dtype=torch.bool)})
    assert env.state is last


@every_case
def test_an_episode_that_is_over_stays_as_it_is(name, options):
    cap = {"max_episode_steps": 4} if name == HUNTERS else {}
    env = gymnasium.make_vec(name, num_envs=64, **{**cap, **options})
    generator = torch.Generator().manual_seed(0)
    observed, _ = env.reset(seed=0)
    for _ in range(4):
        observed, _, terminated, truncated, _ = env.step(legal_actions(env, observed, generator))
    assert (terminated | truncated).all()
    last = env.state
    _, reward, *ends, _ = env.step(legal_actions(env, observed, generator))
    assert (reward == 0).all()
    assert (ends[0] == terminated).all()
    assert (ends[1] == truncated).all()
    assert all((getattr(last, f) == getattr(env.state, f)).all() for f in vars(last))


@every_case
def test_step_is_pure(name, options):
    """The same state and actions give the same next state, and the old one is untouched."""
    env = gymnasium.make_vec(name, num_envs=16, **options)
    observed, info = env.reset(seed=0)
    state = env.state
    copy = state[torch.arange(16)]
    actions = legal_actions(env, observed, torch.Generator().manual_seed(0))
    first, _ = env.core.step(state, actions)
    second, _ = env.core.step(state, actions)
    for field in vars(state):
        assert (getattr(state, field) == getattr(copy, field)).all()
        assert (getattr(first, field) == getattr(second, field)).all()
    info["score"] += 1
    assert (env.state.score == copy.score).all()


@every_case
def test_gymnasium_and_sb3_accept_the_single_one(name, options):
    env = gymnasium.make(name, render_mode="rgb_array", **options).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymnasium_check(env)
        sb3_check(env, skip_render_check=False)


def test_both_faces_truncate_where_they_are_told():
    """Through ``make`` the cap is Gymnasium's own wrapper, through ``make_vec`` the core's."""
    stay = torch.full((5,), 4)
    one = gymnasium.make(HUNTERS, max_episode_steps=3)
    batch = gymnasium.make_vec(HUNTERS, num_envs=2, max_episode_steps=3)
    one.reset(seed=0)
    batch.reset(seed=0)
    for expected in (False, False, True):
        assert one.step(stay.numpy())[3] is expected
        assert batch.step(stay.expand(2, 5))[3].tolist() == [expected] * 2


@every_case
def test_pictures(name, options):
    batch = gymnasium.make_vec(name, num_envs=2, render_mode="rgb_array", **options)
    one = gymnasium.make(name, render_mode="rgb_array", **options).unwrapped
    batch.reset(seed=0)
    one.reset(seed=0)
    frames = (*batch.render(), one.render())
    assert len(frames) == 3
    assert all(f.dtype == np.uint8 and f.shape == frames[0].shape for f in frames)
    for env in (gymnasium.make_vec(name, num_envs=2), gymnasium.make(name).unwrapped):
        env.reset(seed=0)
        assert env.render() is None


@every_case
def test_nothing_before_reset(name, options):
    batch = gymnasium.make_vec(name, num_envs=2, render_mode="rgb_array", **options)
    one = gymnasium.make(name, render_mode="rgb_array", **options).unwrapped
    actions = np.zeros((2, *batch.single_action_space.shape), dtype=np.int64)
    for call in (
        lambda: batch.step(actions),
        batch.render,
        lambda: batch.reset(options={"reset_mask": torch.ones(2, dtype=torch.bool)}),
        lambda: one.step(actions[0]),
        one.render,
    ):
        with pytest.raises(ValueError, match="reset: expected"):
            call()


@every_case
def test_bad_actions_are_refused_by_name(name, options):
    batch = gymnasium.make_vec(name, num_envs=2, **options)
    one = gymnasium.make(name, **options).unwrapped
    batch.reset(seed=0)
    one.reset(seed=0)
    shape, arms = (2, *batch.single_action_space.shape), int(batch.single_action_space.nvec[0])
    good = torch.full(shape, 4 if name == HUNTERS else 0)
    for actions, said in (
        (good.float(), "int64|integers"),
        (good.bool(), "int64|integers"),
        (good[:, :-1], "shape"),
        (good[..., None], "shape"),
        (good + arms, r"in \[0"),
        (good - arms, r"in \[0"),
    ):
        with pytest.raises(ValueError, match=rf"^actions: expected.*({said})"):
            batch.step(actions)
        with pytest.raises(ValueError, match=rf"^action: expected.*({said})"):
            one.step(actions[0].numpy())
    with pytest.raises(ValueError, match="actions"):
        batch.step([[0]])


@every_case
def test_bad_resets_are_refused_by_name(name, options):
    batch = gymnasium.make_vec(name, num_envs=2, **options)
    one = gymnasium.make(name, **options).unwrapped
    batch.reset(seed=0)
    for bad in ({"reset_mask": torch.ones(2)}, {"reset_mask": torch.ones(3, dtype=torch.bool)}):
        with pytest.raises(ValueError, match="reset_mask: expected"):
            batch.reset(options=bad)
    with pytest.raises(ValueError, match="did you mean 'reset_mask'"):
        batch.reset(options={"rest_mask": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match="options: expected"):
        one.reset(options={"reset_mask": torch.ones(2, dtype=torch.bool)})


@pytest.mark.filterwarnings("ignore:.*render_mode='ansi'")
@every_case
def test_misspelt_options_are_refused_with_a_suggestion(name, options):
    wrong = {"bonus_probabilty": 0.1} if name == BANDIT else {"placment": "iid"}
    for make in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(ValueError, match="did you mean"):
            make(name, **options, **wrong)
        with pytest.raises(ValueError, match="render_mode"):
            make(name, **options, render_mode="ansi")
    for wrong in ({"num_envs": 0}, {"generator": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            gymnasium.make_vec(name, **options, **wrong)
