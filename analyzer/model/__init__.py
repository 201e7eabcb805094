"""The network and everything that touches torch. Import its modules directly; this package imports nothing."""
