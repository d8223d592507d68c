"""The worker: one Faust app that folds its partitions and writes what changed."""
