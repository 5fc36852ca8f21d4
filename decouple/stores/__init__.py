"""Durable memory: the queues of one process, and under them a journal on disk. `Broker("file:///folder")` opens one."""
