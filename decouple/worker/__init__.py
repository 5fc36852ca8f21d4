"""Worker processes: `decouple worker module:broker --processes N` runs a broker's consumers, triggers and schedules in N."""
