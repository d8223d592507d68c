"""Which worker reads which partitions: Faust's assignor, over the partitions of the deployment.

The broker lets only members into a group that share a protocol, the name of the assignor. So the
name that `Wiring.protocol` gives keeps workers apart that must not run together.

A topic that was given more partitions than the deployment has would be assigned apart from the
others, and every worker would stop in the next rebalance. Its further partitions are left out
instead: the worker's health says so.
"""

from typing import Any, cast

from faust.assignor.partition_assignor import PartitionAssignor

from streams.transport.wiring import Wiring


class Assignor(PartitionAssignor):
    """Assigns the first `topic_partitions` partitions of each topic."""

    @property
    def name(self) -> str:
        """The group's protocol."""
        wiring: Wiring = cast("Any", self.app.transport).wiring
        return wiring.protocol

    def _perform_assignment(self, cluster: Any, member_metadata: Any) -> Any:  # noqa: ANN401  # Faust's signature
        bounded = BoundedCluster(cluster, self.app.conf.topic_partitions)
        return super()._perform_assignment(bounded, member_metadata)


class BoundedCluster:
    """What the assignor asks of the cluster's metadata, for the first partitions of a topic."""

    def __init__(self, cluster: Any, most: int) -> None:  # noqa: ANN401  # aiokafka's, untyped
        self._cluster = cluster
        self._most = most

    def partitions_for_topic(self, topic: str) -> set[int]:
        """The partition numbers of a topic, below the bound."""
        numbers = self._cluster.partitions_for_topic(topic) or ()
        return {number for number in numbers if number < self._most}
