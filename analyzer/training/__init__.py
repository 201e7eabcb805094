"""How weights are made: linear scripts, imported by the command line and by `analyzer.evaluation` only."""
