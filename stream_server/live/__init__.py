"""What browsers receive while it happens: messages, their fan-out, score history."""
