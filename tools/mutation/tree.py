"""A copy of the tracked files in which mutants are planted, built, and put before the simulator."""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWITCH_HEADER = pathlib.Path(__file__).resolve().parent / "mutant_switch.hpp"

# What one process of a mutant may take: it may allocate, or run, without end.
MEMORY_MAX_KIB = 6 << 20
SECONDS_MAX = 20
# Seeds that one process runs at most; the CPU seconds are looked at in between.
CHUNK = 20


def configure(path: pathlib.Path, *definitions: str):
    subprocess.run(["cmake", "--preset", "release", *definitions], cwd=path, check=True,
                   stdout=subprocess.DEVNULL)


class Tree:
    """build/mutants; equal files keep their times, so a change is an incremental build."""

    def __init__(self):
        self.path = ROOT / "build" / "mutants"
        self.command = self.path / "build" / "release" / "scoutfs"

    def refresh(self, changed: dict):
        """Brings the copy up to date; `changed` are texts that take the place of tracked files."""
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE).stdout.decode().split("\0")
        for name in filter(None, names):
            source, target = ROOT / name, self.path / name
            if not source.is_file():
                continue
            wanted = changed.get(name) or source.read_bytes()
            if target.is_file() and target.read_bytes() == wanted:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wanted)
            shutil.copymode(source, target)
        configure(self.path, f"-DCMAKE_CXX_FLAGS=-include {SWITCH_HEADER} -w")

    def build(self, jobs: int) -> subprocess.CompletedProcess:
        """Builds the command, as far as it goes; the caller looks at the result."""
        return subprocess.run(["cmake", "--build", "--preset", "release", "-j", str(jobs),
                               "--target", "scoutfs", "--", "-k", "0"],
                              cwd=self.path, capture_output=True, text=True)

    def run(self, first: int, last: int, jobs: int, environment: dict) -> tuple:
        """(seeds run, verdict of the first that failed or None, CPU seconds)"""
        limits = f'ulimit -v {MEMORY_MAX_KIB} -t {SECONDS_MAX}; exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", limits, "sh", str(self.command), "sim", "run", "--seeds",
             f"{first}..{last}", "--jobs", str(jobs), "--failures", "1", "--quiet", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **environment})
        output = process.stdout.read().decode()
        _, process.returncode, usage = os.wait4(process.pid, 0)
        process.stdout.close()
        if process.returncode < 0 or not output:
            raise RuntimeError(f"{self.command} ended with {process.returncode} and no verdict")
        verdicts = [json.loads(line) for line in output.splitlines()]
        failed = [verdict for verdict in verdicts if verdict["verdict"] == "fail"]
        return len(verdicts), failed[0] if failed else None, usage.ru_utime + usage.ru_stime

    def first_failure(self, seeds: int, seconds: float, environment: dict, done: int = 0,
                      used: float = 0.0) -> tuple:
        """As run(), from the seed behind `done` on, until the CPU seconds are used up."""
        while done < seeds and used < seconds:
            count, failure, more = self.run(done + 1, min(done + CHUNK, seeds), 1, environment)
            used += more
            done += count
            if failure is not None:
                return done, failure, used
        return done, None, used
