#!/usr/bin/env python3
"""Campaigns of the simulator as a user runs them: recorded, interrupted, gone on with, queried.

test_campaign.py SCOUTFS: the command to test.
"""
import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

SCOUTFS = "scoutfs"
TIMEOUT_S = 240


class Campaign(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-sim."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.db = self.folder / "runs.sqlite"

    def sim(self, *arguments, code=0):
        done = subprocess.run([SCOUTFS, "sim", *map(str, arguments)], capture_output=True,
                              text=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def query(self, *arguments):
        return json.loads(self.sim(*arguments, "--db", self.db, "--json").stdout)

    def rows(self, *arguments):
        out = self.sim("list", "--db", self.db, "--json", "--limit", "0", *arguments).stdout
        return [json.loads(line) for line in out.splitlines()]

    def start(self, *arguments, **more):
        process = subprocess.Popen([SCOUTFS, "sim", "run", "--db", self.db, *map(str, arguments)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def recorded(self):
        if not self.db.exists():
            return 0
        with contextlib.closing(sqlite3.connect(self.db, timeout=60)) as store:
            try:
                return store.execute("SELECT count(*) FROM runs").fetchone()[0]
            except sqlite3.OperationalError:
                return 0  # it is being made

    def wait_for_runs(self, count):
        end = time.monotonic() + TIMEOUT_S
        while self.recorded() < count:
            self.assertLess(time.monotonic(), end, "nothing is recorded")
            time.sleep(0.05)

    def test_a_killed_campaign_goes_on_where_it_was(self):
        campaign = self.start("--seeds", "1..40", "--jobs", "2")
        self.wait_for_runs(3)
        campaign.kill()
        campaign.wait()
        before = {row["seed"]: row["hash"] for row in self.rows()}
        self.assertLess(len(before), 40)
        again = self.sim("run", "--db", self.db, "--seeds", "1..40", "--jobs", "2", "--json")
        run_again = [json.loads(line) for line in again.stdout.splitlines()]
        self.assertEqual({verdict["seed"] for verdict in run_again},
                         set(range(1, 41)) - set(before))
        self.assertIn(f"{len(before)} seeds were in {self.db} already, 0 of them failed",
                      again.stderr)
        after = {row["seed"]: row["hash"] for row in self.rows()}
        self.assertEqual(set(after), set(range(1, 41)))
        self.assertEqual(before, {seed: after[seed] for seed in before})

    def test_an_interrupt_ends_a_campaign_in_order(self):
        campaign = self.start("--seeds", "1..100000", "--jobs", "2", start_new_session=True)
        self.wait_for_runs(2)
        os.killpg(campaign.pid, signal.SIGINT)  # as a terminal does
        out, err = campaign.communicate(timeout=TIMEOUT_S)
        self.assertEqual(campaign.returncode, 130)
        self.assertIn("interrupted; the same command goes on from here", err)
        self.assertRegex(out, r"^\d+ seeds, 0 failed; ")
        self.assertTrue(all(row["verdict"] == "pass" for row in self.rows()))

    def test_two_campaigns_record_into_one_file(self):
        first = self.start("--seeds", "1..20")
        second = self.start("--seeds", "11..30", "--jobs", "2")
        for campaign in (first, second):
            out, err = campaign.communicate(timeout=TIMEOUT_S)
            self.assertEqual(campaign.returncode, 0, out + err)
        self.assertEqual(sorted(row["seed"] for row in self.rows()), list(range(1, 31)))

    def test_other_configurations_are_other_runs(self):
        self.sim("run", "--db", self.db, "--seeds", "5..6")
        self.sim("run", "--db", self.db, "--seeds", "5..6", "--nodes", "2", "--no-faults")
        self.assertEqual(len(self.rows()), 4)
        stats = self.query("stats")
        self.assertEqual([group["runs"] for group in stats], [2, 2])
        self.assertEqual(stats[0]["config"]["nodes"], 2)
        self.assertEqual(stats[0]["injected"], 0)

    def test_a_failure_is_recorded_with_its_story(self):
        self.sim("run", "--db", self.db, "--seeds", "1..4", "--canary", code=1)
        # What failed before counts when it goes on.
        self.sim("run", "--db", self.db, "--seeds", "1..4", "--canary", code=1)
        failures = self.rows("--verdict", "fail", "--oracle", "answer")
        self.assertGreater(len(failures), 0)
        failure = failures[0]
        shown = self.query("show", failure["seed"])
        self.assertEqual(shown["oracles"]["answer"]["state"], "failed")
        self.assertGreater(shown["trace_bytes"], 0)
        story = self.sim("show", failure["seed"], "--db", self.db, "--trace").stdout
        self.assertEqual(len(story.encode()), shown["trace_bytes"])
        self.assertIn("life 1 begins", story)
        self.assertIn(failure["what"], story)
        self.assertIn(failure["hash"], story)
        self.assertEqual(self.query("stats")[0]["failures"], {"answer": len(failures)})

    def test_coverage_counts_what_happened(self):
        self.sim("run", "--db", self.db, "--seeds", "1..30", "--jobs", "2")
        coverage = self.query("coverage")
        self.assertEqual(coverage["runs"], 30)
        self.assertEqual(coverage["oracles"]["answer"]["ran"], 30)
        for oracle in coverage["oracles"].values():
            self.assertEqual(oracle["ran"] + oracle["not_applicable"] + oracle["failed"], 30)
        for fault in coverage["faults"].values():
            self.assertLessEqual(fault["noticed"], fault["injected"])
        self.assertGreater(coverage["answers"]["read"]["count"], 0)
        self.assertGreater(coverage["protocol"]["lock-grant"]["count"], 0)
        text = self.sim("coverage", "--db", self.db, "--fault", "power-cut").stdout
        self.assertIn("pairs of faults noticed in one run", text)

    def test_a_curve_says_when_a_failure_became_inevitable(self):
        curve = json.loads(self.sim("curve", "2", "--canary", "--points", "3", "--futures", "2",
                                    "--jobs", "2", "--json").stdout)
        self.assertEqual(curve["oracle"], "answer")
        self.assertEqual([point["same"] for point in curve["points"]], [2, 2, 2])
        self.assertEqual(curve["inevitable"], 0)
        text = self.sim("curve", "7", "--points", "2", "--futures", "1").stdout
        self.assertRegex(text, r"^seed 7: pass, after \d+\.\d{6} s of virtual time\n")

    def test_plain_sql_says_the_same(self):
        self.sim("run", "--db", self.db, "--seeds", "1..5")
        shown = self.query("show", 3)
        with contextlib.closing(sqlite3.connect(self.db)) as store:
            store.row_factory = sqlite3.Row
            row = store.execute("SELECT * FROM runs WHERE seed = 3").fetchone()
            self.assertEqual(row["hash"], shown["hash"])
            self.assertEqual(row["verdict"], "pass")
            faults = store.execute(
                "SELECT kind, injected FROM faults WHERE run = ?", (row["run"],)).fetchall()
        self.assertEqual({fault["kind"]: fault["injected"] for fault in faults},
                         {kind: fault["injected"] for kind, fault in shown["faults"].items()})

    def test_a_terminal_gets_a_bar_and_standard_output_stays_json(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        done = subprocess.run([SCOUTFS, "sim", "run", "--seeds", "1..20", "--json"],
                              stdout=subprocess.PIPE, stderr=theirs, timeout=TIMEOUT_S, text=True)
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:
            pass  # the end of a terminal
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len([json.loads(line) for line in done.stdout.splitlines()]), 20)
        self.assertRegex(shown.decode(), r"\r\[#*-*\] \d+/20 .* seeds/s  ETA ")

    def test_bad_input_is_one_line_and_changes_nothing(self):
        self.db.write_text("no database")
        for command in (["run", "--seeds", "1..2"], ["list"], ["stats"], ["coverage"],
                        ["show", "1"]):
            failed = self.sim(*command, "--db", self.db, code=1)
            self.assertRegex(failed.stderr, r"^scoutfs sim \w+: .*not a run store.*\n$")
        self.assertEqual(self.db.read_text(), "no database")
        self.sim("run", "--seeds", "9..1", code=2)
        self.sim("run", "--seeds", "x", code=2)
        self.sim("list", "--db", self.folder / "none", code=1)
        self.sim("list", code=2)


if __name__ == "__main__":
    SCOUTFS = sys.argv.pop(1)
    unittest.main()
