"""The entropy bonus, and the temperature that holds an entropy at its target."""

from __future__ import annotations

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.losses._check import elements


def entropy_loss(surrogate: Tensor, coefficient: float) -> Tensor:
    """The entropy bonus (zhang2018, eq. 1).

        L = -β mean[Ĥ(s)]

    Args:
        surrogate: ``(*batch,)``, nats: an estimate's *surrogate*, whose autograd gradient is the
            estimate of ∇H; or an exact entropy.
        coefficient: β ≥ 0, reward per nat.

    Returns:
        L, a scalar.

    Raises:
        ValueError: a wrong dtype, no elements, a negative β.
    """
    elements("surrogate", surrogate)
    _validate.at_least("coefficient", coefficient, 0.0)
    return -coefficient * surrogate.mean()


def temperature_loss(log_temperature: Tensor, entropy: Tensor, target: float) -> Tensor:
    """The temperature's dual (Haarnoja et al. 2018b, eq. 18; liu2020, figure 1, line 15).

        L = α mean[H - H̄],    α = exp(log α),    ∂L/∂log α = L

    Descending it lowers α while the entropy is above its target, and raises it below.

    Args:
        log_temperature: ``()``, log α, with its gradient.
        entropy: ``(*batch,)``, nats, detached: H(s), or any estimate of unbiased *value*, such as
            -log π(a | s).
        target: H̄, nats; of any sign for densities.

    Returns:
        L, a scalar.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, an entropy with a gradient, a target that
            is no finite number.
    """
    _validate.shape("log_temperature", _validate.floating("log_temperature", log_temperature), ())
    _validate.number("target", target)
    _validate.detached("entropy", elements("entropy", entropy))
    return log_temperature.exp() * (entropy - target).mean()
