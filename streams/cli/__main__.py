"""`python -m streams.cli` is `kol`."""

from streams.cli import main

main()
