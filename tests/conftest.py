"""Hypothesis: no deadlines on a busy machine, in CI the same examples. Brokers start quickly."""

import os

from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# brokers of tests live for seconds: Java's second compiler never pays, and takes a second of each
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
