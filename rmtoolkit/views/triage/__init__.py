"""What the triage dashboard shows: a pure function from its state to pictures, without a widget."""
