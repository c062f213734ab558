"""§4.3: does beam search find an action at least as likely as the greedy one?"""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import (
    LEAST,
    TOLERANCE,
    control,
    every_action,
    largest,
    probabilities,
)
from entropy_rl.checks._instances import STATE, random_tables, tables
from entropy_rl.policies.table import TablePolicy
from entropy_rl.stepwise import beam_search

_FUNCTIONS = ("entropy_rl.stepwise.beam_search", "entropy_rl.policies.TablePolicy")


def _probability(policy: TablePolicy, states: Tensor, actions: Tensor) -> Tensor:
    with torch.no_grad():
        return policy.conditionals(states, actions).log_prob.exp()


def shortfall(policy: TablePolicy, beam: int, keep_greedy: bool) -> float:
    """max over the states of p(greedy) - p(beam); below or at 0 where the beam never loses."""
    states = torch.arange(policy.states)
    greedy = _probability(policy, states, beam_search(policy, states, 1))
    found = _probability(policy, states, beam_search(policy, states, beam, keep_greedy))
    return float((greedy - found).max())


def smallest_counterexample() -> TablePolicy:
    """2×3×2 actions, in a 3×3×3 table whose other entries are 0; see :func:`plain_beam`."""
    third = [0.34, 0.33, 0.33]
    sure, even = [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]
    return tables(
        [0.51, 0.49, 0.0],
        [third, even, sure],
        [[sure, even, even], [even, even, even], [even, even, even]],
    )


def binary_counterexample() -> TablePolicy:
    """K = 2, d = 4: the smallest with binary components."""
    greedy, sure, even = [0.51, 0.49], [1.0, 0.0], [0.5, 0.5]
    return tables(
        greedy,
        [greedy, sure],
        [[greedy, even], [even, even]],
        [[[sure, even], [even, even]], [[even, even], [even, even]]],
    )


@checks("zhang2018.beam")
def plain_beam() -> Refutation:
    """§4.3, beam search finds "an action a' with p(a') ≥ p(â)": a plain beam can drop â half-way.

    The smallest case has 2×3×2 actions and a beam of 2: p(a₁) = (.51, .49); p(a₂ | 0) =
    (.34, .33, .33), p(a₂ | 1) = (½, ½, 0); after (0, 0) the last component is certain, elsewhere
    even. Greedy: .51 · .34 = .1734. The beam keeps (1, 0) and (1, 1) with .245 each, drops (0, 0)
    and ends at .1225. With equal sizes that is K = d = 3; with binary components d = 4 is needed.

    Nothing smaller loses, whatever the beam width b. Leave out components of a single value, which
    decide nothing. At level 1 the greedy prefix is the best of all, and what the last level drops
    is never the best; so it is lost at a level from 2 to d - 1, and d ≥ 3. If K₂ = 2 it is not lost
    at level 2: p(g₁g₂) ≥ p(g₁)/2, so of each of the at most b - 1 other prefixes x in the beam,
    p(x) ≤ p(g₁), only the likelier child can beat it. Hence K₂ ≥ 3 (2·3·2 = 12 actions) or d ≥ 4
    (2⁴ = 16 actions) at least.
    """
    policy, binary = smallest_counterexample(), binary_counterexample()
    greedy = _probability(policy, STATE, beam_search(policy, STATE, 1))
    found = _probability(policy, STATE, beam_search(policy, STATE, 2, keep_greedy=False))
    return Refutation(
        "zhang2018.beam",
        witness="2×3×2 actions, beam 2: p(a₁) = (.51, .49), p(a₂|0) = (.34, .33, .33), "
        "p(a₂|1) = (½, ½, 0), a₃ certain after (0,0) and even elsewhere: greedy .51·.34, beam "
        "½·½·.49; with binary components d = 4 and beam 2 the greedy path is "
        f"{shortfall(binary, 2, keep_greedy=False):.4f} more likely",
        printed=float(greedy),
        found=float(found),
        least=LEAST,
        functions=_FUNCTIONS,
        quantity="probability of the action found: at least the greedy path's as printed",
    )


@checks("zhang2018.beam.corrected")
def beam_with_greedy() -> Check:
    """p(beam) ≥ p(greedy) if the greedy prefix is always among the candidates.

    1,000 random tables of each of three sizes and three sharpnesses, beams of 1 to 4, and the two
    counterexamples; and a beam as wide as the number of actions finds the mode. Control: the plain
    beam on the same tables, largest p(greedy) - p(beam) of each size.
    """
    residual = 0.0
    plain: list[float] = []
    for K, d in ((2, 4), (3, 3), (4, 3)):
        worst = 0.0
        for seed, scale in enumerate((0.3, 1.0, 3.0)):
            policy = random_tables(1000, K, d, seed, scale)
            for beam in (1, 2, 3, 4):
                residual = largest(residual, shortfall(policy, beam, keep_greedy=True))
                worst = largest(worst, shortfall(policy, beam, keep_greedy=False))
        plain.append(worst)
        single = random_tables(1, K, d, seed=9)
        best = _probability(single, STATE, beam_search(single, STATE, K**d))
        residual = largest(residual, float(probabilities(every_action(single, STATE)).max() - best))
    for policy in (smallest_counterexample(), binary_counterexample()):
        residual = largest(residual, shortfall(policy, 2, keep_greedy=True))
    return Check(
        "zhang2018.beam.corrected",
        residual,
        TOLERANCE,
        (control("the plain beam", plain),),
        _FUNCTIONS,
        "9,000 random tables (K=2 d=4, K=3 d=3, K=4 d=3), beams of 1 to 4, and the full beam",
    )
