"""From samples to verdicts: lives, envelopes, competing models, signals, words."""
