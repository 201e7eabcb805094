"""Which files are learned from, their faces, and what may not be parted."""
