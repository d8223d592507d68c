"""What every process of ours that runs for long has: a log, metrics, pages, a bounded end."""
