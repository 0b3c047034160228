"""The score of a campaign: as text, as JSON, and as the tables of docs/mutants.md."""
import collections
import dataclasses
import statistics
import tomllib

from mutation.tree import ROOT

SURVIVORS = ROOT / "tests" / "mutants" / "survivors.toml"
TARGETS = {"planted": 0.98, "automatic": 0.90}


@dataclasses.dataclass(frozen=True)
class Row:
    """A mutant with its result and, if it may live, why."""
    name: str
    room: str
    result: dict
    reason: str = ""
    equivalent: bool = False
    breaks: str = ""  # the promise; of an automatic mutant the text that it changes

    @property
    def verdict(self) -> str:
        said = self.result["verdict"]
        return "equivalent" if self.equivalent and said != "found" else said


def planted_rows(bugs: list, results: list) -> list:
    return [Row(bug.name, bug.layer, result, bug.survives, bug.equivalent, bug.breaks)
            for bug, result in zip(bugs, results)]


def automatic_rows(mutants: list, results: list) -> list:
    known = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")) if SURVIVORS.exists() else {}
    return [Row(mutant.name, mutant.room, result, known.get(mutant.name, {}).get("reason", ""),
                known.get(mutant.name, {}).get("equivalent", False), mutant.text)
            for mutant, result in zip(mutants, results)]


def summary(kind: str, rows: list) -> dict:
    """What counts: equivalent ones are nobody's failure."""
    counts = collections.Counter(row.verdict for row in rows)
    found = [row.result["seconds"] for row in rows if row.verdict == "found"]
    counted = len(rows) - counts["equivalent"]
    return {"mutants": len(rows), "found": len(found), "equivalent": counts["equivalent"],
            "survived": counts["survived"], "not_reached": counts["not reached"],
            "not_run": counts["not run"],
            "score": len(found) / counted if counted else 1.0, "target": TARGETS[kind],
            "median_seconds": statistics.median(found) if found else 0.0,
            "worst_seconds": max(found, default=0.0)}


def met(kind: str, rows: list) -> bool:
    """The target is reached and every survivor has its reason."""
    of = summary(kind, rows)
    return of["score"] >= of["target"] and all(
        row.reason for row in rows if row.verdict != "found")


def line(kind: str, rows: list) -> str:
    of = summary(kind, rows)
    counted = of["mutants"] - of["equivalent"]
    lived = ", ".join(f"{of[key.replace(' ', '_')]} {key}" for key in
                      ("equivalent", "survived", "not reached", "not run"))
    return (f"{kind}: {of['found']} of {counted} found ({100 * of['score']:.1f} %, wanted "
            f"{100 * of['target']:.0f} %), {lived}; CPU seconds until found: median "
            f"{of['median_seconds']:.1f}, worst {of['worst_seconds']:.1f}")


def text(kind: str, rows: list) -> str:
    lines = []
    for row in sorted(rows, key=lambda row: (row.room, row.name)):
        seed = str(row.result.get("seed", ""))
        lines.append(f"{row.room:13} {row.verdict:12}{seed:>6}{row.result['seconds']:8.1f} s  "
                     f"{row.result.get('oracle', ''):11}{row.name}")
        if row.verdict != "found":
            lines.append(f"{'':13} {row.breaks}: {row.reason or 'no reason is known'}")
    return "\n".join([*lines, line(kind, rows)])


def as_json(scored: dict) -> dict:
    """`scored`: kind -> rows."""
    return {kind: {**summary(kind, rows),
                   "results": [{"name": row.name, "room": row.room, "verdict": row.verdict,
                                **{key: row.result[key] for key in
                                   ("seed", "oracle", "what", "seconds", "seeds")
                                   if key in row.result},
                                **({"reason": row.reason} if row.reason else {})}
                               for row in rows]}
            for kind, rows in scored.items()}


# ---- docs/mutants.md ----

HEAD = """# Mutants

How strong the simulator is as a net: bugs planted by hand (`tests/mutants/*.toml`) and automatic
mutants, a sample drawn by a fixed seed from all places of lsm/, server/, client/, lock/ and
cluster/. All of them sleep in one command; each is woken alone. This file is written by

    just mutants --table docs/mutants.md

`seeds` is how many ran, seconds are CPU seconds. Not reached: no seed of 300 comes to the place.
A survivor without a reason has not been looked at.
"""


def cell(value) -> str:
    return str(value).replace("|", "\\|")


def table(head: list, rows: list) -> list:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
            *("| " + " | ".join(map(cell, row)) + " |" for row in rows), ""]


def planted_tables(rows: list) -> list:
    rows = sorted(rows, key=lambda row: (row.room, row.name))
    return ["## Planted by hand", "", line("planted", rows), "",
            *table(["layer", "bug", "what it breaks", "oracle, or verdict", "seed", "seeds",
                    "seconds"],
                   [(row.room, row.name, row.breaks, row.result.get("oracle", row.verdict),
                     row.result.get("seed", ""), row.result.get("seeds", ""),
                     row.result["seconds"]) for row in rows]),
            *[f"* `{row.name}`: {row.reason}" for row in rows
              if row.verdict != "found" and row.reason],
            ""]


def automatic_tables(rows: list) -> list:
    rooms = collections.defaultdict(collections.Counter)
    oracles = collections.Counter()
    for row in rows:
        rooms[row.room][row.verdict] += 1
        if row.verdict == "found":
            oracles[row.result["oracle"]] += 1
    verdicts = ("found", "equivalent", "survived", "not reached", "not run")
    lost = sorted((row for row in rows if row.verdict not in ("found", "not run")),
                  key=lambda row: row.name)
    return ["## Automatic", "", line("automatic", rows), "",
            *table(["folder", *verdicts], [(room, *(counts[verdict] for verdict in verdicts))
                                           for room, counts in sorted(rooms.items())]),
            "Found by: " + ", ".join(f"{oracle} {count}"
                                     for oracle, count in oracles.most_common()) + ".", "",
            *table(["not found", "what it changes", "verdict", "reason"],
                   [(row.name, f"`{row.breaks}`", row.verdict, row.reason) for row in lost])]


def document(scored: dict) -> str:
    lines = [HEAD]
    if "planted" in scored:
        lines += planted_tables(scored["planted"])
    if "automatic" in scored:
        lines += automatic_tables(scored["automatic"])
    return "\n".join(lines).rstrip() + "\n"
