#!/usr/bin/env escript
%%! +S 2:2
%% The same lines for Erlang: a table that only grows, one whose rows are written again, or garbage of a process.
main([Port, Size]) ->
    {ok, Listen} = gen_tcp:listen(list_to_integer(Port), [binary, {packet, line}, {active, false}, {ip, {127, 0, 0, 1}}]),
    Rows = ets:new(rows, [set, public]),
    accept(Listen, Rows, list_to_integer(Size)).

accept(Listen, Rows, Size) ->
    {ok, Client} = gen_tcp:accept(Listen),
    serve(Client, Rows, Size),
    accept(Listen, Rows, Size).

serve(Client, Rows, Size) ->
    case gen_tcp:recv(Client, 0) of
        {ok, Line} ->
            [Use, Key] = binary:split(string:trim(Line), <<" ">>),
            work(Use, binary_to_integer(Key), Rows, Size),
            ok = gen_tcp:send(Client, <<"ok\n">>),
            serve(Client, Rows, Size);
        _ -> ok
    end.

text(Key, Size) -> [(Key * 31 + I) rem 97 || I <- lists:seq(1, Size div 16)].

work(<<"keep">>, Key, Rows, Size) -> ets:insert(Rows, {Key, text(Key, Size)});
work(<<"same">>, Key, Rows, Size) -> ets:insert(Rows, {Key rem 400, text(Key, Size)});
work(<<"work">>, Key, _, Size) -> lists:sum(lists:sort(text(Key, Size * 40))).
