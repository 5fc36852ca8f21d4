"""What tests expect of queues, topics and handlers: assertions with what came instead, waits, calls."""
