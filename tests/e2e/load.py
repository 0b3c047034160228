"""A writer of durable files, and what must be there afterwards."""
import os
import threading
import time

import cluster


class Load:
    """Writes files durably on one node, one after another, until told to stop or refused."""

    def __init__(self, node):
        self.node, self.durable = node, []
        self.stopping, self.error = False, None
        self.longest = 0.0  # seconds, of one file
        os.mkdir(node / f"load{node.number}")
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def path(self, number):
        return f"load{self.node.number}/f{number}"

    @staticmethod
    def data(number):
        return f"{number} ".encode() * 2000

    def work(self):
        number = 0
        while not self.stopping:
            begin = time.monotonic()
            try:
                with open(self.node / self.path(number), "wb") as file:
                    file.write(self.data(number))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                self.error = error
                return
            self.longest = max(self.longest, time.monotonic() - begin)
            self.durable.append(number)
            number += 1

    def stop(self):
        self.stopping = True
        self.thread.join(cluster.TIMEOUT)
        assert not self.thread.is_alive(), "a writer hangs"

    def wait_for(self, more: int):
        goal = len(self.durable) + more
        cluster.wait_until(lambda: len(self.durable) >= goal or self.error is not None,
                           f"{more} more files of node {self.node.number}")


def verify(test, loads, node):
    """Whatever was made durable is there."""
    for load in loads:
        test.assertGreater(len(load.durable), 0)
        for number in load.durable:
            test.assertEqual((node / load.path(number)).read_bytes(), load.data(number))
