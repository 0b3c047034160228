#!/usr/bin/env python3
"""clang-tidy over the sources of a build, two files at a time; one line a finding.

    tools/clang_tidy.py [--build DIR] [--all] [ROOM...]

By default engine/ with the few checks that find the mistakes of coroutine code and are quick
enough for every test run; --all takes every check of .clang-tidy. A file that was clean stays
clean until its preprocessed text or .clang-tidy changes: that is remembered in DIR/clang-tidy/.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TIDY = "clang-tidy-19"
QUICK = [
    "bugprone-dangling-handle", "bugprone-infinite-loop", "bugprone-too-small-loop-variable",
    "bugprone-unused-raii", "bugprone-use-after-move",
    "cppcoreguidelines-avoid-capturing-lambda-coroutines", "cppcoreguidelines-pro-type-member-init",
    "misc-coroutine-hostile-raii", "readability-function-size", "readability-identifier-naming",
]


def preprocessed(entry: dict) -> bytes:
    """What the compiler sees of a file, without line markers; a failure gives a text of its own."""
    command = shlex.split(entry["command"])
    if "ccache" in command[0]:
        command = command[1:]
    at = command.index("-o")
    command = command[:at] + command[at + 2:]
    command.remove("-c")
    done = subprocess.run([*command, "-E", "-P"], cwd=entry["directory"], capture_output=True)
    return done.stdout if done.returncode == 0 else os.urandom(16)


class Linter:
    def __init__(self, root: pathlib.Path, build: pathlib.Path, everything: bool):
        self.root, self.build, self.everything = root, build, everything
        self.clean = build / "clang-tidy"
        self.clean.mkdir(exist_ok=True)
        checks = b"all" if everything else " ".join(QUICK).encode()
        self.config = (root / ".clang-tidy").read_bytes() + checks

    def lint(self, entry: dict) -> str:
        """The findings in one file; empty if it is clean."""
        key = hashlib.sha256(self.config + entry["file"].encode() + preprocessed(entry))
        seen = self.clean / key.hexdigest()
        if seen.exists():
            return ""
        command = [TIDY, "--quiet", "-p", str(self.build), entry["file"]]
        if not self.everything:
            command.insert(1, "--checks=" + ",".join(["-*", *QUICK]))
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        if done.returncode == 0:
            seen.touch()
            return ""
        return done.stdout or done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--all", action="store_true", help="every check, path analysis too")
    parser.add_argument("rooms", nargs="*", default=["engine"], metavar="ROOM")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[1]
    database = options.build / "compile_commands.json"
    if not database.exists():
        print(f"{database} is missing; configure first: cmake --preset release", file=sys.stderr)
        return 2
    rooms = tuple(f"{root / room}/" for room in options.rooms)
    entries = [entry for entry in json.loads(database.read_text())
               if entry["file"].startswith(rooms)]
    linter = Linter(root, options.build, options.all)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for findings in pool.map(linter.lint, entries):
            if findings:
                failed += 1
                print(findings.replace(f"{root}/", ""))
    print(f"clang-tidy: {len(entries)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
