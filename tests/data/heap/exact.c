/* Every allocation is known: prints how many there are, what is live at the end, and the most that was live.
   Writes nothing to the heap itself. Arguments: "kept" also allocates what a suppression names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long allocations, live, peak, blocks, temporary, total;
static void *volatile sink;

const char *__lsan_default_suppressions(void) { return "leak:kept_on_purpose\nleak:^never*$\n"; }

static void count(long size) {
    allocations++;
    blocks++;
    live += size;
    total += size;
    if (live > peak) peak = live;
}
static void gone(long size) {
    blocks--;
    live -= size;
}

__attribute__((noinline)) static void *leak(long size) {
    char *block = malloc(size);
    memset(block, 1, size);
    count(size);
    return block;
}
__attribute__((noinline)) static void *keep(long size) {
    char *block = malloc(size);
    memset(block, 2, size);
    count(size);
    return block;
}
__attribute__((noinline)) static void borrow(long size) {
    volatile char *block = malloc(size);
    block[0] = 3;
    count(size);
    free((void *)block);
    gone(size);
    temporary++;
}
/* A slot whose content is replaced: the old block is not the one that was allocated just before. */
__attribute__((noinline)) static void *replace(void *old, long size) {
    void *block = malloc(size);
    count(size);
    free(old);
    gone(size);
    return block;
}
__attribute__((noinline)) static void *kept_on_purpose(long size) {
    void *block = malloc(size);
    count(size);
    return block;
}

int main(int argc, char **argv) {
    void *kept[100];
    void *slot = keep(500);
    for (int i = 0; i < 100; i++) kept[i] = keep(1000 + i);
    for (int i = 0; i < 7; i++) sink = leak(333);
    for (int i = 0; i < 50; i++) borrow(64);
    for (int i = 0; i < 40; i++) slot = replace(slot, 500);
    void *grown = malloc(10);
    count(10);
    /* A realloc gives the old block back and takes a new one. */
    for (long size = 2000, before = 10; size <= 50000; before = size, size *= 5) {
        grown = realloc(grown, size);
        gone(before);
        temporary++;
        count(size);
        if (size * 5 > 50000) {
            free(grown);
            gone(size);
            temporary++;
        }
    }
    if (argc > 1 && !strcmp(argv[1], "kept")) sink = kept_on_purpose(123);
    for (int i = 0; i < 100; i++) {
        free(kept[i]);
        gone(1000 + i);
    }
    free(slot);
    gone(500);
    char text[200];
    int length = snprintf(text, sizeof text, "allocations=%ld total=%ld live=%ld blocks=%ld peak=%ld temporary=%ld\n",
                          allocations, total, live, blocks, peak, temporary);
    return write(1, text, length) != length;
}
