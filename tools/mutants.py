#!/usr/bin/env python3
"""Proves that the simulator finds bugs: plants each of tests/mutants/*.patch and runs seeds.

    mutants.py [--seeds N] [--jobs N] [NAME...]

Works on a copy of the tracked files in build/mutants. The unchanged tree must pass all seeds, each
mutant must fail one of them. The table says how much CPU time each took.
"""
import argparse
import statistics
import subprocess
import sys

from mutant_tree import ROOT, Tree


def build(tree, jobs):
    done = tree.build(jobs)
    if done.returncode != 0:
        sys.exit(done.stdout[-4000:] + done.stderr)


def run_mutant(tree, patch, arguments):
    """CPU seconds until it was found; None if it was not."""
    with open(patch, "rb") as file:
        subprocess.run(["patch", "-p1", "--quiet"], cwd=tree.path, check=True, stdin=file)
    try:
        build(tree, arguments.jobs)
        count, failure, seconds = tree.first_failure(arguments.seeds, arguments.jobs)
    finally:
        with open(patch, "rb") as file:
            subprocess.run(["patch", "-p1", "--quiet", "-R"], cwd=tree.path, check=True,
                           stdin=file)
    if failure is None:
        print(f"{patch.stem}: NOT FOUND in {count} seeds, {seconds:.1f} s", flush=True)
        return None
    print(f"{patch.stem}: found by seed {failure['seed']}, after {count} seeds, {seconds:.1f} s: "
          f"{failure['oracle']}: {failure['what'][:120]}", flush=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    patches = [patch for patch in sorted((ROOT / "tests/mutants").glob("*.patch"))
               if not arguments.names or patch.stem in arguments.names]
    tree = Tree("mutants")
    tree.refresh()
    tree.configure()
    build(tree, arguments.jobs)
    count, failure, _ = tree.first_failure(arguments.seeds, arguments.jobs)
    if failure is not None:
        print(f"the unchanged tree fails seed {failure['seed']}: {failure['what']}")
        return 1
    print(f"unchanged: passes {count} seeds", flush=True)
    taken = [run_mutant(tree, patch, arguments) for patch in patches]
    found = [seconds for seconds in taken if seconds is not None]
    if found:
        print(f"{len(found)} of {len(taken)} found; CPU seconds: median "
              f"{statistics.median(found):.1f}, worst {max(found):.1f}")
    return 0 if found and len(found) == len(taken) else 1


if __name__ == "__main__":
    sys.exit(main())
