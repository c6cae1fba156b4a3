"""From samples to verdicts, in the order of the work; each file imports only from those before it.

* `thresholds`: every number that was chosen; `records`: what a verdict has to say.
* `lives` cuts samples into lifetimes; `shapes` and `models` describe and fit them; `signals` makes a table of readings.
* `patterns` holds all that is said of each pattern; `assess` judges one life; `pooling` puts lives, pods and versions
  together, and a heap profile beside them; `forecast` says what comes.
* `words`, `evidence` and `advice` say it; `judge` judges a part of a recording and is the door.
* `heap_reading` reads what a heap profile says about growth, `heap_answers` what it says by itself.
"""
