"""Tells the outside world of alerts, by rules that the operator set; without a rule nothing ever leaves the machine.

publish -> Dispatcher (one thread: RulePolicy per rule says what is told when) -> Lane (one thread per target: tries,
pauses, dead letters) -> target (webhook, Apprise); Outbox keeps in the database what waits, so that it outlives us.
"""
