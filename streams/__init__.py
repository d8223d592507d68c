"""The worker: the only place where rules meet doors."""
