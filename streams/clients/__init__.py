"""Questions to brokers, engine and workers: what commands, console and trainer stand on."""
