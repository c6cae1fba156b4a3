"""From samples to verdicts, in the order of the work; each file imports only from those before it.

* `thresholds`: every number that was chosen; `records`: what a verdict is made of.
* `models` puts signals in bins, describes them and fits shapes to them; `signals` cuts samples into lifetimes and makes
  a table of readings.
* `patterns` names each pattern and takes what to do from `advice.toml`; `assess` judges one life and puts lives, pods
  and versions together; `words` says it.
* `judge` judges a part of a recording, looks ahead, and is the door. `queries` shows the same in Grafana.
* `heap_answers` reads what a heap profile says about growth, and says it.
"""
