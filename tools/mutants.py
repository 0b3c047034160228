#!/usr/bin/python3
"""Measures the simulator as a net: which of the bugs in the engine does it find, and how soon?

    mutants.py [--only planted|automatic] [--known] [--json] [--table FILE] [--jobs N] [NAME...]

Two kinds: bugs planted by hand (tests/mutants/*.toml), and automatic mutants, a sample of all
places where the engine can be broken by one small change. All are built into one command in
build/mutants, where they sleep; the environment wakes one at a time. What is known of these very
sources is in build/mutants.jsonl, so that an interrupted campaign goes on. To see one fail:

    SCOUTFS_MUTANT=$(mutants.py --number NAME) build/mutants/build/release/scoutfs sim replay SEED

Exit status 1: a target is missed, or a survivor has no reason.
"""
import argparse
import hashlib
import json
import sys

from mutation import bugs as planted_bugs
from mutation import campaign, sample, score
from mutation.plant import number_of
from mutation.tree import ROOT, Tree


# None of which may fail; what they do not reach is not worth a run of its own.
REACHED_SEEDS = 300


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("planted", "automatic"))
    parser.add_argument("--json", action="store_true", help="the score as JSON")
    parser.add_argument("--table", metavar="FILE", help="write the score as Markdown")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--count", type=int, default=200, help="automatic mutants")
    parser.add_argument("--sample", type=int, default=1, help="seed that draws them")
    parser.add_argument("--seeds", type=int, default=150, help="that each of them may live through")
    parser.add_argument("--seconds", type=float, default=15, help="CPU seconds, likewise")
    parser.add_argument("--known", action="store_true", help="run nothing; score what is known")
    parser.add_argument("--number", metavar="NAME", help="print what wakes a mutant")
    parser.add_argument("names", nargs="*", metavar="NAME", help="planted by hand; only these")
    return parser.parse_args()


def tell(text: str):
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    arguments = parse()
    if arguments.number:
        print(number_of(arguments.number))
        return 0
    try:
        bugs = planted_bugs.read_all(ROOT)
    except ValueError as error:
        sys.exit(f"mutants.py: {error}")
    unknown = set(arguments.names) - {bug.name for bug in bugs}
    if unknown:
        sys.exit(f"mutants.py: no such bug: {', '.join(sorted(unknown))}")
    wants_planted = arguments.only != "automatic"
    wants_automatic = arguments.only != "planted" and not arguments.names
    tree, results = Tree(), campaign.Results()
    # Always all of them, so that every campaign has the same command.
    tell("looking for places to break")
    everything = sample.all_points(arguments.jobs)
    points = sample.draw(everything, arguments.count + campaign.SPARE, arguments.sample,
                         campaign.places_by_file(bugs))
    tell(f"{len(everything)} places")
    reached = set()
    if arguments.known:
        points = campaign.fit(points)[:arguments.count]
    else:
        tell("building")
        points = campaign.build(tree, bugs, points, arguments.count, arguments.jobs)
        names = ":".join([bug.digest for bug in bugs] + [point.name for point in points])
        reached = campaign.reached_numbers(
            tree, results, hashlib.sha256(names.encode()).hexdigest(), REACHED_SEEDS,
            arguments.jobs, tell)
    scored = {}
    if wants_planted:
        chosen = [bug for bug in bugs if not arguments.names or bug.name in arguments.names]
        mutants = [campaign.by_hand(bug) for bug in chosen]
        if not arguments.known:
            campaign.run(tree, results, mutants, reached, arguments.jobs, tell)
        scored["planted"] = score.planted_rows(chosen, results.all_of(mutants))
    if wants_automatic:
        mutants = [campaign.automatic(point, arguments.seeds, arguments.seconds)
                   for point in points]
        if not arguments.known:
            campaign.run(tree, results, mutants, reached, arguments.jobs, tell)
        scored["automatic"] = score.automatic_rows(mutants, results.all_of(mutants))
    if arguments.json:
        print(json.dumps(score.as_json(scored), indent=2))
    else:
        print("\n\n".join(score.text(kind, rows) for kind, rows in scored.items()))
    if arguments.table:
        with open(arguments.table, "w", encoding="utf-8") as file:
            file.write(score.document(scored))
    return 0 if all(score.met(kind, rows) for kind, rows in scored.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
