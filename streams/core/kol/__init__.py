"""The KOL side: cells of a partition, folded into trust and resonance."""
