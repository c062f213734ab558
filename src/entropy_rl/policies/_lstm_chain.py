"""All d steps of an LSTM policy as one autograd node.

Written out because torch's graph of a step costs as much as its matrix products, and because a row
is done once its last component with a choice is drawn. With weights in half precision the products
are in half precision and everything else in float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
        recurrent: U, ``(4H, H)``.
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


def _tanh_(x: Tensor) -> Tensor:
    """tanh x = 2σ(2x) - 1, in place: a third of the time of ``tanh`` in float32."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


class _Chain(torch.autograd.Function):
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
        (d, rows), (K, H) = actions.shape, head.shape
        half = projected.dtype in (torch.bfloat16, torch.float16)
        wide = torch.float32 if half else projected.dtype
        # [hᵢ, one-hot aᵢ] is what the next component reads: one product for both.
        weight = torch.cat([recurrent, embedding.t()], 1).t()
        inputs = projected.new_zeros(d, rows, H + K)
        logits = projected.new_zeros(d, rows, K)
        gates, cells, squashed = [], [], []
        cell = projected
        for i, n in enumerate(plan.counts):
            x = projected[:n]
            x = torch.addmm(x, inputs[i - 1, :n], weight) if i else x
            gate = torch.empty_like(x, dtype=wide).copy_(x)
            let_in, forget, let_out, candidate = gate.view(n, 4, H).unbind(1)
            candidate.mul_(2)
            gate.sigmoid_()
            candidate.mul_(2).sub_(1)
            before, cell = cell, let_in * candidate
            if i:
                cell.addcmul_(forget, before[:n])
            tanh = _tanh_(cell.clone())
            hidden = inputs[i, :n, :H]
            hidden.copy_(let_out * tanh)
            torch.addmm(bias, hidden, head.t(), out=logits[i, :n])
            if perturbation is not None:
                torch.argmax(logits[i, :n] + perturbation[i, :n], -1, out=actions[i, :n])
            inputs[i, :n, H:].scatter_(1, actions[i, :n].unsqueeze(1), 1)
            if keep:
                gates.append(gate)
                cells.append(cell)
                squashed.append(tanh)
        ctx.plan = plan
        ctx.save_for_backward(recurrent, head, inputs, *gates, *cells, *squashed)
        ctx.set_materialize_grads(False)
        features = inputs[:, :, :H]
        if plan.order is not None:
            back = plan.order[: plan.rows].argsort()
            logits, features = logits.index_select(1, back), features.index_select(1, back)
            actions = actions.index_select(1, back)
        out = actions.t()
        ctx.mark_non_differentiable(out)
        return logits.transpose(0, 1), features.transpose(0, 1), out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_logits: Tensor | None, d_features: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        recurrent, head, inputs, *saved = ctx.saved_tensors
        counts, d, H = ctx.plan.counts, len(inputs), head.shape[1]
        gates, cells, squashed = saved[:d], saved[d : 2 * d], saved[2 * d :]
        d_logits = _by_component(d_logits, ctx.plan)
        d_features = _by_component(d_features, ctx.plan)
        d_weight = inputs.new_zeros(inputs.shape[2], 4 * H)
        d_head, d_bias = torch.zeros_like(head), head.new_zeros(len(head))
        d_projected = gates[0].new_zeros(inputs.shape[1], 4 * H)
        d_cell = torch.zeros_like(cells[0])
        d_gate = inputs.new_zeros(0, 4 * H)
        for i in reversed(range(d)):
            n, later, hidden = counts[i], len(d_gate), inputs[i, : counts[i], :H]
            if d_logits is None:
                d_hidden = torch.zeros_like(hidden)
            else:
                d_hidden = d_logits[i, :n] @ head
                d_head.addmm_(d_logits[i, :n].t(), hidden)
                d_bias += d_logits[i, :n].sum(0)
            if d_features is not None:
                d_hidden += d_features[i, :n]
            if i < d - 1:
                d_hidden[:later].addmm_(d_gate, recurrent)
            let_in, forget, let_out, candidate = gates[i].view(n, 4, H).unbind(1)
            wide = d_hidden.to(gates[i].dtype)
            change = d_cell[:n]
            change += aten.tanh_backward(wide * let_out, squashed[i])
            slope = torch.empty_like(gates[i])
            d_in, d_forget, d_out, d_candidate = slope.view(n, 4, H).unbind(1)
            torch.mul(change, candidate, out=d_in)
            torch.mul(change, cells[i - 1][:n], out=d_forget) if i else d_forget.zero_()
            torch.mul(wide, squashed[i], out=d_out)
            gated = slope[:, : 3 * H]
            aten.sigmoid_backward.grad_input(gated, gates[i][:, : 3 * H], grad_input=gated)
            aten.tanh_backward.grad_input(change * let_in, candidate, grad_input=d_candidate)
            change *= forget
            d_projected[:n] += slope
            d_gate = slope.to(inputs.dtype)
            if i:
                d_weight.addmm_(inputs[i - 1, :n].t(), d_gate)
        d_recurrent, d_embedding = d_weight[:H].t(), d_weight[H:]
        d_projected = d_projected.to(inputs.dtype)
        return d_projected, d_recurrent, d_embedding, d_head, d_bias, *(None,) * 4


def _by_component(gradient: Tensor | None, plan: Schedule) -> Tensor | None:
    """``(N, d, …)`` as ``(d, M, …)``, rows as ``plan`` orders them; 0 for those it added."""
    if gradient is None:
        return None
    if plan.order is not None:
        gradient = gradient.index_select(0, plan.order)
        gradient[plan.rows :] = 0
    return gradient.transpose(0, 1).contiguous()
