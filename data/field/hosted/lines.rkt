#lang racket/base
; The same lines for Racket: a table that only grows, one that keeps the last entries, or garbage.
(require racket/tcp racket/string)
(define arguments (current-command-line-arguments))
(define-values (port size entries) (apply values (map string->number (vector->list arguments))))
(define kept (make-hasheqv))
(define (made key) (make-bytes size (modulo key 250)))
(define (work use key)
  (case use
    [("keep") (hash-set! kept key (made key))]
    [("put") (hash-set! kept key (made key)) (hash-remove! kept (- key entries))]
    [else (for/list ([i (in-range 40)]) (made i))]))
(define server (tcp-listen port 16 #t "127.0.0.1"))
(let accept ()
  (define-values (in out) (tcp-accept server))
  (let serve ()
    (define line (read-line in))
    (unless (eof-object? line)
      (define words (string-split line))
      (work (car words) (string->number (cadr words)))
      (write-string "ok\n" out)
      (flush-output out)
      (serve)))
  (accept))
