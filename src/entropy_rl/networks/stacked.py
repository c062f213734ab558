"""Networks of one shape with other parameters, as one network: one product for all of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.networks.products import Linear, product

M = TypeVar("M", bound=nn.Module)


def by_replica(rows: Tensor, replicas: int) -> Tensor:
    """Rows ``(N, …)`` as ``(R, N/R, …)``: the first N/R are those of the first replica, ….

    Raises:
        ValueError: rows that R does not divide.
    """
    each, left = divmod(rows.shape[0], replicas)
    if left:
        raise _validate.fail("rows", f"as many for each of {replicas} replicas", rows.shape[0])
    return rows.view(replicas, each, *rows.shape[1:])


def of_rows(parameter: Tensor, like: Tensor) -> Tensor:
    """A parameter ``(d,)`` at every row of ``like`` ``(N, *batch, d)``; of a stack ``(R, d)``, that
    of the row's replica."""
    if parameter.ndim == 1:
        return parameter.expand_as(like)
    rows = by_replica(like, len(parameter))
    wide = parameter.view(len(parameter), *(1,) * (rows.ndim - 2), -1)
    return wide.expand_as(rows).reshape(like.shape)


class StackedLinear(nn.Module):
    """R affine layers, yₙ = Wᵣ xₙ + bᵣ, r being the replica of row n.

    Args:
        weight: W, ``(R, out, in)``.
        bias: b, ``(R, out)``, or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, *batch, in)`` to ``(N, *batch, out)``."""
        rows = by_replica(x, len(self.weight)).flatten(1, -2)
        if self.bias is None:
            y = product(torch.bmm, rows, self.weight.mT)
        else:
            y = product(torch.baddbmm, self.bias.unsqueeze(1), rows, self.weight.mT)
        return y.reshape(*x.shape[:-1], y.shape[-1])


class StackedEmbedding(nn.Module):
    """R look-up tables, yₙ = Eᵣ[iₙ].

    Args:
        weight: E, ``(R, entries, size)``.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, index: Tensor) -> Tensor:
        """int64 ``(N, *batch)`` to ``(N, *batch, size)``."""
        R, entries, _ = self.weight.shape
        offset = entries * torch.arange(R, device=index.device)
        flat = by_replica(index, R).flatten(1) + offset.unsqueeze(1)
        return self.weight.flatten(0, 1)[flat].reshape(*index.shape, -1)


def stack(modules: Sequence[M]) -> M:
    """One module for R of a kind: its rows are divided among their parameters.

    It is a copy of the first in which every ``Linear`` and ``Embedding`` is a stacked one; every
    parameter has an axis of R in front, under its old name. So have parameters that a module names
    in its ``row_parameters``, because it reads them by :func:`of_rows`. In the forward pass and in
    both directions replica r sees its own rows and parameters alone.

    Args:
        modules: R ≥ 1, of one class, one set of shapes, and with the same settings.

    Raises:
        ValueError: none, modules of different kinds, or one with parameters of other layers that
            are not all in its ``row_parameters``.
    """
    kinds = [_kind(x) for x in modules]
    if not kinds or any(kind != kinds[0] for kind in kinds):
        raise _validate.fail(
            "modules", "modules of one class, shape and setting", [type(x) for x in modules]
        )
    made = copy.deepcopy(modules[0])
    for name, layer in list(made.named_modules()):
        each = [x.get_submodule(name) for x in modules]
        if isinstance(layer, nn.Linear):
            bias = None if layer.bias is None else _stacked(each, "bias")
            made.set_submodule(name, StackedLinear(_stacked(each, "weight"), bias))
        elif type(layer) is nn.Embedding:
            made.set_submodule(name, StackedEmbedding(_stacked(each, "weight")))
        elif own := _row_parameters(layer):
            for parameter in own:
                setattr(layer, parameter, nn.Parameter(_stacked(each, parameter)))
        elif next(layer.parameters(recurse=False), None) is not None:
            expected = "parameters in Linear, Embedding or row_parameters alone"
            raise _validate.fail("modules", expected, type(layer))
    return made


def unstack(module: M) -> list[M]:
    """The modules that :func:`stack` was given, with the parameters that they have now."""
    count = len(next(module.parameters()))
    return [_replica(module, r) for r in range(count)]


def _kind(module: nn.Module) -> list[Any]:
    """What must be the same for modules to be one: shapes, classes of the parts, plain settings."""
    shapes: list[Any] = [(name, p.shape) for name, p in module.named_parameters()]
    plain = (bool, int, float, str, tuple)
    for name, part in module.named_modules():
        settings = {k: x for k, x in vars(part).items() if isinstance(x, plain)}
        shapes.append((name, type(part), settings))
    return shapes


def _row_parameters(layer: nn.Module) -> list[str]:
    """Its own parameters, if it reads all of them by :func:`of_rows`; else none."""
    own = [name for name, _ in layer.named_parameters(recurse=False)]
    return own if set(own) <= set(getattr(layer, "row_parameters", ())) else []


def _stacked(layers: Sequence[nn.Module], name: str) -> Tensor:
    return torch.stack([layer.get_parameter(name).detach() for layer in layers])


def _replica(module: M, r: int) -> M:
    made = copy.deepcopy(module)
    for name, layer in list(made.named_modules()):
        if isinstance(layer, StackedLinear):
            _, fan_out, fan_in = layer.weight.shape
            plain: nn.Module = Linear(fan_in, fan_out, layer.bias is not None, device="meta")
        elif isinstance(layer, StackedEmbedding):
            _, entries, size = layer.weight.shape
            plain = nn.Embedding(entries, size, device="meta")
        else:
            for parameter in _row_parameters(layer):
                whole = layer.get_parameter(parameter)
                setattr(layer, parameter, nn.Parameter(whole[r].detach().clone()))
            continue
        own = {key: value[r].clone() for key, value in layer.state_dict().items()}
        plain.load_state_dict(own, assign=True)
        made.set_submodule(name, plain)
    return made
