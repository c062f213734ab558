"""Finite Markov decision processes solved exactly, in float64, with gradients.

::

    v_π(s) = Σₐ π(a | s) q_π(s, a) + α H(π(· | s))
    q_π(s, a) = r(s, a) + γ Σ_s' P(s' | s, a) v_π(s')

Here q leaves out the entropy of its own state, as in soft actor–critic; the q of liu2020, eq. 4,
is ours plus α H(π(· | s)), which no choice of a changes.

A **terminal** state ends the episode: nothing is decided there, so its value, its entropy and its
occupancy are 0, whatever a policy's row says. It must be absorbing and without reward, which the
constructor checks. A state that merely loops is not terminal: the entropy collected there counts.

Values, occupancies and returns are plain torch arithmetic: call ``backward`` on one to have the
gradient through the linear solve. A search is not (of an optimum, of a limit as in ``ascend``, of a
temperature as in ``entropy_constrained``), and ``policy_gradient`` and ``bonus_gradient`` are
gradients already.
"""

from entropy_rl.tabular._examples import patience, rooms
from entropy_rl.tabular._garnet import garnet
from entropy_rl.tabular._limits import ascend, bonus_gradient
from entropy_rl.tabular._mdp import FiniteMDP
from entropy_rl.tabular._solve import (
    Solution,
    Values,
    evaluate_policy,
    expected_return,
    occupancy,
    policy_gradient,
    soft_value_iteration,
    state_entropy,
    value_iteration,
)
from entropy_rl.tabular._temperature import (
    EntropyConstrained,
    boltzmann,
    boltzmann_entropy,
    boltzmann_entropy_slope,
    discounted_entropy,
    entropy_constrained,
    entropy_constrained_return,
    entropy_dual,
)
from entropy_rl.tabular._trajectories import Trajectories, enumerate_trajectories

__all__ = [
    "EntropyConstrained",
    "FiniteMDP",
    "Solution",
    "Trajectories",
    "Values",
    "ascend",
    "boltzmann",
    "boltzmann_entropy",
    "boltzmann_entropy_slope",
    "bonus_gradient",
    "discounted_entropy",
    "entropy_constrained",
    "entropy_constrained_return",
    "entropy_dual",
    "enumerate_trajectories",
    "evaluate_policy",
    "expected_return",
    "garnet",
    "occupancy",
    "patience",
    "policy_gradient",
    "rooms",
    "soft_value_iteration",
    "state_entropy",
    "value_iteration",
]
