"""All d steps of an LSTM policy as one autograd node.

Written out because torch's graph of a step costs as much as its matrix products, and because a row
is done once its last component with a choice is drawn. With weights in half precision the products
of the cell are in half precision and everything else in float32. Weights with an axis of R in front
are those of R replicas, to which the rows belong in equal parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropy_rl.networks import by_replica, product

aten = torch.ops.aten


# Below so many rows, finding out which are done costs more than computing them all.
_FEW = 128


class Schedule(NamedTuple):
    """Which rows each component is computed for.

    Attributes:
        order: ``(M,)``, int64: the rows, those that need most components first, then, M - N times,
            row 0; None: the rows as they come, then M - N of anything. What is computed for those
            that were added is thrown away.
        counts: how many of them, from the front, component i is computed for; never increasing.
        rows: N.
        padded: M.
    """

    order: Tensor | None
    counts: list[int]
    rows: int
    padded: int

    def arrange(self, x: Tensor, dim: int = 0) -> Tensor:
        """Rows along ``dim`` as this has them, N to M."""
        if self.order is not None:
            return x.index_select(dim, self.order)
        added = self.padded - self.rows
        return F.pad(x, (0, 0) * (x.ndim - 1 - dim) + (0, added)) if added else x


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
    if legal is None or rows <= _FEW:
        return Schedule(None, [up(rows)] * d, rows, up(rows))
    place = torch.arange(1, d + 1, device=legal.device)
    needed = ((legal.sum(-1) > 1) * place).amax(1)
    counts = [up(n) for n in (needed >= place.unsqueeze(1)).sum(1).tolist()]
    if counts[-1] >= rows:
        return Schedule(None, [up(rows)] * d, rows, up(rows))
    order = needed.argsort(descending=True)
    return Schedule(F.pad(order, (0, up(rows) - rows)), counts, rows, up(rows))


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
        projected: x, ``(M, 4H)``, biases included, rows as ``plan`` has them.
        recurrent: U, ``(4H, H)``; of replicas ``(R, 4H, H)``, and so the next three.
        embedding: E, ``(K, 4H)``.
        head: V, ``(K, H)``.
        bias: b, ``(K,)``.
        plan: from :func:`schedule`.
        actions: int64 ``(d, M)``, rows as ``plan`` has them. If ``perturbation`` is given, what
            is drawn is written here, and what is not drawn stays.
        perturbation: G, ``(d, M, K)``: standard Gumbel noise where legal and -inf elsewhere, so
            that a is drawn from the softmax of the legal logits; None keeps the given actions.

    Returns:
        logits ``(N, d, K)``, not masked and never of half precision, and h ``(N, d, H)``, both zero
        where not computed; actions ``(N, d)``. Rows as they came before ``plan``. Gradients flow
        back once: a second derivative raises (step by step, through ``stepwise``, it is there).
    """
    keep = torch.is_grad_enabled()
    return _Chain.apply(
        projected, recurrent, embedding, head, bias, plan, actions, perturbation, keep
    )


def _affine(bias: Tensor, rows: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
    """bias + rows @ weight; the bias is one for all rows of a replica, or has their shape."""
    if weight.ndim == 2:
        return product(torch.addmm, bias, rows, weight, out=out)
    R = len(weight)
    into = None if out is None else by_replica(out, R)
    made = product(torch.baddbmm, by_replica(bias, R), by_replica(rows, R), weight, out=into)
    return made.flatten(0, 1)


def _times(rows: Tensor, weight: Tensor) -> Tensor:
    """rows @ weight."""
    if weight.ndim == 2:
        return product(torch.mm, rows, weight)
    return product(torch.bmm, by_replica(rows, len(weight)), weight).flatten(0, 1)


def _sum(rows: Tensor, shape: torch.Size) -> Tensor:
    """The sum of the rows, or of those of each replica."""
    return rows.sum(0) if len(shape) == 1 else by_replica(rows, shape[0]).sum(1)


def _add_outer(into: Tensor, left: Tensor, right: Tensor) -> None:
    """into += leftᵀ @ right."""
    if into.ndim == 2:
        product(torch.addmm, into, left.t(), right, out=into)
    else:
        left, right = by_replica(left, len(into)).mT, by_replica(right, len(into))
        product(torch.baddbmm, into, left, right, out=into)


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
        wide_head, wide_bias = head.to(wide), bias.to(wide)
        weight = torch.cat([recurrent, embedding.mT], -1)
        weight[..., 3 * H :, :] *= 2
        weight = weight.mT
        projected = projected.clone()
        projected[:, 3 * H :] *= 2
        # [hᵢ, one-hot aᵢ] is what the next component reads: one product for both.
        inputs = projected.new_zeros(d, rows, H + K)
        features, told = inputs[:, :, :H], inputs[:, :, H:]
        named = actions.unsqueeze(-1)
        if perturbation is None:
            told.scatter_(2, named, 1)
        logits = projected.new_zeros(d, rows, K, dtype=wide)
        saved: list[Tensor] = []
        minus_cell = projected  # of no component yet: the first has nothing to forget
        for i, n in enumerate(plan.counts):
            x, out = projected[:n], logits[i, :n]
            if i:
                x = _affine(x, inputs[i - 1, :n], weight)
            gate = x.to(wide, copy=i == 0).sigmoid_()
            let_in, forget, let_out, candidate = gate.view(n, 4, H).unbind(1)
            before, minus_cell = minus_cell, torch.addcmul(let_in, let_in, candidate, value=-2)
            if i:
                minus_cell.addcmul_(forget, before[:n])
            squash = (2 * minus_cell).sigmoid_()
            hidden = torch.addcmul(let_out, let_out, squash, value=-2)
            features[i, :n] = hidden
            _affine(wide_bias, hidden, wide_head.mT, out)
            if perturbation is not None:
                drawn = named[i, :n]
                torch.argmax(out + perturbation[i, :n], -1, keepdim=True, out=drawn)
                told[i, :n].scatter_(1, drawn, 1)
            if keep:
                saved += gate, minus_cell, squash
        ctx.plan = plan
        ctx.save_for_backward(recurrent, head, inputs, *saved)
        ctx.set_materialize_grads(False)
        if plan.order is None:
            logits, features = logits[:, : plan.rows], features[:, : plan.rows]
            actions = actions[:, : plan.rows]
        else:
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
        d_logits = _by_component(d_logits, ctx.plan)
        d_features = _by_component(d_features, ctx.plan)
        wide_head = head.to(saved[0].dtype)
        weight = recurrent.clone()
        weight[..., 3 * H :, :] *= -4
        d_weight = inputs.new_zeros(*head.shape[:-2], inputs.shape[2], 4 * H)
        d_head, d_bias = torch.zeros_like(wide_head), wide_head.new_zeros(head.shape[:-1])
        d_projected = wide_head.new_zeros(inputs.shape[1], 4 * H)
        d_minus_cell = wide_head.new_zeros(inputs.shape[1], H)
        d_gate = inputs.new_zeros(0, 4 * H)
        for i in reversed(range(d)):
            n, later = counts[i], len(d_gate)
            gate, squash, change = saved[3 * i], saved[3 * i + 2], d_minus_cell[:n]
            if d_logits is None:
                d_hidden = torch.zeros_like(squash)
            else:
                d_out_of_head = d_logits[i, :n]
                d_hidden = _times(d_out_of_head, wide_head)
                _add_outer(d_head, d_out_of_head, inputs[i, :n, :H].to(wide_head.dtype))
                d_bias += _sum(d_out_of_head, d_bias.shape)
            if d_features is not None:
                d_hidden += d_features[i, :n]
            if i < d - 1:
                d_hidden[:later] += _times(d_gate, weight).to(wide_head.dtype)
            let_in, forget, let_out, candidate = gate.view(n, 4, H).unbind(1)
            slope = torch.empty_like(gate)
            d_in, d_forget, d_out, d_candidate = slope.view(n, 4, H).unbind(1)
            change.add_(aten.sigmoid_backward(d_hidden * let_out, squash), alpha=-4)
            torch.addcmul(d_hidden, d_hidden, squash, value=-2, out=d_out)
            torch.addcmul(change, change, candidate, value=-2, out=d_in)
            torch.mul(change, let_in, out=d_candidate)
            torch.mul(change, saved[3 * i - 2][:n], out=d_forget) if i else d_forget.zero_()
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
        d_head, d_bias = d_head.to(head.dtype), d_bias.to(head.dtype)
        return d_projected, d_recurrent, d_embedding, d_head, d_bias, *(None,) * 4


def _by_component(gradient: Tensor | None, plan: Schedule) -> Tensor | None:
    """``(N, d, …)`` as ``(d, M, …)``, rows as ``plan`` has them; 0 for those it added."""
    if gradient is None:
        return None
    gradient = plan.arrange(gradient.transpose(0, 1), 1)
    gradient[:, plan.rows :] = 0
    return gradient.contiguous()
