/* What the load clients of all protocols count alike, and their lines of JSON: steady, end (between the two the server's CPU
 * is measured), result. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H
#include <stdarg.h>
#include <sys/resource.h>
#include "clip.h"

enum { BINS = 100000, BIN_NS = 100000, SECOND = 1000000000, FAULTS = 8 };
enum Fault { MISSING, REPEATED, MISMATCHED, BACKWARDS, UNEXPECTED, REFUSED, CLOSED, PROTOCOL };

static const char *error_names[FAULTS] = {"missing", "repeated", "mismatched", "backwards", "unexpected", "refused", "closed",
                                          "protocol"};
static uint64_t errors[FAULTS], bins[BINS + 1], window_bytes, window_payload, window_frames;
static int measuring;
static char first_error[200];

static inline void fault(int viewer, enum Fault kind, uint64_t times, const char *format, ...) {
    errors[kind] += times;
    if (first_error[0]) return;
    va_list list;
    va_start(list, format);
    int n = snprintf(first_error, sizeof first_error, "viewer %d: ", viewer);
    vsnprintf(first_error + n, sizeof first_error - (size_t)n, format, list);
    va_end(list);
    for (char *c = first_error; *c; c++) if (*c == '"' || *c == '\\' || *c < 32) *c = '\'';
}

static inline uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline int64_t hexadecimal(const uint8_t *p, int digits) {       /* -1 when it is none */
    int64_t value = 0;
    for (int i = 0; i < digits; i++) {
        int digit = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

static inline void note_latency(int64_t late) {
    int64_t bin = late < 0 ? 0 : late / BIN_NS;
    bins[bin > BINS ? BINS : bin]++;
    window_frames++;
}

static inline double own_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static inline void say(const char *event) { printf("{\"event\": \"%s\"}\n", event); fflush(stdout); }

/* The result: opened, then each viewer that has played (its next picture), then closed. */
static int64_t lowest = INT64_MAX, highest = -1;
static const char *comma = "";

static inline void report_open(int playing, int failed, double seconds, double cpu) {
    printf("{\"event\": \"result\", \"joined\": %d, \"failed\": %d, \"seconds\": %.6f, \"bytes\": %llu, \"payload\": %llu, "
           "\"frames\": %llu, \"cpu\": %.4f, \"first_keyframe_us\": [", playing, failed, seconds,
           (unsigned long long)window_bytes, (unsigned long long)window_payload, (unsigned long long)window_frames, cpu);
}

static inline void report_viewer(int64_t first_keyframe_ns, int64_t next_video) {
    if (first_keyframe_ns < 0) return;
    printf("%s%lld", comma, (long long)first_keyframe_ns / 1000);
    comma = ", ";
    if (next_video < lowest) lowest = next_video;
    if (next_video > highest) highest = next_video;
}

static inline void report_close(void) {
    printf("], \"spread\": %lld, \"errors\": {", highest < 0 ? 0LL : (long long)(highest - lowest));
    for (int i = 0; i < FAULTS; i++) printf("%s\"%s\": %llu", i ? ", " : "", error_names[i], (unsigned long long)errors[i]);
    printf("}, \"first_error\": \"%s\", \"latency\": {", first_error);
    comma = "";
    for (int i = 0; i <= BINS; i++) {
        if (!bins[i]) continue;
        printf("%s\"%d\": %llu", comma, i, (unsigned long long)bins[i]);
        comma = ", ";
    }
    printf("}}\n");
    fflush(stdout);
}
#endif
