"""A check is worth what it catches: break the package, one place at a time, and see it fail.

Every registered check stands in ``BREAKAGES`` at least once; add a row with every new check.
"""

import dataclasses
import inspect
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from entropy_rl import checks, stepwise
from entropy_rl.algorithms import EntropyCritic
from entropy_rl.checks import (
    CHECKS,
    baseline,
    clipped_action,
    extremes,
    gaussian,
    gradients,
    reparametrised,
    run,
    soft_gradient,
    soft_surrogates,
    temperature,
    variance,
)
from entropy_rl.conditionals import Conditionals, GaussianConditionals
from entropy_rl.conditionals import _categorical as conditionals
from entropy_rl.conditionals import _clipped as clipped
from entropy_rl.envs import TeamBandit
from entropy_rl.estimators import kl, pathwise, tree
from entropy_rl.policies import _spaces
from entropy_rl.policies.gaussian import GaussianPolicy
from entropy_rl.tabular import (
    _limits,
    _solve,
    _temperature,
    ascend,
    boltzmann_entropy,
    enumerate_trajectories,
    policy_gradient,
)

ENTROPY = conditionals.categorical_entropy
BEST_CHILDREN = stepwise._best_children
COMPONENT_KL = Conditionals.component_kl
INPUTS = EntropyCritic._inputs
SAMPLE = GaussianPolicy.sample
LOG_STD = GaussianPolicy._log_std
GAUSSIAN_LOG_PROBS = GaussianConditionals.component_log_probs
OCCUPANCY, STATE_ENTROPY = _solve.occupancy, _solve.state_entropy
TEAM, TEMPERATURE_LOSS = temperature.team, temperature.temperature_loss
SURROGATE, BONUS = soft_surrogates.clipped_surrogate_loss, soft_surrogates.entropy_loss


def in_bits(log_probs):
    return ENTROPY(log_probs) / math.log(2)


def off_by_a_little(log_probs):
    return ENTROPY(log_probs) + 1e-6


def no_entropy(log_probs):
    return 0.0 * ENTROPY(log_probs)


def of_seventeen(log_probs):
    return ENTROPY(log_probs) + math.log(17 / 11)


def nothing(x):
    return torch.zeros_like(x)


def before_instead_of_after(x):
    return x.cumsum(-1) - x


def no_weights(chain, log_weights):
    one = torch.ones((), dtype=chain.component_log_probs.dtype)
    return one, one


def without_gradient(policy, obs):
    estimate = tree.exact(policy, obs)
    return dataclasses.replace(estimate, surrogate=estimate.value)


def slightly_more(p, q):
    return 1.001 * COMPONENT_KL(p, q)


def always_keeping(children, beam, keep_greedy):
    return BEST_CHILDREN(children, beam, True)


def never_keeping(children, beam, keep_greedy):
    return BEST_CHILDREN(children, beam, False)


def upside_down(policy, obs, beam=1, keep_greedy=True):
    return policy.K - 1 - stepwise.beam_search(policy, obs, beam, keep_greedy)


def driven_everywhere(epsilon):
    row = [1 - epsilon, epsilon]
    return extremes.tables(row, [row, row])


def no_deviations(self):
    return 0.5 * math.log(2 * math.pi * math.e) + torch.zeros_like(self.log_stds)


def without_correlation(self, obs):
    return torch.diag_embed((2 * self.parameters_of(obs)[1]).exp())


def without_the_factor(chain, baseline=None, *, log_weights=None):
    return pathwise.crude(chain, log_weights=log_weights)


def baseline_ignored(chain, baseline=None, log_weights=None):
    return pathwise.smoothed(chain, log_weights=log_weights)


def sees_its_component(self, obs, chain, where):
    return INPUTS(self, obs, baseline._one_further(chain), where)


def too_wide(self, obs, generator=None):
    mean = self.parameters_of(obs)[0]
    return self.conditionals(obs, mean + 1.05 * (SAMPLE(self, obs, generator).actions - mean))


def pays_everybody(self, actions):
    return (actions + 1.0).double().sum(-1)


def no_mask(sizes):
    return None


def a_little_more_entropy(policy):
    return 1.001 * STATE_ENTROPY(policy)


def every_state_alike(mdp, policy):
    return torch.ones_like(OCCUPANCY(mdp, policy))


def never_there(mdp, policy):
    return torch.zeros_like(OCCUPANCY(mdp, policy))


def first_state_only(mdp, policy):
    return mdp.start


def counted_twice(mdp, logits, alpha):
    return policy_gradient(mdp, logits, 2 * alpha)


def unweighted_states(mdp, logits):
    visits = OCCUPANCY(mdp, logits.softmax(-1))
    return policy_gradient(mdp, logits) / visits.clamp(min=1e-9)[:, None]


def no_entropy_in_it(mdp, logits, alpha=0.0):
    return policy_gradient(mdp, logits)


def no_gradient(mdp, logits, alpha=0.0):
    return torch.zeros_like(logits)


def always_soft(mdp, logits, alpha, entropy):
    return ascend(mdp, logits, alpha, "soft")


def rewards_alone(r_t, entropy_tm1, temperature):
    return r_t


def own_entropy_twice(surrogate, coefficient):
    return 2 * BONUS(surrogate, coefficient)


def half_of_it(log_prob, old_log_prob, advantage, clip):
    return 0.5 * SURROGATE(log_prob, old_log_prob, advantage, clip)


def nothing_to_gain(log_prob, old_log_prob, advantage, clip):
    return 0.0 * log_prob.sum()


def nothing_past(mdp, policy, horizon):
    found = enumerate_trajectories(mdp, policy, horizon)
    over = torch.full_like(found.states[:1], mdp.states - 1)
    return found._replace(states=torch.cat([over, found.states[1:]]))


def without_reward(reward, alpha, target):
    return alpha * (boltzmann_entropy(reward, alpha) - target)


def twice_as_steep(log_temperature, entropy, target):
    return 2 * TEMPERATURE_LOSS(log_temperature, entropy, target)


def one_best_arm(reward, alpha):
    return boltzmann_entropy(reward[1:], alpha)


def nobody_needs_the_other(x):
    return x, TEAM(x)[1]


def a_wider_window(self, local):
    found = LOG_STD(self, local)
    return found - local.tanh() if self.variance == "clipped" else found


def only_local(self, local):
    return local


def a_wider_density(self):
    return GAUSSIAN_LOG_PROBS.fget(self) - 1e-6 * self.log_stds


def without_its_masses(mean, log_std, low, high):
    return torch.zeros_like(mean)


BREAKAGES = [
    ("zhang2018.eq1", gradients, "exact", without_gradient),
    ("zhang2018.eq2", stepwise, "categorical_entropy", off_by_a_little),
    ("zhang2018.eq2", stepwise, "categorical_entropy", in_bits),
    ("zhang2018.bandit_maximum", TeamBandit, "_arms_pay", pays_everybody),
    ("zhang2018.padding", _spaces, "legal_components", no_mask),
    ("zhang2018.thm1", conditionals, "categorical_entropy", off_by_a_little),
    ("zhang2018.thm1", pathwise, "weights_until", no_weights),
    ("farl2020.prop1.2", conditionals, "categorical_entropy", in_bits),
    ("farl2020.prop1.2", pathwise, "weights_until", no_weights),
    ("farl2020.prop1.1", conditionals, "categorical_entropy", off_by_a_little),
    (
        "zhang2018.thm2",
        GaussianConditionals,
        "entropies",
        property(no_deviations),
    ),
    ("zhang2018.thm2", GaussianPolicy, "covariance", without_correlation),
    ("zhang2018.thm2.montecarlo", GaussianPolicy, "sample", too_wide),
    ("zhang2018.appB.covariance", gaussian, "printed_variance", gaussian.conditional_variance),
    ("zhang2018.appB.entropy", gaussian, "printed_entropy", gaussian.normal_entropy),
    ("zhang2018.thm3i", conditionals, "categorical_entropy", off_by_a_little),
    ("zhang2018.thm3ii", extremes, "off_mode_example", driven_everywhere),
    ("zhang2018.thm3ii.corrected", conditionals, "categorical_entropy", off_by_a_little),
    ("zhang2018.eq3", gradients, "crude_gradient", without_the_factor),
    ("zhang2018.eq3", pathwise, "weights_until", no_weights),
    ("zhang2018.bonus_does_nothing", gradients, "crude", pathwise.crude_gradient),
    ("zhang2018.thm4", pathwise, "sum_after", nothing),
    ("zhang2018.thm4", pathwise, "sum_after", before_instead_of_after),
    ("zhang2018.thm4", pathwise, "weights_until", no_weights),
    ("zhang2018.thm4.baseline", pathwise, "sum_after", before_instead_of_after),
    ("zhang2018.thm4.baseline", baseline, "unbiased_gradient", baseline_ignored),
    ("zhang2018.thm4.baseline", pathwise, "weights_until", no_weights),
    ("zhang2018.thm4.baseline", EntropyCritic, "_inputs", sees_its_component),
    ("zhang2018.thm4.mdp", pathwise, "sum_after", nothing),
    ("zhang2018.mode", tree, "beam_search", upside_down),
    ("zhang2018.mode", conditionals, "categorical_entropy", off_by_a_little),
    ("zhang2018.beam", stepwise, "_best_children", always_keeping),
    ("zhang2018.beam.corrected", stepwise, "_best_children", never_keeping),
    ("zhang2018.beam.corrected", stepwise, "_best_children", always_keeping),
    ("zhang2018.variance", variance, "crude", pathwise.smoothed),
    ("zhang2018.variance", variance, "smoothed", pathwise.crude),
    ("farl2020.grad", gradients, "smoothed", pathwise.unbiased_gradient),
    ("farl2020.prop2.1", Conditionals, "component_kl", slightly_more),
    ("farl2020.prop2.2", Conditionals, "component_kl", slightly_more),
    ("farl2020.prop2.2", kl, "weights_until", no_weights),
    ("farl2020.kl", kl, "sum_after", nothing),
    ("farl2020.kl", kl, "weights_until", no_weights),
    ("liu2020.eq20", _solve, "state_entropy", a_little_more_entropy),
    ("liu2020.eq20", soft_gradient, "occupancy", every_state_alike),
    ("liu2020.eq19", soft_gradient, "policy_gradient", counted_twice),
    ("liu2020.eq19.corrected", soft_gradient, "state_entropy", a_little_more_entropy),
    ("liu2020.eq19.corrected", soft_gradient, "occupancy", every_state_alike),
    ("liu2020.eq16", soft_gradient, "occupancy", first_state_only),
    ("liu2020.gamma", soft_gradient, "policy_gradient", unweighted_states),
    ("liu2020.next_state", soft_gradient, "policy_gradient", no_entropy_in_it),
    ("liu2020.bonus", soft_gradient, "ascend", always_soft),
    ("liu2020.bonus", soft_gradient, "bonus_gradient", policy_gradient),
    ("liu2020.bonus", _limits, "state_entropy", a_little_more_entropy),
    ("liu2020.eq38", soft_surrogates, "soft_rewards", rewards_alone),
    ("liu2020.eq38", soft_surrogates, "entropy_loss", own_entropy_twice),
    ("liu2020.eq40-41", soft_surrogates, "clipped_surrogate_loss", half_of_it),
    ("liu2020.eq40-41", soft_surrogates, "entropy_loss", own_entropy_twice),
    ("liu2020.eq40-41", soft_surrogates, "state_entropy", a_little_more_entropy),
    ("liu2020.eq41.centred", soft_surrogates, "clipped_surrogate_loss", half_of_it),
    ("liu2020.eq41.centred", soft_surrogates, "state_entropy", a_little_more_entropy),
    ("liu2020.alg1", soft_surrogates, "clipped_surrogate_loss", nothing_to_gain),
    ("liu2020.sec2.2", soft_surrogates, "enumerate_trajectories", nothing_past),
    ("liu2020.rpg26-31", _solve, "state_entropy", a_little_more_entropy),
    ("liu2020.rpg26-31", reparametrised, "occupancy", every_state_alike),
    ("liu2020.eq25", reparametrised, "occupancy", never_there),
    ("liu2020.discrete", reparametrised, "policy_gradient", no_gradient),
    ("kim2022.eq4", _temperature, "state_entropy", a_little_more_entropy),
    ("kim2022.eq4", temperature, "entropy_dual", without_reward),
    ("kim2022.eq4", temperature, "temperature_loss", twice_as_steep),
    ("kim2022.eq13", temperature, "team", nobody_needs_the_other),
    ("kim2022.dim", stepwise, "categorical_entropy", no_entropy),
    ("farl2020.table1", stepwise, "categorical_entropy", in_bits),
    ("farl2020.a4", temperature, "boltzmann_entropy", one_best_arm),
    ("farl2020.fig3", stepwise, "categorical_entropy", of_seventeen),
    ("liu2020.variance.noise", GaussianPolicy, "_log_std", only_local),
    (
        "liu2020.variance.noise",
        GaussianConditionals,
        "component_log_probs",
        property(a_wider_density),
    ),
    ("liu2020.variance.capacity", GaussianPolicy, "_log_std", only_local),
    ("liu2020.variance.capacity", GaussianPolicy, "_log_std", a_wider_window),
    ("liu2020.variance.clipped_action", GaussianConditionals, "entropies", property(no_deviations)),
    ("liu2020.variance.clipped_action", GaussianPolicy, "_log_std", only_local),
    ("liu2020.variance.clipped_action", clipped, "_mass_entropy", nothing),
    ("liu2020.variance.clipped_action", clipped_action, "clipped_entropy", without_its_masses),
    (
        "liu2020.clipped_score",
        GaussianConditionals,
        "component_log_probs",
        property(a_wider_density),
    ),
]


@pytest.mark.parametrize(
    ("claim", "where", "name", "instead"),
    BREAKAGES,
    ids=[f"{b[0]}-{b[2]}-{getattr(b[3], '__name__', 'property')}" for b in BREAKAGES],
)
def test_a_broken_package_is_noticed(monkeypatch, claim, where, name, instead):
    monkeypatch.setattr(where, name, instead)
    assert not run(claim).holds


# These return masks, actions or policies, in which there is nothing to make NaN.
WITHOUT_NUMBERS = {"_arms_pay", "beam_search", "legal_components", "off_mode_example"}


def spoilt(x, met):
    """``x`` with every number in it NaN; a number met is noted in ``met``."""
    if isinstance(x, float) or (isinstance(x, Tensor) and x.is_floating_point()):
        met.append(x)
        return x * math.nan
    if isinstance(x, tuple):
        new = [spoilt(y, met) for y in x]
        return type(x)._make(new) if hasattr(x, "_make") else tuple(new)
    if dataclasses.is_dataclass(x):
        new = {f.name: spoilt(getattr(x, f.name), met) for f in dataclasses.fields(x) if f.init}
        return dataclasses.replace(x, **new)
    return x


@pytest.mark.parametrize(
    ("claim", "where", "name"),
    sorted(
        {
            b[:3]
            for b in BREAKAGES
            if inspect.isfunction(getattr(b[1], b[2])) and b[2] not in WITHOUT_NUMBERS
        },
        key=str,
    ),
    ids=lambda x: x if isinstance(x, str) else getattr(x, "__name__", ""),
)
def test_a_nan_is_noticed(monkeypatch, claim, where, name):
    """The built-in max drops a NaN, and with it the only sign of the error."""
    original = getattr(where, name)
    met = []

    def instead(*args, **kwargs):
        return spoilt(original(*args, **kwargs), met)

    monkeypatch.setattr(where, name, instead)
    try:
        holds = run(claim).holds
    except (ValueError, RuntimeError):  # refusing a NaN is noticing it
        holds = False
    assert met, "this function returned no number: nothing was spoilt"
    assert not holds


def test_no_check_takes_the_builtin_max_of_errors():
    for path in sorted(Path(checks.__file__).parent.glob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"(residual|wrong|worst) = max\(|return max\(", line), (path, line)


def test_every_check_has_been_seen_to_fail():
    missing = set(CHECKS) - {b[0] for b in BREAKAGES}
    assert not missing, f"add a breakage to BREAKAGES for {sorted(missing)}"


def test_one_more_entropy_in_the_multiplier_is_harmless_on_policy_only(monkeypatch):
    """Σ_{i≥j} for Σ_{i>j} adds H⁽ʲ⁾(a_<j), a baseline of the prefix; off-policy a ratio lacks."""
    monkeypatch.setattr(pathwise, "sum_after", lambda x: x.flip(-1).cumsum(-1).flip(-1))
    assert run("zhang2018.thm4.mdp").residual < 1e-10
    assert not run("zhang2018.thm4.baseline").holds
