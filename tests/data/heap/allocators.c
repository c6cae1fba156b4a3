/* What an allocator keeps: live blocks, holes between them, and pages that nobody needs.
   Prints VmRSS before and after the allocator was asked to give back what it can; of jemalloc (options of its
   statistics) and of glibc (word "glibc") also what they say. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 20000, SIZE = 1000, BIG = 64, BIG_SIZE = 100000 };

static void *volatile kept[BLOCKS];
static char out[1 << 16]; /* standard output without an allocation */

static void *filled(size_t size) {
    void *block = malloc(size);
    memset(block, 1, size);
    return block;
}

static void *in_a_thread(void *nothing) {
    void *volatile blocks[100];
    for (int i = 0; i < 100; i++) blocks[i] = filled(3000);
    for (int i = 0; i < 100; i++) free(blocks[i]);
    return nothing;
}

static void say_rss(const char *when) {
    long pages = 0, skipped = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (fscanf(statm, "%ld %ld", &skipped, &pages) != 2) abort();
    fclose(statm);
    printf("VmRSS %s: %ld\n", when, pages * sysconf(_SC_PAGESIZE));
}

int main(int argc, char **argv) {
    const char *format = argc > 1 ? argv[1] : "";
    setvbuf(stdout, out, _IOFBF, sizeof out);
    pthread_t thread;
    pthread_create(&thread, 0, in_a_thread, 0);
    pthread_join(thread, 0);
    void *volatile big[BIG];
    for (int i = 0; i < BLOCKS; i++) kept[i] = filled(SIZE);
    for (int i = 0; i < BIG; i++) big[i] = filled(BIG_SIZE);
    void *volatile last = filled(SIZE);
    for (int i = 0; i < BIG; i++) free(big[i]);
    for (int i = 0; i < BLOCKS; i += 2) free(kept[i]);

    void (*print)(void *, void *, const char *) = dlsym(RTLD_DEFAULT, "malloc_stats_print");
    int (*control)(const char *, void *, size_t *, void *, size_t) = dlsym(RTLD_DEFAULT, "mallctl");
    say_rss("before");
    fflush(stdout);
    if (print) {
        print(0, 0, format);
        control("arena.4096.purge", 0, 0, 0, 0);
        print(0, 0, format);
    } else if (!strcmp(format, "glibc")) {
        malloc_info(0, stdout);
        struct mallinfo2 info = mallinfo2();
        printf("mallinfo2 arena=%zu ordblks=%zu hblks=%zu hblkhd=%zu uordblks=%zu fordblks=%zu keepcost=%zu\n", info.arena,
               info.ordblks, info.hblks, info.hblkhd, info.uordblks, info.fordblks, info.keepcost);
        fflush(stdout);
        malloc_stats();
    }
    if (!print) malloc_trim(0);
    say_rss("after");
    return last == 0;
}
