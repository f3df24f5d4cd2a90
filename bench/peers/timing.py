"""Repetitions during which no other process used the cores; bench/timing.mjs does the same."""
import os
import time

FOREIGN_CORES = 0.15


def _machine_seconds():
    with open("/proc/stat") as stat:
        fields = [int(value) for value in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


class Watch:
    """What others use of the cores from its making on."""

    def __init__(self):
        self.machine, self.own, self.at = _machine_seconds(), time.process_time(), time.perf_counter()

    def seen(self):
        seconds = time.perf_counter() - self.at
        foreign = _machine_seconds() - self.machine - (time.process_time() - self.own)
        return seconds, foreign <= FOREIGN_CORES * seconds + 0.03


def _quiet(deadline):
    while time.perf_counter() < deadline:
        watch = Watch()
        time.sleep(0.3)
        if watch.seen()[1]:
            return


def measure(work, repetitions, least, patience):
    """Clean runs, `repetitions` at least and for `least` seconds at least, after two to warm up and half as many seconds
    of them; after `patience` seconds whatever comes is taken."""
    began = time.perf_counter()
    deadline = began + patience
    runs = 0
    while runs < 2 or time.perf_counter() < began + least / 2:
        work()
        runs += 1
    seconds, dropped, clean = [], 0, True
    while len(seconds) < repetitions or sum(seconds) < least:
        watch = Watch()
        work()
        took, undisturbed = watch.seen()
        if not undisturbed and time.perf_counter() < deadline:
            dropped += 1
            _quiet(deadline)
            continue
        clean = clean and undisturbed
        seconds.append(took)
    return {"seconds": seconds, "dropped": dropped, "clean": clean}
