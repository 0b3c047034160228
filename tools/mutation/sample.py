"""The automatic mutants: a sample of all places where one small change breaks the engine."""
import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib

from mutation.plant import fits, number_of
from mutation.points import Finder, Point
from mutation.tree import ROOT, configure

ROOMS = [f"engine/{room}" for room in ("lsm", "server", "client", "lock", "cluster")]
MEMORY = ROOT / "build" / "mutation-points.json"


def digest_of(paths) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def points_of(entry: dict) -> list:
    finder = Finder(ROOT, ROOMS)
    finder.parse(entry)
    return list(finder.points.values())


def all_points(jobs: int) -> list:
    """Every point of the rooms, by name; of a source remembered while it and the headers stay."""
    configure(ROOT)
    entries = json.loads((ROOT / "build/release/compile_commands.json").read_text())
    wanted = {entry["file"]: entry for entry in entries
              if any(pathlib.Path(entry["file"]).is_relative_to(ROOT / room) for room in ROOMS)}
    common = digest_of([*(ROOT / "engine").rglob("*.hpp"),
                        pathlib.Path(__file__).parent / "points.py"])
    known = json.loads(MEMORY.read_text()) if MEMORY.exists() else {}
    keys = {file: common + digest_of([pathlib.Path(file)]) for file in wanted}
    missing = [file for file in wanted if keys[file] not in known]
    kept = {keys[file]: known[keys[file]] for file in wanted if keys[file] in known}
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for file, points in zip(missing, pool.map(points_of, [wanted[f] for f in missing])):
            kept[keys[file]] = [dataclasses.asdict(point) for point in points]
    MEMORY.write_text(json.dumps(kept))
    found = {}
    for file in sorted(wanted):
        for point in kept[keys[file]]:
            found.setdefault(point["name"], Point(
                **{**point, "parts": tuple(map(tuple, point["parts"]))}))
    return sorted(found.values())


def draw(points: list, count: int, seed: int, by_hand: dict) -> list:
    """`count` points that go together with what is planted by hand ({file: places}). Which ones
    depends on each point's name alone, so that other points may come and go."""
    def place(point):
        return hashlib.sha256(f"{seed}:{point.name}".encode()).digest()

    drawn, numbers = [], {number_of(one.bug) for places in by_hand.values() for one in places}
    for point in sorted(points, key=place):
        number = number_of(point.name)
        if len(drawn) == count:
            break
        if number in numbers or not fits(point, by_hand.get(point.file, [])):
            continue
        numbers.add(number)
        drawn.append(point)
    return drawn
