"""Policies by name; saving and loading them."""

from __future__ import annotations

import inspect
import json
import pickle
import struct
from pathlib import Path
from types import FunctionType
from typing import IO, Any

import torch
from gymnasium import spaces

from entropy_rl import _validate
from entropy_rl.policies import _spaces
from entropy_rl.policies.commnet import CommNetPolicy
from entropy_rl.policies.convolutional import ConvolutionalPolicy
from entropy_rl.policies.gaussian import GaussianPolicy
from entropy_rl.policies.independent import IndependentPolicy
from entropy_rl.policies.lstm import LSTMPolicy
from entropy_rl.policies.mmdp import MMDPPolicy
from entropy_rl.policies.squashed import SquashedGaussianPolicy
from entropy_rl.policies.table import TablePolicy

POLICIES: dict[str, type[Any]] = {
    "independent": IndependentPolicy,
    "lstm": LSTMPolicy,
    "mmdp": MMDPPolicy,
    "commnet": CommNetPolicy,
    "convolutional": ConvolutionalPolicy,
    "gaussian": GaussianPolicy,
    "squashed": SquashedGaussianPolicy,
    "table": TablePolicy,
}

_FORMAT = "entropy_rl.policy/1"
_UNREADABLE = (RuntimeError, KeyError, TypeError, ValueError, AttributeError)
# Of torch.load, for a file that is none of its own.
_NO_FILE_OF_TORCH = (pickle.UnpicklingError, struct.error, EOFError, OSError)


def family_options(family: type[Any]) -> dict[str, Any]:
    """The options of a policy's family, with their defaults; None for one that must be given.

    Args:
        family: one of the values of :data:`POLICIES`, or of its kind: its constructor takes the
            observations' space, the actions' space, and the options.
    """
    made: Any = family.__init__
    # Of a copy, without the ``__signature__`` that a tool may have left on the constructor for its
    # readers: in Sphinx's the defaults are their source.
    plain = FunctionType(made.__code__, {}, None, made.__defaults__, made.__closure__)
    plain.__kwdefaults__ = made.__kwdefaults__
    _, _, _, *options = inspect.signature(plain).parameters.values()
    return {x.name: None if x.default is x.empty else x.default for x in options}


def make_policy(
    name: str,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    **options: Any,
) -> Any:
    """A policy of the family ``name`` for the given Gymnasium spaces, a ``torch.nn.Module``.

    Its parameters are drawn from torch's global generator: call ``torch.manual_seed`` first.

    Args:
        name: one of :data:`POLICIES`.
        observation_space: of a single environment (not batched).
        action_space: likewise.
        **options: the family's own, such as ``hidden_size=128``.

    Raises:
        ValueError: unknown name or option (the nearest is suggested), or spaces that do not fit.
    """
    family = POLICIES[_validate.choice("name", name, POLICIES)]
    known = family_options(family)
    for option in options:
        _validate.choice("options", option, known)
    policy = family(observation_space, action_space, **options)
    for method in ("sample", "conditionals"):
        if not callable(getattr(policy, method, None)):
            raise _validate.fail(name, f"a policy with a method {method!r}", family.__name__)
    policy.config = {"name": name, "options": options}
    return policy


def save_policy(policy: Any, path: str | Path | IO[bytes], **extra: Any) -> None:
    """Write a policy made by :func:`make_policy`: family, options, spaces and parameters.

    Args:
        policy: what :func:`make_policy` returned.
        path: the file to write, by its name or open.
        **extra: plain data to keep with it (the environment's name, say).

    Raises:
        ValueError: a policy that was not made by :func:`make_policy`.
    """
    if not getattr(policy, "config", None):
        raise _validate.fail("policy", "one made by make_policy", type(policy).__name__)
    header = {
        "format": _FORMAT,
        **policy.config,
        "observation_space": _spaces.to_json(policy.observation_space),
        "action_space": _spaces.to_json(policy.action_space),
        "extra": extra,
    }
    torch.save({"header": json.dumps(header), "state": policy.state_dict()}, path)


def load_policy(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """The policy that :func:`save_policy` wrote, and the ``extra`` data kept with it.

    The policy is on the CPU, in the dtype in which it was saved.

    Raises:
        ValueError: a file that is not a saved policy, is incomplete, or of another format.
        FileNotFoundError: no such file.
    """
    with open(path, "rb") as file:
        try:
            saved = torch.load(file, weights_only=True, map_location="cpu")
            header, state = json.loads(saved["header"]), saved["state"]
            written = header["format"]
        except (*_UNREADABLE, *_NO_FILE_OF_TORCH) as error:
            raise _validate.fail("path", "a policy written by save_policy", f"{path}") from error
    if written != _FORMAT:
        raise _validate.fail("path", f"format {_FORMAT!r}", repr(written))
    try:
        # The parameters drawn here are thrown away: nobody's random numbers may notice.
        with torch.random.fork_rng(devices=[]):
            policy = make_policy(
                header["name"],
                _spaces.from_json(header["observation_space"]),
                _spaces.from_json(header["action_space"]),
                **header["options"],
            )
        policy.to(next(iter(state.values())).dtype).load_state_dict(state)
        return policy, header["extra"]
    except (*_UNREADABLE, StopIteration) as error:
        raise _validate.fail("path", "a complete policy", f"{path}: {error}") from error
