"""What every registered environment promises, asked of each in a few settings (dm_env's manner)."""

import warnings

import gymnasium
import numpy as np
import pytest
import torch
from environments import ENVIRONMENTS
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check

from entropy_rl.policies import POLICIES

every_case = pytest.mark.parametrize(
    ("env", "options"),
    [
        pytest.param(env, options, id=f"{env.name.split('/')[1][:-3]}-{k}")
        for env in ENVIRONMENTS
        for k, options in enumerate(env.settings)
    ],
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


def legal_actions(batch, observed, generator):
    """Uniform over what is legal: what ``batch.step`` takes."""
    space, num = batch.single_action_space, batch.num_envs
    if isinstance(space, spaces.Box):
        low, high = torch.tensor(space.low), torch.tensor(space.high)
        return low + (high - low) * torch.rand(num, *space.shape, generator=generator)
    if isinstance(space, spaces.Discrete):
        return torch.randint(int(space.n), (num,), generator=generator)
    shape = (num, *space.shape, int(space.nvec[0]))
    mask = observed["action_mask"] if isinstance(observed, dict) else torch.ones(shape)
    return torch.multinomial(mask.flatten(0, 1).float(), 1, generator=generator).view(shape[:-1])


def harmless_actions(env, batch):
    """The component that is always legal, everywhere, as an array."""
    return np.full(batch.action_space.shape, env.harmless, batch.action_space.dtype)


def rollout(batch, seed, steps=6):
    generator = torch.Generator().manual_seed(seed)
    observed, info = batch.reset(seed=seed)
    out = [(arrays(observed), arrays(info))]
    for _ in range(steps):
        observed, *rest, info = batch.step(legal_actions(batch, observed, generator))
        out.append((arrays(observed), *(x.numpy() for x in rest), arrays(info)))
    return out


@every_case
def test_spaces_contain_what_comes(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=5, **options)
    assert batch.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    generator = torch.Generator().manual_seed(0)
    observed, _ = batch.reset(seed=0)
    for _ in range(4):
        assert batch.observation_space.contains(arrays(observed))
        actions = legal_actions(batch, observed, generator)
        assert batch.action_space.contains(actions.numpy())
        observed, reward, terminated, truncated, info = batch.step(actions)
        assert reward.dtype == torch.float32
        assert terminated.dtype == truncated.dtype == torch.bool
        assert reward.shape == terminated.shape == truncated.shape == (5,)
        assert all(x.shape == (5,) for x in info.values())
        assert not (terminated & truncated).any()


@every_case
def test_it_says_what_a_policy_must_be_told(env, options):
    core = gymnasium.make_vec(env.name, num_envs=1, **options).core
    assert all(isinstance(core.policy_defaults(family), dict) for family in POLICIES)


@every_case
def test_its_merits_are_in_its_info(env, options):
    core = gymnasium.make_vec(env.name, num_envs=1, **options).core
    there = core.info(core.reset(1, generator=torch.Generator().manual_seed(0)))
    assert set(getattr(core, "merits", ())) <= there.keys()


@every_case
def test_numpy_actions_are_accepted(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=3, **options)
    observed, _ = batch.reset(seed=0)
    actions = legal_actions(batch, observed, torch.Generator().manual_seed(0))
    first = arrays(batch.step(actions)[0])
    batch.reset(seed=0)
    assert equal(first, arrays(batch.step(actions.numpy())[0]))


@every_case
def test_the_same_seed_gives_the_same_numbers(env, options):
    """Two seeds share all of the fresh episodes with a probability below 1e-30 in every case."""
    batch = gymnasium.make_vec(env.name, num_envs=env.most, **options)
    for x, y in zip(rollout(batch, 3), rollout(batch, 3), strict=True):
        assert all(equal(a, b) for a, b in zip(x, y, strict=True))
    batch.reset(seed=3)
    start = batch.state
    batch.reset(seed=4)
    assert any((getattr(start, s) != getattr(batch.state, s)).any() for s in batch.core.starts)


@every_case
def test_a_generator_passed_in_is_the_only_source(env, options):
    played = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        generator = torch.Generator().manual_seed(5)
        num = min(64, env.most)
        batch = gymnasium.make_vec(env.name, num_envs=num, generator=generator, **options)
        batch.reset()
        start = batch.state
        batch.step(harmless_actions(env, batch))
        played.append((start, batch.state))
    for one, other in zip(*played, strict=True):
        assert all((getattr(one, f) == getattr(other, f)).all() for f in vars(one))


@every_case
def test_the_batch_equals_a_loop_of_single_ones(env, options):
    num = min(24, env.most)
    batch = gymnasium.make_vec(env.name, num_envs=num, **options)
    singles = [env.single(**options) for _ in range(num)]
    observed, info = batch.reset(seed=11)
    fresh = {s: getattr(batch.state, s) for s in batch.core.starts}
    given = {s: env.as_start(batch.core, x) for s, x in fresh.items()}
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
def test_an_episode_is_the_same_whoever_else_is_in_the_batch(env, options):
    """As rollouts have it, which drop what has ended."""
    core = gymnasium.make_vec(env.name, **options).core
    num = min(40, env.most)
    state = core.reset(num, generator=torch.Generator().manual_seed(0))
    some = torch.arange(num) % 3 == 1
    few = state[some]
    everyone = gymnasium.make_vec(env.name, num_envs=num, **options)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        actions = legal_actions(everyone, core.observe(state), generator)
        rows = actions.view(num, -1)
        state, outcome = core.step(state, rows)
        few, part = core.step(few, rows[some])
        assert all(torch.equal(x[some], y) for x, y in zip(outcome, part, strict=True))
    assert all(torch.equal(getattr(state, f)[some], getattr(few, f)) for f in vars(state))


@every_case
def test_reset_mask_begins_those_and_leaves_the_others(env, options):
    num = min(64, env.most)
    batch = gymnasium.make_vec(env.name, num_envs=num, **options)
    observed, _ = batch.reset(seed=0)
    batch.step(legal_actions(batch, observed, torch.Generator().manual_seed(0)))
    before, mask = batch.state, torch.arange(num) % 3 == 0
    _, info = batch.reset(options={"reset_mask": mask})
    for field in vars(before):
        assert (getattr(batch.state, field)[~mask] == getattr(before, field)[~mask]).all()
    assert (info["length"][mask] == 0).all()
    assert (batch.reset(options={"reset_mask": ~mask.numpy()})[1]["length"] == 0).all()
    last = batch.state
    batch.reset(options={"reset_mask": torch.zeros(num, dtype=torch.bool)})
    assert batch.state is last


@every_case
def test_an_episode_that_is_over_stays_as_it_is(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=min(64, env.most), **{**env.short, **options})
    generator = torch.Generator().manual_seed(0)
    observed, _ = batch.reset(seed=0)
    for _ in range(4):
        actions = legal_actions(batch, observed, generator)
        observed, _, terminated, truncated, _ = batch.step(actions)
    assert (terminated | truncated).all()
    last = batch.state
    _, reward, *ends, _ = batch.step(legal_actions(batch, observed, generator))
    assert (reward == 0).all()
    assert (ends[0] == terminated).all()
    assert (ends[1] == truncated).all()
    assert all((getattr(last, f) == getattr(batch.state, f)).all() for f in vars(last))


@every_case
def test_step_is_pure(env, options):
    """The same state and actions give the same next state, and the old one is untouched."""
    num = min(16, env.most)
    batch = gymnasium.make_vec(env.name, num_envs=num, **options)
    observed, info = batch.reset(seed=0)
    state = batch.state
    copy = state[torch.arange(num)]
    actions = legal_actions(batch, observed, torch.Generator().manual_seed(0)).view(num, -1)
    first, _ = batch.core.step(state, actions)
    second, _ = batch.core.step(state, actions)
    for field in vars(state):
        assert (getattr(state, field) == getattr(copy, field)).all()
        assert (getattr(first, field) == getattr(second, field)).all()
    info["score"] += 1
    assert (batch.state.score == copy.score).all()


@every_case
def test_gymnasium_and_sb3_accept_the_single_one(env, options):
    one = gymnasium.make(env.name, render_mode="rgb_array", **options).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Both say so of Gymnasium's own pendulum, whose torques are those of ours.
        warnings.filterwarnings("ignore", ".*symmetric and normalized")
        gymnasium_check(one)
        sb3_check(one, skip_render_check=False)


@pytest.mark.parametrize("env", [e for e in ENVIRONMENTS if e.short], ids=lambda e: e.name)
def test_both_faces_truncate_where_they_are_told(env):
    """Through ``make`` the cap is Gymnasium's own wrapper, through ``make_vec`` the core's."""
    one = gymnasium.make(env.name, max_episode_steps=3)
    batch = gymnasium.make_vec(env.name, num_envs=2, max_episode_steps=3)
    one.reset(seed=0)
    batch.reset(seed=0)
    actions = harmless_actions(env, batch)
    for expected in (False, False, True):
        assert one.step(actions[0])[3] is expected
        assert batch.step(actions)[3].tolist() == [expected] * 2


@every_case
def test_pictures(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=2, render_mode="rgb_array", **options)
    one = gymnasium.make(env.name, render_mode="rgb_array", **options).unwrapped
    batch.reset(seed=0)
    one.reset(seed=0)
    frames = (*batch.render(), one.render())
    assert len(frames) == 3
    assert all(f.dtype == np.uint8 and f.shape == frames[0].shape for f in frames)
    for face in (gymnasium.make_vec(env.name, num_envs=2), gymnasium.make(env.name).unwrapped):
        face.reset(seed=0)
        assert face.render() is None


@every_case
def test_nothing_before_reset(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=2, render_mode="rgb_array", **options)
    one = gymnasium.make(env.name, render_mode="rgb_array", **options).unwrapped
    actions = harmless_actions(env, batch)
    for call in (
        lambda: batch.step(actions),
        batch.render,
        lambda: batch.reset(options={"reset_mask": torch.ones(2, dtype=torch.bool)}),
        lambda: one.step(actions[0]),
        one.render,
    ):
        with pytest.raises(ValueError, match="reset: expected"):
            call()


def bad_actions(good, space):
    """What one episode must refuse, and a part of the complaint; ``good`` is an array."""
    yield good.astype(bool), "int64|integers|floating"
    yield np.stack([good, good]), "shape"
    if good.ndim:
        yield good[:-1], "shape"
    if isinstance(space, spaces.Box):
        yield good.astype(np.int64), "floating"
        yield good + np.float32(np.nan), "finite"
        yield good + np.float32(np.inf), "finite"
    else:
        size = int(np.max(space.n if isinstance(space, spaces.Discrete) else space.nvec))
        yield good.astype(float), "int64|integers"
        yield good + size, r"in \[0"
        yield good - size, r"in \[0"


@every_case
def test_bad_actions_are_refused_by_name(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=2, **options)
    one = gymnasium.make(env.name, **options).unwrapped
    batch.reset(seed=0)
    one.reset(seed=0)
    good = harmless_actions(env, batch)
    for actions, said in bad_actions(good[0], batch.single_action_space):
        with pytest.raises(ValueError, match=rf"^action: expected.*({said})"):
            one.step(actions)
        both = torch.as_tensor(np.stack([actions, actions]))
        with pytest.raises(ValueError, match=rf"^actions: expected.*({said})"):
            batch.step(both)
    for actions in (good[:1], good[..., None], good.tolist()):
        with pytest.raises(ValueError, match=r"^actions: expected"):
            batch.step(actions)


@every_case
def test_bad_resets_are_refused_by_name(env, options):
    batch = gymnasium.make_vec(env.name, num_envs=2, **options)
    one = gymnasium.make(env.name, **options).unwrapped
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
def test_misspelt_options_are_refused_with_a_suggestion(env, options):
    for make in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(ValueError, match="did you mean"):
            make(env.name, **options, **{env.typo: 0.1})
        with pytest.raises(ValueError, match="render_mode"):
            make(env.name, **options, render_mode="ansi")
    for wrong in ({"num_envs": 0}, {"generator": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            gymnasium.make_vec(env.name, **options, **wrong)


def test_every_environment_of_the_package_has_its_record():
    registered = {name for name in gymnasium.registry if name.startswith("entropy_rl/")}
    assert registered == {e.name for e in ENVIRONMENTS if not e.name.startswith("tests/")}
