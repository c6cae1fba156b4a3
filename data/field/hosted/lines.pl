% The same lines for Prolog: facts that are never retracted, or solutions that are forgotten.
:- use_module(library(socket)).
:- dynamic kept/2.
work("keep", Key, Size) :- !, numlist(1, Size, Rows), assertz(kept(Key, Rows)).
work(_, Key, Size) :- findall(f(Key, X, Y), (between(1, Size, X), Y is X * Key), Rows), length(Rows, _).
serve(In, Out, Size) :-
    read_line_to_string(In, Line), Line \== end_of_file, !,
    split_string(Line, " ", "", [Use, Text]), number_string(Key, Text),
    work(Use, Key, Size), write(Out, "ok\n"), flush_output(Out),
    serve(In, Out, Size).
serve(_, _, _).
accept(Server, Size) :-
    tcp_accept(Server, Client, _), tcp_open_socket(Client, In, Out),
    serve(In, Out, Size), close(In, [force(true)]), close(Out, [force(true)]),
    accept(Server, Size).
:- initialization(main, main).
main([PortText, SizeText]) :-
    atom_number(PortText, Port), atom_number(SizeText, Size),
    tcp_socket(Server), tcp_setopt(Server, reuseaddr), tcp_bind(Server, '127.0.0.1':Port), tcp_listen(Server, 5),
    accept(Server, Size).
