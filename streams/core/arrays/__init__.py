"""Arrays that grow, rows found by key, chains and scans: what both sides stand on."""
