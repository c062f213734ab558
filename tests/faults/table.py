"""The faults that the tests must catch: one line of a package made wrong, and what goes red."""

from dataclasses import dataclass

UNBIASED = "tests/estimators/test_unbiased.py::"
FACE = "tests/estimators/test_face.py::"
KL = "tests/estimators/test_kl.py::"
STEPWISE = "tests/test_stepwise.py::"
BEAM = "tests/test_beam.py::"
FAMILIES = "tests/policies/test_families.py::"
TARGETS = "tests/algorithms/test_targets.py::"
USES = "tests/algorithms/test_entropy_uses.py::"
ROWS = "tests/algorithms/test_rows.py::"
TRUST = "tests/algorithms/test_trust_region.py::"
ROLLOUT = "tests/algorithms/test_rollout.py::"
RESUME = "tests/algorithms/test_resume.py::"
LEARNER = "tests/distributed/test_learner.py::"
POOL = "tests/distributed/test_pool.py::"
ASYNCHRONOUS = "tests/distributed/test_asynchronous_runs.py::"
LOOP = "tests/algorithms/test_on_policy.py::"
CRITIC = "tests/algorithms/test_entropy_critic.py::"
RUNNER = "tests/experiments/test_runner.py::"
STORE = "tests/experiments/test_store.py::"
BREAKOUT = "tests/envs/test_breakout.py::"
PICTURES = "tests/policies/test_convolutional.py::"
SHARED = "tests/algorithms/test_shared_baseline.py::"
SWEEP = "tests/experiments/test_sweep.py::"
DECLARATION = "tests/experiments/test_declaration.py::"
STREAMS = "tests/test_streams.py::"
STACKED = "tests/policies/test_stacked_policies.py::"
REPLICAS = "tests/algorithms/test_stacked_training.py::"
TOGETHER = "tests/experiments/test_together.py::"
LIMITS = "tests/test_soft_limits.py::"
PRICE = "tests/test_temperature_exact.py::"
TABLE3 = "tests/experiments/test_table3.py::"
OFF_POLICY = "tests/algorithms/test_off_policy.py::"
ASKED = (
    OFF_POLICY + "test_the_soft_target_asks_the_slow_critics_about_a_fresh_action_in_the_next_state"
)
SOFT_LOSSES = "tests/losses/test_soft_losses.py::"
PRODUCTS = "tests/policies/test_products.py::"
SQUASHED = "tests/policies/test_squashed.py::"
GAUSSIAN = "tests/policies/test_gaussian.py::"
AUTHORS = "tests/experiments/test_pendulum_authors.py::"
STRETCHES = TARGETS + "test_targets_of_stretches_equal_the_plain_loop"
PLAIN = TARGETS + "test_targets_equal_the_plain_loop"
COMBINED = USES + "test_an_estimator_is_right_exactly_where_the_use_says_so"


@dataclass(frozen=True)
class Fault:
    """A fault: in ``file`` below src ``original``, found once, becomes ``mutated``."""

    name: str
    file: str
    original: str
    mutated: str
    caught_by: tuple[str, ...]


FAULTS = (
    Fault(
        "smoothed sums over d-1 components",
        "entropy_rl/estimators/pathwise.py",
        "value = (before * chain.entropies).sum(-1)",
        "value = (before * chain.entropies)[..., :-1].sum(-1)",
        (UNBIASED + "test_value_is_unbiased", FACE + "test_values_equal_the_obvious_loop"),
    ),
    Fault(
        "H⁽ⁱ⁾ not detached in unbiased_gradient",
        "entropy_rl/estimators/pathwise.py",
        "multiplier = sum_after(weighted.detach())",
        "multiplier = sum_after(weighted)",
        (
            UNBIASED + "test_gradient_is_unbiased",
            UNBIASED + "test_theorem_4_by_the_double_sum",
        ),
    ),
    Fault(
        "the correction's sign",
        "entropy_rl/estimators/pathwise.py",
        "value + (multiplier * chain.component_log_probs).sum(-1)",
        "value - (multiplier * chain.component_log_probs).sum(-1)",
        (
            UNBIASED + "test_gradient_is_unbiased",
            UNBIASED + "test_theorem_4_by_the_double_sum",
        ),
    ),
    Fault(
        "j > i for j < i in the correction",
        "entropy_rl/estimators/_base.py",
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
        "entropy_rl/estimators/pathwise.py",
        "multiplier = -log_prob.detach()",
        "multiplier = -log_prob.detach() ** 0",
        (
            UNBIASED + "test_gradient_is_unbiased",
            FACE + "test_gaussian_crude_gradient_is_the_score_times_log_p",
        ),
    ),
    Fault(
        "the baseline sees aⱼ",
        "entropy_rl/estimators/baseline.py",
        "unflatten(torch.stack(baselines, 1), paths + batch)",
        "unflatten(torch.stack([*baselines[1:], baselines[-1]], 1), paths + batch)",
        (
            UNBIASED + "test_entropy_to_go_has_not_seen_its_own_component",
            UNBIASED + "test_entropy_to_go_keeps_the_mean_and_cuts_the_variance",
        ),
    ),
    Fault(
        "the critic's features see aⱼ",
        "entropy_rl/algorithms/entropy_critic.py",
        "chain.features[row, place].detach()",
        "chain.features[row, place + 1].detach()",
        (
            CRITIC + "test_a_critic_with_any_weights_leaves_the_gradient_unbiased",
            CRITIC + "test_it_sees_what_came_before_and_nothing_else",
            CRITIC + "test_it_is_the_obvious_loop",
        ),
    ),
    Fault(
        "the critic's prefix has aⱼ in it",
        "entropy_rl/algorithms/entropy_critic.py",
        "torch.ones_like(each).tril(-1)[place]",
        "torch.ones_like(each).tril()[place]",
        (
            CRITIC + "test_a_critic_with_any_weights_leaves_the_gradient_unbiased",
            CRITIC + "test_it_sees_what_came_before_and_nothing_else",
        ),
    ),
    Fault(
        "the critic learns from actions before they are used up",
        "entropy_rl/algorithms/on_policy.py",
        "lessons.append(self.critic.lesson(obs, chain, minibatch.log_weights))",
        "self._learn_critic([self.critic.lesson(obs, chain, minibatch.log_weights)])",
        (CRITIC + "test_it_learns_from_actions_only_after_they_were_used",),
    ),
    Fault(
        "the critic learns from stale actions as from its policy's own",
        "entropy_rl/estimators/baseline.py",
        "sum_after(before * chain.entropies.detach()) / before",
        "sum_after(before * chain.entropies.detach())",
        (
            UNBIASED + "test_weights_repair_the_sampled_entropy_to_go_on_stale_actions",
            CRITIC + "test_stale_actions_teach_it_the_same",
        ),
    ),
    Fault(
        "the critic forgotten in what is loaded",
        "entropy_rl/algorithms/on_policy.py",
        'self.critic.load_state_dict(state["critic"])',
        "pass",
        (
            RESUME + "test_a_training_resumed_from_its_state_ends_with_the_same_numbers",
            RESUME + "test_the_last_good_state_is_the_one_before_the_batch",
            RUNNER + "test_resumed_is_uninterrupted",
        ),
    ),
    Fault(
        "the features that a baseline reads see aⱼ",
        "entropy_rl/policies/_lstm_chain.py",
        "logits.transpose(0, 1), features.transpose(0, 1), chosen",
        "logits.transpose(0, 1), features.roll(-1, 0).transpose(0, 1), chosen",
        (STEPWISE + "test_no_component_sees_itself_or_later_ones",),
    ),
    Fault(
        "the mask ignored in the entropy",
        "entropy_rl/policies/_base.py",
        "logits = logits.masked_fill(~legal, -torch.inf)",
        "pass",
        (
            FACE + "test_a_single_legal_action_is_exactly_nothing",
            FAMILIES + "test_padding_of_short_components_has_probability_zero",
        ),
    ),
    Fault(
        "0 · -inf in the entropy of a masked component",
        "entropy_rl/conditionals/_categorical.py",
        "log_probs.exp() * log_probs.clamp_min(_LOG_ZERO)",
        "log_probs.exp() * log_probs",
        (
            UNBIASED + "test_value_is_unbiased",
            FACE + "test_gradients_are_finite_through_illegal_actions",
        ),
    ),
    Fault(
        "the LSTM fed aᵢ instead of aᵢ₋₁",
        "entropy_rl/policies/_lstm_chain.py",
        "told.scatter_(2, named, 1)",
        "told.scatter_(2, named.roll(-1, 0), 1)",
        (
            FAMILIES + "test_lstm_is_the_textbook_cell",
            STEPWISE + "test_no_component_sees_itself_or_later_ones",
            STEPWISE + "test_a_sample_is_the_chain_along_its_actions",
        ),
    ),
    Fault(
        "MMDP seeing later components",
        "entropy_rl/policies/mmdp.py",
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
        "entropy_rl/stepwise.py",
        "range(policy.d):\n        log_probs, _, state = next_step(policy, state, choice)",
        "range(policy.d - 1):\n        log_probs, _, state = next_step(policy, state, choice)",
        (
            UNBIASED + "test_exact_is_exact",
            STEPWISE + "test_the_tree_visits_each_prefix_once",
            STEPWISE + "test_the_tree_is_pruned_where_actions_are_illegal",
        ),
    ),
    Fault(
        "a beam without the greedy path",
        "entropy_rl/stepwise.py",
        "    if keep_greedy:\n",
        "    if False:\n",
        (BEAM + "test_a_plain_beam_can_end_below_the_greedy_path_and_ours_does_not",),
    ),
    Fault(
        "KL on mismatched prefixes",
        "entropy_rl/estimators/kl.py",
        "if not torch.equal(p.actions, q.actions):",
        "if False:",
        (KL + "test_mismatched_prefixes_give_another_number",),
    ),
    Fault(
        "nothing counted beyond a cut",
        "entropy_rl/algorithms/on_policy.py",
        "if rollout.final_obs is not None:",
        "if False:",
        (PLAIN,),
    ),
    Fault(
        "v(s) for v(s') in the targets",
        "entropy_rl/algorithms/on_policy.py",
        "Values(v_tm1, rollout.next_values(v_tm1, final))",
        "Values(v_tm1, v_tm1)",
        (PLAIN,),
    ),
    Fault(
        "no entropy in the return",
        "entropy_rl/algorithms/on_policy.py",
        "entropy = rollout.grid(estimate.value.to(rollout.r_t.dtype))",
        "pass",
        (PLAIN, COMBINED),
    ),
    Fault(
        "the own entropy left in the advantage",
        "entropy_rl/algorithms/advantages.py",
        """_uncut(context))
    return Targets(returns - context.own_tm1 -""",
        """_uncut(context))
    return Targets(returns -""",
        (PLAIN, COMBINED),
    ),
    Fault(
        "a cut does not end n steps",
        "entropy_rl/algorithms/advantages.py",
        """        int(context.options["n"]),
        _uncut(context),""",
        """        int(context.options["n"]),""",
        (STRETCHES,),
    ),
    Fault(
        "a cut does not end the return",
        "entropy_rl/algorithms/advantages.py",
        "context.rollout.discount_t * _uncut(context))",
        "context.rollout.discount_t)",
        (STRETCHES,),
    ),
    Fault(
        "a cut does not end the return of GAE",
        "entropy_rl/algorithms/advantages.py",
        "*values, _uncut(context) * _option(context)",
        "*values, _option(context)",
        (STRETCHES,),
    ),
    Fault(
        "what goes on does not begin where it stopped",
        "entropy_rl/algorithms/on_policy.py",
        "running=self.running,",
        "running=None,",
        (TARGETS + "test_a_stretch_goes_on_where_the_last_one_was_cut",),
    ),
    Fault(
        "V-trace leaves the own entropy in",
        "entropy_rl/algorithms/advantages.py",
        "Targets(advantage - own, value)",
        "Targets(advantage, value)",
        (PLAIN,),
    ),
    Fault(
        "the exact entropy where the surprise belongs",
        "entropy_rl/algorithms/entropy.py",
        "return entropy_tm1 - surprise_tm1",
        "return 0 * entropy_tm1",
        (PLAIN, COMBINED),
    ),
    Fault(
        "the step of the trust region not scaled",
        "entropy_rl/algorithms/trust_region.py",
        "0.5**k * length * direction",
        "0.5**k * direction",
        (TRUST + "test_the_step_is_the_natural_gradient",),
    ),
    Fault(
        "no bound on the divergence",
        "entropy_rl/algorithms/trust_region.py",
        'value < loss and _divergence(minibatch) <= options["radius"]',
        "value < loss",
        (TRUST + "test_where_no_step_helps_the_parameters_stay",),
    ),
    Fault(
        "the entropy in the return weighted twice",
        "entropy_rl/algorithms/on_policy.py",
        "self._estimate(rollout.obs, chain)",
        "self._estimate(rollout.obs, chain, weights)",
        (COMBINED,),
    ),
    Fault(
        "reduction 'sum' is the mean",
        "entropy_rl/algorithms/minibatches.py",
        'if config.reduction == "mean":',
        "if True:",
        (TARGETS + "test_a_sum_is_over_the_steps_of_an_episode",),
    ),
    Fault(
        "entries of the gradient not clipped",
        "entropy_rl/algorithms/on_policy.py",
        "nn.utils.clip_grad_value_(parameters, self.config.clip_gradient)",
        "pass",
        (TARGETS + "test_every_entry_of_the_gradient_is_clipped",),
    ),
    Fault(
        "the gradient's norm not clipped",
        "entropy_rl/algorithms/on_policy.py",
        "nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)",
        "pass",
        (TARGETS + "test_the_norm_of_the_gradient_is_clipped",),
    ),
    Fault(
        "the learning rate stays",
        "entropy_rl/algorithms/replicas.py",
        'group["lr"] = rate * left',
        'group["lr"] = rate',
        (TARGETS + "test_the_learning_rate_falls_to_nothing_or_stays",),
    ),
    Fault(
        "first visits ignored",
        "entropy_rl/algorithms/minibatches.py",
        "if config.first_visit:",
        "if False:",
        (TARGETS + "test_the_baseline_learns_from_first_visits_only",),
    ),
    Fault(
        "one epoch for the baseline",
        "entropy_rl/algorithms/on_policy.py",
        "for _ in range(c.baseline_passes):",
        "for _ in range(1):",
        (TARGETS + "test_the_baseline_makes_as_many_steps_as_the_policy",),
    ),
    Fault(
        "the weight of the entropy stays",
        "entropy_rl/algorithms/config.py",
        "self.beta * left if",
        "self.beta if",
        (TARGETS + "test_the_weight_of_the_entropy_falls_to_nothing_or_stays",),
    ),
    Fault(
        "the running baseline remembers every step",
        "entropy_rl/algorithms/minibatches.py",
        'if config.baseline == "running":',
        "if False:",
        (TARGETS + "test_the_running_baseline_remembers_whole_episodes",),
    ),
    Fault(
        "the return's curve undiscounted",
        "entropy_rl/algorithms/curves.py",
        "mean(discounts @ rewards)",
        "mean(rewards.sum(0))",
        (TARGETS + "test_the_return_curve_is_discounted",),
    ),
    Fault(
        "rows in one order for all epochs",
        "entropy_rl/algorithms/minibatches.py",
        "drawn = each.gather(1, permutations(each.shape[1], generator))",
        "drawn = each",
        (TARGETS + "test_rows_are_shuffled_anew_in_every_epoch",),
    ),
    Fault(
        "no ratios for what another version played",
        "entropy_rl/algorithms/on_policy.py",
        "return rollout.version != self.updates",
        "return False",
        (
            COMBINED,
            ROWS + "test_ratios_are_there_when_the_actor_lags",
            LOOP + "test_later_minibatches_and_epochs_are_given_their_ratios",
        ),
    ),
    Fault(
        "the baseline of the entropy forgotten",
        "entropy_rl/algorithms/on_policy.py",
        '"baseline": provided,',
        '"baseline": None,',
        (USES + "test_a_baseline_of_the_entropy_reaches_the_estimator",),
    ),
    Fault(
        "the beam forgotten",
        "entropy_rl/algorithms/on_policy.py",
        '"beam": self.config.beam,',
        '"beam": 1,',
        (USES + "test_the_beam_reaches_the_estimator",),
    ),
    Fault(
        "a snapshot that shares the optimiser's tensors",
        "entropy_rl/algorithms/on_policy.py",
        '"optimiser": copied(self.optimiser.state_dict()),',
        '"optimiser": self.optimiser.state_dict(),',
        (
            RESUME + "test_a_training_set_back_after_it_went_on_ends_with_the_same_numbers",
            RESUME + "test_the_last_good_state_is_the_one_before_the_batch",
        ),
    ),
    Fault(
        "a loaded snapshot shared with the optimiser",
        "entropy_rl/algorithms/on_policy.py",
        'self.optimiser.load_state_dict(copied(state["optimiser"]))',
        'self.optimiser.load_state_dict(state["optimiser"])',
        (RESUME + "test_a_training_set_back_after_it_went_on_ends_with_the_same_numbers",),
    ),
    Fault(
        "a loaded snapshot shared with the baseline's optimiser",
        "entropy_rl/algorithms/regression.py",
        'self.optimiser.load_state_dict(copied(state["optimiser"]))',
        'self.optimiser.load_state_dict(state["optimiser"])',
        (RESUME + "test_a_training_set_back_after_it_went_on_ends_with_the_same_numbers",),
    ),
    Fault(
        "the last good state is that of the start",
        "entropy_rl/algorithms/on_policy.py",
        "*self.parameters)\n        self._good = self._snapshot()",
        "*self.parameters)",
        (RESUME + "test_the_last_good_state_is_the_one_before_the_batch",),
    ),
    Fault(
        "buffers left behind in the working copy",
        "entropy_rl/algorithms/precision.py",
        "working.copy_(master)",
        "pass",
        (LOOP + "test_a_working_copy_takes_the_masters_buffers",),
    ),
    Fault(
        "a resumed run without the seconds before",
        "entropy_rl/experiments/runner.py",
        'self.before = state["seconds"]',
        "pass",
        (RUNNER + "test_seconds_before_a_resume_are_counted",),
    ),
    Fault(
        "data files that are not compared with their sidecars",
        "entropy_rl/experiments/store.py",
        'if files.sha256(content) != expected["sha256"]:',
        "if False:",
        (STORE + "test_a_file_altered_anywhere_is_refused",),
    ),
    Fault(
        "the shortest run first",
        "entropy_rl/experiments/sweeping.py",
        "specs_of(task))), reverse=True)",
        "specs_of(task))))",
        (SWEEP + "test_the_longest_come_first",),
    ),
    Fault(
        "a worker that writes wherever it finds itself",
        "entropy_rl/experiments/sweeping.py",
        "if not path.exists() or path.read_text() != token:",
        "if not path.exists():",
        (SWEEP + "test_a_worker_that_sees_another_folder_writes_nothing",),
    ),
    Fault(
        "a verdict that does not know which sign is expected",
        "entropy_rl/experiments/declaration.py",
        "(low, high) if self.sign > 0 else (-high, -low)",
        "(low, high)",
        (DECLARATION + "test_a_verdict_needs_the_whole_interval_on_one_side",),
    ),
    Fault(
        "a contrast without its factor",
        "entropy_rl/experiments/declaration.py",
        "a - self.factor * b",
        "a - b",
        (DECLARATION + "test_a_factor_multiplies_the_second",),
    ),
    Fault(
        "the ratio of variances for that of deviations",
        "entropy_rl/experiments/declaration.py",
        "return ratio / 2, (ratio - below) / 2, (ratio - above) / 2",
        "return ratio, ratio - below, ratio - above",
        (DECLARATION + "test_a_spread_is_the_logarithm_of_the_ratio_of_deviations",),
    ),
    Fault(
        "an interval of the spread that takes both sides for equally many",
        "entropy_rl/experiments/declaration.py",
        "len(first) - 1, len(second) - 1",
        "len(first) - 1, len(first) - 1",
        (DECLARATION + "test_the_sides_of_a_spread_may_have_different_numbers_of_seeds",),
    ),
    Fault(
        "nobody there on either side taken for agreement",
        "entropy_rl/experiments/declaration.py",
        "if low == high == 0:",
        "if low > high:",
        (DECLARATION + "test_a_verdict_needs_the_whole_interval_on_one_side",),
    ),
    Fault(
        "the value network moved by the policy's kind of optimiser",
        "entropy_rl/algorithms/baseline.py",
        "network.to(device), config.baseline_optimiser,",
        "network.to(device), config.optimiser,",
        (LOOP + "test_the_baseline_is_moved_by_its_own_optimiser",),
    ),
    Fault(
        "one stream for all replicas",
        "entropy_rl/streams.py",
        "torch.Generator(device).manual_seed(seed) for seed in seeds",
        "torch.Generator(device).manual_seed(seeds[0]) for seed in seeds",
        (
            STREAMS + "test_replicas_are_given_what_they_would_draw_alone",
            REPLICAS + "test_equal_policies_with_other_seeds_go_apart",
        ),
    ),
    Fault(
        "rows dealt to the replicas in turn",
        "entropy_rl/streams.py",
        "parts.movedim(0, rows).reshape(*shape)",
        "parts.movedim(0, rows + 1).reshape(*shape)",
        (STREAMS + "test_replicas_are_given_what_they_would_draw_alone",),
    ),
    Fault(
        "the bias of the first replica for all",
        "entropy_rl/networks/stacked.py",
        "self.bias.unsqueeze(1)",
        "self.bias[0]",
        (
            STACKED + "test_stacked_layers_are_their_layers",
            STACKED + "test_samples_and_gradients_are_those_of_each_alone",
        ),
    ),
    Fault(
        "the gradient of the LSTM's head bias summed over replicas",
        "entropy_rl/policies/_lstm_chain.py",
        "by_replica(rows, shape[0]).sum(1)",
        "by_replica(rows, shape[0]).sum((0, 1))",
        (STACKED + "test_samples_and_gradients_are_those_of_each_alone",),
    ),
    Fault(
        "the loss a mean over the replicas",
        "entropy_rl/algorithms/on_policy.py",
        "loss_scale(rollout, rows, c) * len(self.replicas)",
        "loss_scale(rollout, rows, c)",
        (REPLICAS + "test_each_seed_is_trained_as_it_is_alone",),
    ),
    Fault(
        "a baseline that all replicas share",
        "entropy_rl/algorithms/replicas.py",
        "[part.mean for part in self.parts]",
        "[self.parts[-1].mean for part in self.parts]",
        (
            REPLICAS + "test_running_baselines_are_one_for_each",
            REPLICAS + "test_a_seed_does_not_notice_the_others",
        ),
    ),
    Fault(
        "the curves of a stack are means over its seeds",
        "entropy_rl/experiments/store.py",
        "[x[r] for x in v]",
        "[sum(x) / len(x) for x in v]",
        (TABLE3 + "test_a_stacked_seed_is_the_seed_alone",),
    ),
    Fault(
        "every seed of a stack is given the first one's evaluation",
        "entropy_rl/experiments/store.py",
        'self.record["evaluation"][r]',
        'self.record["evaluation"][0]',
        (TABLE3 + "test_a_stacked_seed_is_the_seed_alone",),
    ),
    Fault(
        "luck left in what is expected of a round",
        "entropy_rl/envs/team_bandit.py",
        "state.score - luck",
        "state.score",
        (
            "tests/envs/test_team_bandit.py::"
            "test_the_reward_that_is_expected_of_a_round_is_that_of_its_arms",
        ),
    ),
    Fault(
        "a bonus differentiates the visits",
        "entropy_rl/tabular/_limits.py",
        "visits = occupancy(mdp, policy).detach()",
        "visits = occupancy(mdp, policy)",
        (
            LIMITS + "test_the_bonus_in_closed_form_and_over_trajectories",
            LIMITS + "test_a_limit_is_a_softmax_of_its_own_values_and_its_gradient_vanishes",
        ),
    ),
    Fault(
        "a bonus has the entropy in its return",
        "entropy_rl/tabular/_limits.py",
        'inside = temperature if entropy == "soft" else 0.0',
        "inside = temperature",
        (
            LIMITS + "test_with_a_bonus_patience_is_lost",
            LIMITS + "test_a_second_way_to_the_limits_of_patience",
        ),
    ),
    Fault(
        "a prize that comes ten times as often",
        "entropy_rl/tabular/_examples.py",
        "0.01 * 3.98",
        "0.1 * 3.98",
        (
            LIMITS + "test_with_a_bonus_patience_is_lost",
            LIMITS + "test_with_a_soft_return_one_waits",
        ),
    ),
    Fault(
        "one door leads to the quiet room",
        "entropy_rl/tabular/_examples.py",
        "transition[0, :3, 1] = transition[0, 3, 2] = 1.0",
        "transition[0, :1, 1] = transition[0, 1:, 2] = 1.0",
        (LIMITS + "test_rooms",),
    ),
    Fault(
        "a soft target pays for what is likely",
        "entropy_rl/losses/_soft.py",
        "(q_t - temperature * log_prob_t)",
        "(q_t + temperature * log_prob_t)",
        (SOFT_LOSSES + "test_the_mean_target_is_the_soft_bellman_backup",),
    ),
    Fault(
        "a reparametrised actor flees its entropy",
        "entropy_rl/losses/_soft.py",
        "(temperature * log_prob - q)",
        "(-temperature * log_prob - q)",
        (SOFT_LOSSES + "test_the_actors_gradient_is_that_of_the_soft_objective",),
    ),
    Fault(
        "the larger critic is believed",
        "entropy_rl/algorithms/twin_critic.py",
        "return self.both(obs, actions).amin(0)",
        "return self.both(obs, actions).amax(0)",
        (OFF_POLICY + "test_the_smaller_critic_is_believed_and_the_target_follows",),
    ),
    Fault(
        "the slow critics are fast",
        "entropy_rl/algorithms/twin_critic.py",
        "self._fast, self.polyak)",
        "self._fast, 1 - self.polyak)",
        (OFF_POLICY + "test_the_smaller_critic_is_believed_and_the_target_follows",),
    ),
    Fault(
        "what came after a cut is forgotten",
        "entropy_rl/algorithms/replay.py",
        "next_obs[cut] = rollout.final_obs",
        "next_obs[cut] = next_obs[cut]",
        (OFF_POLICY + "test_a_transition_leads_where_its_step_led",),
    ),
    Fault(
        "the newest is never drawn",
        "entropy_rl/algorithms/replay.py",
        "(self.added - 1 - index)",
        "(self.added - 2 - index)",
        (OFF_POLICY + "test_the_memory_is_the_last_of_a_list",),
    ),
    Fault(
        "a soft target looks at the state it came from",
        "entropy_rl/algorithms/off_policy_choices.py",
        "chain = draw.policy.sample(t.next_obs",
        "chain = draw.policy.sample(t.obs",
        (ASKED,),
    ),
    Fault(
        "a soft target asks the fast critics",
        "entropy_rl/algorithms/off_policy_choices.py",
        "draw.critic.slow_smaller(",
        "draw.critic.smaller(",
        (ASKED,),
    ),
    Fault(
        "the larger of the slow critics is believed",
        "entropy_rl/algorithms/twin_critic.py",
        "self._values(self.slow, obs, actions).amin(0)",
        "self._values(self.slow, obs, actions).amax(0)",
        (OFF_POLICY + "test_the_slow_critics_smaller_is_the_smaller_of_the_slow",),
    ),
    Fault(
        "a training set back keeps what it remembered since",
        "entropy_rl/algorithms/off_policy.py",
        'self.updates, self.replay.added = state["counts"]',
        'self.updates, _ = state["counts"]',
        (OFF_POLICY + "test_a_training_that_diverges_is_set_back_to_before_the_batch",),
    ),
    Fault(
        "the squashing's slope counted the wrong way",
        "entropy_rl/conditionals/_squashed.py",
        "self.inner.component_log_probs - log_slope",
        "self.inner.component_log_probs + log_slope",
        (SQUASHED + "test_log_prob_and_its_gradient_are_those_of_the_transformed_distribution",),
    ),
    Fault(
        "the entropy rises by the variance over α squared",
        "entropy_rl/tabular/_temperature.py",
        ".sum(-1) / alpha**3",
        ".sum(-1) / alpha**2",
        (PRICE + "test_slopes_are_those_of_autograd_and_of_differences",),
    ),
    Fault(
        "at temperature 0 every best arm has the whole policy",
        "entropy_rl/tabular/_temperature.py",
        "return best / best.sum(-1, keepdim=True)",
        "return best",
        (
            PRICE + "test_at_temperature_0_the_best_arms_share",
            PRICE + "test_a_target_that_the_best_arms_meet_costs_nothing",
        ),
    ),
    Fault(
        "an entropy that is not discounted from the start",
        "entropy_rl/tabular/_temperature.py",
        "return occupancy(mdp, policy) @ state_entropy(policy)",
        "return mdp.running @ state_entropy(policy)",
        (PRICE + "test_the_entropy_that_a_process_collects_is_that_of_its_trajectories",),
    ),
    Fault(
        "all episodes begin together",
        "entropy_rl/algorithms/rollout.py",
        "steps = (torch.arange(each, device=device) * over // each).repeat(streams)",
        "steps = torch.arange(episodes, device=device) * 0",
        (
            ROLLOUT + "test_staggered_episodes_have_begun_at_different_times",
            ROLLOUT + "test_a_rollout_goes_on_from_a_staggered_beginning_once",
        ),
    ),
    Fault(
        "the rows of replicas stay in the order of time",
        "entropy_rl/algorithms/replicas.py",
        "return rollout.by_columns(len(self)) if self.arranges(config) else rollout",
        "return rollout",
        (REPLICAS + "test_stretches_of_each_seed_are_those_that_it_plays_alone",),
    ),
    Fault(
        "what comes after a cut is taken in the order of time",
        "entropy_rl/algorithms/rollout.py",
        "if self.final_order is not None:",
        "if False:",
        (ROLLOUT + "test_rows_by_columns_stand_for_the_same_steps",),
    ),
    Fault(
        "episodes of replicas may end at other steps",
        "entropy_rl/streams.py",
        "    if other:",
        "    if False:",
        (
            STREAMS + "test_what_is_not_alike_is_refused",
            REPLICAS + "test_episodes_that_end_at_other_steps_are_refused",
            REPLICAS + "test_a_termination_here_and_a_cut_there_are_refused",
        ),
    ),
    Fault(
        "all replicas have the first one's global σ",
        "entropy_rl/networks/stacked.py",
        "return wide.expand_as(rows).reshape(like.shape)",
        "return parameter[0].expand_as(like)",
        (
            STACKED + "test_a_parameter_of_a_stack_is_read_by_the_rows_of_its_replica",
            STACKED + "test_gaussian_replicas_are_those_of_each_alone",
        ),
    ),
    Fault(
        "each batch begins staggered anew",
        "entropy_rl/algorithms/rollout.py",
        "    if running is None:\n        state = staggered",
        "    if running is None or stagger:\n        state = staggered",
        (ROLLOUT + "test_a_rollout_goes_on_from_a_staggered_beginning_once",),
    ),
    Fault(
        "a worker's gradient is applied to the parameters it was taken at",
        "entropy_rl/distributed/worker.py",
        "        optimiser.step()\n        trainer.updates += index == 0",
        "        trainer.updates += index == 0",
        (LEARNER + "test_one_worker_gives_the_numbers_of_the_synchronous_training",),
    ),
    Fault(
        "the steps of the critic are not sent",
        "entropy_rl/distributed/worker.py",
        "for index, optimiser in enumerate(trainer.optimisers)",
        "for index, optimiser in enumerate(trainer.optimisers[:1])",
        (
            LEARNER + "test_one_worker_gives_the_numbers_of_the_synchronous_training",
            LEARNER + "test_a_workers_gradient_is_that_of_the_loss_on_its_own_actions",
        ),
    ),
    Fault(
        "a worker steps by statistics of its own",
        "entropy_rl/distributed/worker.py",
        'state["optimiser"] = copied(trainer.optimiser.state_dict())',
        "pass",
        (LEARNER + "test_a_worker_begins_as_the_learner_is_its_optimisers_included",),
    ),
    Fault(
        "rollouts of whoever acted are taken for one's own",
        "entropy_rl/algorithms/on_policy.py",
        "return rollout.version != self.updates",
        "return rollout.version > self.updates",
        (LEARNER + "test_v_trace_is_given_the_ratios_to_the_policy_that_acted",),
    ),
    Fault(
        "a rollout from elsewhere is thought to have its graph",
        "entropy_rl/algorithms/on_policy.py",
        "if self.keeps_graph and not stale and not rollout.detached:",
        "if self.keeps_graph and not stale:",
        (LEARNER + "test_a_rollout_leaves_the_process_without_its_graph",),
    ),
    Fault(
        "the lag in updates is that in batches",
        "entropy_rl/distributed/learner.py",
        '"lag_updates": trainer.updates - updates}',
        '"lag_updates": self.learnt - learnt}',
        (LEARNER + "test_the_lag_in_updates_counts_all_minibatches",),
    ),
    Fault(
        "a worker in another's place draws what that one drew",
        "entropy_rl/distributed/pool.py",
        "self.made += 1",
        "self.made += 0",
        (POOL + "test_a_worker_that_is_lost_is_begun_anew_asked_again_and_counted",),
    ),
    Fault(
        "losses are never forgotten",
        "entropy_rl/distributed/pool.py",
        "                self.in_a_row = 0",
        "                pass",
        (POOL + "test_losses_with_a_batch_between_them_do_not_end_it",),
    ),
    Fault(
        "an asynchronous run's spec does not say so",
        "entropy_rl/experiments/spec.py",
        '            **_written("run", {"workers": self.workers}),\n',
        "",
        (ASYNCHRONOUS + "test_a_run_without_workers_says_nothing_of_them",),
    ),
    Fault(
        "an asynchronous run is replayed",
        "entropy_rl/experiments/results.py",
        "    if run.spec.workers:\n        return None\n",
        "",
        (ASYNCHRONOUS + "test_a_run_is_stored_with_its_lag_and_is_not_asked_for_again",),
    ),
    Fault(
        "a lost life begins a new game",
        "entropy_rl/algorithms/rollout.py",
        "over = episodes_over(env, state, outcome)",
        "over = outcome.terminated | outcome.truncated",
        (ROLLOUT + "test_an_episode_that_goes_on_after_a_termination_is_not_begun_anew",),
    ),
    Fault(
        "a game is judged by its first life",
        "entropy_rl/algorithms/evaluation.py",
        "over = episodes_over(env, state, outcome)",
        "over = outcome.terminated | outcome.truncated",
        (ROLLOUT + "test_an_episode_that_goes_on_is_judged_to_its_end",),
    ),
    Fault(
        "a score of clipped points",
        "entropy_rl/envs/breakout.py",
        "float(x.points) for x in shown",
        "float(min(x.points, 1)) for x in shown",
        (BREAKOUT + "test_the_score_is_never_clipped",),
    ),
    Fault(
        "a game that went on is still found where it was",
        "entropy_rl/envs/_emulators.py",
        "self._at.pop(key, None) for key in played",
        "self._at.get(key) for key in played",
        (BREAKOUT + "test_a_state_from_before_is_played_again_from_its_seed",),
    ),
    Fault(
        "an emulator that is elsewhere goes unnoticed",
        "entropy_rl/envs/_emulators.py",
        "if not np.array_equal(shown.frames[0], frames):",
        "if shown.frames[0].shape != frames.shape:",
        (BREAKOUT + "test_a_state_that_the_emulator_does_not_come_to_is_refused",),
    ),
    Fault(
        "pictures that are not divided by 255",
        "entropy_rl/networks/convolutional.py",
        "self.first.weight / 255, self.first.bias",
        "self.first.weight / 1, self.first.bias",
        (PICTURES + "test_it_is_the_textbook_network_and_so_is_its_gradient",),
    ),
    Fault(
        "a shared baseline that teaches the torso nothing",
        "entropy_rl/algorithms/baseline.py",
        "self._value(features[:, 0])",
        "self._value(features[:, 0].detach())",
        (SHARED + "test_its_term_is_the_weighted_loss_of_a_linear_head",),
    ),
    Fault(
        "a shared baseline whose head nobody moves",
        "entropy_rl/algorithms/on_policy.py",
        "self.replicas.optimiser(self.parameters)",
        "self.replicas.optimiser(list(policy.parameters()))",
        (SHARED + "test_it_learns_the_mean_return_beside_the_policy",),
    ),
    Fault(
        "drawn actions stored for clipped ones",
        "entropy_rl/policies/gaussian.py",
        "return actions.clamp(low, high)",
        "return actions",
        (GAUSSIAN + "test_clipped_actions_are_those_drawn_cut_off_and_scored_where_they_are",),
    ),
    Fault(
        "a mean that goes as far beyond the bounds",
        "entropy_rl/policies/gaussian.py",
        "(high + low) / 2 + (high - low) / 2 * mean.tanh()",
        "(high + low) / 2 + (high - low) * mean.tanh()",
        (GAUSSIAN + "test_a_bounded_mean_is_a_tanh_between_the_bounds",),
    ),
    Fault(
        "a softplus that rounds to 0",
        "entropy_rl/policies/gaussian.py",
        "torch.where(local < _SMALL, local, ordinary)",
        "softplus(local).log()",
        (GAUSSIAN + "test_softplus_is_the_local_scheme_through_another_map",),
    ),
    Fault(
        "a torso with a tanh whatever is asked for",
        "entropy_rl/policies/gaussian.py",
        "[hidden_size] * layers, between, activate_last=True",
        "[hidden_size] * layers, nn.Tanh, activate_last=True",
        (GAUSSIAN + "test_the_torso_has_the_activation_that_is_asked_for",),
    ),
    Fault(
        "one temperature at two scales of the reward",
        "entropy_rl/experiments/pendulum_authors.py",
        "TEMPERATURES = {3: 0.1, 8: 0.0375}",
        "TEMPERATURES = {3: 0.0375, 8: 0.0375}",
        (AUTHORS + "test_the_temperature_is_one_in_units_of_the_reward",),
    ),
    Fault(
        "a product in bfloat16 that is not rounded",
        "entropy_rl/networks/products.py",
        "made.to(torch.bfloat16) if out is None",
        "made if out is None",
        (PRODUCTS + "test_one_rounding_of_the_exact_product",),
    ),
    Fault(
        "no product is slow",
        "entropy_rl/networks/products.py",
        "or not has_bfloat16())",
        "or False)",
        (PRODUCTS + "test_slow_products_are_made_in_float32",),
    ),
    Fault(
        "one weight for all configurations of a training",
        "entropy_rl/algorithms/replicas.py",
        "beta=config.beta_at(left)),",
        "beta=self.config.beta_at(left)),",
        (REPLICAS + "test_two_configurations_are_trained_as_each_is_alone",),
    ),
    Fault(
        "one estimator for all configurations of a training",
        "entropy_rl/algorithms/replicas.py",
        "chunk(len(names))[i] for i, n in enumerate(names)",
        "chunk(len(names))[i] for i, n in enumerate(names[:1] * len(names))",
        (REPLICAS + "test_configurations_may_have_other_entropies",),
    ),
    Fault(
        "one learning rate for all configurations of a training",
        "entropy_rl/algorithms/replicas.py",
        '{"params": own, "lr": rate}',
        '{"params": own, "lr": rates[0][0]}',
        (REPLICAS + "test_two_configurations_are_trained_as_each_is_alone",),
    ),
    Fault(
        "nobody looks whether two runs as one begin as each does",
        "entropy_rl/experiments/together.py",
        "if beginning(spec) != found:",
        "if False:",
        (TOGETHER + "test_a_machine_that_rounds_apart_makes_each_alone",),
    ),
    Fault(
        "a run that was begun is begun anew with others",
        "entropy_rl/experiments/sweeping.py",
        "if spec not in begun]",
        "]",
        (TOGETHER + "test_a_run_that_was_begun_goes_on_alone",),
    ),
    Fault(
        "a short batch is trained with others",
        "entropy_rl/experiments/together.py",
        "or config.episodes % config.batch",
        "or False",
        (TOGETHER + "test_what_is_never_trained_with_another",),
    ),
    Fault(
        "whatever bfloat16 does is rounding",
        "entropy_rl/experiments/results.py",
        "return min(MOVED, tolerance), 1",
        "return tolerance, 1",
        (SWEEP + "test_bfloat16_by_units_and_without_is_judged_by_its_first_batch",),
    ),
    Fault(
        "a grid whose rows were put in another order is still thought whole",
        "entropy_rl/algorithms/rollout.py",
        "            whole=False,\n",
        "",
        (ROLLOUT + "test_a_whole_grid_is_read_as_its_rows_stand",),
    ),
    Fault(
        "old log-probabilities of other rows",
        "entropy_rl/algorithms/on_policy.py",
        "context.old_log_probs.index_select(0, rows)",
        "context.old_log_probs[: len(rows)]",
        (LOOP + "test_a_minibatch_knows_who_drew_its_actions",),
    ),
    Fault(
        "the targets of off-policy critics never move",
        "entropy_rl/algorithms/off_policy.py",
        "        self.critic.follow()\n",
        "",
        (OFF_POLICY + "test_an_update_moves_each_part_at_its_own_rate_and_the_targets_after_it",),
    ),
    Fault(
        "what is remembered does not lead on",
        "entropy_rl/algorithms/off_policy.py",
        "self.env, self._sample, c.batch, c.cap, c.discount,",
        "self.env, self._sample, c.batch, c.cap, 0.0,",
        (OFF_POLICY + "test_stretches_go_on_and_what_is_remembered_leads_on",),
    ),
    Fault(
        "off-policy every stretch begins an episode",
        "entropy_rl/algorithms/off_policy.py",
        "continuing=True, running=self.running,",
        "continuing=True, running=None,",
        (OFF_POLICY + "test_stretches_go_on_and_what_is_remembered_leads_on",),
    ),
    Fault(
        "off-policy critics at the policy's rate",
        "entropy_rl/algorithms/off_policy.py",
        "c.critic_learning_rate, c.polyak, self.device,",
        "c.learning_rate, c.polyak, self.device,",
        (OFF_POLICY + "test_an_update_moves_each_part_at_its_own_rate_and_the_targets_after_it",),
    ),
    Fault(
        "the temperature at the policy's rate",
        "entropy_rl/algorithms/off_policy.py",
        '{"params": [self.log_temperature], "lr": c.temperature_learning_rate}',
        '{"params": [self.log_temperature], "lr": c.learning_rate}',
        (OFF_POLICY + "test_an_update_moves_each_part_at_its_own_rate_and_the_targets_after_it",),
    ),
    Fault(
        "a policy of one's own is believed",
        "entropy_rl/stepwise.py",
        'if getattr(policy, "validate_steps", True):',
        "if False:",
        (STEPWISE + "test_what_its_steps_give_is_checked",),
    ),
    Fault(
        "what is not a number draws the first action",
        "entropy_rl/stepwise.py",
        "if chain.log_probs.detach().isnan().any():",
        "if False:",
        (STEPWISE + "test_an_observation_that_is_not_finite_draws_nothing",),
    ),
)
