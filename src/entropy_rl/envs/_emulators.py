"""Emulators of one Atari game, found again by what was played on them (extra: ``atari``)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from entropy_rl import _validate as check

# The game's seed and the bytes of all actions since: it is deterministic but for the seed.
Played = tuple[int, bytes]


class Shown(NamedTuple):
    """What a game shows: frames uint8 ``(1, 4, 84, 84)``, points just made, lives, whether over."""

    frames: np.ndarray
    points: int
    lives: int
    over: bool


def vector_env_class() -> Any:
    """ale-py's ``AtariVectorEnv``.

    Raises:
        ModuleNotFoundError: without ale-py, the extra ``atari``.
    """
    try:
        from ale_py.vector_env import AtariVectorEnv
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Atari games need ale-py: pip install 'entropy-rl[atari]'", name=error.name
        ) from error
    return AtariVectorEnv


class Emulators:
    """A cache: a game that was just played is at hand, any other is played again from its seed.

    Each is an ``AtariVectorEnv`` of one game, so that games begin, go on and are dropped without
    each other; those of a call run side by side. Where more are asked for than there are, one is
    made, up to twice as many as were ever asked for at once; then the one that was left longest is
    taken.

    Args:
        game: ale-py's name of it.
        actions: the number of actions that it must have.
        options: of ``AtariVectorEnv``.
    """

    def __init__(self, game: str, actions: int, options: dict[str, Any]) -> None:
        self.game, self.actions, self.options = game, actions, options
        self.most = self.made = 0
        self._at: dict[Played, Any] = {}  # in the order in which they were left

    def begin(self, seeds: list[int]) -> list[Shown]:
        """Begin a game with each of the seeds."""
        self.most = max(self.most, len(seeds))
        return [self._begin(self._emulator(), seed) for seed in seeds]

    def step(
        self, played: list[Played], actions: list[int], frames: list[np.ndarray]
    ) -> list[Shown]:
        """One action in each of some games.

        Args:
            played: what was played in each so far.
            actions: one for each.
            frames: what each showed last, uint8 ``(4, 84, 84)``.

        Raises:
            ValueError: a game that shows something else after the same actions, which is one of
                other options or of another emulator.
        """
        self.most = max(self.most, len(played))
        found = [self._at.pop(key, None) for key in played]
        at = [
            self._again(key, shown) if emulator is None else emulator
            for emulator, key, shown in zip(found, played, frames, strict=True)
        ]
        for emulator, action in zip(at, actions, strict=True):
            emulator.send(np.array([action]))
        after = [_shown(*emulator.recv()) for emulator in at]
        for emulator, (seed, before), action in zip(at, played, actions, strict=True):
            self._at[seed, before + bytes([action])] = emulator
        return after

    def _begin(self, emulator: Any, seed: int) -> Shown:
        frames, info = emulator.reset(seed=np.array([seed]))
        self._at[seed, b""] = emulator
        return _shown(frames, [0], [False], [False], info)

    def _again(self, played: Played, frames: np.ndarray) -> Any:
        seed, actions = played
        emulator = self._emulator()
        shown = self._begin(emulator, seed)
        del self._at[seed, b""]
        for action in actions:
            shown = _shown(*emulator.step(np.array([action])))
        if not np.array_equal(shown.frames[0], frames):
            expected = "one that this emulator plays, with the same options"
            raise check.fail("state", expected, "one that shows something else")
        return emulator

    def _emulator(self) -> Any:
        """One to begin a game on."""
        if self.made >= 2 * self.most and self._at:
            return self._at.pop(next(iter(self._at)))
        made = vector_env_class()(self.game, 1, num_threads=1, **self.options)
        self.made += 1
        if made.single_action_space.n != self.actions:
            raise check.fail("game", f"{self.actions} actions", made.single_action_space)
        return made


def _shown(frames: Any, points: Any, over: Any, truncated: Any, info: dict[str, Any]) -> Shown:
    if truncated[0]:
        raise check.fail("emulator", "a game that only its core cuts", "one cut by itself")
    return Shown(frames, int(points[0]), int(info["lives"][0]), bool(over[0]))
