"""Training with several workers at once, on Ray (extra ``distributed``)."""

from entropy_rl.distributed.learner import AsyncResult, train_async

__all__ = ["AsyncResult", "train_async"]
