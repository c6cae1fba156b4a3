# The same for Perl's servers: /keep/N appends to a list, anything else makes garbage only.
use strict;
use warnings;

my @kept;
my $size = $ENV{FIELD_SIZE} // 2000;

sub {
    my ($env) = @_;
    my $body = join ',', map { rand() . $env->{PATH_INFO} } 1 .. $size / 40;
    push @kept, $body if $env->{PATH_INFO} =~ m{^/keep/};
    return [200, ['Content-Type' => 'text/plain', 'Content-Length' => length $body], [$body]];
};
