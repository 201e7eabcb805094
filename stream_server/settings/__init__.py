"""Settings: declared, read in layers, documented."""
