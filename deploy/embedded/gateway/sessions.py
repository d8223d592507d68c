"""Sessions: handles that live on between requests, with their temporary tables and settings."""

from dataclasses import dataclass

from deploy.embedded.gateway import ask
from deploy.embedded.gateway.engine import Handle
from deploy.embedded.gateway.errors import Code, refusal


@dataclass(slots=True)
class Session:
    """One session of one user."""

    ends: float  # seconds on the caller's clock
    busy: bool = True
    handle: Handle | None = None  # opened by the first request that needs it


class Sessions:
    """All sessions, by user and name."""

    def __init__(self, most: int) -> None:
        """Allow this many at once."""
        self._most = most
        self._open: dict[tuple[str, str], Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def take(self, user: str, wanted: ask.Session, now: float) -> Session:
        """Enter a session, or begin it.

        Raises:
            Refusal: another request is in it, it should exist and does not, or there are too many.

        """
        key = (user, wanted.name)
        found = self._open.get(key)
        if found is None and wanted.must_exist:
            raise refusal(Code.SESSION_NOT_FOUND, "Session not found")
        if found is None and len(self._open) >= self._most:
            raise refusal(Code.TOO_MANY_SIMULTANEOUS_QUERIES, "Too many sessions")
        if found is None:
            found = self._open[key] = Session(now + wanted.timeout)
        elif found.busy:
            raise refusal(Code.SESSION_IS_LOCKED, "Session is locked by a concurrent client")
        found.busy = True
        return found

    def leave(self, session: Session, wanted: ask.Session, now: float) -> None:
        """Let the next request in; the session ends this long after the last one."""
        session.busy = False
        session.ends = now + wanted.timeout

    def sweep(self, now: float) -> list[Handle]:
        """Forget sessions whose time is over; their handles are to be closed by the caller."""
        over = [key for key, one in self._open.items() if not one.busy and one.ends <= now]
        handles = [self._open.pop(key).handle for key in over]
        return [handle for handle in handles if handle is not None]
