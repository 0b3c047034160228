"""Builds all mutants into one command and puts each before the simulator; remembers what it saw."""
import collections
import concurrent.futures
import dataclasses
import json
import pathlib
import re
import sys

from mutation.plant import number_of, plant
from mutation.sample import digest_of
from mutation.tree import ROOT, Tree

BUILD = ROOT / "build"
RESULTS = BUILD / "mutants.jsonl"
UNFIT = BUILD / "mutants-that-do-not-compile.json"
SPARE = 60  # points beyond the sample, for those that do not compile
BASELINE = "none awake"


@dataclasses.dataclass(frozen=True)
class Mutant:
    """What one run of the campaign is about."""
    name: str
    room: str      # layer, or folder of the engine
    digest: str    # of what is planted, beside the sources
    seeds: int     # that it may live through
    seconds: float  # CPU seconds, likewise
    automatic: bool
    text: str = ""  # what of the source it changes, with its line

    @property
    def number(self) -> int:
        return number_of(self.name)


def by_hand(bug) -> Mutant:
    return Mutant(bug.name, bug.layer, bug.digest, bug.seeds, float("inf"), False)


def automatic(point, seeds: int, seconds: float) -> Mutant:
    source = (ROOT / point.file).read_bytes()
    line = source[:point.begin].count(b"\n") + 1
    text = f"line {line}: {' '.join(source[point.begin:point.end].decode().split())[:120]}"
    return Mutant(point.name, point.file.split("/")[1], "automatic", seeds, seconds, True, text)


def sources_digest() -> str:
    return digest_of([path for suffix in ("cpp", "hpp") for folder in ("engine", "sim")
                      for path in (ROOT / folder).rglob(f"*.{suffix}")])


class Results:
    """What is known of each mutant of these very sources."""

    def __init__(self):
        self.key = sources_digest()
        self.known = {}
        if RESULTS.exists():
            for line in RESULTS.read_text().splitlines():
                result = json.loads(line)
                if result["sources"] == self.key:
                    self.known[result["name"], result["digest"]] = result

    def of(self, name: str, digest: str):
        return self.known.get((name, digest))

    def add(self, name: str, digest: str, **result) -> dict:
        result = {"sources": self.key, "name": name, "digest": digest, **result}
        self.known[name, digest] = result
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        return result


    def reached(self):
        """Numbers of the mutants that the newest run with none awake reached; None: unknown."""
        runs = [result for (name, _), result in self.known.items() if name == BASELINE]
        return set(runs[-1]["reached"]) if runs else None

    def all_of(self, mutants: list) -> list:
        reached = self.reached()
        every = []
        for mutant in mutants:
            result = self.of(mutant.name, mutant.digest) or {"verdict": "not run", "seconds": 0.0}
            asleep = reached is not None and mutant.number not in reached
            if asleep and result["verdict"] == "survived":
                result = {**result, "verdict": "not reached"}
            every.append(result)
        return every


class Unfit:
    """Points that are known not to compile, as long as their file stays as it is."""

    def __init__(self):
        self.known = json.loads(UNFIT.read_text()) if UNFIT.exists() else {}

    def has(self, point) -> bool:
        return self.known.get(point.name) == digest_of([ROOT / point.file])

    def add(self, point):
        self.known[point.name] = digest_of([ROOT / point.file])
        UNFIT.write_text(json.dumps(self.known))


def fit(points: list) -> list:
    """Those that are not known to fail to compile."""
    unfit = Unfit()
    return [point for point in points if not unfit.has(point)]


def places_by_file(bugs: list) -> dict:
    files = collections.defaultdict(list)
    for bug in bugs:
        for place in bug.places:
            files[place.file].append(place)
    return files


def guilty(output: str, tree: Tree) -> set:
    """Numbers of the mutants at, or next above, the places where the compiler found an error."""
    numbers = set()
    for file, line in re.findall(r"^(\S+?):(\d+):\d+: (?:fatal )?error:", output, re.MULTILINE):
        path = pathlib.Path(tree.path / "build/release" / file)
        lines = path.read_text().splitlines()[:int(line)] if path.is_file() else []
        for text in reversed(lines[-12:]):
            here = re.findall(r"scoutfs_mutant\((\d+)\)", text)
            if here:
                numbers.update(map(int, here))
                break
    return numbers


def build(tree: Tree, bugs: list, points: list, count: int, jobs: int) -> list:
    """Builds `bugs`, and the points that compile, into one command. The first `count` of those."""
    while True:
        points = fit(points)
        files = places_by_file(bugs)
        for point in points:
            files[point.file].append(point)
        tree.refresh({file: plant((ROOT / file).read_bytes(), places)
                      for file, places in files.items()})
        done = tree.build(jobs)
        if done.returncode == 0:
            return points[:count]
        numbers = guilty(done.stdout + done.stderr, tree)
        bad = [point for point in points if number_of(point.name) in numbers]
        if not bad:
            sys.exit(done.stdout[-8000:] + done.stderr)
        unfit = Unfit()
        for point in bad:
            unfit.add(point)


def reached_numbers(tree: Tree, results: Results, planted: str, seeds: int, jobs: int,
                    tell) -> set:
    """Numbers of all mutants that `seeds` seeds reach; none of them awake, they must pass."""
    digest = f"{planted}:{seeds}"
    known = results.of(BASELINE, digest)
    if known is None:
        file = BUILD / "mutants.reached"
        with open(file, "wb") as empty:
            empty.truncate(1 << 22)
        count, failure, seconds = tree.run(1, seeds, jobs, {
            "SCOUTFS_MUTANT": "-1", "SCOUTFS_MUTANTS_REACHED": str(file)})
        if failure is not None:
            sys.exit(f"with no mutant awake, seed {failure['seed']} fails: {failure['what']}")
        reached = [number for number, byte in enumerate(file.read_bytes()) if byte]
        known = results.add(BASELINE, digest, reached=reached, seconds=seconds)
        tell(f"none awake: passes {count} seeds")
    return set(known["reached"])


def settled(mutant: Mutant, result) -> bool:
    """It was found, was not reached, or has lived through all that it may."""
    return result is not None and (result["verdict"] != "survived" or
                                   result["seeds"] >= mutant.seeds or
                                   result["seconds"] >= mutant.seconds)


def examine(tree: Tree, mutant: Mutant, before) -> dict:
    """`before`: what is known of it; a survivor goes on where it was."""
    before = before or {"seeds": 0, "seconds": 0.0}
    done, failure, seconds = tree.first_failure(
        mutant.seeds, mutant.seconds, {"SCOUTFS_MUTANT": str(mutant.number)}, before["seeds"],
        before["seconds"])
    result = {"verdict": "survived", "seeds": done, "seconds": round(seconds, 2)}
    if failure is not None:
        result.update(verdict="found", seed=failure["seed"], oracle=failure["oracle"],
                      what=failure["what"][:200])
    return result


def run(tree: Tree, results: Results, mutants: list, reached: set, jobs: int, tell):
    """Leaves a result of each mutant."""
    todo = [mutant for mutant in mutants
            if not settled(mutant, results.of(mutant.name, mutant.digest))]
    count = len(mutants) - len(todo)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {}
        for mutant in todo:
            if mutant.automatic and mutant.number not in reached:
                results.add(mutant.name, mutant.digest, verdict="not reached", seconds=0.0)
                count += 1
                continue
            before = results.of(mutant.name, mutant.digest)
            waiting[pool.submit(examine, tree, mutant, before)] = mutant
        for future in concurrent.futures.as_completed(waiting):
            mutant = waiting[future]
            result = results.add(mutant.name, mutant.digest, **future.result())
            count += 1
            told = f"{count}/{len(mutants)} {mutant.name}: {result['verdict']}"
            if result["verdict"] == "found":
                told += f" by {result['oracle']}, seed {result['seed']}"
            tell(f"{told}, {result['seconds']:.1f} s")
