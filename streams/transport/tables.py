"""Faust's tables, of which there are none: state is in `streams.snapshots`."""

from faust.tables.manager import TableManager


class NoTables(TableManager):
    """Starts at once; Faust's waits a second for tables to be declared."""

    async def on_start(self) -> None:
        """Begin to follow assignments."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
