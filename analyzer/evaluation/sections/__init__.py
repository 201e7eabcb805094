"""Measurements beside the ranking: re-deliveries, alerts, pseudo-fakes, cost, the map."""
