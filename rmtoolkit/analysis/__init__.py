"""From samples to verdicts.

In the order of the work, each file importing only from those before it:

* `parameters`: every number that was chosen; `columns`: what a verdict has to say, and its records.
* `lives` cuts the samples into lifetimes, `envelope` reduces each to a few dozen bins.
* `shapes`, `load`, `season`, `bank`, `models`, `fitting` and `persistence` describe and fit all bins at once;
  `signals` puts what they found into one table of readings.
* `opinion` makes records of the tables; `doubts`, `held`, `naming`, `layers` and `one_life` judge one life; `pooling`
  puts lives, pods and versions together.
* `heap_reading` and `heap_evidence` add what a heap profile says.
* `patterns` holds all that is said of each pattern, `pattern` the rules that name one.
* `chances`, `forecast`, `settle`, `situation`, `evidence`, `headline`, `reason`, `checklist`, `facts` and
  `rows` say it.
* `advice` (with `hint`, `remedies`, `advice_leak`, `advice_open`, `settings`) reads what to do off a row of verdicts,
  `promql` how to see the same in Grafana.
* `block` judges a part of a recording; `verdict` is the door: `judge`, `classify`, `fits`, `checklist`.
"""
