"""Engines: the same queues and topics in a place that other processes share. `Broker("sqlite:///jobs.db")` opens one."""
