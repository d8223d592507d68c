"""The queue in front of an agent: delivery never waits for room in it.

One loop delivers to all agents. If it waited for the agent of the inputs, consents would be
delivered no more, and an agent that waits for consents would wait for good. So a queue takes
whatever is fetched; what bounds it is that a topic partition that brings more to a queue of six
is not read on until the agent has worked down to three.
"""

from typing import Any

import faust
from mode.utils.queues import ThrowableQueue


class BatchQueue(ThrowableQueue[Any]):
    """Faust's, but never full; `maxsize` says when partitions are paused and read on.

    It holds six batches, one fetch, and one batch of each topic partition at the most: where a
    partition is paused, a fetch brings one batch of each of the others (`fetch_thread.py`).
    """

    def full(self) -> bool:
        """Faust waits for room where it is, and delivers to nobody meanwhile."""
        return False


class BatchTopic(faust.Topic):
    """A topic with such a queue."""

    @property
    def queue(self) -> ThrowableQueue[Any]:
        """The queue of this channel."""
        if self._queue is None:
            self._queue = BatchQueue(
                maxsize=self.maxsize or self.app.conf.stream_buffer_maxsize,
                flow_control=self.app.flow_control,
                clear_on_resume=True,
            )
        return self._queue
