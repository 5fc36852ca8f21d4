"""What may befall handlers, stores and clocks where a plan of faults says so, and how they are made anew."""
