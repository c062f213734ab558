"""All d steps of an LSTM policy as one autograd node.

Written out because torch's graph of a step costs as much as its matrix products, and because a row
is done once its last component with a choice is drawn. With weights in half precision the products
are in half precision and everything else in float32. Weights with an axis of R in front are those
of R replicas, to which the rows belong in equal parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropy_rl.networks import by_replica

aten = torch.ops.aten


class Schedule(NamedTuple):
    """Which rows each component is computed for.

    Attributes:
        order: ``(M,)``, int64: the rows, those that need most components first, then, M - N times,
            row 0, whose results are thrown away; None: the rows as they are, M = N.
        counts: how many of them, from the front, component i is computed for; never increasing.
        rows: N.
    """

    order: Tensor | None
    counts: list[int]
    rows: int


def schedule(legal: Tensor | None, rows: int, d: int, rounded: bool) -> Schedule:
    """Leave out the components after which a row has no choice any more.

    Where a component has one legal action, its conditional is known: probability 1. At the end of
    the chain nothing else depends on it, so that it need not be computed.

    Args:
        legal: bool ``(N, d, K)``, or None if everything is.
        rows: N.
        d: components.
        rounded: whether every count is rounded up, to at most eight an octave. In half precision
            a product of a shape not met before costs as much as a thousand rows.
    """
    up = _round_up if rounded else int
    if legal is None and up(rows) == rows:
        return Schedule(None, [rows] * d, rows)
    place = torch.arange(1, d + 1)
    if legal is None:
        needed = torch.full((rows,), d)
    else:
        place = place.to(legal.device)
        needed = ((legal.sum(-1) > 1) * place).amax(1)
    counts = [up(n) for n in (needed >= place.unsqueeze(1)).sum(1).tolist()]
    padding = up(rows) - rows
    if padding == 0 and counts[-1] == rows:
        return Schedule(None, counts, rows)
    order = needed.argsort(descending=True)
    return Schedule(torch.nn.functional.pad(order, (0, padding)), counts, rows)


def _round_up(n: int) -> int:
    unit = max(16, 1 << max(n.bit_length() - 4, 0))
    return -(-n // unit) * unit


def lstm_chain(
    projected: Tensor,
    recurrent: Tensor,
    embedding: Tensor,
    head: Tensor,
    bias: Tensor,
    *,
    plan: Schedule,
    actions: Tensor,
    perturbation: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over d components, forced on given actions or drawing them.

    With x the projected observation and (i, f, o, g) the gates, in this order::

        gatesᵢ = x + E[aᵢ₋₁] + U hᵢ₋₁,   cᵢ = f ⊙ cᵢ₋₁ + i ⊙ g,   hᵢ = o ⊙ tanh cᵢ
        logitsᵢ = V hᵢ + b,              aᵢ = argmaxₖ (logitsᵢₖ + Gᵢₖ)

    Args:
        projected: x, ``(M, 4H)``, biases included, rows as ``plan`` orders them.
        recurrent: U, ``(4H, H)``; of replicas ``(R, 4H, H)``, and so the next three.
        embedding: E, ``(K, 4H)``.
        head: V, ``(K, H)``.
        bias: b, ``(K,)``.
        plan: from :func:`schedule`.
        actions: int64 ``(d, M)``, rows as ``plan`` orders them. If ``perturbation`` is given, what
            is drawn is written here, and what is not drawn stays.
        perturbation: G, ``(d, M, K)``: standard Gumbel noise where legal and -inf elsewhere, so
            that a is drawn from the softmax of the legal logits; None keeps the given actions.

    Returns:
        logits ``(N, d, K)``, not masked, and h ``(N, d, H)``, both zero where not computed;
        actions ``(N, d)``. Rows as they came before ``plan``. Gradients flow back once: a second
        derivative raises (step by step, through ``stepwise``, it is there).
    """
    keep = torch.is_grad_enabled()
    return _Chain.apply(
        projected, recurrent, embedding, head, bias, plan, actions, perturbation, keep
    )


def _scaled(weight: Tensor, by: float) -> Tensor:
    """``(4H, …)``, or R of them, with the candidate's rows multiplied."""
    rows = weight.shape[-2] // 4
    return torch.cat([weight[..., : 3 * rows, :], by * weight[..., 3 * rows :, :]], -2)


def _affine(bias: Tensor, rows: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
    """bias + rows @ weight; the bias is one for all rows of a replica, or has their shape."""
    if weight.ndim == 2:
        return torch.addmm(bias, rows, weight, out=out)
    R = len(weight)
    into = None if out is None else by_replica(out, R)
    made = torch.baddbmm(by_replica(bias, R), by_replica(rows, R), weight, out=into)
    return made.flatten(0, 1)


def _times(rows: Tensor, weight: Tensor) -> Tensor:
    """rows @ weight."""
    if weight.ndim == 2:
        return rows @ weight
    return torch.bmm(by_replica(rows, len(weight)), weight).flatten(0, 1)


def _sum(rows: Tensor, shape: torch.Size) -> Tensor:
    """The sum of the rows, or of those of each replica."""
    return rows.sum(0) if len(shape) == 1 else by_replica(rows, shape[0]).sum(1)


def _add_outer(into: Tensor, left: Tensor, right: Tensor) -> None:
    """into += leftᵀ @ right."""
    if into.ndim == 2:
        into.addmm_(left.t(), right)
    else:
        into.baddbmm_(by_replica(left, len(into)).mT, by_replica(right, len(into)))


class _Chain(torch.autograd.Function):
    """Both passes, in terms of sigmoids alone: tanh costs four times as much.

    With y the candidate's input, G = σ(2y) and S = σ(-2c), tanh y = 2G - 1 and tanh c = 1 - 2S, so

        -cᵢ = f ⊙ (-cᵢ₋₁) + (i - 2 i ⊙ G),        hᵢ = o - 2 o ⊙ S.

    The 2 of G is put into the weights, and so is the -2 of its derivative: ``d_gate`` holds
    -½ ∂L/∂(2y) in the candidate's place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        recurrent: Tensor,
        embedding: Tensor,
        head: Tensor,
        bias: Tensor,
        plan: Schedule,
        actions: Tensor,
        perturbation: Tensor | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        (d, rows), (K, H) = actions.shape, head.shape[-2:]
        half = projected.dtype in (torch.bfloat16, torch.float16)
        wide = torch.float32 if half else projected.dtype
        # [hᵢ, one-hot aᵢ] is what the next component reads: one product for both.
        weight = _scaled(torch.cat([recurrent, embedding.mT], -1), 2).mT
        projected = projected.clone()
        projected[:, 3 * H :].mul_(2)
        inputs = projected.new_zeros(d, rows, H + K)
        logits = projected.new_zeros(d, rows, K)
        gates, cells, squashed = [], [], []
        minus_cell = projected
        for i, n in enumerate(plan.counts):
            x, read, out, drawn = projected[:n], inputs[i, :n], logits[i, :n], actions[i, :n]
            x = _affine(x, inputs[i - 1, :n], weight) if i else x
            gate = x.to(wide, copy=i == 0).sigmoid_()
            let_in, forget, let_out, candidate = gate.view(n, 4, H).unbind(1)
            before, minus_cell = minus_cell, torch.addcmul(let_in, let_in, candidate, value=-2)
            if i:
                minus_cell.addcmul_(forget, before[:n])
            squash = (2 * minus_cell).sigmoid_()
            hidden = read[:, :H]
            hidden.copy_(torch.addcmul(let_out, let_out, squash, value=-2))
            _affine(bias, hidden, head.mT, out)
            if perturbation is not None:
                torch.argmax(out + perturbation[i, :n], -1, out=drawn)
            read[:, H:].scatter_(1, drawn.unsqueeze(1), 1)
            if keep:
                gates.append(gate)
                cells.append(minus_cell)
                squashed.append(squash)
        ctx.plan = plan
        ctx.save_for_backward(recurrent, head, inputs, *gates, *cells, *squashed)
        ctx.set_materialize_grads(False)
        features = inputs[:, :, :H]
        if plan.order is not None:
            back = plan.order[: plan.rows].argsort()
            logits, features = logits.index_select(1, back), features.index_select(1, back)
            actions = actions.index_select(1, back)
        chosen = actions.t()
        ctx.mark_non_differentiable(chosen)
        return logits.transpose(0, 1), features.transpose(0, 1), chosen

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_logits: Tensor | None, d_features: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        recurrent, head, inputs, *saved = ctx.saved_tensors
        counts, d, H = ctx.plan.counts, len(inputs), head.shape[-1]
        gates, cells, squashed = saved[:d], saved[d : 2 * d], saved[2 * d :]
        d_logits = _by_component(d_logits, ctx.plan)
        d_features = _by_component(d_features, ctx.plan)
        weight = _scaled(recurrent, -4)
        d_weight = inputs.new_zeros(*head.shape[:-2], inputs.shape[2], 4 * H)
        d_head, d_bias = torch.zeros_like(head), head.new_zeros(head.shape[:-1])
        d_projected = gates[0].new_zeros(inputs.shape[1], 4 * H)
        d_minus_cell = torch.zeros_like(cells[0])
        d_gate = inputs.new_zeros(0, 4 * H)
        for i in reversed(range(d)):
            n, later = counts[i], len(d_gate)
            hidden, gate, squash = inputs[i, :n, :H], gates[i], squashed[i]
            if d_logits is None:
                d_hidden = torch.zeros_like(hidden)
            else:
                d_hidden = _times(d_logits[i, :n], head)
                _add_outer(d_head, d_logits[i, :n], hidden)
                d_bias += _sum(d_logits[i, :n], d_bias.shape)
            if d_features is not None:
                d_hidden += d_features[i, :n]
            if i < d - 1:
                _affine(d_hidden[:later], d_gate, weight, d_hidden[:later])
            d_hidden = d_hidden.to(gate.dtype)
            let_in, forget, let_out, candidate = gate.view(n, 4, H).unbind(1)
            slope = torch.empty_like(gate)
            d_in, d_forget, d_out, d_candidate = slope.view(n, 4, H).unbind(1)
            change = d_minus_cell[:n]
            change.add_(aten.sigmoid_backward(d_hidden * let_out, squash), alpha=-4)
            torch.addcmul(d_hidden, d_hidden, squash, value=-2, out=d_out)
            torch.addcmul(change, change, candidate, value=-2, out=d_in)
            torch.mul(change, let_in, out=d_candidate)
            torch.mul(change, cells[i - 1][:n], out=d_forget) if i else d_forget.zero_()
            aten.sigmoid_backward.grad_input(slope, gate, grad_input=slope)
            change *= forget
            d_projected[:n] += slope
            d_gate = slope.to(inputs.dtype)
            if i:
                _add_outer(d_weight, inputs[i - 1, :n], d_gate)
        d_weight, d_projected = d_weight.mT, d_projected.to(inputs.dtype)
        d_weight[..., 3 * H :, :] *= -4
        d_projected[:, 3 * H :] *= -4
        d_recurrent, d_embedding = d_weight[..., :H], d_weight[..., H:].mT
        return d_projected, d_recurrent, d_embedding, d_head, d_bias, *(None,) * 4


def _by_component(gradient: Tensor | None, plan: Schedule) -> Tensor | None:
    """``(N, d, …)`` as ``(d, M, …)``, rows as ``plan`` orders them; 0 for those it added."""
    if gradient is None:
        return None
    if plan.order is not None:
        gradient = gradient.index_select(0, plan.order)
        gradient[plan.rows :] = 0
    return gradient.transpose(0, 1).contiguous()
