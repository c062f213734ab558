"""§4.3: the smoothed mode inherits Theorems 2 and 3, at the price of a biased gradient."""

from __future__ import annotations

import statistics

import torch

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._cases import gradient_cases
from entropy_rl.checks._enumerate import TOLERANCE, control, every_action, largest, worst
from entropy_rl.checks._instances import SEEDS, STATE, instances, random_tables
from entropy_rl.checks.extremes import LARGEST, D, K, off_mode_example, scaled, towards
from entropy_rl.checks.gaussian import normal_entropy
from entropy_rl.estimators import smoothed, smoothed_mode


@checks("zhang2018.mode")
def smoothed_mode_extremes() -> Check:
    """§4.3: "Ĥ also satisfies Theorems 2 and 3", also where 3(ii) fails for the smoothed estimate.

    Theorem 2: a random normal policy at its mode (every component its conditional mean). Theorem
    3(i): random tables with logits scaled down to 1e-6, Ĥ ≤ 3 log 3 and there in the limit. 3(ii):
    tables driven to a random a* along its own path only, and the 2×2 counterexample to 3(ii), with
    beams of 1 and 3: Ĥ → 0, since the greedy path is a* as soon as p(a*) > ½. Controls: the worst
    drawn action at the limit of 3(ii); the value of Ĥ and its gradient, both biased for H.
    """
    residual = 0.0
    drawn: list[float] = []
    for x in instances(("gaussian",)):
        with torch.no_grad():
            mean = x.policy.parameters_of(x.obs)[0]
            value = smoothed(x.policy.conditionals(x.obs, mean)).value
            residual = largest(residual, worst(value, normal_entropy(x.policy.covariance(x.obs))))
    for seed in SEEDS:
        policy = random_tables(1, K, D, seed)
        mode = torch.randint(K, (D,), generator=torch.Generator().manual_seed(seed))
        limit = towards(policy, mode, 34.0)
        for beam in (1, 3):
            for factor in (10.0, 1.0, 0.1, 1e-6):
                value = smoothed_mode(scaled(policy, factor), STATE, beam).value
                residual = largest(residual, float(value) - LARGEST)
            residual = largest(residual, LARGEST - float(value))
            residual = largest(residual, float(smoothed_mode(limit, STATE, beam).value))
            value = smoothed_mode(off_mode_example(1e-13), STATE, beam).value
            residual = largest(residual, float(value))
        drawn.append(float(smoothed(every_action(limit, STATE)).value.max()))
    value_bias: list[float] = []
    gradient_bias: list[float] = []
    cases = instances()
    for x, c in zip(cases, gradient_cases(cases), strict=True):
        estimate = smoothed_mode(x.policy, x.obs)
        value_bias.append(worst(estimate.value, c.entropy))
        gradient_bias.append(c.error(estimate.surrogate.expand(len(c.p))))
    return Check(
        "zhang2018.mode",
        residual,
        TOLERANCE,
        (
            control("the worst drawn action at the limit of Theorem 3(ii)", drawn),
            control("Ĥ against H", value_bias),
            control("∇Ĥ against ∇H, relatively", gradient_bias),
        ),
        ("entropy_rl.estimators.smoothed_mode", "entropy_rl.stepwise.beam_search"),
        "3 normal policies at their modes; 3 random 3×3×3 tables towards the uniform and towards a "
        "random mode, beams of 1 and 3; gradient bias over LSTM, MMDP and tables: median "
        f"{statistics.median(gradient_bias):.2f} of |∇H|",
    )
