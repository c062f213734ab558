"""Workers in this process, in a fixed order: the learner's loop without machines."""

from entropy_rl.algorithms import Trainer
from entropy_rl.distributed.learner import Learner, check_config
from entropy_rl.distributed.worker import Worker


class InTurn:
    """Workers that play when they are asked and are received from in turn.

    With W of them every batch but the first W is made with parameters W - 1 batches old.
    """

    nodes, replaced = 1, 0

    def __init__(self, trainer, seeds):
        parts = trainer.env, trainer.policy, trainer.config
        self.workers, self.each = len(seeds), [Worker(*parts, seed) for seed in seeds]
        self.ready = [(worker, None) for worker in range(len(seeds))]

    def send(self, worker, state):
        self.ready.append((worker, state))

    def receive(self):
        worker, state = self.ready.pop(0)
        return worker, state and self.each[worker].contribute(state)


def train_in_turn(env, policy, config, seed, seeds):
    """As ``train_async``, deterministic, with workers that have these seeds; its trainer."""
    check_config(config, len(seeds))
    trainer = Trainer(env, policy, config, seed)
    learner = Learner(trainer, InTurn(trainer, seeds))
    finish(learner)
    return trainer


def finish(learner):
    """To the last batch."""
    while not learner.trainer.finished:
        learner.step()
