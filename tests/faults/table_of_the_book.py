"""The faults of the book's own machinery: where it judges, shows and insists."""

from table import Fault

STORED = "tests/bookkit/test_stored.py::"
EVIDENCE = "tests/bookkit/test_evidence.py::"
CLAIMS = "tests/bookkit/test_claims.py::"
VERIFICATION = "tests/bookkit/test_verification.py::"
HANDOVER = "tests/bookkit/test_handover.py::"
EXTENSION = "tests/bookkit/test_extension.py::"
WIDGETS = "tests/bookkit/test_widgets.py::"
FIGURES = "tests/bookkit/test_figures.py::"

FAULTS = (
    Fault(
        "a contrast does not wait for its pairs",
        "bookkit/stored/_tables.py",
        "if len(stored) == len(both) > 1:",
        "if len(stored) > 1:",
        (STORED + "test_a_contrast_waits_for_all_of_its_pairs",),
    ),
    Fault(
        "pairs of one seed and another",
        "bookkit/stored/_tables.py",
        "[measure(b, contrast.metric, seed) for seed, _, b in stored]",
        "[measure(b, contrast.metric, seed) for seed, _, b in stored[::-1]]",
        (STORED + "test_contrasts_by_hand",),
    ),
    Fault(
        "a slip in a registered sign becomes a reproduction",
        "bookkit/stored/_tables.py",
        "    if difference <= 0:\n",
        "    if False:\n",
        (STORED + "test_a_sign_that_the_paper_does_not_print_is_refused",),
    ),
    Fault(
        "a slip is one only if the runs agree with it",
        "bookkit/stored/_tables.py",
        "printed = _is_printed(found, contrast)  # a slip is one, whatever comes out",
        "printed = False",
        (STORED + "test_it_is_refused_whatever_came_out",),
    ),
    Fault(
        "a page shows runs that nobody else has",
        "bookkit/stored/_reading.py",
        'if tier != "paper" and runs is None and paths.is_static():',
        "if False:",
        (STORED + "test_a_page_reads_no_runs_that_are_not_committed",),
    ),
    Fault(
        "as printed, where nothing is printed",
        "bookkit/stored/_tables.py",
        '"as printed" if printed else "as expected"',
        '"as printed" if printed else "as printed"',
        (
            STORED + "test_verdicts",
            STORED + "test_as_printed_is_what_the_paper_prints",
        ),
    ),
    Fault(
        "a deviation over n",
        "bookkit/stored/_tables.py",
        "float(np.std(values, ddof=1))",
        "float(np.std(values, ddof=0))",
        (STORED + "test_a_table_by_hand",),
    ),
    Fault(
        "the seeds that are missing go unsaid",
        "bookkit/stored/_tables.py",
        "return text if row.seeds == row.planned else",
        "return text if True else",
        (STORED + "test_cells",),
    ),
    Fault(
        "unfinished episodes of one seed",
        "bookkit/stored/_tables.py",
        '"unfinished": sum(_unfinished(run.of(seed)) for seed, run in stored.items())',
        '"unfinished": max([0, *(_unfinished(run.of(seed)) for seed, run in stored.items())])',
        (STORED + "test_a_table_by_hand",),
    ),
    Fault(
        "a limit of other starts",
        "bookkit/stored/_reading.py",
        "physical_limit(env, episodes=episodes, seed=seed)",
        "physical_limit(env, episodes=episodes, seed=seed + 1)",
        (STORED + "test_the_limit_is_of_the_starts_that_were_evaluated",),
    ),
    Fault(
        "a printed percentage under the name of a share",
        "bookkit/stored/_reading.py",
        "return 100 * measure(run, PERCENT[metric], seed)",
        "return measure(run, PERCENT[metric], seed)",
        (STORED + "test_the_table_of_the_bandit_has_the_printed_names_of_its_end",),
    ),
    Fault(
        "the first of two printed rows",
        "bookkit/stored/_reading.py",
        "if len(rows) > 1:",
        "if len(rows) > 2:",
        (STORED + "test_a_number_in_a_label_finds_its_printed_row",),
    ),
    Fault(
        "a stacked run is its first seed",
        "bookkit/stored/_reading.py",
        "run.of(run.spec.seed if seed is None else seed)",
        "run.of(run.spec.seed)",
        (STORED + "test_a_seed_of_a_stacked_run_has_its_own_numbers",),
    ),
    Fault(
        "one agreement outweighs what is against it",
        "bookkit/claims.py",
        'if "against" in self.verdicts:',
        'if set(self.verdicts) == {"against"}:',
        (CLAIMS + "test_status",),
    ),
    Fault(
        "small runs reproduce a paper",
        "bookkit/claims.py",
        "if all(good) and all(self.sizes) and self.paper_scale:",
        "if all(good) and all(self.sizes):",
        (CLAIMS + "test_status",),
    ),
    Fault(
        "a claim of sizes is judged by signs alone",
        "bookkit/claims.py",
        "if all(good) and all(self.sizes) and self.paper_scale:",
        "if all(good) and self.paper_scale:",
        (CLAIMS + "test_status",),
    ),
    Fault(
        "what is corrected counts as it was printed",
        "bookkit/claims.py",
        'return "verified" if claim.printed == "holds" else "corrected"',
        'return "verified"',
        (CLAIMS + "test_status",),
    ),
    Fault(
        "half of a sweep silences the smaller runs",
        "bookkit/evidence.py",
        "if at_scale.complete or claim not in smaller",
        "if True",
        (EVIDENCE + "test_without_runs_at_scale_the_smaller_ones_speak",),
    ),
    Fault(
        "what unfinished episodes decide stands",
        "bookkit/evidence.py",
        'verdict if verdict == _verdict(other) else "undecided"',
        "verdict",
        (EVIDENCE + "test_what_unfinished_episodes_decide_is_not_decided",),
    ),
    Fault(
        "sizes of the wrong way round",
        "bookkit/evidence.py",
        "ratio = as_printed[0] / as_printed[1]",
        "ratio = as_printed[1] / as_printed[0]",
        (EVIDENCE + "test_a_claim_of_sizes_is_judged_by_them",),
    ),
    Fault(
        "a check that fails is shown and the notebook goes on",
        "bookkit/verification.py",
        "    if not result.holds:\n        raise CheckFailed(text)\n",
        "",
        (VERIFICATION + "test_a_check_that_fails_is_shown_and_raises",),
    ),
    Fault(
        "outputs of other code",
        "bookkit/handover.py",
        "if [c.source for c in here] != [c.source for c in there]:",
        "if len(here) != len(there):",
        (HANDOVER + "test_other_code_is_refused",),
    ),
    Fault(
        "a theorem whose check failed",
        "bookkit/extension.py",
        "for claim, holds in recorded.items() if holds}",
        "for claim, holds in recorded.items()}",
        (EXTENSION + "test_a_theorem_needs_its_check",),
    ),
    Fault(
        "a check on another page",
        "bookkit/extension.py",
        'recorded = _records(env).get(proof["docname"], {})',
        "recorded = {c: h for found in _records(env).values() for c, h in found.items()}",
        (EXTENSION + "test_a_check_counts_on_its_own_page_only",),
    ),
    Fault(
        "every slider begins at its first value",
        "bookkit/widgets.py",
        "found.append(shown.index(first))",
        "found.append(0)",
        (WIDGETS + "test_where_the_sliders_begin",),
    ),
    Fault(
        "the second slider moves nothing",
        "bookkit/widgets.py",
        "slider = self.sliders[len(prefix)]",
        "slider = self.sliders[0]",
        (WIDGETS + "test_two_sliders_are_nested_stacks_linked_to_them",),
    ),
)
