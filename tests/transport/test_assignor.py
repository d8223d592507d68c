"""A topic with more partitions than the deployment is assigned like the others."""

from types import SimpleNamespace

from streams.transport.assignor import BoundedCluster


def test_partitions_beyond_those_of_the_deployment_are_left_out() -> None:
    counts = {"clickstream": 4, "purchases": 8, "small": 2, "missing": 0}
    cluster = SimpleNamespace(partitions_for_topic=lambda topic: set(range(counts[topic])) or None)
    bounded = BoundedCluster(cluster, 4)

    assert bounded.partitions_for_topic("purchases") == bounded.partitions_for_topic("clickstream")
    assert bounded.partitions_for_topic("small") == {0, 1}
    assert bounded.partitions_for_topic("missing") == set()
