"""Topics for a test, made on a real broker."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create_topics(
    bootstrap: str, names: Sequence[str], partitions: int, **config: str
) -> None:
    """Topics with these settings (two underscores for a dot: `cleanup__policy`)."""
    settings = {key.replace("__", "."): value for key, value in config.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=settings) for name in names]
        )
        refused = [error for error in answer.topic_errors if error[1] != 0]
        if refused:
            raise RuntimeError(f"topics were refused: {refused}")
    finally:
        await admin.close()
