"""One request's turn on the engine: a handle set up as it asked, and put back as it was found.

Everything here blocks and runs in a worker thread.
"""

from collections.abc import Mapping

from deploy.embedded.gateway import gate
from deploy.embedded.gateway.access import Account, Secrets
from deploy.embedded.gateway.ask import Ask
from deploy.embedded.gateway.engine import Engine, Handle, Intake, Verdict
from deploy.embedded.gateway.errors import Code, Refusal, refusal
from deploy.embedded.gateway.sessions import Session
from deploy.embedded.gateway.statement import Insert, is_stop, utf8


class Turn:
    """A handle for one request; `begin` and `end` it."""

    def __init__(
        self,
        engine: Engine,
        limits: Secrets,
        account: Account,
        asked: Ask,
        session: Session | None,
        *,
        word: str,
    ) -> None:
        """Take who asks, for what, their session, and the first word of what they say.

        A restricted user can keep nothing in a session, and a handle that was once read-only stays
        so: they get a fresh handle each time.
        """
        self._engine = engine
        self._limits = limits
        self._asked = asked
        self._word = word
        self._restricted = account.restricted or asked.readonly
        self._session = None if self._restricted else session
        self._handle: Handle | None = None
        self._before: Mapping[str, str] = {}
        self._database = ""

    def begin(self) -> Handle:
        """Open the handle and set it up.

        Raises:
            Refusal: no such database, a setting or a value it does not take.

        """
        handle = self._open()
        wanted = self._settings()
        if self._session is not None:
            self._database, self._before = handle.values(wanted)
        if self._asked.database:
            handle.use(self._asked.database)
        handle.set(wanted)
        if self._restricted:
            gate.ready(handle)
        return handle

    def may_write(self, *, by_get: bool) -> None:
        """Let an INSERT with rows pass, or not.

        Raises:
            Refusal: a restricted user, or a GET.

        """
        if self._restricted or by_get:
            raise refusal(Code.READONLY, "Cannot execute query in readonly mode")

    def insert(self, insert: Insert) -> Intake:
        """Begin an INSERT whose rows are still to come.

        Raises:
            Refusal: as `begin`.

        """
        return self.begin().insert(insert, self._asked.params)

    def check(self, text: bytes, *, by_get: bool) -> Verdict:
        """Let a statement pass, or not; a GET never changes anything.

        Raises:
            Refusal: not allowed, more than one statement, or none that can be read.

        """
        handle = self._open()
        verdict = handle.verdict(text, self._asked.database or "default")
        if verdict.statements > 1:
            raise refusal(Code.SYNTAX_ERROR, "Multi-statements are not allowed")
        if verdict.statements == 0:  # the library has commands of its own, for a terminal
            handle.rewritten(utf8(text))  # says what is wrong
            raise refusal(Code.SYNTAX_ERROR, "not a statement")
        if is_stop(text):
            raise refusal(Code.NOT_IMPLEMENTED, "the engine stops with its gateway")
        if self._restricted:
            functions = self._engine.table_functions
            rewritten = handle.rewritten(utf8(text))
            gate.check(verdict, rewritten, self._asked.params, functions)
        elif by_get and not verdict.reads_only:
            raise refusal(Code.READONLY, "Cannot execute query in readonly mode: use POST")
        return verdict

    def end(self) -> None:
        """Close the handle, or leave the session as it was."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if self._session is None:
            handle.close()
            return
        try:
            if self._database and self._asked.database and self._word != "USE":
                handle.use(self._database)
            handle.set(self._before)
        except Refusal:  # such as a database dropped meanwhile: the session begins anew
            self._session.handle = None
            handle.close()

    def _open(self) -> Handle:
        if self._handle is None:
            kept = self._session.handle if self._session else None
            self._handle = kept or self._fresh()
            if self._session is not None:
                self._session.handle = self._handle
        return self._handle

    def _fresh(self) -> Handle:
        handle = self._engine.open()
        limit = str(self._limits.max_execution_time)
        handle.set({"async_insert": "0", "max_execution_time": limit})
        return handle

    def _settings(self) -> dict[str, str]:
        if self._restricted:
            return gate.settings(self._asked.settings, self._limits)
        return dict(self._asked.settings)
