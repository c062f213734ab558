"""The soft actor-critic's regression target and its reparametrised actor."""

from __future__ import annotations

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.losses._check import constant, elements


def soft_q_target(
    r_t: Tensor, discount_t: Tensor, q_t: Tensor, log_prob_t: Tensor, temperature: float
) -> Tensor:
    """What a soft Q learns (Haarnoja et al. 2018b, eq. 5; liu2020, figure 1, line 12).

        y = r + γ (Q(s', a') - α log π(a' | s')),    a' ~ π(· | s')

    Args:
        r_t: ``(*batch,)``, rewards.
        discount_t: ``(*batch,)``, γ, and 0 where the episode terminated.
        q_t: ``(*batch,)``, Q(s', a'); of twin critics the smaller one.
        log_prob_t: ``(*batch,)``, log π(a' | s'), nats.
        temperature: α ≥ 0, reward per nat.

    Returns:
        y ``(*batch,)``, detached as its arguments are.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, an argument with a gradient, α < 0.
    """
    _validate.detached("r_t", elements("r_t", r_t))
    _validate.at_least("temperature", temperature, 0.0)
    rest = {"discount_t": discount_t, "q_t": q_t, "log_prob_t": log_prob_t}
    discount_t, q_t, log_prob_t = (constant(name, x, r_t) for name, x in rest.items())
    return r_t + discount_t * (q_t - temperature * log_prob_t)


def reparametrised_policy_loss(q: Tensor, log_prob: Tensor, temperature: float) -> Tensor:
    """The actor through the action (Haarnoja et al. 2018b, eq. 7; liu2020, eq. 31).

        L = mean[α log π(a | s) - Q(s, a)],    a = f(s, ε) carrying the graph

    Args:
        q: ``(*batch,)``, Q(s, a), with its gradient in a.
        log_prob: ``(*batch,)``, log π(a | s), nats, with its gradient.
        temperature: α ≥ 0, reward per nat.

    Returns:
        L, a scalar.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, α < 0.
    """
    elements("q", q)
    _validate.shape("log_prob", _validate.floating("log_prob", log_prob), tuple(q.shape))
    _validate.at_least("temperature", temperature, 0.0)
    return (temperature * log_prob - q).mean()
