"""Bugs planted by hand: tests/mutants/LAYER.toml, as the README there says."""
import dataclasses
import hashlib
import itertools
import json
import pathlib
import tomllib

KEYS = {"breaks", "seeds", "survives", "equivalent", "also"}
EDIT_KEYS = {"file", "within", "find", "put", "instead", "without"}
SEEDS = 500


@dataclasses.dataclass(frozen=True)
class Place:
    """A piece of a file with the text that takes its place; PLANTED in it asks for the switch."""
    file: str
    begin: int
    end: int
    name: str
    bug: str
    put: str
    kind: str = "by hand"
    parts: tuple = ()


@dataclasses.dataclass(frozen=True)
class Bug:
    name: str
    layer: str
    breaks: str
    seeds: int        # that it may live through
    survives: str     # why it may live through them; empty if it must not
    equivalent: bool  # nobody can tell it from the original
    places: tuple
    digest: str


def replacement(edit: dict) -> tuple:
    """(text that is looked for, text that takes its place)"""
    if "without" in edit:
        return edit["without"], "if (!PLANTED) " + edit["without"].lstrip()
    if "instead" in edit:
        return edit["find"], f"(PLANTED ? ({edit['instead']}) : ({edit['find']}))"
    return edit["find"], edit["put"]


def place_of(root: pathlib.Path, name: str, number: int, edit: dict) -> Place:
    """Raises ValueError if the edit does not apply to the file."""
    if not edit.keys() <= EDIT_KEYS:
        raise ValueError(f"{name}: unknown {sorted(edit.keys() - EDIT_KEYS)}")
    find, put = replacement(edit)
    text = (root / edit["file"]).read_bytes()
    begin = 0
    if "within" in edit:
        if text.count(edit["within"].encode()) != 1:
            raise ValueError(f"{name}: {edit['file']} does not have once: {edit['within']}")
        begin = text.index(edit["within"].encode())
    elif text.count(find.encode()) != 1:
        raise ValueError(f"{name}: {edit['file']} does not have once: {find}")
    begin = text.find(find.encode(), begin)
    if begin < 0:
        raise ValueError(f"{name}: {edit['file']} does not have there: {find}")
    return Place(edit["file"], begin, begin + len(find.encode()), f"{name} #{number}", name, put)


def read(root: pathlib.Path, layer: str, name: str, table: dict) -> Bug:
    edit = {key: value for key, value in table.items() if key not in KEYS}
    edits = [edit, *table.get("also", [])]
    if not any("PLANTED" in replacement(one)[1] for one in edits):
        raise ValueError(f"{name}: nothing asks for the switch")
    digest = hashlib.sha256(json.dumps(edits, sort_keys=True).encode()).hexdigest()
    return Bug(name, layer, table["breaks"], table.get("seeds", SEEDS),
               table.get("survives", ""), table.get("equivalent", False),
               tuple(place_of(root, name, number, edit) for number, edit in enumerate(edits)),
               digest)


def check_apart(bugs: list):
    """Raises ValueError where two bugs are planted in the same text."""
    places = sorted((place for bug in bugs for place in bug.places),
                    key=lambda place: (place.file, place.begin))
    for one, next_one in itertools.pairwise(places):
        if one.file == next_one.file and next_one.begin < one.end:
            raise ValueError(f"{one.bug} and {next_one.bug} are in each other's way in {one.file}")


def read_all(root: pathlib.Path) -> list:
    """Every bug, by layer and as written. Raises ValueError."""
    bugs = []
    for path in sorted((root / "tests" / "mutants").glob("*.toml")):
        if path.stem == "survivors":
            continue
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        bugs += [read(root, path.stem, name, table) for name, table in tables.items()]
    check_apart(bugs)
    return bugs
