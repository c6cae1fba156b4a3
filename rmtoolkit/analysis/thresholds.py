"""The numbers that were chosen: every threshold and share that a verdict rests on, by what it decides.

They were chosen on the development part of the corpus and on public series of programs that do not leak, never
on the sealed part: that one is there to say how good they are. Whoever changes one measures again.

Shares and probabilities are 0 to 1, ratios are above 1, and a window is one life from its first to its last
sample. What a module needs for its arithmetic only (grids, widths, bins) stands in that module.
"""

from __future__ import annotations

from typing import Final

# --- Known from statistics, not chosen --------------------------------------------------------------------------

#: Half the width of an 80 % interval, in standard errors.
QUANTILE: Final = 1.2816
#: Standard deviations in one median absolute deviation of normal noise.
DEVIATIONS_PER_MAD: Final = 1.4826

# --- The verdict ------------------------------------------------------------------------------------------------

#: Probability of growth from which on it is called a leak ...
LEAK_FROM: Final = 0.75
#: ... and probability of rest from which on it is called none. Between them lies `inconclusive`.
CLEAN_FROM: Final = 0.6
#: A probability above this is taken for true where one of two things must be said.
LIKELY: Final = 0.5
#: Share of what cannot be told apart that counts as a leak in `leak_probability`.
UNRESOLVED_LEAKS: Final = 0.35
#: Highest `leak_probability` by evidence level: one curve can suggest, not prove.
SUREST: Final = {1: 0.9, 2: 0.93, 3: 0.95, 4: 0.98, 5: 0.995}
#: The lowest is this share of its distance from 1, and so many leaks in as many samples as there are.
REST_SURER: Final = 0.25
REST_SAMPLES: Final = 2.0

# --- What growth matters ----------------------------------------------------------------------------------------

#: Growth that a window must show before it matters: a share of the level ...
MATERIAL_SHARE: Final = 0.02
#: ... or enough to reach the limit within this many windows like the one seen.
MATERIAL_WINDOWS: Final = 20.0
#: Largest grain that is read off a curve, bytes: memory comes in pages, and no page in use is larger than that.
LARGEST_GRAIN: Final = 2 << 20
#: Share of the level below which differences are never evidence: no meter and no page is finer.
NOISE_SHARE: Final = 0.0015
#: The detection floor in multiples of what is material: growth just above that may still be taken for a step.
FLOOR_MATERIAL: Final = 1.5
#: Evidence that a line needs to be found, in units of twice a log likelihood, before the price of its parameter.
FLOOR_EVIDENCE: Final = 6.0

#: What the models see may still be doubted: growth of this many times their floor was not cleared nine times in ten
#: when it was added to the clean runs of the development part. This is the floor that is printed where none was found.
FLOOR_SURE: Final = 2.7

# --- What a shape says about the time after the window ----------------------------------------------------------

#: Log prior of families that contain a simpler one: the richer word must earn its place.
RICHER: Final = {
    "two_steps": -3.0,
    **dict.fromkeys(("two_steps_linear", "saturating_step"), -2.0),
    **dict.fromkeys(("two_saturating", "pulse", "ramp", "power"), -1.0),
}
#: Share of the window below which a growth phase is too young to judge.
YOUNG: Final = 0.2
#: A second slope below this share of the first is deceleration, not a leak at a constant rate ...
DECELERATION: Final = 0.45
#: ... unless the bend lies before this share of the window: then it belongs to the start.
EARLY_BEND: Final = 0.3
#: A ramp that ends after this share of the window may not have ended ...
FRESH_RAMP: Final = 0.85
#: ... and what steps after this share of it may step again.
FRESH_STEP: Final = 0.9
#: Half a wave competes where its period is a day, up to this difference of logarithms: the grid is that coarse.
NEAR_A_DAY: Final = 0.12

# --- Where a life begins and settles ----------------------------------------------------------------------------

#: A start is at most one part of so many of a life; its jump is hidden from the fit where it is this many times what
#: else the best shape leaves, and this share of all of it.
START_PART: Final = 8
START_JUMP: Final = 4.0
START_SHARE: Final = 0.5
#: Share by which a footprint falls from one sample to the next where a new process begins.
NEW_PROCESS_FALL: Final = 0.3
#: Scrapes between a known restart and the fall of the curve that it is always taken for ...
LINGER_SCRAPES_SURE: Final = 3
#: ... and up to this many, where they are within `LINGER_SECONDS`: a killed process is still shown for minutes.
LINGER_SCRAPES: Final = 10
LINGER_SECONDS: Final = 300
#: Scrapes without a sample after which a deep fall is a restart, and the slack for an event beside a life's ends.
SILENT_SCRAPES: Final = 3
#: A stretch without samples that is this share of all that was watched, and this many scrapes, parts two lives.
LONG_GAP: Final = 0.2
GAP_SCRAPES: Final = 20
#: A peak that falls at more than this share of the samples begins anew with each interval, and not with a cgroup.
SELDOM: Final = 0.1
#: Share of a life that is its start-up.
STARTUP_SHARE: Final = 0.15
#: What of a start above the level after it is no more part of the start, as a share of its height.
START_OVER: Final = 0.1
#: A life is settled where it stays within this share of its settled level.
SETTLED_BAND: Final = 0.1

# --- Teeth, spikes and jumps in the bins ------------------------------------------------------------------------

#: A fall of this share of the range, within two bins, is a release ...
RELEASE_SHARE: Final = 0.3
#: ... and this many of them make a sawtooth; as many bursts do.
TEETH: Final = 4
#: A release that is this many times later than any before it is not waited for.
OVERDUE: Final = 2
#: From this many teeth on, their floors are fitted as finely as short lives are.
MANY_TEETH: Final = 16
#: Ratio of the falls of teeth to their rises.
SHARP: Final = 1.5
#: Teeth are faster than the bins where samples inside a bin range this share of everything, and of the level.
FAST_OF_RANGE: Final = 0.5
FAST_OF_LEVEL: Final = 0.1
#: Share of the level below which a range is noise, not teeth.
SMALL_RANGE: Final = 0.06
#: Work of the last quarter below this share of its part is an ebb: what rests in it may only pause.
EBB: Final = 0.5
#: A floor drawn through medians of three troughs tells as much as this share of its troughs.
OF_TROUGHS: Final = 0.6
#: Share of the range that is left for the teeth at least when the trend is taken off.
TEETH_IN_RANGE: Final = 0.25
#: The middle of a tooth's rise lies above its bottom by this share of its height; a burst lies at the bottom.
SLOW_RISE: Final = 0.2
#: Spikes this many deviations, and this share of the level, above their neighbours take no part in a trend.
SPIKE_DEVIATIONS: Final = 4.0
SPIKE_SHARE: Final = 0.02
#: Share of a lasting change that two neighbouring boundaries must bring for it to be abrupt.
ABRUPT: Final = 0.6

# --- Cycles and load --------------------------------------------------------------------------------------------

#: What rests in the evening rests until morning, where nothing tells of the work, and on Friday until Monday.
NIGHT_DAYS: Final = 0.5
WEEKEND_DAYS: Final = 3.0
#: Fewer cycles than this are no cycle but a bend.
FEWEST_CYCLES: Final = 2.4
#: Share of what the trend leaves that a cycle must explain.
CYCLE_EXPLAINS: Final = 0.5
#: Share of its deviation by which a cycle differs from time to time.
CYCLE_UNEVEN: Final = 0.1
#: Share of the changes that the load must explain beside a trend ...
LOAD_EXPLAINS: Final = 0.5
#: ... and without room for one: ...
LOAD_EXPLAINS_ALONE: Final = 0.9
#: ... where the load itself is correlated with time this much.
LOAD_TRENDS: Final = 0.85
#: Share of its median that the load must vary by.
LOAD_VARIES: Final = 0.1

# --- Whether growth was still going on --------------------------------------------------------------------------

#: Share of the window at its end that must still grow.
TAIL: Final = 0.125
#: A prediction below this many deviations of the noise cannot be checked.
CLEAR_DEVIATIONS: Final = 2.5
#: Growth comes in jumps where a tenth of the bins make this share of the movement.
JUMPY: Final = 0.6
#: What stands for the slope of a last third that cannot be checked: neither steady nor slowing.
UNCHECKED: Final = 0.6
#: So many boundaries between bins may be large steps beside growth; where there are more, growth may be made of them.
FEW_JUMPS: Final = 2
#: Growth that brings less than this share of what was expected between the steps is made of them.
BETWEEN: Final = 0.35
#: Where it brings this little, a few jumps are all there is, whatever shape explains it best: nobody knows of more.
NOTHING_BETWEEN: Final = 0.1
#: A start-up is over by this share of the window.
STARTUP_OVER: Final = 0.2
#: Growth and its slowing down are equally likely where the later half of the growth is this share as fast as the
#: earlier half; log odds for each unit above it, and their limit. From 1600 simulated curves of eight kinds.
STRAIGHT: Final = 0.84
STRAIGHT_ODDS: Final = 14.0
STRAIGHT_MOST: Final = 4.0
#: Noise, as a share of what half of the growth brings, at which that comparison is worth half.
STRAIGHT_NOISE: Final = 0.15
#: Rates that differ by this factor are told apart.
PACE: Final = 1.2
#: A change from bin to bin of so many deviations is a jump.
JUMP_DEVIATIONS: Final = 8.0
#: Growth has begun where this share of the rise is passed for good.
BEGUN_SHARE: Final = 0.25

# --- Doubts about one life --------------------------------------------------------------------------------------

#: A life with fewer samples than this has not outlived its start.
FEW_SAMPLES: Final = 24
#: Slope of the last third over that of the whole growth: below this it has ended ...
ENDED: Final = 0.2
#: ... and below this it slows down.
SLOWING: Final = 0.42
#: What the models leave no more than this for is ruled out.
RULED_OUT: Final = 1e-5
#: Share of the expected rise that the tail brings: below this it stands still ...
STOPPED: Final = 0.1
#: ... and above this, and with such a last third, growth is steady.
STEADY: Final = 0.75
#: Where growth has clearly ended, this share of what could not be told is rest.
RESTS: Final = 0.5
#: Steady growth takes what could not be told, where it is this probable already.
LEANING: Final = 0.3
#: The last rest must be this many times as long as those before it on lower ground, or one more stair may come; so many
#: times where the last step up is larger than the one before by the third ratio, as in what doubles.
OUTLASTS: Final = 0.9
#: The first rest, before which no step was seen, counts this share.
FIRST_REST: Final = 0.7
#: Growth that has ended is at rest where the last rest fills this share of the window, and outlasts those before.
LONG_REST: Final = 0.21
#: ... and is at rest whatever fits, where it fills this share and what it gained is too little to be seen.
MOSTLY_REST: Final = 0.7
DOUBLES: Final = 2.2
STEPS_GROW: Final = 1.3
#: Movement inside a rest: so many deviations, this share of the level, and of the whole range.
REST_NOISE: Final = 3.0
REST_SHARE: Final = 0.02
REST_RANGE: Final = 0.05
#: The last rest must lie this many times that above every earlier one.
REST_RISE: Final = 1.5
#: Growth below the detection floor, or of which the grain of the meter hides the end, is as likely noise as not.
BELOW_FLOOR: Final = 0.5
#: ... as is growth that brings less than so many deviations of what the memory moves besides.
BEYOND_NOISE: Final = 3.0
#: Floors or tops of teeth rise where their Kendall's tau is so many times the deviation that it has without any order;
#: floors stay where it is less than one.
TREND: Final = 2.0
#: Of the growth that a rest takes away, this share was seen to end.
AT_REST: Final = 0.8
#: With too few teeth to know the floor, a fall that takes back this share of the rise before it may come again ...
TAKES_BACK: Final = 0.5
#: ... and one above this share is a change of level: else neither growth nor rest was seen, ...
TAKES_MORE: Final = 1.8
#: ... unless one tooth is missing and the last fall takes back this share, down to the floor of those before.
ONE_FLOOR: Final = 0.95
#: The lowest part of a tooth as a share of its top: below it the fall may as well be a restart.
RESTART_LIKE: Final = 0.35
#: A live heap that grows by less than this share of the growth around it is a side show.
SMALL_PART: Final = 0.1
#: A rise that has only just begun is one more burst after so many.
BURSTS_BEFORE: Final = 2

# --- Layers of memory -------------------------------------------------------------------------------------------

#: Kernel memory for each byte of page cache, at most: its index, a fortieth of it, and the names of its files.
INDEX_SHARE: Final = 0.1
#: Share of the footprint at the window's end from which on a layer is named ...
NAMING_SHARE: Final = 0.25
#: ... and from which on page cache comes first.
MOST_SHARE: Final = 0.5
#: The allocator keeps what lies above the live heap where the heap once was larger by this share of it.
ONCE_USED: Final = 0.5
#: Threads by which their number must rise.
THREADS_RISE: Final = 3
#: A thread can have touched this many bytes of its stack at least, and at most: the default of glibc and musl.
STACK_LEAST: Final = 4 << 10
STACK_MOST: Final = 8 << 20
#: Threads explain growth where the live heap shows less than this share of it.
THREADS_EXPLAIN: Final = 0.5
#: Tasks, connections, messages or series must rise by so many, and by this share of what they were.
HELD_RISE: Final = 10
HELD_RISE_SHARE: Final = 0.2
#: Half way through the window, what they and the memory have behind them of their rise differs by this at most.
HELD_TOGETHER: Final = 0.2
#: Bytes that one of them can hold: at least a counter, at most this; of an exported series at most.
HELD_LEAST: Final = 8
HELD_MOST: Final = 512 << 10
SERIES_MOST: Final = 16 << 10
#: Files in memory outlive a restart where a life begins with this share of what the one before it ended with, ...
LEFT: Final = 0.8
#: ... or, counted beside it, where with them it was killed at this share of the limit, itself having this at most.
KILLED_WITH: Final = 0.8
KILLED_BELOW: Final = 0.8
#: Files that are there at each first sample add up where the first kill comes after so many lives.
LIVES_STACKED: Final = 2
#: Samples at the start of a life in which it may make files anew.
FIRST_SAMPLES: Final = 5
#: Sockets hold kernel memory where their buffers are this share of what came, or each new one brought so many bytes.
SOCKETS_SHARE: Final = 0.5
SOCKET_LEAST: Final = 512
SOCKET_MOST: Final = 8 << 20
#: Threads are too many for a CPU limit from so many on, and so many for each core of it.
TOO_MANY_THREADS: Final = 16
THREADS_PER_CORE: Final = 4
#: What arenas keep rises by this share of it after the start, of which so many samples of a life tell enough.
ARENAS_RISE: Final = 0.05
SAMPLES_OF_A_START: Final = 600
#: Probability that is left where memory grows outside the allocator, or a release is young: neither can be told.
UNTOLD: Final = 0.1

# --- The name of a bounded shape --------------------------------------------------------------------------------

#: Ratio of an early peak to the settled level from which on it is a startup spike ...
SPIKE_RATIO: Final = 1.25
#: ... if it is this many times every later peak.
ABOVE_LATER: Final = 1.1
#: After so many bins of a life within this share of the settled level it has started.
RESTED_BINS: Final = 3
RESTED_WITHIN: Final = 0.1
#: Share of the limit from which on a level is flat because it cannot grow ...
AT_LIMIT: Final = 0.955
#: ... with pressure, because memory.high may hold it lower; ...
AT_HIGH: Final = 0.7
#: ... pressure is being stalled for this share of the time; ...
PRESSURE: Final = 0.02
#: ... or reading dropped pages again, as much as the whole footprint, this often an hour; ...
REFAULTS: Final = 1.0
#: ... or this share of the limit where the kernel's own peak is at it, whatever the samples saw; ...
AT_PEAK: Final = 0.9
PEAK_AT_LIMIT: Final = 0.995
#: ... this share of that level must be anonymous, ...
AT_LIMIT_ANON: Final = 0.9
#: ... and it has come there by at most this share of the limit since the middle of the window.
AT_LIMIT_RISE: Final = 0.05
#: Share of the settled level that a cycle must move.
SWING: Final = 0.08
#: Share of the movement that a cycle must be.
PERIODIC: Final = 0.5
#: Ratio of a later peak to the settled level from which on it is a burst, ...
BURST_RATIO: Final = 1.15
#: ... if at most this share of the bins is that high ...
BURST_SHARE: Final = 0.3
#: ... or this share where they come again and again, ...
BURSTS_SHARE: Final = 0.45
#: ... it lies this much further above the settled level than anything lies below it, ...
BURST_ABOVE: Final = 2.5
#: ... and the end is back within this share of the burst.
BURST_OVER: Final = 0.3
#: The times between bursts that usually differ by no more than this share come by the clock ...
EVEN: Final = 0.15
#: ... and are a cycle where at least this share of the bins is high.
EVEN_SHARE: Final = 0.15
#: Share of the level that samples range inside every bin where they rise and fall faster than bins can show.
FLUTTER: Final = 0.2
#: A step, of a release too, moves the level by this share of it ...
STEP_SHARE: Final = 0.08
#: ... and by this share of the range, ...
STEP_OF_SWING: Final = 0.35
#: ... after this share of the window; ...
STEP_AFTER: Final = 0.08
#: ... where no stepped shape won, by this share of the whole rise.
STEP_OF_RISE: Final = 0.6
#: Share of the level that a warm-up rises.
WARM_UP_RISE: Final = 0.1
#: The allocator changed with a release that moved what lies around the live heap, and the heap by less than this of it.
HEAP_STAYED: Final = 0.25
#: A stack of a thread as Rust makes it: what moved with more threads, by less for each, may be their stacks.
STACK_USUAL: Final = 2 << 20

# --- Several lives, pods and versions ---------------------------------------------------------------------------

#: A rise of one life, whenever it began, is growth no more probable than this, and than this with fewer samples.
ONE_RISE: Final = 0.8
ONE_RISE_SAMPLES: Final = 96
ONE_RISE_EARLY: Final = 0.6
#: Where a limit is known, its samples count this share while it has used none of the room to it, and in full from the
#: second share of the room on: what fills up to a bound leaves room.
ROOM_LEFT: Final = 0.5
ROOM_USED: Final = 0.5
#: A life with so many samples has outlived its start; so many climbs of such lives into the limit, each over this share
#: of the room above the early level, are a leak at least this probable.
CLIMBS: Final = 2
CLIMBED: Final = 0.3
CLIMBS_LEAK: Final = 0.9
#: No single life is surer than this, however long.
MOST_SURE: Final = 0.985
#: Lives that repeat the same shape repeat the same mistake: each counts this much of an independent one.
INDEPENDENCE: Final = 0.7
#: A life shorter than this share of the longest one says little about what comes after it ...
SHORT: Final = 0.3
#: ... and the one that stands for all is at least this share of the longest.
STANDS_FOR_ALL: Final = 0.6
#: What a life that hardly grew says counts this much when it ended in a burst: ...
JUMPED: Final = 0.15
#: ... its end above its middle, and its middle not above its early part, by this ratio, ...
JUMP_RATIO: Final = 1.1
#: Probability of growth from which on the lives before a release leaked.
LEAKED_BEFORE: Final = 0.7
#: Restarts mask a leak where at least so many lives rise, ...
MASKED_LIVES: Final = 3
#: ... which are this share of all lives.
MASKED_SHARE: Final = 0.7
#: Of what processes rose by, restarts take less than this share where it is data that grow: they begin again with them.
TAKEN: Final = 1 / 3
#: An instance that rests, and rose by this share of what the growing ones did, rose as they did.
ROSE_ALIKE: Final = 0.75
#: What the best of several pods loses, in log odds by the logarithm of their number: it looks better than it is.
BEST_OF_MANY: Final = 0.3

# --- A heap profile, by itself and beside the recording ---------------------------------------------------------

#: A change below this share of what is held, or was held before, is said to be none.
HEAP_SAME: Final = 0.01
#: Share of what the curve cannot tell that steady growth in a profile settles ...
HEAP_SETTLES: Final = 0.9
#: ... and how many times more probable it makes growth, against rest; its absence divides by the same.
HEAP_ODDS: Final = 4.0
#: Growth in a profile below this share of the recorded rate does not explain it, whatever the load was.
HEAP_EXPLAINS: Final = 0.02
#: The recorded growth would show in a profile where it brings this many times what moved in it anyway, ...
HEAP_SHOWS: Final = 4.0
#: ... and at least so many bytes; of a profile that samples so many of its intervals, of which seven are then seen.
HEAP_LEAST: Final = 64 << 10
HEAP_SAMPLED: Final = 12

# --- The forecast -----------------------------------------------------------------------------------------------

#: Share of itself by which the slope to come differs from the fitted one, beside the fit's own error (standard error):
#: with it the 80 % intervals hold 7 to 9 in 10 of what came after the windows of the development parts.
SLOPE_DOUBT: Final = 0.15
#: A straight line says nothing any more beyond so many windows like the one seen ...
HORIZON_WINDOWS: Final = 200.0
#: ... and so many weeks.
HORIZON_WEEKS: Final = 52
#: Lives that must have ended otherwise than by an OOM kill before restarts are taken to cap a life's length.
RESTARTS_CAP: Final = 3

#: Share of its rise that the whole must make beside its anonymous memory, where nothing tells the kernel's part.
UNSEEN: Final = 0.1

# --- The words and the checklist --------------------------------------------------------------------------------

#: Hours to the limit above which a headline only says that it is further away than 90 days.
FAR_HOURS: Final = 90 * 24
#: Share of the limit above which a peak leaves something to do.
PEAK_NEAR_LIMIT: Final = 0.9
#: Chance of an OOM kill within a week above which a workload is named, whatever is asked for, and worth to watch on.
RISKY: Final = 0.05
#: Share of the limit above which an average leaves too little room for a burst.
CLOSE_TO_LIMIT: Final = 0.8
#: Share of the footprint above which kept or reclaimable memory is easily taken for used.
RESERVED_SHARE: Final = 0.3
#: Probability from which on a fit is strong evidence (weight 3), and from which on it is good evidence (weight 2).
STRONG: Final = 0.95
GOOD: Final = 0.8
#: Share of the footprint from which on a layer is evidence.
LAYER_SHOWN: Final = 0.2
#: Threads from which on their number is worth a look though it does not rise.
MANY_THREADS: Final = 64
#: Coverage below which missing samples are mentioned.
COVERED: Final = 0.9
