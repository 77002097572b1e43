"""What smithersd costs, beside what the machine allows. One file a topic; `scripts/bench` runs them all."""
