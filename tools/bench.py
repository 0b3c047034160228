#!/usr/bin/env python3
"""Runs the benchmarks of the engine, the LSM and the simulator and prints one JSON object.

Figures are of this machine at this moment: compare only within one run.
"""
import argparse
import json
import os
import resource
import subprocess
import sys


def run(command: list[str], timeout: int) -> str:
    print("+", " ".join(command), file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=timeout, check=True, text=True)
    return done.stdout


def engine(build: str, files: int, cache_mib: int) -> dict:
    out = run([f"{build}/engine_bench", "--files", str(files), "--cache-mib", str(cache_mib)], 1800)
    return json.loads(out)


def simulator(build: str, seeds: int) -> dict:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = run([f"{build}/scoutfs", "sim", "run", "--seeds", f"1..{seeds}", "--nodes", "3", "--jobs",
               "1", "--json"], 3600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    verdicts = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    failed = sum(1 for verdict in verdicts if verdict.get("verdict") != "pass")
    return {"seeds": len(verdicts), "failed": failed, "sim_seeds_per_cpu_s": len(verdicts) / cpu_s}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="build directory")
    parser.add_argument("--files", type=int, default=1_000_000, help="files of the engine's run")
    parser.add_argument("--items", type=int, default=5_000_000, help="items of the LSM's run")
    parser.add_argument("--seeds", type=int, default=400, help="simulated seeds")
    parser.add_argument("--skip-lsm", action="store_true", help="leave the LSM out")
    arguments = parser.parse_args()
    os.environ.setdefault("TMPDIR", "/dev/shm")
    result = {"engine": engine(arguments.build, arguments.files, 1024)}
    # The metadata of a file takes about 1.2 KiB of item cache: a tenth of that.
    small = max(1, arguments.files * 1200 // 10 >> 20)
    result["engine_small_cache"] = engine(arguments.build, arguments.files, small)
    result["simulator"] = simulator(arguments.build, arguments.seeds)
    if not arguments.skip_lsm:
        out = run([f"{arguments.build}/lsm_bench", "--items", str(arguments.items)], 3600)
        result["lsm"] = json.loads(out)
    print(json.dumps(result, indent=2))
    return 0 if result["simulator"]["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
