"""How weights are made and judged: linear scripts, imported by the command line only."""
