"""The faults that the tests must catch: one line of the package made wrong, and what goes red."""

from dataclasses import dataclass

UNBIASED = "tests/estimators/test_unbiased.py::"
FACE = "tests/estimators/test_face.py::"
KL = "tests/estimators/test_kl.py::"
STEPWISE = "tests/test_stepwise.py::"
BEAM = "tests/test_beam.py::"
FAMILIES = "tests/policies/test_families.py::"


@dataclass(frozen=True)
class Fault:
    """A fault: in ``file`` of the package ``original``, found once, becomes ``mutated``."""

    name: str
    file: str
    original: str
    mutated: str
    caught_by: tuple[str, ...]


FAULTS = (
    Fault(
        "smoothed sums over d-1 components",
        "estimators/pathwise.py",
        "value = (before * chain.entropies).sum(-1)",
        "value = (before * chain.entropies)[..., :-1].sum(-1)",
        (UNBIASED + "test_value_is_unbiased", FACE + "test_values_equal_the_obvious_loop"),
    ),
    Fault(
        "H⁽ⁱ⁾ not detached in unbiased_gradient",
        "estimators/pathwise.py",
        "multiplier = sum_after(weighted.detach())",
        "multiplier = sum_after(weighted)",
        (
            UNBIASED + "test_gradient_is_unbiased",
            UNBIASED + "test_theorem_4_by_the_double_sum",
        ),
    ),
    Fault(
        "the correction's sign",
        "estimators/pathwise.py",
        "value + (multiplier * chain.component_log_probs).sum(-1)",
        "value - (multiplier * chain.component_log_probs).sum(-1)",
        (
            UNBIASED + "test_gradient_is_unbiased",
            UNBIASED + "test_theorem_4_by_the_double_sum",
        ),
    ),
    Fault(
        "j > i for j < i in the correction",
        "estimators/_base.py",
        "return x.flip(-1).cumsum(-1).flip(-1) - x",
        "return x.cumsum(-1) - x",
        (
            UNBIASED + "test_gradient_is_unbiased",
            FACE + "test_correction_equals_the_obvious_double_loop",
            KL + "test_value_and_both_gradients_are_unbiased",
        ),
    ),
    Fault(
        "the factor log p dropped from crude_gradient",
        "estimators/pathwise.py",
        "multiplier = -log_prob.detach()",
        "multiplier = -log_prob.detach() ** 0",
        (
            UNBIASED + "test_gradient_is_unbiased",
            FACE + "test_gaussian_crude_gradient_is_the_score_times_log_p",
        ),
    ),
    Fault(
        "the baseline sees aⱼ",
        "estimators/baseline.py",
        "unflatten(torch.stack(baselines, 1), batch)",
        "unflatten(torch.stack([*baselines[1:], baselines[-1]], 1), batch)",
        (
            UNBIASED + "test_entropy_to_go_has_not_seen_its_own_component",
            UNBIASED + "test_entropy_to_go_keeps_the_mean_and_cuts_the_variance",
        ),
    ),
    Fault(
        "the features that a baseline reads see aⱼ",
        "policies/_lstm_chain.py",
        "logits.transpose(0, 1), features.transpose(0, 1), chosen",
        "logits.transpose(0, 1), features.roll(-1, 0).transpose(0, 1), chosen",
        (STEPWISE + "test_no_component_sees_itself_or_later_ones",),
    ),
    Fault(
        "the mask ignored in the entropy",
        "policies/_base.py",
        "logits = logits.masked_fill(~legal, -torch.inf)",
        "pass",
        (
            FACE + "test_a_single_legal_action_is_exactly_nothing",
            FAMILIES + "test_padding_of_short_components_has_probability_zero",
        ),
    ),
    Fault(
        "0 · -inf in the entropy of a masked component",
        "conditionals/_categorical.py",
        "log_probs.exp() * log_probs.clamp_min(_LOG_ZERO)",
        "log_probs.exp() * log_probs",
        (
            UNBIASED + "test_value_is_unbiased",
            FACE + "test_gradients_are_finite_through_illegal_actions",
        ),
    ),
    Fault(
        "the LSTM fed aᵢ instead of aᵢ₋₁",
        "policies/_lstm_chain.py",
        "scatter_(1, drawn.unsqueeze(1), 1)",
        "scatter_(1, actions[i if perturbation is not None else (i + 1) % d, :n, None], 1)",
        (
            FAMILIES + "test_lstm_is_the_textbook_cell",
            STEPWISE + "test_no_component_sees_itself_or_later_ones",
            STEPWISE + "test_a_sample_is_the_chain_along_its_actions",
        ),
    ),
    Fault(
        "MMDP seeing later components",
        "policies/mmdp.py",
        "torch.cat([first.unsqueeze(1), drawn], 1).cumsum(1)",
        "torch.cat([first.unsqueeze(1), drawn], 1).sum(1, keepdim=True).expand(-1, self.d, -1)",
        (
            FAMILIES + "test_mmdp_is_the_perceptron_on_the_concatenation",
            STEPWISE + "test_no_component_sees_itself_or_later_ones",
            STEPWISE + "test_conditionals_equal_the_loop_of_steps",
        ),
    ),
    Fault(
        "the prefix tree missing its last level",
        "stepwise.py",
        "for i in range(policy.d):\n        log_probs, _, state = policy.step(state, choice)",
        "for i in range(policy.d - 1):\n        log_probs, _, state = policy.step(state, choice)",
        (
            UNBIASED + "test_exact_is_exact",
            STEPWISE + "test_the_tree_visits_each_prefix_once",
            STEPWISE + "test_the_tree_is_pruned_where_actions_are_illegal",
        ),
    ),
    Fault(
        "a beam without the greedy path",
        "stepwise.py",
        "    if keep_greedy:\n",
        "    if False:\n",
        (BEAM + "test_a_plain_beam_can_end_below_the_greedy_path_and_ours_does_not",),
    ),
    Fault(
        "KL on mismatched prefixes",
        "estimators/kl.py",
        "if not torch.equal(p.actions, q.actions):",
        "if False:",
        (KL + "test_mismatched_prefixes_give_another_number",),
    ),
)
