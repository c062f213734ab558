"""Hunters and rabbits: the rules, the placements and the batch against a loop of single games."""

import gymnasium
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entropy_rl.envs import MOVES, STAY, HuntersRabbits, HuntersRabbitsEnv, agent_view

UP_LEFT, UP, LEFT, RIGHT, DOWN, DOWN_RIGHT = 0, 1, 3, 5, 7, 8


def cells(*rows):
    return torch.tensor(rows)


def play(game, hunters, rabbits, *moves):
    """The last state and outcome of one game."""
    state = game.start(hunters=cells(hunters), rabbits=cells(rabbits))
    for move in moves:
        state, outcome = game.step(state, cells(move))
    return state, outcome


@st.composite
def games(draw):
    size = draw(st.integers(1, 4))
    placement = draw(st.sampled_from(["paperlike", "distinct", "iid"]))
    most = {"paperlike": size**2 - 1, "distinct": size**2 // 2, "iid": 4}[placement]
    if most < 1:
        size, most = 2, 2
    return HuntersRabbits(
        size=size,
        hunters=draw(st.integers(1, min(most, 4))),
        placement=placement,
        masking=draw(st.sampled_from(["observation", "clip"])),
        exponent=draw(st.integers(0, 1)),
        capture_at_reset=draw(st.booleans()),
        observation=draw(st.sampled_from(["coordinates", "one_hot"])),
        gamma=draw(st.sampled_from([0.0, 0.8, 1.0])),
        max_episode_steps=draw(st.integers(1, 8)),
        illegal="clip",
    )


@settings(max_examples=60, deadline=None)
@given(games(), st.integers(0, 2**31))
def test_the_batch_is_a_loop_of_single_games(game, seed):
    """On equal starts and equal actions, legal or not, everything that is told is the same."""
    generator = torch.Generator().manual_seed(seed)
    num, shape = 6, (6, game.hunters)
    hunters = torch.randint(game.cells, shape, generator=generator)
    rabbits = torch.randint(game.cells, shape, generator=generator)
    options = {k: v for k, v in vars(game).items() if k in HuntersRabbits.__match_args__}
    singles = [HuntersRabbitsEnv(**options) for _ in range(num)]
    state = game.start(hunters=hunters, rabbits=rabbits)
    for n, one in enumerate(singles):
        seen, told = one.reset(options={"hunters": hunters[n], "rabbits": rabbits[n]})
        agree(game, state, n, seen, told)
        assert one.observation_space.contains(seen)
    for _ in range(9):
        actions = torch.randint(MOVES, shape, generator=generator)
        state, outcome = game.step(state, actions)
        for n, one in enumerate(singles):
            seen, *rest, told = one.step(actions[n].numpy())
            agree(game, state, n, seen, told)
            assert rest == [x[n].item() for x in outcome]


def agree(game, state, n, seen, told):
    observed = game.observe(state)
    if isinstance(observed, torch.Tensor):
        observed, seen = {"observation": observed}, {"observation": seen}
    assert observed.keys() == seen.keys()
    for name, x in observed.items():
        assert (x[n].numpy() == seen[name]).all()
    info = {name: x[n].item() for name, x in game.info(state).items()}
    assert info == pytest.approx(told, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(games(), st.integers(0, 2**31))
def test_what_always_holds(game, seed):
    """Captures pair up, nobody revives, rewards add up to the captures, and a mask has a move."""
    generator = torch.Generator().manual_seed(seed)
    state = game.reset(8, generator=generator)
    caught = game.info(state)["captured"].clone()
    for _ in range(9):
        legal = game.legal(state)
        assert legal.any(-1).all()
        assert legal[..., STAY].all()
        flat = legal.flatten(0, 1).float()
        actions = torch.multinomial(flat, 1, generator=generator).view(8, -1)
        before = state
        state, outcome = game.step(state, actions)
        caught += outcome.reward.long()
        assert (caught == game.info(state)["captured"]).all()
        assert ((state.hunters >= game.cells).sum(1) == caught).all()
        gone = before.rabbits >= game.cells
        assert (state.rabbits[gone] == before.rabbits[gone]).all()
        assert (state.rabbits % game.cells == before.rabbits % game.cells).all()
        assert (outcome.terminated == (caught == game.hunters)).all()
        held = (state.hunters - game.cells)[state.hunters >= game.cells].sort().values
        lost = (state.rabbits - game.cells)[state.rabbits >= game.cells].sort().values
        assert (held == lost).all()


def test_a_capture_pays_one_and_makes_both_inactive():
    game = HuntersRabbits(size=3, hunters=2)
    state, outcome = play(game, [0, 8], [1, 6], [RIGHT, STAY])
    assert outcome.reward.tolist() == [1]
    assert state.hunters.tolist() == [[9 + 1, 8]]
    assert state.rabbits.tolist() == [[9 + 1, 6]]
    assert game.legal(state)[0, 0].nonzero().flatten().tolist() == [STAY]
    assert not outcome.terminated


def test_the_first_hunter_in_order_captures_and_takes_one():
    game = HuntersRabbits(size=3, hunters=3)
    state, outcome = play(game, [0, 2, 7], [1, 8, 8], [RIGHT, LEFT, RIGHT])
    assert outcome.reward.tolist() == [2]
    assert state.hunters.tolist() == [[10, 1, 17]]
    assert state.rabbits.tolist() == [[10, 17, 8]]


def test_two_hunters_take_two_rabbits_of_one_cell():
    state, outcome = play(HuntersRabbits(size=2, hunters=2), [0, 1], [3, 3], [DOWN_RIGHT, DOWN])
    assert outcome.reward.tolist() == [2]
    assert outcome.terminated.all()
    assert state.hunters.tolist() == state.rabbits.tolist() == [[7, 7]]


def test_an_inactive_hunter_captures_no_more():
    game = HuntersRabbits(size=2, hunters=2, masking="clip")
    state, outcome = play(game, [0, 0], [1, 1], [RIGHT, STAY], [STAY, STAY])
    assert outcome.reward.tolist() == [0]
    assert state.rabbits.tolist() == [[5, 1]]


@pytest.mark.parametrize(("exponent", "score"), [(0, 1 + 0.8**2), (1, 0.8 + 0.8**3)])
def test_the_score_is_the_papers(exponent, score):
    game = HuntersRabbits(size=3, hunters=2, exponent=exponent)
    moves = [RIGHT, STAY], [STAY, LEFT], [STAY, LEFT]
    state, outcome = play(game, [0, 8], [1, 6], *moves)
    info = game.info(state)
    assert outcome.terminated.all()
    assert info["score"].item() == pytest.approx(score)
    assert info["length"].tolist() == [3]
    assert info["captured"].tolist() == [2]


def test_moves_stop_at_the_border_or_are_refused():
    clip = HuntersRabbits(size=3, hunters=1, masking="clip")
    assert play(clip, [1], [8], [UP_LEFT])[0].hunters.tolist() == [[0]]
    assert clip.legal(clip.start(hunters=cells([0]), rabbits=cells([8]))).all()
    assert isinstance(clip.observe(clip.reset(1)), torch.Tensor)
    strict = HuntersRabbits(size=3, hunters=1)
    state = strict.start(hunters=cells([1]), rabbits=cells([8]))
    assert strict.legal(state).tolist() == [[[False] * 3 + [True] * 6]]
    with pytest.raises(ValueError, match="1 by hunter 0 of game 0"):
        strict.step(state, cells([UP]))
    one = HuntersRabbitsEnv(size=3, hunters=1, illegal="raise")
    one.reset(options={"hunters": [1], "rabbits": [8]})
    with pytest.raises(ValueError, match="mask"):
        one.step([UP])


def test_an_overlap_at_the_start():
    """Captured at once, or only by the next move onto the rabbit, "stay" being one."""
    later = HuntersRabbits(size=2, hunters=2, placement="iid")
    state, outcome = play(later, [0, 3], [0, 1], [STAY, STAY])
    assert outcome.reward.tolist() == [1]
    assert state.score.tolist() == [1]
    state, outcome = play(later, [0, 3], [0, 1], [RIGHT, STAY])
    assert state.rabbits.tolist() == [[0, 5]]
    once = HuntersRabbits(size=2, hunters=2, placement="iid", capture_at_reset=True, exponent=1)
    state, outcome = play(once, [0, 3], [0, 1], [STAY, UP])
    assert outcome.reward.tolist() == [1]
    assert state.score.tolist() == [1 + 0.8]
    over = once.start(hunters=cells([0, 3]), rabbits=cells([3, 0]))
    assert once.finished(over).all()
    over, outcome = once.step(over, cells([STAY, STAY]))
    assert (over.time.tolist(), over.score.tolist()) == ([0], [2])
    assert outcome.terminated.all()


def test_placements_never_put_what_they_exclude():
    g = torch.Generator().manual_seed(0)
    state = HuntersRabbits(size=4, hunters=8, placement="distinct").reset(50, generator=g)
    assert (torch.cat([state.hunters, state.rabbits], 1).sort(1).values == torch.arange(16)).all()
    state = HuntersRabbits(size=2, hunters=3).reset(500, generator=g)
    assert not (state.hunters[:, :, None] == state.rabbits[:, None, :]).any()


@pytest.mark.parametrize("placement", ["paperlike", "distinct", "iid"])
def test_placements_have_their_distribution(placement):
    """χ² of 50,000 placements against the exact law; false alarm 1e-4 a placement."""
    from scipy.stats import chisquare

    from entropy_rl.envs.exact import hunters_mdp

    game = HuntersRabbits(size=2, hunters=2, placement=placement)
    mdp = hunters_mdp(game)
    state = game.reset(50_000, generator=torch.Generator().manual_seed(0))
    seen = game.observe(state)["observation"]
    # Observations tell states apart, so a start is found by its observation.
    _, index = torch.cat([mdp.observation, seen]).unique(dim=0, return_inverse=True)
    states = len(mdp.start)
    counts = torch.zeros(states).index_add_(0, index[states:], torch.ones(len(seen)))
    law = torch.zeros(states, dtype=torch.float64).index_add_(0, index[:states], mdp.start)
    assert (counts[law == 0] == 0).all()
    kept = law > 0
    assert chisquare(counts[kept].double(), 50_000 * law[kept]).pvalue > 1e-4


def test_coordinates():
    game = HuntersRabbits(size=3, hunters=2)
    state, _ = play(game, [0, 5], [1, 6], [RIGHT, STAY])
    seen = game.observe(state)["observation"].tolist()[0]
    assert seen == [0, 0, 0, 1, 0, 1, 0, 0, 0, -1, 1, 1]


def test_one_hot():
    game = HuntersRabbits(size=2, hunters=2, observation="one_hot")
    state, _ = play(game, [0, 3], [1, 2], [RIGHT, STAY])
    seen = game.observe(state)["observation"].view(4, 4)
    assert seen.argmax(1).tolist()[1::2] == [3, 2]
    assert seen.sum(1).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("observation", ["coordinates", "one_hot"])
def test_agent_view_shows_a_hunter_itself_and_all_rabbits(observation):
    game = HuntersRabbits(size=3, hunters=2, observation=observation)
    state = game.start(hunters=cells([0, 5], [2, 1]), rabbits=cells([3, 6], [8, 8]))
    seen, width = game.observe(state)["observation"], game.body_width
    bodies, view = seen.view(2, 4, width), seen[:, game.agent_view()]
    assert view.shape == (2, 2, 3 * width)
    for i in range(2):
        expected = torch.cat([bodies[:, i], bodies[:, 2], bodies[:, 3]], 1)
        assert (view[:, i] == expected).all()
    assert (game.agent_view() == agent_view(2, size=3, observation=observation)).all()


def test_states_are_batches():
    game = HuntersRabbits()
    state = game.reset(6, generator=torch.Generator().manual_seed(0))
    assert len(state) == 6
    some = torch.tensor([True, False, False, True, False, False])
    assert (state[some].hunters == state.hunters[[0, 3]]).all()
    kept = state.hunters.clone()
    swapped = state.replaced(some, state[4:])
    assert (state.hunters == kept).all()
    assert (swapped.hunters == state.hunters[[4, 1, 2, 5, 4, 5]]).all()
    assert state.to("cpu").device == torch.device("cpu")


def test_vector_face_begins_where_it_is_told():
    env = gymnasium.make_vec("entropy_rl/HuntersRabbits-v0", num_envs=3, size=2, hunters=1)
    env.reset(seed=0)
    mask = torch.tensor([True, False, True])
    given = {"hunters": cells([0], [1]), "rabbits": cells([3], [2])}
    kept = env.state.hunters[1].item()
    env.reset(options={"reset_mask": mask, **given})
    assert env.state.hunters.flatten().tolist() == [0, kept, 1]
    with pytest.raises(ValueError, match="hunters: expected 3 rows"):
        env.reset(options=given)
    with pytest.raises(ValueError, match="all of"):
        env.reset(options={"hunters": cells([0], [1], [2])})
    with pytest.raises(ValueError, match=r"cells in \[0, 4\)"):
        env.reset(options={"hunters": cells([0], [1], [4]), "rabbits": cells([0], [1], [2])})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "size"),
        ({"size": 2.0}, "size"),
        ({"hunters": 0}, "hunters"),
        ({"hunters": True}, "hunters"),
        ({"size": 3, "hunters": 5, "placement": "distinct"}, "hunters"),
        ({"size": 2, "hunters": 4}, "hunters"),
        ({"placement": "paper-like"}, "did you mean 'paperlike'"),
        ({"masking": "observations"}, "did you mean 'observation'"),
        ({"observation": "onehot"}, "did you mean 'one_hot'"),
        ({"illegal": "ignore"}, "illegal"),
        ({"exponent": 2}, "exponent"),
        ({"gamma": 1.5}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"capture_at_reset": 1}, "capture_at_reset"),
        ({"max_episode_steps": 0}, "max_episode_steps"),
    ],
)
def test_impossible_settings_are_refused_by_name(options, said):
    with pytest.raises(ValueError, match=said):
        HuntersRabbits(**options)


def test_bad_calls_are_refused_by_name():
    game = HuntersRabbits(size=2, hunters=1)
    for call, said in (
        (lambda: game.reset(0), "num"),
        (lambda: game.reset(2, generator=0), "generator"),
        (lambda: game.start(hunters=cells([0.5]), rabbits=cells([1])), "hunters"),
        (lambda: game.start(hunters=cells([0]), rabbits=cells([1], [2])), "rabbits"),
        (lambda: game.start(hunters=torch.tensor(0), rabbits=cells([1])), "hunters"),
        (lambda: game.start(hunters=cells([-1]), rabbits=cells([1])), "hunters"),
        (lambda: agent_view(0), "hunters"),
        (lambda: agent_view(2, observation="pixels"), "observation"),
    ):
        with pytest.raises(ValueError, match=f"^{said}: expected"):
            call()
