"""Breakout: ale-py's game step for step, as a function of a state; lives, scores, the cache."""

import sys

import numpy as np
import pytest
import torch

from entropy_rl.envs import Breakout, episodes_over
from entropy_rl.envs._emulators import Emulators, Shown

SEED = 5


def begun(core, *seeds):
    return core.start(seed=torch.tensor(seeds))


def actions(steps, seed=0):
    return torch.randint(4, (steps, 1, 1), generator=torch.Generator().manual_seed(seed))


class Scripted(Emulators):
    """Games that show what they are told: points, lives and whether over, step by step."""

    def __init__(self, *script):
        super().__init__("breakout", 4, {})
        self.script = script
        self.frames = np.zeros((1, 4, 84, 84), np.uint8)

    def begin(self, seeds):
        return [Shown(self.frames, 0, 5, False) for _ in seeds]

    def step(self, played, actions, frames):
        return [Shown(self.frames, *self.script[len(before)]) for _, before in played]


def scripted(*script, **options):
    core = Breakout(**options)
    vars(core)["_emulators"] = Scripted(*script)
    return core


@pytest.fixture(scope="module")
def game():
    """A whole game: the states, the outcomes, and what ale-py's own environment gives."""
    from ale_py.vector_env import AtariVectorEnv

    core, moves = Breakout(), actions(600)
    state = begun(core, SEED)
    ours = [(state, None)]
    plain = AtariVectorEnv("breakout", 1, num_threads=1, reward_clipping=False)
    theirs = [plain.reset(seed=np.array([SEED]))]
    while not core.over(state).all():
        move = moves[len(ours) - 1]
        state, outcome = core.step(state, move)
        ours.append((state, outcome))
        theirs.append(plain.step(move[0].numpy()))
    return core, moves, ours, theirs


def test_it_is_step_for_step_ale_pys(game):
    core, _, ours, theirs = game
    assert np.array_equal(core.observe(ours[0][0]).numpy(), theirs[0][0])
    total = 0
    for (state, outcome), (frames, points, over, _, info) in zip(ours[1:], theirs[1:], strict=True):
        total += points[0]
        assert np.array_equal(core.observe(state).numpy(), frames)
        assert outcome.reward.item() == points[0]
        assert state.lives.item() == info["lives"][0]
        assert outcome.terminated.item() == over[0]
        assert not outcome.truncated
        assert core.info(state)["score"].item() == total
    assert total > 0
    assert over[0]
    assert ours[0][0].lives == 5


def test_a_state_from_before_is_played_again_from_its_seed(game):
    """By the core that was there and by one that never was."""
    _, moves, ours, _ = game
    t = 150
    for core in (game[0], Breakout()):
        state, outcome = core.step(ours[t][0], moves[t])
        for field in vars(state):
            assert torch.equal(getattr(state, field), getattr(ours[t + 1][0], field)), field
        assert all(torch.equal(a, b) for a, b in zip(outcome, ours[t + 1][1], strict=True))


def test_a_state_that_the_emulator_does_not_come_to_is_refused(game):
    _, moves, ours, _ = game
    other = Breakout(noop_max=1)
    with pytest.raises(ValueError, match=r"^state: expected one that this emulator plays"):
        other.step(ours[20][0], moves[20])


def test_a_lost_life_is_terminated_for_the_learner_alone():
    lives = [(0, 5, False), (7, 4, False), (4, 4, False), (1, 0, True)]
    for life_loss, terminated in ((False, [0, 0, 0, 1]), (True, [0, 1, 0, 1])):
        core = scripted(*lives, life_loss=life_loss)
        state, seen, over = begun(core, 0), [], []
        for _ in lives:
            state, outcome = core.step(state, torch.zeros(1, 1, dtype=torch.int64))
            seen.append(int(outcome.terminated))
            over.append(int(episodes_over(core, state, outcome)))
        assert seen == terminated
        assert over == [0, 0, 0, 1]


def test_the_score_is_never_clipped():
    points = [(0, 5, False), (7, 5, False), (4, 5, False)]
    for clip, paid in ((False, [0.0, 7.0, 4.0]), (True, [0.0, 1.0, 1.0])):
        core = scripted(*points, clip_rewards=clip)
        state, rewards = begun(core, 0, 1), []
        for _ in points:
            state, outcome = core.step(state, torch.zeros(2, 1, dtype=torch.int64))
            rewards.append(outcome.reward[1].item())
        assert rewards == paid
        assert core.info(state)["score"].tolist() == [11.0, 11.0]


def test_a_game_is_truncated_and_is_not_terminated():
    core = scripted((0, 5, False), (1, 5, False), max_episode_steps=2)
    state = begun(core, 0)
    for last in (False, True, True):
        state, outcome = core.step(state, torch.zeros(1, 1, dtype=torch.int64))
        assert outcome.truncated.item() is last
        assert not outcome.terminated
        assert core.over(state).item() is last
    assert (state.time, state.score) == (2, 1)
    assert outcome.reward == 0


def test_emulators_are_taken_again():
    """Two games at once never need more than four: a finished one is the first to be taken."""
    core = Breakout(max_episode_steps=2)
    generator = torch.Generator().manual_seed(0)
    state = core.reset(2, generator=generator)
    for _ in range(6):
        state, _ = core.step(state, torch.ones(2, 1, dtype=torch.int64))
        over = core.over(state)
        if over.any():
            state = state.replaced(over, core.reset(int(over.sum()), generator=generator))
    assert core._emulators.made == 4
    assert len(core._emulators._at) == 4


@pytest.mark.parametrize("seed", [-1, 2**31 - 1])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match=r"^seed: expected integers in"):
        begun(Breakout(), seed)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_episode_steps", 0),
        ("clip_rewards", 1),
        ("life_loss", "yes"),
        ("noop_max", 0),
        ("sticky", 1.5),
    ],
)
def test_bad_options_are_refused_by_name(option, value):
    with pytest.raises(ValueError, match=rf"^{option}: expected"):
        Breakout(**{option: value})


def test_without_ale_py_the_extra_is_named(monkeypatch):
    """Only when a game is begun: a spec can be read without it."""
    monkeypatch.setitem(sys.modules, "ale_py.vector_env", None)
    core = Breakout()
    assert core.action_space.n == 4
    with pytest.raises(ModuleNotFoundError, match=r"entropy-rl\[atari\]"):
        begun(core, 0)
