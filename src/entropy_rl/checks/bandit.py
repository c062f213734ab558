"""§5.2: the most that a team can expect of its ten arms."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import TOLERANCE, control, largest, worst
from entropy_rl.envs import TeamBandit

PRINTED = 35.66


@checks("zhang2018.bandit_maximum")
def bandit_maximum() -> Check:
    """§5.2: "Thus the maximum expected reward is 35.66", with four agents and ten arms.

    Every joint pull of the game is played twice, once lucky and once not, and the two rewards are
    weighted by the chance of the bonus. One assignment has the most. Controls: an arm that pays
    each who pulls it; a bonus for the four best arms in any order; no bonus.
    """
    game = TeamBandit()
    pulls = torch.cartesian_prod(*[torch.arange(game.arms)] * game.agents)
    expected = _played(game, pulls)
    best = expected > expected.max() - TOLERANCE
    residual = largest(
        abs(float(expected.max()) - PRINTED),
        worst(expected, game.expected_reward(pulls)),
        float(best.sum() - 1),
        float((pulls[best] - game.exceptional).abs().max()),
    )
    every = pulls.double().add(1).sum(1)
    top = (pulls.sort(1).values == game.exceptional.sort().values).all(1)
    extra = game.bonus * game.bonus_probability
    any_order = expected + extra * (top & ~best).double()
    shared = (any_order > any_order.max() - TOLERANCE).sum()
    return Check(
        "zhang2018.bandit_maximum",
        residual,
        TOLERANCE,
        (
            control("an arm pays each who pulls it", [abs(float(every.max()) - PRINTED)]),
            control(
                "a bonus in any order: assignments that have the most, but one",
                [float(shared - 1)],
            ),
            control("no bonus", [PRINTED - float(_played(TeamBandit(bonus=0), pulls).max())]),
        ),
        ("entropy_rl.envs.TeamBandit",),
        f"all {len(pulls):,} joint pulls, each lucky and not",
    )


def _played(game: TeamBandit, pulls: Tensor) -> Tensor:
    """E[r | a] from the game's own step, ``(N,)``."""
    lucky, unlucky = (
        game.step(game.start(lucky=torch.full((len(pulls),), luck)), pulls)[1].reward.double()
        for luck in (True, False)
    )
    return game.bonus_probability * lucky + (1 - game.bonus_probability) * unlucky
