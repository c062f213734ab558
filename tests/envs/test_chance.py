"""Chance inside a step: a published generator, and dynamics whose odds are the stated ones."""

import gymnasium
import pytest
import torch
import toys

from entropy_rl.algorithms.rollout import play_episodes
from entropy_rl.envs import draw_keys, uniforms
from entropy_rl.envs._chance import _GOLDEN, mix
from entropy_rl.policies import make_policy
from refusals import assert_refused, refusals

KEYS, TIME = torch.arange(3), torch.zeros(3, dtype=torch.int64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def splitmix64(seed):
    """The next number and state, in Python's integers, as Vigna's C has it."""
    state = (seed + 0x9E3779B97F4A7C15) % 2**64
    z = state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31), state


def test_the_hash_is_splitmix64():
    """The first three numbers of the seed 1234567 are printed in Rosetta Code."""
    printed = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    found = mix(1234567 + torch.arange(1, 4) * _GOLDEN)
    assert [x % 2**64 for x in found.tolist()] == printed


def test_uniforms_are_the_generators_numbers_in_order():
    keys = draw_keys(20, generator=seeded(0))
    steps = [uniforms(keys, torch.full((20,), t), 3) for t in range(4)]
    for n, key in enumerate(keys.tolist()):
        state = key % 2**64
        for step in steps:
            for u in step[n].tolist():
                bits, state = splitmix64(state)
                assert u == ((bits >> 12) + 0.5) / 2**52


def test_uniforms_are_uniform_and_do_not_remember():
    """20 bins of 10⁶ numbers, 3 products of neighbours: at 5.5 sigma, false alarm 1e-6 in all."""
    keys, time = draw_keys(1000, generator=seeded(0)), torch.arange(500)
    u = torch.stack([uniforms(keys, t.expand(1000), 2) for t in time])
    assert 0 < u.min() < u.max() < 1
    counts = torch.histc(u, 20, 0, 1)
    assert ((counts - 50_000).abs() < 5.5 * (1e6 * 0.05 * 0.95) ** 0.5).all()
    centred = u - 0.5
    for product in (
        centred[1:] * centred[:-1],  # in time
        centred[:, 1:] * centred[:, :-1],  # over episodes
        centred[..., 0] * centred[..., 1],  # in a step
    ):
        assert abs(product.mean()) < 5.5 / 12 / product.numel() ** 0.5


def test_ice_slips_as_often_as_it_says():
    """10⁵ first steps; 5.5 sigma, false alarm 4e-8."""
    core = toys.Ice(cells=100, slip=0.25)
    num = 100_000
    state = core.reset(num, generator=seeded(0))
    after, _ = core.step(state, torch.full((num, 1), 2))
    stayed = (after.place == state.place).double().mean()
    assert abs(stayed - 0.25) < 5.5 * (0.25 * 0.75 / num) ** 0.5


@pytest.mark.parametrize("name", ["tests/Ice-v0", "tests/Drift-v0"])
def test_only_the_key_differs_and_the_next_state_does(name):
    """From one place under one action; that 64 episodes all do the same has odds below 2e-8."""
    batch = gymnasium.make_vec(name, num_envs=64)
    batch.reset(seed=0)
    place = torch.ones_like(batch.state.place)
    batch.reset(options={"place": place, "key": batch.state.key})
    batch.step(batch.action_space.sample() * 0)
    assert len(batch.state.place.unique(dim=0)) > 1


@pytest.mark.parametrize("core", [toys.Ice(), toys.Drift()], ids=["Ice", "Drift"])
def test_the_rollout_plays_it_as_it_is(core):
    """Seeded and reproducible, with a policy's own actions: the loop knows nothing of chance."""
    family = "gaussian" if isinstance(core, toys.Drift) else "mmdp"
    torch.manual_seed(0)
    policy = make_policy(family, core.observation_space, core.action_space)

    def play(seed):
        drawn = seeded(3)
        return play_episodes(
            core, lambda obs: policy.sample(obs, drawn), 32, 4, 0.9, generator=seeded(seed)
        )

    one, again, other = play(0), play(0), play(1)
    assert torch.equal(one.r_t, again.r_t)
    assert torch.equal(one.obs, again.obs)
    assert one.r_t.shape != other.r_t.shape or not torch.equal(one.r_t, other.r_t)


@refusals(
    [
        ("no keys", lambda: draw_keys(0), "num", "an integer ≥ 1", "0"),
        ("a seed", lambda: draw_keys(2, generator=7), "generator", "torch.Generator", "int 7"),
        ("no numbers", lambda: uniforms(KEYS, TIME, 0), "size", "an integer ≥ 1", "0"),
        ("keys", lambda: uniforms(KEYS.double(), TIME), "keys", "int64", "float64 (3,)"),
        ("a key", lambda: uniforms(KEYS[0], TIME[0]), "keys", "shape (N,)", "int64 ()"),
        ("the time", lambda: uniforms(KEYS, TIME[:2]), "time", "shape (3,)", "int64 (2,)"),
    ]
)
def test_bad_input_is_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
