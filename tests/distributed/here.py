"""Workers in this process, in a fixed order: the learner's loop without machines."""

from entropy_rl.algorithms import Trainer
from entropy_rl.distributed.learner import check, learn
from entropy_rl.distributed.pool import seed_of
from entropy_rl.distributed.worker import Worker


class InTurn:
    """Workers that play when they are asked and are received from in turn.

    With W of them every batch but the first W is made with parameters W - 1 batches old.
    """

    def __init__(self, env, policy, config, seed, workers):
        self.workers = [Worker(env, policy, config, seed_of(seed, i)) for i in range(workers)]
        self.ready = []

    def send(self, worker, state):
        self.ready.append((worker, self.workers[worker].contribute(state)))

    def receive(self):
        return self.ready.pop(0)


def train_in_turn(env, policy, config, seed, workers):
    """As ``train_async``, deterministic."""
    check(policy, config, workers)
    trainer = Trainer(env, policy, config, seed)
    return learn(trainer, InTurn(env, policy, config, seed, workers), workers)
