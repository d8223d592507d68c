"""What a measured window is: so many events after so many to warm up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stopwatch:
    """Wall and CPU seconds of a window of events; times are handed in."""

    warm: int
    events: int
    count: int = 0
    begun_at: int = 0
    begun: tuple[float, float] | None = None  # wall, CPU
    ended: tuple[float, float] | None = None

    def seen(self, events: int, wall: float, cpu: float) -> bool:
        """Count events that are done; True once the window is full.

        >>> watch = Stopwatch(warm=10, events=100)
        >>> [watch.seen(60, wall, 2 * wall) for wall in (0.0, 1.0, 2.0)]
        [False, False, True]
        >>> watch.result()["events"]
        120
        """
        self.count += events
        if self.begun is None:
            if self.count >= self.warm:
                self.begun, self.begun_at = (wall, cpu), self.count
            return False
        if self.count - self.begun_at >= self.events:
            self.ended = (wall, cpu)
        return self.ended is not None

    def result(self) -> dict[str, float]:
        """Events, seconds, events a second, CPU microseconds an event of the full window."""
        if self.begun is None or self.ended is None:
            raise ValueError("the window is not full")
        events = self.count - self.begun_at
        wall, cpu = self.ended[0] - self.begun[0], self.ended[1] - self.begun[1]
        return window(events, wall, cpu)


def window(events: int, wall: float, cpu: float) -> dict[str, float]:
    """One measurement."""
    return {
        "events": events,
        "seconds": round(wall, 3),
        "events_per_second": round(events / wall) if wall else 0,
        "cpu_us_per_event": round(cpu / events * 1e6, 3),
    }
