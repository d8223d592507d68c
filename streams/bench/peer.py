"""A measured window: a number of events after another number to warm up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stopwatch:
    """Wall and CPU seconds of a window of events, of the times that are handed in."""

    warm: int
    events: int
    count: int = 0
    start_count: int = 0
    start: tuple[float, float] | None = None  # wall, CPU
    end: tuple[float, float] | None = None

    def count_done(self, events: int, wall: float, cpu: float) -> bool:
        """Count processed events; True once the window is full.

        >>> watch = Stopwatch(warm=10, events=100)
        >>> [watch.count_done(60, wall, 2 * wall) for wall in (0.0, 1.0, 2.0)]
        [False, False, True]
        >>> watch.result()["events"]
        120
        """
        self.count += events
        if self.start is None:
            if self.count >= self.warm:
                self.start, self.start_count = (wall, cpu), self.count
            return False
        if self.count - self.start_count >= self.events:
            self.end = (wall, cpu)
        return self.end is not None

    def result(self) -> dict[str, float]:
        """Events, seconds, events a second, CPU microseconds an event of the full window."""
        if self.start is None or self.end is None:
            raise ValueError("the window is not full")
        events = self.count - self.start_count
        wall, cpu = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return window(events, wall, cpu)


def window(events: int, wall: float, cpu: float) -> dict[str, float]:
    """The figures of one measurement."""
    return {
        "events": events,
        "seconds": round(wall, 3),
        "events_per_second": round(events / wall) if wall else 0,
        "cpu_us_per_event": round(cpu / events * 1e6, 3),
    }
