"""What can be done with any policy that names its components one after the other.

A *step policy* offers ``start(obs) -> state`` and ``step(state, previous) -> (log_probs, features,
state)``; sampling, teacher forcing, the exact prefix tree and the beam are each written here once,
over these two. Rows are flat: whatever batch shape ``obs`` has, a state holds N rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Conditionals, categorical_entropy, check_log_probs
from entropy_rl.streams import Source, exponential

State = tuple[Any, ...]
Observation = Tensor | dict[str, Tensor]


class StepPolicy(Protocol):
    """A categorical policy over d components of at most K values each.

    What its steps give is checked, unless it has an attribute ``validate_steps`` that is False, as
    families whose numbers come from a ``log_softmax``.
    """

    d: int
    K: int

    def batch_shape(self, obs: Observation) -> torch.Size:
        """The batch shape of ``obs``: what is left of its shape before the observation itself."""
        ...

    def start(self, obs: Observation) -> State:
        """The state before the first component: a tuple whose tensors have N rows, axis 0."""
        ...

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """The next conditional.

        Args:
            state: from :meth:`start` or the last step.
            previous: the component just drawn, int64 ``(N,)``; None for the first.

        Returns:
            log p(· | a_<i) ``(N, K)``, normalised over K, -inf where illegal; the features
            ``(N, F)`` or None; and the next state.
        """
        ...

    def conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        """The chain along ``actions``, differentiable."""
        ...


def check_steps(policy: object) -> None:
    """``ValueError`` unless ``policy`` has the methods and the sizes of a step policy."""
    methods = all(callable(getattr(policy, x, None)) for x in ("start", "step", "batch_shape"))
    if not methods or not all(hasattr(policy, size) for size in ("d", "K")):
        expected = "a step policy, with start, step, batch_shape, d and K"
        raise _validate.fail("policy", expected, type(policy).__name__)


def next_step(
    policy: StepPolicy, state: State, previous: Tensor | None
) -> tuple[Tensor, Tensor | None, State]:
    """``policy.step``, its log-probabilities checked unless its family vouches for them."""
    found = policy.step(state, previous)
    if getattr(policy, "validate_steps", True):
        log_probs = _validate.floating("log_probs", found[0])
        if log_probs.ndim != 2 or log_probs.shape[1] != policy.K:
            expected = f"shape (N, {policy.K}) of a step"
            raise _validate.fail("log_probs", expected, _validate.describe(log_probs))
        check_log_probs("log_probs", log_probs)
    return found


def select(state: State, rows: Tensor) -> State:
    """The given rows of a state (repeats allowed), of its tensors' first axis.

    Tuples inside of it are states too; entries that are neither stay.
    """

    def chosen(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x.index_select(0, rows)
        return select(x, rows) if type(x) is tuple else x

    return tuple(map(chosen, state))


def unflatten(rows: Tensor, batch: torch.Size) -> Tensor:
    """Flat rows ``(N, …)`` back in their batch shape ``(*batch, …)``, which may be empty."""
    return rows.reshape((*batch, *rows.shape[1:]))


def sample(policy: StepPolicy, obs: Observation, generator: Source | None = None) -> Conditionals:
    """Draw a ~ p(· | obs), one component after the other, keeping the autograd graph.

    aᵢ = argmaxₖ p(k | a_<i) / Eₖ with Eₖ standard exponential: exact, and never an action of
    probability 0. All noise is drawn at once, before the first component.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        generator: the source of randomness, on the policy's device; None for torch's global one.
            Streams give each replica its own.

    Returns:
        The chain along the sampled path.

    Raises:
        ValueError: NaN among the log-probabilities, as of an observation that is not finite.
    """
    state = policy.start(obs)
    noise: Tensor | None = None
    log_probs, actions, features = [], [], []
    previous: Tensor | None = None
    for i in range(policy.d):
        log_prob, feature, state = next_step(policy, state, previous)
        if noise is None:
            shape, kind = (policy.d, *log_prob.shape), log_prob.dtype
            noise = exponential(shape, generator, rows=1, dtype=kind, device=log_prob.device)
        previous = (log_prob.detach().exp() / noise[i]).argmax(-1)
        log_probs.append(log_prob)
        actions.append(previous)
        features.append(feature)
    return numbers(_assemble(policy.batch_shape(obs), log_probs, actions, features))


def numbers(chain: Conditionals) -> Conditionals:
    """``chain`` itself, or ``ValueError`` if NaN drew its actions: it would draw 0 every time."""
    if chain.log_probs.detach().isnan().any():
        expected = "numbers for log-probabilities (of a finite observation and finite parameters)"
        raise _validate.fail("policy", expected, "NaN")
    return chain


def teacher_force(policy: StepPolicy, obs: Observation, actions: Tensor) -> Conditionals:
    """The chain along given actions, differentiable: the loop that faster versions must equal.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        actions: ``(*batch, d)``, int64 in [0, K).

    Returns:
        log p(· | a_<i) along the path of ``actions``.

    Raises:
        ValueError: actions of another shape or dtype, or out of range, or illegal.
    """
    batch = policy.batch_shape(obs)
    rows = check_actions(policy, batch, actions)
    return check_legal(follow(policy, policy.start(obs), batch, rows))


def follow(policy: StepPolicy, state: State, batch: torch.Size, rows: Tensor) -> Conditionals:
    """The chain along given actions, whose values are not looked at; :func:`teacher_force` does.

    Args:
        policy: a step policy.
        state: from its ``start``.
        batch: the batch shape of the observation, of N rows.
        rows: the actions, int64 ``(N, d)``.
    """
    log_probs, features = [], []
    previous: Tensor | None = None
    for i in range(policy.d):
        log_prob, feature, state = next_step(policy, state, previous)
        previous = rows[:, i]
        log_probs.append(log_prob)
        features.append(feature)
    return _assemble(batch, log_probs, list(rows.unbind(-1)), features)


def check_actions(policy: StepPolicy, batch: torch.Size, actions: Tensor) -> Tensor:
    """``actions`` as flat rows ``(N, d)``, or ``ValueError``: shape, dtype or range."""
    _validate.shape("actions", _validate.integer("actions", actions), (*batch, policy.d))
    if actions.numel() and not (int(actions.min()) >= 0 and int(actions.max()) < policy.K):
        raise _validate.fail(
            "actions",
            f"integers in [0, {policy.K})",
            f"values from {int(actions.min())} to {int(actions.max())}",
        )
    return actions.reshape(-1, policy.d)


def check_legal(chain: Conditionals) -> Conditionals:
    """``chain`` itself, or ``ValueError`` if an action of it has probability 0."""
    if (chain.component_log_probs.detach() == -torch.inf).any():
        raise _validate.fail("actions", "legal actions", "a masked action")
    return chain


def _assemble(
    batch: torch.Size, log_probs: list[Tensor], actions: list[Tensor], features: list[Tensor | None]
) -> Conditionals:
    stacked = [f for f in features if f is not None]
    return Conditionals(
        unflatten(torch.stack(log_probs, 1), batch),
        unflatten(torch.stack(actions, 1), batch),
        unflatten(torch.stack(stacked, 1), batch) if stacked else None,
        validate_args=False,
    )


class Level(NamedTuple):
    """The prefixes of one length and the conditionals after them.

    Attributes:
        log_probs: log p(· | a_<i), ``(N, K)``, one row a prefix.
        parent: the row of a_<i-1 in the level above, ``(N,)``; at the root the rows themselves.
        choice: the component aᵢ₋₁ that leads here, ``(N,)``; None at the root.
    """

    log_probs: Tensor
    parent: Tensor
    choice: Tensor | None


def prefix_tree(policy: StepPolicy, obs: Observation) -> Iterator[Level]:
    """The d levels of the tree of prefixes, one batched step each, root first.

    It visits at most (Kᵈ - 1)/(K - 1) prefixes, not Kᵈ joint actions: the last conditional is never
    expanded. Illegal actions are not followed, so a component with a single legal action costs
    nothing.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``; the root has a row for each.

    Raises:
        ValueError: a policy without steps (a Gaussian one, say).
    """
    check_steps(policy)
    state = policy.start(obs)
    choice: Tensor | None = None
    for i in range(policy.d):
        log_probs, _, state = next_step(policy, state, choice)
        if i == 0:
            parent = torch.arange(len(log_probs), device=log_probs.device)
        yield Level(log_probs, parent, choice)
        if i < policy.d - 1:
            parent, choice = (log_probs.detach() > -torch.inf).nonzero(as_tuple=True)
            state = select(state, parent)


def tree_entropy(policy: StepPolicy, obs: Observation) -> Tensor:
    """The exact joint entropy, H = Σᵢ Σ_{a_<i} p(a_<i) H⁽ⁱ⁾(a_<i), by the tree of prefixes.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.

    Returns:
        ``(*batch,)`` in nats, differentiable.

    Raises:
        ValueError: a policy without steps (a Gaussian one, say).
    """
    above: Tensor | None = None
    for log_probs, parent, choice in prefix_tree(policy, obs):
        entropies = categorical_entropy(log_probs)
        if above is None:
            owner, log_prefix, total = parent, torch.zeros_like(entropies), entropies
        else:
            owner, log_prefix = owner[parent], log_prefix[parent] + above[parent, choice]
            total = total.index_add(0, owner, log_prefix.exp() * entropies)
        above = log_probs
    return unflatten(total, policy.batch_shape(obs))


def beam_search(
    policy: StepPolicy, obs: Observation, beam: int = 1, keep_greedy: bool = True
) -> Tensor:
    """A likely joint action, by beam search over prefixes; beam = 1 is the greedy path.

    A plain beam can end *below* the greedy path, because it may drop it half-way. With
    ``keep_greedy`` one of the ``beam`` candidates is always the greedy prefix, so that
    p(beam) ≥ p(greedy) holds by construction.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        beam: the number of candidates, ≥ 1.
        keep_greedy: False gives the plain beam (to see it fail).

    Returns:
        The best candidate, int64 ``(*batch, d)``.

    Raises:
        ValueError: ``beam`` is no positive integer, or a policy without steps.

    Source: zhang2018, §4.3, whose claim p(a') ≥ p(â) needs ``keep_greedy``.
    """
    check_steps(policy)
    _validate.positive_integer("beam", beam)
    batch = policy.batch_shape(obs)
    if beam == 1:
        return unflatten(_greedy(policy, obs), batch)
    with torch.no_grad():
        state = policy.start(obs)
        previous: Tensor | None = None
        for i in range(policy.d):
            log_probs, _, state = next_step(policy, state, previous)
            if i == 0:
                rows, width = len(log_probs), 1
                score = log_probs.new_zeros(rows, 1)
                paths = torch.empty(rows, 1, 0, dtype=torch.int64, device=log_probs.device)
            children = score.unsqueeze(-1) + log_probs.view(rows, width, policy.K)
            score, parent, choice = _best_children(children, beam, keep_greedy)
            flat = (torch.arange(rows, device=parent.device).unsqueeze(1) * width + parent).view(-1)
            width = score.shape[1]
            state, previous = select(state, flat), choice.reshape(-1)
            paths = torch.cat(
                [paths.gather(1, parent.unsqueeze(-1).expand(-1, -1, i)), choice.unsqueeze(-1)], -1
            )
        best = score.argmax(1)
        return unflatten(paths[torch.arange(rows, device=best.device), best], batch)


@torch.no_grad()
def _greedy(policy: StepPolicy, obs: Observation) -> Tensor:
    """The likeliest action of every conditional in turn, ``(N, d)``: no state is reordered."""
    state, path = policy.start(obs), list[Tensor]()
    for i in range(policy.d):
        log_probs, _, state = next_step(policy, state, path[i - 1] if i else None)
        path.append(log_probs.argmax(-1))
    return torch.stack(path, 1)


def _best_children(children: Tensor, beam: int, keep_greedy: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The scores, parents and choices of the kept candidates; the greedy one stands first."""
    rows, width, size = children.shape
    flat = children.reshape(rows, width * size)
    ranked = flat.clone()
    if keep_greedy:
        greedy = children[:, 0].argmax(-1, keepdim=True)
        ranked.scatter_(1, greedy, torch.inf)
    kept = ranked.topk(min(beam, width * size), dim=1).indices
    return flat.gather(1, kept), kept // size, kept % size
