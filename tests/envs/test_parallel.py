"""PettingZoo's face: its own test, and that it is the joint game."""

import warnings

import numpy as np
import pytest

from entropy_rl import envs

pettingzoo_test = pytest.importorskip("pettingzoo.test")


@pytest.mark.parametrize(
    "options",
    [{}, {"masking": "clip"}, {"view": "own", "observation": "one_hot"}, {"max_episode_steps": 3}],
)
def test_pettingzoo_accepts_it(options, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pettingzoo_test.parallel_api_test(envs.parallel(**options), num_cycles=100)


@pytest.mark.parametrize("masking", ["observation", "clip"])
@pytest.mark.parametrize("view", ["state", "own"])
def test_it_is_the_joint_game(masking, view):
    joint = envs.HuntersRabbitsEnv(size=3, hunters=2, masking=masking)
    team = envs.parallel(size=3, hunters=2, masking=masking, view=view)
    index = [np.arange(12)] * 2 if view == "state" else envs.agent_view(2).numpy()
    rng = np.random.default_rng(0)
    observed, _ = joint.reset(seed=5)
    seen, _ = team.reset(seed=5)
    over = False
    while not over:
        for i, agent in enumerate(team.agents):
            assert team.observation_space(agent).contains(seen[agent])
            if masking == "clip":
                assert (seen[agent] == observed[index[i]]).all()
            else:
                assert (seen[agent]["observation"] == observed["observation"][index[i]]).all()
                assert (seen[agent]["action_mask"] == observed["action_mask"][i]).all()
        action = rng.integers(9, size=2)
        observed, reward, over, _, _ = joint.step(action)
        seen, rewards, ends, _, infos = team.step(dict(zip(team.agents, action, strict=True)))
        assert set(rewards.values()) == {reward}
        assert set(ends.values()) == {over}
    assert team.agents == []
    assert infos["hunter_0"]["captured"] == 2


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="did you mean 'state'"):
        envs.parallel(view="stat")
    with pytest.raises(ValueError, match="did you mean 'hunters'"):
        envs.parallel(hunter=3)
    team = envs.parallel(hunters=2)
    with pytest.raises(ValueError, match="reset"):
        team.step({})
    team.reset(seed=0)
    with pytest.raises(ValueError, match="actions"):
        team.step({"hunter_0": 4})
    with pytest.raises(ValueError, match=r"action: expected integers in \[0, 9\)"):
        team.step({"hunter_0": 4, "hunter_1": 9})
    assert team.render() is None
    team.close()
