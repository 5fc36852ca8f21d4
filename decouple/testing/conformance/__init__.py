"""The conformance kit: one specification of queues and topics in small behaviours, which any engine must pass.

    make = lambda: Broker(clock=VirtualClock())
    print(check_queue(make, make().capabilities))

    @pytest.mark.parametrize("behaviour", behaviours_of_queues(make().capabilities))
    def test_our_engine(behaviour):
        behaviour.check(make)

Each behaviour is tried by public methods alone, on a new world of its own, and says in one sentence what it holds an engine
to. Those that need an ability are also tried where it is not declared, and must fail there.
"""
