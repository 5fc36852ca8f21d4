"""What tests of programs that use decouple need: time that stands still, books of everything that happened, and laws."""

import decouple.testing.laws as laws
from decouple.clock import VirtualClock
from decouple.testing.ledger import Ledger
from decouple.testing.replaying import Replayed, replay

__all__ = ["Ledger", "Replayed", "VirtualClock", "laws", "replay"]
