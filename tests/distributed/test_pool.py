"""The pool of actors over a stand-in for Ray, in which they die when they are told to."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
from here import finish

from entropy_rl.algorithms import Trainer, TrainingDiverged
from entropy_rl.distributed.learner import Learner
from entropy_rl.distributed.pool import RETRIES, RayPool, seed_of
from entropy_rl.distributed.worker import Worker
from entropy_rl.experiments.pendulum import pendulum_preset


class Lost(Exception):
    pass


class LostObject(Exception):
    pass


class Raised(Exception):
    def __init__(self, cause):
        self.cause = cause


class Stub:
    """What the pool uses of Ray, done at once and in the order in which it was asked for.

    Args:
        dies: of what is asked for, counted from 0, how it is lost.
    """

    exceptions = SimpleNamespace(
        RayActorError=Lost, ObjectLostError=LostObject, RayTaskError=Raised
    )

    def __init__(self, dies=(), cpus=2.0):
        self.dies, self.cpus = dict(dies), cpus
        self.asked, self.killed, self.seeds = 0, [], []

    def cluster_resources(self):
        return {"CPU": self.cpus}

    def nodes(self):
        return [{"Alive": True}, {"Alive": False}, {"Alive": True}]

    def remote(self, num_cpus, scheduling_strategy):
        assert (num_cpus, scheduling_strategy) == (1, "SPREAD")

        def make(kind):
            def begin(*args):
                self.seeds.append(args[-1])
                worker = kind(*args)
                names = ("begin", "contribute")
                return SimpleNamespace(
                    **{x: SimpleNamespace(remote=self._later(getattr(worker, x))) for x in names}
                )

            return SimpleNamespace(remote=begin)

        return make

    def _later(self, call):
        def ask(*args):
            error = self.dies.get(self.asked)
            self.asked += 1
            return lambda: self._get(call, args, error)

        return ask

    def _get(self, call, args, error):
        if error is not None:
            raise error()
        try:
            return call(*args)
        except TrainingDiverged as cause:
            raise Raised(cause) from cause

    def wait(self, pending):
        return pending[:1], pending[1:]

    def get(self, ready):
        return ready()

    def kill(self, actor):
        self.killed.append(actor)


def training(stub, row="a2c", **changes):
    chosen = pendulum_preset(row).but(batch=8, episodes=40, **changes)
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    return Learner(trainer, RayPool(stub, trainer, 0, 2))


def test_a_worker_that_is_lost_is_begun_anew_asked_again_and_counted():
    stub = Stub({3: Lost, 5: LostObject})  # 0 and 1 are their beginnings
    learner = training(stub)
    with pytest.warns(UserWarning, match=r"worker \d was lost; another begins") as warned:
        finish(learner)
    curves, config = learner.trainer.curves, learner.trainer.config
    assert len(warned) == learner.replaced == len(stub.killed) == 2
    assert curves["episodes"] == [8, 16, 24, 32, 40]
    assert curves["replaced"] == [0, 1, 2, 2, 2]
    assert stub.seeds == [seed_of(0, number, config) for number in range(4)]
    assert learner.cpu_seconds > 0
    said = learner.summary()
    assert (said["workers"], said["nodes"], said["replaced"]) == (2, 2, 2)


def test_a_worker_that_was_too_late_for_any_batch_is_counted_all_the_same():
    stub = Stub()
    stub.wait = lambda pending: (pending[-1:], pending[:-1])  # the first never comes
    learner = training(stub)
    finish(learner)
    assert len(learner.sent) == 1
    assert learner.summary()["workers"] == 2


def test_a_worker_that_begins_is_sent_what_is_there_then():
    """Its first parameters are as new as it is, whenever the one before it was lost."""
    learner = training(Stub({4: Lost}))
    with pytest.warns(UserWarning, match=r"was lost"):
        finish(learner)
    # 0 and 1 begin, 2 and 3 play, 4 is lost. That is seen after two batches; its successor stands
    # after three, and is one behind when the fifth is learnt, not two.
    assert learner.trainer.curves["lag"] == [0, 1, 0, 0, 1]


@pytest.mark.parametrize("at", ["begin", "play"])
def test_workers_that_are_lost_one_after_the_other_end_the_training(at):
    dies = range(100) if at == "begin" else [2, 3, *range(5, 100)]
    learner = training(Stub(dict.fromkeys(dies, Lost)))
    with (
        pytest.warns(UserWarning, match=r"was lost"),
        pytest.raises(ChildProcessError, match=r"^4 workers were lost without a batch between"),
    ):
        finish(learner)
    assert learner.replaced == RETRIES + 1
    assert learner.trainer.played == 0


def test_losses_with_a_batch_between_them_do_not_end_it():
    """Eight losses, no more than two of them in a row."""
    dies = dict.fromkeys((2, 3, 7, 8, 12, 13, 17, 18), Lost)
    learner = training(Stub(dies))
    with pytest.warns(UserWarning, match=r"was lost"), suppress(ChildProcessError):
        finish(learner)
    assert learner.replaced > RETRIES
    assert learner.trainer.finished


def test_the_actors_end_with_the_context():
    stub = Stub()
    with pytest.raises(KeyboardInterrupt), training(stub).pool:
        raise KeyboardInterrupt
    assert len(stub.killed) == 2


def test_a_divergence_of_a_worker_is_the_learners():
    learner = training(Stub(), learning_rate=1e38)
    with pytest.raises(TrainingDiverged):
        finish(learner)


def test_more_workers_than_processors_are_refused():
    with pytest.raises(ValueError, match=r"workers: expected at most the cluster's 1 CPUs, got 2"):
        training(Stub(cpus=1.0))


def test_a_training_that_goes_on_has_other_draws():
    chosen = pendulum_preset("a2c").but(batch=8, episodes=40)
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    trainer.step()
    stub = Stub()
    RayPool(stub, trainer, 0, 2)
    assert stub.seeds == [seed_of(0, number, chosen.config) for number in (1, 2)]


def test_it_is_workers_that_are_begun():
    assert {"begin", "contribute"} <= set(vars(Worker))
