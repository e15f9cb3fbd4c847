"""Explorations with real processes, against the whole truth about toys."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gatecrash import resources
from gatecrash.harness.blind_spots import BlindSpot
from gatecrash.harness.explore.bound import Bound, Shard
from gatecrash.harness.explore.checkpoint import Checkpoint, CheckpointError
from gatecrash.harness.explore.explorer import Exploration, Explorer
from gatecrash.harness.explore.fault import Fault, in_words
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.explore.progress import Progress
from gatecrash.harness.explore.search import Search
from gatecrash.harness.explore.swarm import Swarm, Walk, swarm
from gatecrash.harness.explore.verdict import verdict
from tests.harness.explore.toys import KINDS, STORIES, Toy, truth

BUG = "new key at the third try"


def toys(**kwargs: object) -> PlayerSpec:
    return PlayerSpec("tests.harness.explore.toys:make", kwargs)


def explore(spec: PlayerSpec, bound: Bound, jobs: int = 1, **kwargs: Any) -> Exploration:
    options = {name: kwargs.pop(name) for name in ("resumed", "swarm_s", "seed") if name in kwargs}
    with Pool(spec, jobs, hang_s=5) as pool:
        return Explorer(pool, bound, **kwargs).explore(STORIES, **options)


def figures(found: Exploration) -> Any:
    """Everything but the time it took."""
    said = verdict(found, merchant="toy").as_json()
    for each in (said, said["totals"], *said["stories"]):
        each["seconds"] = 0
    return said


class Stop:
    """Says stop once so many schedules are done."""

    def __init__(self, after: int) -> None:
        self.after, self.done = after, 0

    def tell(self, progress: Progress) -> None:
        self.done = progress.done

    def __call__(self) -> bool:
        return self.done >= self.after


class Ticks:
    """A clock that moves a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("bug", ["", BUG])
def test_the_number_of_processes_changes_nothing(bug: str) -> None:
    one, three = explore(toys(bug=bug), Bound(faults=3)), explore(toys(bug=bug), Bound(faults=3), jobs=3)
    assert figures(one) == figures(three)


def test_a_clean_shop_is_proved_with_its_bound_in_words() -> None:
    found = explore(toys(), Bound(faults=2, prune=False))
    said = verdict(found, merchant="toy")
    assert said.verdict == "proved"
    schedules = {story: len(dict(truth(story, "", 2))) for story in STORIES}
    once = said.stories[0]
    kinds = ", ".join(sorted(kind for kinds in KINDS.values() for kind in kinds))
    assert once.in_words() == f"proved: once, kinds {kinds}, up to 2 faults, {schedules['once']} schedules, {once.states} states"
    assert said.totals["schedules"] == sum(schedules.values())
    story = said.as_json()["stories"][0]
    assert {"schedules", "states", "max_faults", "kinds_fired", "seconds", "violations"} <= story.keys()
    assert (story["max_faults"], story["violations"]) == (2, [])
    struck = [fault.kind for schedule in dict(truth("once", "", 2)) for fault in schedule]
    assert story["kinds_fired"] == {kind: struck.count(kind) for kind in sorted(set(struck))}
    bound = f"up to 2 faults of {len(said.totals['kinds_fired'])} kinds, {said.totals['schedules']} schedules"
    assert said.in_words()[0].startswith(f"toy: proved in 2 of 2 stories, {bound}")
    assert json.loads(json.dumps(said.as_json())) == said.as_json()


def test_what_was_proved_names_the_oracles_that_had_nothing_to_go_by() -> None:
    blind = BlindSpot(("S4", "L4"), "[read_order] has no fulfilments")
    said = verdict(explore(toys(), Bound(faults=0)), merchant="toy", not_judged=[blind])
    first, *others = said.in_words()
    assert first.endswith("; not judged: S4, L4.")
    assert "Not judged: S4, L4: [read_order] has no fulfilments." in others
    document = said.as_json()
    schema = json.loads((resources.contracts() / "exploration.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(json.loads(json.dumps(document)))
    assert [each["oracle"] for each in document["not_judged"]] == ["S4", "L4"]


def test_a_bug_that_needs_two_faults_is_found_counted_and_shrunk() -> None:
    one = verdict(explore(toys(bug=BUG), Bound(faults=1)), merchant="toy")
    assert one.verdict == "proved"
    found = verdict(explore(toys(bug=BUG), Bound(faults=3, prune=False)), merchant="toy")
    assert found.verdict == "violated"
    [violation] = found.stories[0].violations
    assert (violation.oracle, violation.message) == ("S1", "charged 2 times")
    assert in_words(violation.schedule) == "charges.create #1: lost request; charges.create #2: lost answer"
    assert violation.schedules == sum("S1" in dict(said) for _, said in truth("once", BUG, 3))
    assert violation.plays < 15


def test_a_kind_that_never_struck_is_flagged() -> None:
    asked = verdict(explore(toys(), Bound(faults=1, kinds=frozenset({"crash", "flood"}))), merchant="toy")
    assert asked.never_fired == ("flood",)
    assert "Never struck, so nothing is proved about it: flood." in asked.in_words()


def test_the_union_of_the_shards_is_the_whole() -> None:
    whole = verdict(explore(toys(bug=BUG), Bound(faults=3, prune=False)), merchant="toy")
    shards = [
        verdict(explore(toys(bug=BUG), Bound(faults=3, prune=False, shard=Shard(each, 3))), merchant="toy") for each in (1, 2, 3)
    ]
    for index in range(len(STORIES)):
        # all shards play the fault-free run
        assert sum(shard.stories[index].schedules - 1 for shard in shards) == whole.stories[index].schedules - 1
        total = {violation.oracle: violation.schedules for violation in whole.stories[index].violations}
        assert {o: sum(v.schedules for s in shards for v in s.stories[index].violations if v.oracle == o) for o in total} == total
    clean = verdict(explore(toys(), Bound(faults=1, shard=Shard(1, 3))), merchant="toy")
    assert clean.verdict == "held"  # a part of it proves nothing
    assert "in shard 1/3: proved once every shard has held" in clean.in_words()[0]


@pytest.mark.parametrize("prune", [True, False])
def test_who_was_interrupted_and_resumes_gets_the_same_totals(tmp_path: Path, prune: bool) -> None:
    bound = Bound(faults=3, prune=prune)
    checkpoint = Checkpoint(tmp_path / "deep" / "checkpoint.json", {"merchant": "toy"})
    resumed, interruptions = None, 0
    for after in (3, 20, 60, 120, 10**9):
        stop = Stop(after)
        found = explore(toys(bug=BUG), bound, 2, checkpoint=checkpoint, tell=stop.tell, stop=stop, clock=Ticks(), resumed=resumed)
        if not found.interrupted:
            break
        interruptions += 1
        said = verdict(found, merchant="toy")
        assert said.verdict != "proved"
        assert sum(story.left for story in said.stories) > 0
        resumed = checkpoint.load(bound)
    assert interruptions >= 2
    assert figures(found) == figures(explore(toys(bug=BUG), bound))
    # what is finished stays finished
    assert figures(explore(toys(bug=BUG), bound, resumed=checkpoint.load(bound))) == figures(found)


def test_a_checkpoint_is_kept_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever is killed, and cannot keep anything any more, has lost seconds only."""
    kept: list[int] = []
    save = Checkpoint.save

    def counted(checkpoint: Checkpoint, searches: Mapping[str, Search], bound: Bound, seconds: float) -> None:
        kept.append(sum(search.schedules for search in searches.values()))
        save(checkpoint, searches, bound, seconds)

    monkeypatch.setattr(Checkpoint, "save", counted)
    whole = explore(toys(), Bound(faults=3, prune=False), checkpoint=Checkpoint(tmp_path / "c.json", {}), clock=Ticks())
    assert kept[-1] == sum(search.schedules for search in whole.searches.values())
    assert any(0 < so_far < kept[-1] for so_far in kept)


@pytest.mark.parametrize(
    ("other", "bound", "told"),
    [
        ({"merchant": "another"}, Bound(faults=2), 'was made with other merchant: found "toy", expected "another"'),
        ({}, Bound(faults=3), "was made with other faults: found 2, expected 3"),
        ({}, Bound(faults=2, kinds=frozenset({"crash"})), r'was made with other kinds: found all, expected \["crash"\]'),
        ({}, Bound(faults=2, prune=False), "was made with other prune: found true, expected false"),
        ({}, Bound(faults=2, shard=Shard(1, 2)), 'was made with other shard: found "1/1", expected "1/2"'),
        ({"stories": {"once": "3"}}, Bound(faults=2), 'was made with other stories: found {"once": "1"}, expected {"once": "3"}'),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, other: dict[str, Any], bound: Bound, told: str) -> None:
    of = {"merchant": "toy", "stories": {"once": "1"}}
    Checkpoint(tmp_path / "c.json", of).save({}, Bound(faults=2), 1.0)
    with pytest.raises(CheckpointError, match=told):
        Checkpoint(tmp_path / "c.json", of | other).load(bound)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: No such file or directory; expected a file that prove --world simulated has left"),
        *((text, "is no checkpoint; expected a file that") for text in ("", "{}", "[]", '{"gatecrash": "schedule"}')),
        ('{"gatecrash": "checkpoint", "format": 99}', "is a checkpoint of another version of Gatecrash; start anew"),
        ('{"gatecrash": "checkpoint", "format": 2}', r"is a damaged checkpoint \(KeyError\('of'\)\); start anew"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "c.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"c\.json: {told}"):
        Checkpoint(tmp_path / "c.json", {}).load(Bound(faults=1))


def test_a_search_remembers_everything(tmp_path: Path) -> None:
    search, toy = Search("twice", Bound(faults=3)), Toy(BUG)
    for _ in range(150):
        taken = search.take()
        assert taken is not None
        search.give(taken[0], toy.play("twice", taken[1]))
    search.take()  # under way when it was interrupted
    again = Search.remembered("twice", search.bound, json.loads(json.dumps(search.memory())))
    assert again.memory() == search.memory()
    assert again.pending == search.pending
    assert again.found == search.found


@pytest.mark.parametrize(("how", "why"), [("die", "was killed by SIGKILL"), ("raise", "ValueError: cannot play this")])
def test_what_could_not_be_played_is_not_proved(how: str, why: str) -> None:
    found = verdict(explore(toys(lame="charges.create #1: lost answer", how=how), Bound(faults=1), jobs=2), merchant="toy")
    assert found.verdict == "unfinished"
    assert "not proved: once" in found.stories[0].in_words()
    assert why in found.stories[0].in_words()
    assert found.totals["unplayed"] == 2
    assert found.totals["schedules"] == sum(len(dict(truth(story, "", 1))) - 1 for story in STORIES)


def test_what_is_not_the_same_twice_is_not_proved() -> None:
    found = verdict(explore(toys(forgetful=True), Bound(faults=1)), merchant="toy")
    assert found.verdict == "unfinished"
    assert "two runs without a fault were not the same" in found.stories[0].in_words()


def test_progress_is_told_with_a_rate_and_what_is_left() -> None:
    told: list[Progress] = []
    explore(toys(bug=BUG), Bound(faults=3), tell=told.append, clock=Ticks())
    exploring = [each for each in told if each.doing == "exploring"]
    assert [each.done for each in exploring] == sorted(each.done for each in exploring)
    assert exploring[0].left > 0
    assert any(each.rate > 0 and each.eta_s is not None for each in exploring)
    assert (exploring[-1].left, exploring[-1].stories_done, exploring[-1].stories) == (0, 2, 2)
    assert told[-1].doing == "shrinking"
    assert told[-1].violations == 2


def test_a_swarm_is_the_same_for_the_same_seed_whatever_the_number_of_processes() -> None:
    def walked(seed: int, jobs: int) -> Swarm:
        with Pool(toys(bug=BUG), jobs) as pool:
            roots = {story: Toy(BUG).play(story, ()).reached for story in STORIES}
            return swarm(pool, roots, Bound(faults=1), seed=seed, go_on=lambda so_far: so_far.walks < 100)

    one, three, other = walked(1, 1), walked(1, 3), walked(2, 1)
    assert one.met == three.met != other.met
    assert {oracle for _, oracle in one.met} == {"S1"}
    assert one.max_faults > 1


def test_what_only_the_swarm_finds_is_shrunk_and_told_as_such() -> None:
    class Still:
        """A clock that stands until the swarm has met something."""

        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Still()

    def tell(progress: Progress) -> None:
        clock.now += 0 if progress.doing == "swarming" and not progress.violations else 10

    found = explore(toys(bug=BUG), Bound(faults=1), swarm_s=1.0, clock=clock, tell=tell, told_every_s=0)
    said = verdict(found, merchant="toy")
    assert said.verdict == "violated"
    violations = [violation for story in said.stories for violation in story.violations]
    assert violations
    for violation in violations:
        assert (violation.number, violation.walk is None) == (None, False)
        assert [fault.label for fault in violation.schedule] == ["charges.create", "charges.create"]
    assert said.swarm is not None
    assert said.swarm["schedules"] > 0


def test_a_walk_follows_from_its_seed_and_number() -> None:
    def walk(seed: int, number: int) -> list[tuple[Fault, ...]]:
        toy = Toy()
        walked = Walk(seed, number, "twice", Bound(faults=2), toy.play("twice", ()).reached)
        schedules = [walked.schedule]
        while walked.go_on(toy.play("twice", walked.schedule)):
            schedules.append(walked.schedule)
        return schedules

    assert walk(1, 5) == walk(1, 5)
    assert len({tuple(walk(seed, number)) for seed in (1, 2) for number in range(10)}) > 15
    assert all(len(schedules[0]) == 3 for schedules in (walk(1, number) for number in range(10)))
