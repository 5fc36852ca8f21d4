"""What is recorded of a run, and what is told of it: recordings, their differences, the story of a message."""
