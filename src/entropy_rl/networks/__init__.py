"""Torsos and critics: small networks that know nothing of policies."""

from entropy_rl.networks.mlp import mlp

__all__ = ["mlp"]
