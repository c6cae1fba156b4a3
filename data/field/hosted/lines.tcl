# The same lines for Tcl: an array that only grows, one that keeps the last entries, or garbage.
lassign $argv port size entries
array set kept {}
proc made {key size} { return [string repeat "$key " [expr {$size / ([string length $key] + 1)}]] }
proc work {use key} {
    global kept size entries
    switch $use {
        keep { set kept($key) [made $key $size] }
        put { set kept($key) [made $key $size]; unset -nocomplain kept([expr {$key - $entries}]) }
        work { set rows {}; for {set i 0} {$i < 200} {incr i} { lappend rows [made $i $size] } }
    }
}
proc serve {channel} {
    if {[gets $channel line] < 0} { if {[eof $channel]} { close $channel }; return }
    work {*}$line
    puts $channel ok
}
proc accept {channel host from} {
    fconfigure $channel -buffering line -blocking 0
    fileevent $channel readable [list serve $channel]
}
socket -server accept -myaddr 127.0.0.1 $port
vwait forever
