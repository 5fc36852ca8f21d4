"""The conformance kit: one specification of queues and topics in small behaviours, which any engine must pass.

    check_queue(lambda: Broker("sqlite:///:memory:"), Broker("sqlite:///:memory:").capabilities)

Every behaviour uses public methods only, on a new world of its own.
"""
