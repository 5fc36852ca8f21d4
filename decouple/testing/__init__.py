"""What tests of programs that use decouple need: time that stands still, and books of everything that happened."""

from decouple.clock import VirtualClock
from decouple.testing.ledger import Ledger

__all__ = ["Ledger", "VirtualClock"]
