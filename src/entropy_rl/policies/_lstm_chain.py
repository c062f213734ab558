"""All d steps of an LSTM policy as one autograd node.

Written out because torch's graph of a step costs as much as its matrix products: here each
weight's gradient is a single product over all components, and what the backward pass reads is kept
once. With weights in half precision the products are in half precision and the rest in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

aten = torch.ops.aten


def lstm_chain(
    projected: Tensor,
    recurrent: Tensor,
    embedding: Tensor,
    head: Tensor,
    bias: Tensor,
    *,
    actions: Tensor | None = None,
    perturbation: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over d components, forced on given actions or drawing them.

    With x the projected observation and (i, f, o, g) the gates, in this order::

        gatesᵢ = x + E[aᵢ₋₁] + U hᵢ₋₁,   cᵢ = f ⊙ cᵢ₋₁ + i ⊙ g,   hᵢ = o ⊙ tanh cᵢ
        logitsᵢ = V hᵢ + b,              aᵢ = argmaxₖ (logitsᵢₖ + Gᵢₖ)

    Args:
        projected: x, ``(N, 4H)``, biases included.
        recurrent: U, ``(4H, H)``.
        embedding: E, ``(K, 4H)``.
        head: V, ``(K, H)``.
        bias: b, ``(K,)``.
        actions: int64 ``(N, d)``; or None, to draw them.
        perturbation: G, ``(d, N, K)``: standard Gumbel noise where legal and -inf elsewhere, so
            that a is drawn from the softmax of the legal logits. Read where ``actions`` is None.

    Returns:
        logits ``(N, d, K)``, not masked; h ``(N, d, H)``; actions ``(N, d)``. Gradients flow back
        once: a second derivative raises (step by step, through ``stepwise``, it is there).
    """
    return _Chain.apply(
        projected, recurrent, embedding, head, bias, actions, perturbation, torch.is_grad_enabled()
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
        actions: Tensor | None,
        perturbation: Tensor | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, H, K = len(projected), recurrent.shape[1], len(head)
        if actions is None:
            assert perturbation is not None
            d = len(perturbation)
            drawn = torch.empty(d, rows, dtype=torch.int64, device=projected.device)
        else:
            drawn, d = actions.t(), actions.shape[1]
        half = projected.dtype in (torch.bfloat16, torch.float16)
        wide = torch.float32 if half else projected.dtype
        # [hᵢ, one-hot aᵢ] is what the next component reads: one product for both.
        weight = torch.cat([recurrent, embedding.t()], 1).t()
        inputs = projected.new_zeros(d, rows, H + K)
        logits = projected.new_empty(d, rows, K)
        kept = d if keep else 1
        gates = projected.new_empty(kept, rows, 4 * H, dtype=wide)
        cells = projected.new_empty(kept, rows, H, dtype=wide)
        squashed = torch.empty_like(cells)
        for i in range(d):
            k = i if keep else 0
            gate, cell = gates[k], cells[k]
            gate.copy_(torch.addmm(projected, inputs[i - 1], weight) if i else projected)
            let_in, forget, let_out, candidate = gate.view(rows, 4, H).unbind(1)
            candidate.mul_(2)
            gate.sigmoid_()
            candidate.mul_(2).sub_(1)
            if i:
                torch.mul(forget, cells[k - 1 if keep else 0], out=cell)
                cell.addcmul_(let_in, candidate)
            else:
                torch.mul(let_in, candidate, out=cell)
            _tanh_(squashed[k].copy_(cell))
            hidden = inputs[i, :, :H]
            hidden.copy_(let_out * squashed[k])
            torch.addmm(bias, hidden, head.t(), out=logits[i])
            if perturbation is not None:
                torch.argmax(logits[i] + perturbation[i], -1, out=drawn[i])
            inputs[i, :, H:].scatter_(1, drawn[i].unsqueeze(1), 1)
        ctx.save_for_backward(recurrent, head, inputs, gates, cells, squashed)
        out = drawn.t()
        ctx.mark_non_differentiable(out)
        ctx.set_materialize_grads(False)
        return logits.transpose(0, 1), inputs[:, :, :H].transpose(0, 1), out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_logits: Tensor | None, d_features: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        recurrent, head, inputs, gates, cells, squashed = ctx.saved_tensors
        d, rows, H = cells.shape
        if d_logits is None:
            d_logits = inputs.new_zeros(rows, d, len(head))
        d_logits = d_logits.transpose(0, 1).contiguous()
        d_gates = inputs.new_empty(d, rows, 4 * H)
        d_gate = gates.new_empty(rows, 4 * H)
        d_in, d_forget, d_out, d_candidate = d_gate.view(rows, 4, H).unbind(1)
        d_projected = torch.zeros_like(d_gate)
        d_cell = torch.zeros_like(cells[0])
        for i in reversed(range(d)):
            let_in, forget, let_out, candidate = gates[i].view(rows, 4, H).unbind(1)
            d_hidden = d_logits[i] @ head
            if d_features is not None:
                d_hidden += d_features[:, i]
            if i < d - 1:
                d_hidden.addmm_(d_gates[i + 1], recurrent)
            d_hidden = d_hidden.to(cells.dtype)
            d_cell += aten.tanh_backward(d_hidden * let_out, squashed[i])
            torch.mul(d_cell, candidate, out=d_in)
            torch.mul(d_cell, cells[i - 1], out=d_forget) if i else d_forget.zero_()
            torch.mul(d_hidden, squashed[i], out=d_out)
            gated = d_gate[:, : 3 * H]
            aten.sigmoid_backward.grad_input(gated, gates[i, :, : 3 * H], grad_input=gated)
            aten.tanh_backward.grad_input(d_cell * let_in, candidate, grad_input=d_candidate)
            d_cell *= forget
            d_gates[i] = d_gate
            d_projected += d_gate
        read, hidden = inputs[:-1].flatten(0, 1), inputs[..., :H].flatten(0, 1)
        d_weight = d_gates[1:].flatten(0, 1).t() @ read
        d_head = d_logits.flatten(0, 1).t() @ hidden
        d_recurrent, d_embedding = d_weight[:, :H], d_weight[:, H:].t()
        d_bias = d_logits.sum((0, 1))
        return d_projected.to(inputs.dtype), d_recurrent, d_embedding, d_head, d_bias, *(None,) * 3
