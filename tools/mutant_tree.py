"""A copy of the tracked files in which bugs are planted, built, and put before the simulator."""
import json
import os
import pathlib
import resource
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A mutant may allocate without end.
MEMORY_MAX_BYTES = 6 << 30


class Tree:
    """build/NAME; equal files keep their times, so the next mutant is an incremental build."""

    def __init__(self, name: str):
        self.path = ROOT / "build" / name

    def refresh(self, changed=None):
        """Brings the copy up to date; `changed` are texts that take the place of tracked files."""
        changed = changed or {}
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

    def configure(self, *definitions: str):
        subprocess.run(["cmake", "--preset", "release", *definitions], cwd=self.path, check=True,
                       stdout=subprocess.DEVNULL)

    def build(self, jobs: int, *more: str) -> subprocess.CompletedProcess:
        """Builds the command; the caller looks at the result."""
        return subprocess.run(["cmake", "--build", "--preset", "release", "-j", str(jobs),
                               "--target", "scoutfs", *more],
                              cwd=self.path, capture_output=True, text=True)

    def first_failure(self, seeds: int, jobs: int, environment=None):
        """(seeds run, verdict of the first that failed or None, CPU seconds)"""
        command = [str(self.path / "build/release/scoutfs"), "sim", "run", "--seeds",
                   f"1..{seeds}", "--jobs", str(jobs), "--failures", "1", "--quiet", "--json"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES,) * 2))
        output = process.stdout.read().decode()
        _, process.returncode, usage = os.wait4(process.pid, 0)
        process.stdout.close()
        verdicts = [json.loads(line) for line in output.splitlines()]
        failed = [verdict for verdict in verdicts if verdict["verdict"] == "fail"]
        return len(verdicts), failed[0] if failed else None, usage.ru_utime + usage.ru_stime
